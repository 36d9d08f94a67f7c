"""The examples on docs/formats.md are what the commands above them print."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from harness.publish import exports, formats
from tests import waiting

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "formats.md").read_text()
EXAMPLES = re.findall(r"<!-- cut from: (.*?) -->\n```\w*\n(.*?)```", PAGE, re.DOTALL)
CUT = "…"
"""A line that stands for lines that were left out."""


@pytest.mark.parametrize(("command", "shown"), EXAMPLES, ids=[each[0] for each in EXAMPLES])
def test_an_example_is_cut_from_what_its_command_prints(
    command: str, shown: str, tmp_path: Path
) -> None:
    baremark = str(Path(sys.executable).with_name("baremark"))
    done = subprocess.run(
        [baremark, *shlex.split(command)[1:], "--results", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=waiting.GUARD_S,
    )
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()
    at = 0
    pieces = [piece.splitlines() for piece in re.split(f"^{CUT}\n", shown, flags=re.MULTILINE)]
    assert any(pieces)
    for piece in filter(None, pieces):
        places = [n for n in range(at, len(printed)) if printed[n : n + len(piece)] == piece]
        assert places, "\n".join(piece)
        at = places[0] + len(piece)


def test_the_page_names_every_format() -> None:
    assert len(EXAMPLES) == 6
    for name in formats.FORMATS:
        assert f"`{name}`" in PAGE
    for name in exports.FORMATS:
        assert f"baremark export {name}" in PAGE
