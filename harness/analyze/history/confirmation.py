"""Whether a shift is what two releases side by side say: old and new in the same blocks.

A change of level between two nights has as many explanations as there are days between them. A
run that has a target on the old release and one on the new, of one backend on the same host, has
one: it is compared block by block, as any overhead is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from harness.analyze.history.history import CONFIRMED, REFUTED, UNCONFIRMED, Shift
from harness.analyze.statistics.estimate import Floats, estimate
from harness.analyze.verdict import EQUIVALENT_WITHIN
from harness.model.workload import Resource

_LEVEL = 0.95
_EQUIVALENT_LEVEL = 0.90
"""The interval that lies inside the margin where equivalence is shown at 5 % (Schuirmann 1987)."""


@dataclass(frozen=True, slots=True)
class SideBySide:
    """A run with two releases of one backend on a host: the targets by release."""

    run: str
    host: str
    label: str
    targets: Mapping[str, str]


def side_by_side(observed: pl.DataFrame) -> tuple[SideBySide, ...]:
    """The runs that can tell releases apart, the oldest first; `observed` has the columns of
    `harness.dataset.targets.SCHEMA`."""
    keys = ["started", "run", "host", "backend", "label"]
    rows = observed.filter(
        pl.col("release").is_not_null() & ~pl.col("native") & ~pl.col("imported")
    ).filter(pl.col("release").n_unique().over(keys) > 1)
    rows = rows.with_columns(pl.col(pl.Categorical).cast(pl.String)).sort(*keys, "target")
    out = []
    for (_, run, host, _, label), theirs in rows.group_by(keys, maintain_order=True):
        targets: dict[str, str] = {}
        for release, target in theirs.select("release", "target").iter_rows():
            targets.setdefault(release, target)
        out.append(SideBySide(str(run), str(host), str(label), targets))
    return tuple(out)


def able(shift: Shift, known: Sequence[SideBySide]) -> Iterator[SideBySide]:
    """Those of `known` that have both releases of the shift, under its label on its host, the
    latest first."""
    for each in reversed(known):
        if (
            shift.releases is not None
            and (each.host, each.label) == (shift.host, shift.label)
            and all(release in each.targets for release in shift.releases)
        ):
            yield each


def confirmed(
    shift: Shift, version: int, resource: str, known: Sequence[SideBySide], samples: pl.DataFrame
) -> Shift:
    """`shift` with the status that the latest run gives it that can tell; others stay as they are.

    `version` is the workload's and `resource` what it stresses; `samples` holds the rows of the
    runs of `known` (columns of `harness.dataset.samples.SCHEMA`, text as String). Confirmed: the
    interval of new against old excludes 1 in the shift's direction. Refuted: it excludes 1 in the
    other, or the two are shown to be equivalent.
    """
    if shift.releases is None:
        return shift
    old, new = shift.releases
    margin = EQUIVALENT_WITHIN[Resource(resource)]
    tried = []
    for each in able(shift, known):
        d = _differences(shift, version, each, samples)
        tried.append(each.run)
        if (status := judged(d, shift.ratio > 1, margin)) != UNCONFIRMED:
            return replace(shift, status=status, told=each.run)
    if tried:
        why = f"run {tried[0]} has both releases and does not resolve it: measure more blocks"
    else:
        why = (
            f"no run has both {old} and {new} side by side: compare them where the old release "
            "can still be had (baremark compare --releases)"
        )
    return replace(shift, told=why)


def judged(d: Floats, slower: bool, margin: float) -> str:
    """The status by `d` (blocks,), the log slowdown of new against old in each block.

    `slower` tells the direction of the shift, `margin` is the half width of equivalence as a ratio.
    """
    if d.size == 0:
        return UNCONFIRMED
    whole = estimate(d, _LEVEL)
    if whole.low is None or whole.high is None:
        return UNCONFIRMED
    if whole.low > 0 or whole.high < 0:
        return CONFIRMED if (whole.low > 0) == slower else REFUTED
    inner = estimate(d, _EQUIVALENT_LEVEL)
    within = math.log1p(margin)
    if inner.low is None or inner.high is None:
        return UNCONFIRMED
    return REFUTED if -within < inner.low and inner.high < within else UNCONFIRMED


def _differences(shift: Shift, version: int, pair: SideBySide, samples: pl.DataFrame) -> Floats:
    """s·(ln x_new − ln x_old) of each block of `pair` in which both gave a value over zero."""
    assert shift.releases is not None
    rows = samples.filter(
        pl.col("run") == pair.run,
        pl.col("scenario") == shift.scenario,
        pl.col("workload") == shift.workload,
        pl.col("workload_version") == version,
        pl.col("metric") == shift.metric,
        pl.col("value").is_not_null(),
    )
    old, new = (
        rows.filter(pl.col("target") == pair.targets[release])
        .group_by("block")
        .agg(pl.col("value").mean(), pl.col("better").first())
        for release in shift.releases
    )
    both = old.join(new, on="block", suffix="_new").filter(
        (pl.col("value") > 0) & (pl.col("value_new") > 0)
    )
    sign = np.where((both["better"] == "lower").to_numpy(), 1.0, -1.0)
    ratio = np.log(both["value_new"].to_numpy()) - np.log(both["value"].to_numpy())
    return np.asarray(sign * ratio)
