"""The mistakes in an inventory: all are told at once, each with the file and line of its key."""

from __future__ import annotations

import re
from pathlib import Path

from harness.errors import UseError


class Mistakes:
    """Collects mistakes, each with the file and line that mention its key."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: list[str] = []

    def add(self, host: str, key: str, what: str) -> None:
        self._found.append(f"{self._where(key)}: host {host}: {key}: {what}")

    def raise_any(self) -> None:
        if self._found:
            raise UseError(
                f"the inventory {self._path} has mistakes:\n"
                + "\n".join(f"  {line}" for line in self._found),
                "mend them and ask again: baremark doctor -i " + str(self._path),
            )

    def _where(self, key: str) -> str:
        """`file:line` of every place in the inventory that sets the key, or the inventory."""
        places = []
        for file in self._files():
            if file.suffix not in {".yml", ".yaml", ".ini", ".json", ""} or not file.is_file():
                continue
            try:
                lines = file.read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError):
                continue
            places += [
                f"{file}:{number}"
                for number, line in enumerate(lines, 1)
                if re.search(rf"(?<![\w]){re.escape(key)}[\"']?\s*[:=]", line)
            ]
        return ", ".join(places[:3]) if places else str(self._path)

    def _files(self) -> list[Path]:
        """What Ansible reads: all of a folder, or a file and the variables beside it."""
        if self._path.is_dir():
            return sorted(self._path.rglob("*"))
        beside = [self._path.parent / name for name in ("group_vars", "host_vars")]
        return [self._path, *(file for folder in beside for file in sorted(folder.rglob("*")))]
