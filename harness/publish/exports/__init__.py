"""Runs in the formats that other tools read: one small module a format, found by its name.

A format is a module of this package with a function `render(export) -> Exported`; its name is the
module's, with dashes. What a format cannot say without lying (a unit it does not know) is left out
and named, and what does not exist is not there: never a zero in its place. Every format carries the
labels of a target (emulated, nested, imported, accepted). Nothing here touches a machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from harness.errors import UseError
from harness.model.run import Run
from harness.patterns import modules
from harness.report.table import Table

FORMATS = tuple(name.replace("_", "-") for name in modules(__path__))


@dataclass(frozen=True, slots=True)
class Export:
    """What is exported: runs that were judged, and the table of exactly these.

    `fail_slower` is for formats that tell of success: a target that is slower by more than that
    ratio (0.1 is 10 %) is a failure; None: being slower is none.
    """

    runs: tuple[Run, ...]
    table: Table
    fail_slower: float | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """The text of an export; `left_out` says in a sentence each what is not in it, and why."""

    text: str
    left_out: tuple[str, ...] = ()


def require(format: str) -> None:
    """Raise UseError for a name not in `FORMATS`: before any work is done for it."""
    if format not in FORMATS:
        raise UseError(
            f"there is no export format {format!r}", f"choose one of: {', '.join(FORMATS)}"
        )


def judges(format: str) -> bool:
    """Whether that format tells of success, so that `Export.fail_slower` means something."""
    require(format)
    return bool(getattr(_module(format), "JUDGES", False))


def render(export: Export, format: str) -> Exported:
    """`export` in the format of that name. Raises UseError for a name not in `FORMATS`."""
    require(format)
    made: Exported = _module(format).render(export)
    return made


def _module(format: str) -> ModuleType:
    return import_module(f"{__name__}.{format.replace('-', '_')}")
