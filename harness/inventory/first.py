"""The inventory to begin with: this machine, as a copy of the one that came with the program."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness import files
from harness.errors import UseError
from harness.files import writing
from harness.model import installed


def write(folder: Path) -> None:
    """Write it into `folder`. Raises `UseError` where something is there: Ansible reads all of an
    inventory's folder, and nothing is overwritten."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UseError(
            f"{folder} is there already, and is not changed",
            "name another folder: baremark init DIR",
        )
    with writing(folder, files.ELSEWHERE):
        shutil.copytree(
            installed.folder("inventories") / "localhost",
            folder,
            copy_function=shutil.copyfile,
            dirs_exist_ok=True,
        )
