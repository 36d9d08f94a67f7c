"""Setting up again after it was interrupted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_venv_that_was_interrupted_before_it_had_pip_is_made_anew(tmp_path: Path) -> None:
    """Without an index no package comes, so it ends there; but then there is a pip."""
    shutil.copy(ROOT / "bootstrap.sh", tmp_path)
    made = [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / ".venv")]
    subprocess.run(made, check=True)
    done = subprocess.run(
        ["sh", "bootstrap.sh"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PIP_NO_INDEX": "1"},
    )
    assert done.returncode == 2
    assert "uv==" in done.stderr
    assert "error: the packages of Python could not be fetched" in done.stderr
    assert "to do: see what is said above; it takes a network" in done.stderr
    pip = [str(tmp_path / ".venv" / "bin" / "python"), "-m", "pip", "--version"]
    assert subprocess.run(pip, capture_output=True, check=False).returncode == 0


UNBOUND = """#!/bin/sh
case $* in *'import libvirt'*) exit 1 ;; esac
exit 0
"""
"""A Python in which all is well but for the binding."""

NO_BUILD = """#!/bin/sh
echo "$*" >>uv.log
case $* in
--version) echo 'uv 0.13.9' ;;
*'--extra kvm'*) echo 'error: the binding does not compile' >&2; exit 1 ;;
esac
"""


def test_without_the_binding_of_libvirt_all_else_is_set_up_and_it_is_said(tmp_path: Path) -> None:
    """On a machine without apt-get; what cannot be compiled is no error of the set-up."""
    shutil.copy(ROOT / "bootstrap.sh", tmp_path)
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    plain = tmp_path / "bin"
    plain.mkdir()
    for name in ("sh", "dirname", "basename", "grep", "id"):
        (plain / name).symlink_to(str(shutil.which(name)))
    (plain / "python3").symlink_to(sys.executable)
    scripts = {"python": UNBOUND, "uv": NO_BUILD}
    for name, text in scripts.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    (plain / "uname").write_text("#!/bin/sh\necho x86_64\n")
    (plain / "uname").chmod(0o755)
    done = subprocess.run(
        ["sh", "bootstrap.sh"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PATH": str(plain)},
    )
    assert done.returncode == 0, done.stderr
    assert "the binding does not compile" in done.stderr
    assert "no KVM guest can be measured: install libvirt-dev" in done.stderr
    asked = (tmp_path / "uv.log").read_text().splitlines()
    assert [("--extra kvm" in each) for each in asked if each.startswith("sync")] == [False, True]
