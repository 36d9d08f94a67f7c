"""The phases of `make test` and of CI: one that fails keeps no other from running, and is told.

Scripts stand in for the programs that the phases call; make, the Makefile and .ci/run are real.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = ("ruff", "mypy", "lint-imports", "ansible-lint", "baremark", "pytest")
CHECKS = ["ruff format", "ruff check", "mypy", "lint-imports", "ansible-lint"]
SCRIPT = """\
#!/bin/sh
echo "${0##*/} $*" >>"$LOG"
case "${0##*/} $*" in $BAD) exit 1 ;; esac
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (tmp_path / ".ci").mkdir()
    for name in ("Makefile", ".ci/run", "pyproject.toml", "uv.lock", "bootstrap.sh"):
        shutil.copy2(ROOT / name, tmp_path / name)
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    for name in PROGRAMS:
        (folder / name).write_text(SCRIPT)
        (folder / name).chmod(0o755)
    for name in (".ready", ".dev"):
        (tmp_path / ".venv" / name).touch()
    return tmp_path


def called(clone: Path, *command: str, bad: str = "none") -> tuple[int, list[str]]:
    """The exit status, and the first words of each program that was called."""
    log = clone / "log"
    log.unlink(missing_ok=True)
    mine = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    done = subprocess.run(
        command,
        cwd=clone,
        env={**mine, "LOG": str(log), "BAD": bad},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = log.read_text().splitlines()
    return done.returncode, [
        next((check for check in CHECKS if line.startswith(check)), line) for line in lines
    ]


def test_make_test_is_checks_packages_and_two_phases_of_tests(clone: Path) -> None:
    status, lines = called(clone, "make", "test")
    assert status == 0
    assert lines[:5] == CHECKS
    assert lines[5].startswith("baremark setup ")
    assert "tests/unit tests/contract tests/dataset" in lines[6]
    assert lines[7].strip() == "pytest -m main tests/system"
    assert len(lines) == 8


@pytest.mark.parametrize(
    "bad", ["ruff*", "mypy*", "lint-imports*", "ansible-lint*", "baremark*", "*unit*", "*main*"]
)
@pytest.mark.parametrize("more", [(), ("-j4",)])
def test_one_that_fails_keeps_no_other_from_running_and_the_status_tells(
    clone: Path, bad: str, more: tuple[str, ...]
) -> None:
    whole = called(clone, "make", "test")[1]
    status, lines = called(clone, "make", "test", *more, bad=bad)
    assert status != 0
    assert lines == whole


@pytest.mark.parametrize("bad", ["mypy*", "pytest*main*", "pytest*not long and not main*"])
def test_ci_runs_both_and_tells_a_failure_of_either(clone: Path, bad: str) -> None:
    status, whole = called(clone, ".ci/run")
    assert status == 0
    assert sum(line.startswith("pytest") for line in whole) == 4
    status, lines = called(clone, ".ci/run", bad=bad)
    assert status != 0
    assert lines == whole


def test_every_test_is_of_some_phase_of_make_test_all(clone: Path) -> None:
    _, lines = called(clone, "make", "test-all")
    phases = [line for line in lines if line.startswith("pytest")]
    folders = {path.name for path in (ROOT / "tests").iterdir() if (path / "__init__.py").exists()}
    for folder in folders:
        assert any(f"tests/{folder}" in phase for phase in phases), folder
