"""A file that is imported, read whole or refused."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UseError


def contents(path: Path, empty: str) -> bytes:
    """All of the file at `path`; UseError where it cannot be read, or, with the hint `empty`,
    where nothing is in it."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UseError(
            f"cannot read {path}: {error.strerror}", "check its name and its permissions"
        ) from None
    if not data.strip():
        raise UseError(f"{path} is empty", empty)
    return data
