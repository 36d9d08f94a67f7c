"""The one door to the history of all runs: read where a chart or a page needs it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from harness.analyze.history import History


def history_of(results: Path) -> History:
    """The history of the runs in `results`; raises HarnessError where it cannot be made."""
    made: History = import_module("harness.publish.nights").of_results(results)
    return made
