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
    assert done.returncode != 0
    assert "uv==" in done.stderr
    pip = [str(tmp_path / ".venv" / "bin" / "python"), "-m", "pip", "--version"]
    assert subprocess.run(pip, capture_output=True, check=False).returncode == 0
