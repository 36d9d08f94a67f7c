"""Tables for people and programs: one table model, one small renderer a format.

A format is a module of this package with a function `render(table) -> str`; its name is the
module's. There is no list to keep.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UseError

if TYPE_CHECKING:
    from harness.publish.table import Table

_SHARED = frozenset(
    {
        "assemble",
        "charts",
        "figures",
        "made",
        "nights",
        "notes",
        "overheads",
        "reading",
        "series",
        "site",
        "table",
        "timeline",
    }
)
"""Modules that the renderers share and that are no format themselves."""

FORMATS: tuple[str, ...] = tuple(
    sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in _SHARED)
)


def require(format: str) -> None:
    """Raise UseError for a name not in `FORMATS`: before any work is done for it."""
    if format not in FORMATS:
        raise UseError(
            f"there is no table format {format!r}", f"choose one of: {', '.join(FORMATS)}"
        )


def render(table: Table, format: str) -> str:
    """`table` in the format of that name. Raises UseError for a name not in `FORMATS`."""
    require(format)
    text: str = import_module(f"{__name__}.{format}").render(table)
    return text


def name_of(runs: Sequence[str]) -> str:
    """The name of the files of a table of `runs`: short, however many they are."""
    return "+".join(runs) if len(runs) <= 2 else f"{runs[0]}+{len(runs) - 1}-more"


def write(text: str, path: Path) -> None:
    """Write `text` to `path` as UTF-8, as a whole or not at all.

    Raises HarnessError naming the folder where it cannot be written.
    """
    from harness.dataset import replace_file  # polars: only where something is written

    replace_file(path, text.encode())
