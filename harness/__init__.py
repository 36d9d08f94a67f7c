"""Baremark: what a virtualization architecture costs against the bare metal under it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.report.frames import Results

__version__ = "0.1.0"


def results(folder: str | Path = "results", runs: Sequence[str] = ()) -> Results:
    """The runs in a folder of results, or those named by name or path, as frames for a notebook:
    `.runs()`, `.trials()`, `.samples()`, `.overheads()` and `.table()`, each a polars frame with
    `.to_pandas()`. docs/python.md shows what can be done with them.

    Nothing is read before a frame is asked for; `import harness` alone loads no library.
    """
    from harness.report.frames import Results

    return Results(Path(folder), tuple(runs))
