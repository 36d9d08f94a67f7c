"""The history of overheads: night by night, cut where something known changed, and what shifted.

A series is one target × workload × metric of one host and scenario under one label; a night is a
run. The value of a night is the overhead of that night's own pairs with native, so that what moves
both leaves it as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

SERIES = (
    "host",
    "scenario",
    "target",
    "backend",
    "class",
    "label",
    "resource",
    "workload",
    "workload_version",
    "metric",
    "headline",
    "unit",
    "better",
)
"""What names a series."""

NIGHT = (
    "run",
    "started",
    "n",
    "F",
    "F_low",
    "F_high",
    "overhead_percent",
    "overhead_low",
    "overhead_high",
    "native_value",
    "epoch",
    "changed",
    "nested",
)
"""What `History.nights` says of one night of a series."""

UNCONFIRMED = "unconfirmed"
CONFIRMED = "confirmed"
REFUTED = "refuted"
ACKNOWLEDGED = "acknowledged"


@dataclass(frozen=True, slots=True)
class Shift:
    """A change of the level of one series, between the night before `run` and `run`.

    `before` and `after` are the slowdown factors F of the two levels, `ratio` after/before with its
    interval `low` to `high`, `p` of the test that nothing changed. `moved` is `backend` where only
    the ratio to native moved, `host` where native's own values moved too. `changed` tells what the
    fingerprints say was new that night (None: nothing that is known), `status` is `unconfirmed`,
    `confirmed` or `refuted` (by an interleaved comparison of old and new), or `acknowledged`;
    `told` is the sentence of whoever acknowledged it, or the run that confirmed it. `releases` are
    the old and the new release of the target's hypervisor where that is what changed: what an
    interleaved comparison has to compare.
    """

    host: str
    scenario: str
    target: str
    label: str
    workload: str
    metric: str
    run: str
    started: datetime
    before: float
    after: float
    ratio: float
    low: float
    high: float
    p: float
    moved: str
    changed: str | None
    status: str
    told: str | None = None
    releases: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class History:
    """`nights` has a row a series and run, in the order of `SERIES` and time: the columns of
    `SERIES`, `run`, `started`, `n`, `F`, `F_low`, `F_high`, `overhead_percent`, `overhead_low`,
    `overhead_high`, `native_value` (native's median that night, in `unit`), `epoch` (counted from
    0 in each series), `changed` (what began this epoch, on its first night; else null) and
    `nested` (whether native was itself a guest that night; null: not observable).
    `warnings` tell what is not in it and why: runs that cannot be read, or have no native."""

    nights: pl.DataFrame
    shifts: tuple[Shift, ...]
    warnings: tuple[str, ...] = ()
