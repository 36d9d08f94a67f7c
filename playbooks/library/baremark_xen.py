#!/usr/bin/python
"""Ansible module: what Xen's dom0 has and what domains stand on it. It only looks.

A domain is Baremark's if its UUID begins as only Baremark's do: the UUID is given when a domain is
made, so even a half made one is known, and it stays until the domain is gone.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: baremark_xen
short_description: What Xen's dom0 has and what domains stand on it
options: {}
"""

UUID_PREFIX = "62617265-6d61-726b-"
"""The letters of "baremark"."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LIMIT_S = 60
LINE = re.compile(r"(\S.*?)\s+(\d+)\s+\d+\s+\d+\s+([a-z-]{6})\s+[\d.]+\s+([0-9a-f-]{36})\b")
DEVICE_MODELS = (
    "/usr/libexec/xen-qemu-system-i386",
    "/usr/lib*/xen*/bin/qemu-system-i386",
    "/usr/libexec/xen/bin/qemu-system-i386",
    "/usr/local/lib/xen/bin/qemu-system-i386",
)


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    xl = shutil.which("xl", path=PATH)
    dom0 = "control_d" in _text("/proc/xen/capabilities")
    found: dict[str, Any] = {
        "hypervisor": _text("/sys/hypervisor/type"),
        "dom0": dom0,
        "xl": xl,
        "device_model": _first(DEVICE_MODELS),
        "answers": False,
        "said": "",
        "domains": [],
    }
    if xl is not None and dom0:
        found.update(_ask(xl))
    module.exit_json(changed=False, **found)


def _ask(xl: str) -> dict[str, Any]:
    status, told, said = _run(xl, "info")
    if status == 0:
        status, listed, said = _run(xl, "list", "--verbose")
    if status == 0:
        status, vcpus, said = _run(xl, "vcpu-list", "0")
    if status != 0:
        return {"said": said}
    info = {
        name.strip(): value.strip()
        for name, _, value in (line.partition(":") for line in told.splitlines())
    }
    bound = [words[-3] for words in map(str.split, vcpus.splitlines()[1:]) if "/" in words]
    return {
        "answers": True,
        "release": info.get("xen_version", ""),
        "cpus": int(info["nr_cpus"]),
        "free_mib": int(info["free_memory"]),
        "types": _types(info.get("xen_caps", "")),
        "dom0_bound": info["nr_cpus"] == "1" or (bool(bound) and "all" not in bound),
        "domains": domains(listed),
    }


def _types(caps: str) -> list[str]:
    """The types of guests that Xen can run here, from its list of interfaces."""
    pv = ["pv"] if re.search(r"\bxen-\S*x86_64", caps) else []
    return pv + (["pvh", "hvm"] if re.search(r"\bhvm-\S*x86_64", caps) else [])


def domains(text: str) -> list[dict[str, Any]]:
    """The guests in `xl list --verbose`; dom0 is none."""
    found = []
    for line in text.splitlines()[1:]:
        match = LINE.match(line)
        if match is None or match[2] == "0":
            continue
        name, number, state, uuid = match.groups()
        found.append(
            {
                "name": name,
                "id": int(number),
                "ended": any(letter in state for letter in "scd"),
                "ours": uuid.startswith(UUID_PREFIX) and name.startswith("baremark-"),
            }
        )
    return found


def _run(*argv: str) -> tuple[int, str, str]:
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, timeout=LIMIT_S, env={"PATH": PATH}
        )
    except subprocess.TimeoutExpired:
        return 1, "", f"{' '.join(argv)} gave no answer within {LIMIT_S} s"
    said = (done.stderr or done.stdout).strip().splitlines()
    return done.returncode, done.stdout, said[-1] if said else "it failed without a word"


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _first(patterns: tuple[str, ...]) -> str | None:
    found = (str(path) for each in patterns for path in sorted(Path("/").glob(each.lstrip("/"))))
    return next(found, None)


if __name__ == "__main__":
    main()
