"""The report of docs/platforms.md: a row for each release on which the tests ran `make bench`.

`python -m tests.platforms` puts what the tests left in `.cache/platforms` into the page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "platforms.md"
REPORTS = ROOT / ".cache" / "platforms"
COLUMNS = {
    "release": "release",
    "python": "Python",
    "libvirt": "libvirt",
    "qemu": "QEMU",
    "docker": "Docker",
    "pid1": "PID 1",
    "cgroups": "control groups",
    "run": "what was run",
    "outcome": "what came out",
    "date": "date",
}
_VERSION = re.compile(r"\d+(?:\.\d+)+")


def facts(text: str) -> dict[str, str]:
    """What `tests/system/fresh-root` wrote of a machine: versions as numbers, the rest as it is."""
    found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    for name in ("python", "libvirt", "qemu", "docker"):
        version = _VERSION.search(found.get(name, ""))
        found[name] = version[0] if version else "none"
    found["cgroups"] = "version 2" if found.get("cgroups") == "cgroup2fs" else "version 1"
    return found


def row(report: Mapping[str, str]) -> str:
    return "| " + " | ".join(report[name] for name in COLUMNS) + " |"


def put(report: Mapping[str, str], page: str) -> str:
    """The page with this row in the place of the one of its release, or behind all others."""
    head = "| " + " | ".join(COLUMNS.values()) + " |"
    start = page.index(head)
    end = page.index("\n\n", start)
    lines = page[start:end].splitlines()
    kept = [line for line in lines if not line.startswith(f"| {report['release']} |")]
    return page[:start] + "\n".join([*kept, row(report)]) + page[end:]


def main() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for file in sorted(REPORTS.glob("*.json")):
        page = put(json.loads(file.read_text(encoding="utf-8")), page)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
