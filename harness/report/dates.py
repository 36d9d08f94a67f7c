"""Runs whose date cannot be right, a sentence a host: a history stands in the order of dates."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

import polars as pl


def to_come(runs: pl.DataFrame, now: datetime) -> Iterator[str]:
    """Tell of the runs that began after `now`. `runs` has `host`, `run` and `started`."""
    for host, theirs in _by_host(runs.filter(pl.col("started") > now)):
        run, started = theirs[0]
        others = f" (and {len(theirs) - 1} more of {host})" if len(theirs) > 1 else ""
        yield (
            f"run {run}{others} is dated {started:%Y-%m-%d %H:%M}, which is still to come: a clock "
            f"was or is wrong, and what is measured until then will stand before it"
        )


def before_the_last(runs: pl.DataFrame, new: Collection[str]) -> Iterator[str]:
    """Tell of the `new` runs that are dated before one that was there already."""
    for host, theirs in _by_host(runs):
        last = [(run, started) for run, started in theirs if run not in new][-1:]
        for run, started in theirs:
            if run in new and last and started < last[0][1]:
                yield (
                    f"run {run} of {host} is dated {started:%Y-%m-%d %H:%M}, before run "
                    f"{last[0][0]}, which was there already: a clock was wrong, and the history "
                    "has it before that one"
                )


def _by_host(runs: pl.DataFrame) -> Iterator[tuple[str, list[tuple[str, datetime]]]]:
    """Every host with its runs and when they began, oldest first."""
    text = pl.col("host", "run").cast(pl.String)
    each = runs.select(text, "started").unique().sort("host", "started", "run")
    for (host,), theirs in each.group_by("host", maintain_order=True):
        yield str(host), list(theirs.select("run", "started").iter_rows())
