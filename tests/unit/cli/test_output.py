"""Standard output in the locale of any terminal, and files that are UTF-8 in all of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BAREMARK = Path(sys.executable).with_name("baremark")
EXAMPLE = str(ROOT / "docs" / "example")

LOCALES = {
    "a Latin terminal": ({"PYTHONIOENCODING": "iso-8859-15"}, "iso-8859-15"),
    "ASCII": ({"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, "ascii"),
    "a locale that is not there": ({"LC_ALL": "xx_XX.ISO-8859-15"}, "utf-8"),
    "nothing set": ({}, "utf-8"),
}


def asked(tmp_path: Path, name: str, *words: str) -> str:
    variables, encoding = LOCALES[name]
    done = subprocess.run(
        [str(BAREMARK), *words],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    return done.stdout.decode(encoding)


@pytest.mark.parametrize("name", LOCALES)
def test_a_table_is_shown_whatever_the_locale_and_its_file_is_the_same_in_all(
    tmp_path: Path, name: str
) -> None:
    shown = asked(tmp_path, name, "table", EXAMPLE).splitlines()
    usual = asked(tmp_path, "nothing set", "table", EXAMPLE).splitlines()
    assert [len(line) for line in shown] == [len(line) for line in usual]
    told = asked(tmp_path, "nothing set", "table", EXAMPLE, "--format", "markdown")
    assert "Δ" in told
    markdown = tmp_path / "markdown.md"
    asked(tmp_path, name, "table", EXAMPLE, "--format", "markdown", "-o", str(markdown))
    assert markdown.read_text(encoding="utf-8") == told
