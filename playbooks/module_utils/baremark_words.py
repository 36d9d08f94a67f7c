"""What something said last, and where all of it stands: for messages of what does not come up."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

LINES = 12


def last_words(files: Iterable[str | Path | None], command: Sequence[str] = ()) -> str:
    """The end of each file that has any text, under its path, and of what the command prints.

    Begins with `; ` to stand behind the message; empty where there is nothing to read.
    """
    said = {str(file): _read(file) for file in files if file is not None}
    if command:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=60
        )
        said[" ".join(command)] = done.stdout.decode(errors="replace")
    return "".join(
        f"; its last lines ({place}):\n" + "\n".join(text.splitlines()[-LINES:])
        for place, text in said.items()
        if text.strip()
    )


def _read(file: str | Path) -> str:
    try:
        return Path(file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
