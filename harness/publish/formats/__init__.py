"""Tables for people and programs: one table model, one small renderer a format.

A format is a module of this package with a function `render(table) -> str`; its name is the
module's. One that is no text says `BINARY = True`, and its `render` gives bytes. There is no list
to keep.
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from harness import files
from harness.errors import HarnessError, UseError
from harness.patterns import modules

if TYPE_CHECKING:
    from harness.report.table import Table


FORMATS = modules(__path__)

Text = Literal["csv", "html", "json", "latex", "markdown", "terminal"]
"""The formats that are text, for type checkers alone: what is rendered is found by its module."""


def require(format: str) -> None:
    """Raise UseError for a name not in `FORMATS`: before any work is done for it."""
    if format not in FORMATS:
        raise UseError(
            f"there is no table format {format!r}", f"choose one of: {', '.join(FORMATS)}"
        )


def binary(format: str) -> bool:
    """Whether that format is bytes and no text. Raises UseError for a name not in `FORMATS`."""
    require(format)
    return bool(getattr(import_module(f"{__name__}.{format}"), "BINARY", False))


@overload
def render(table: Table, format: Text) -> str: ...
@overload
def render(table: Table, format: str) -> str | bytes: ...
def render(table: Table, format: str) -> str | bytes:
    """`table` in the format of that name: text, or bytes where it is `binary`.

    Raises UseError for a name not in `FORMATS`.
    """
    require(format)
    content: str | bytes = import_module(f"{__name__}.{format}").render(table)
    return content


def name_of(runs: Sequence[str]) -> str:
    """The name of the files of a table of `runs`: short, however many they are."""
    return "+".join(runs) if len(runs) <= 2 else f"{runs[0]}+{len(runs) - 1}-more"


def write(content: str | bytes, path: Path) -> None:
    """Write `content` to `path`, text as UTF-8, as a whole or not at all; into what is no regular
    file (a pipe, a terminal, /dev/null), and through a symbolic link.

    Raises HarnessError naming the folder where it cannot be written.
    """

    data = content.encode() if isinstance(content, str) else content
    if _is_special(path):
        # A rename would put a file in the place of the device itself.
        try:
            path.write_bytes(data)
        except OSError as error:
            raise HarnessError(
                f"cannot write to {path}: {error.strerror or error}", "name another file"
            ) from None
        return
    files.replace(path.resolve() if path.is_symlink() else path, data)


def _is_special(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
