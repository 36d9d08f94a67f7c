"""The shifts of a history: changes of level inside an epoch, and from one epoch to the next.

Inside an epoch nobody knows of a change, so its night is searched for, and what was split is
searched again (binary segmentation). From epoch to epoch the night is known. Tests that belong
together are judged together by Benjamini & Hochberg: those of all series of a host in the epochs
that one night began, and those of all series that one night cut. So a night has a verdict of its
own, which years of other nights do not change, but by telling how noisy a series is: after a cut
its few nights alone hardly could.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from harness.analyze.history import epochs
from harness.analyze.history.history import UNCONFIRMED, Shift
from harness.analyze.history.series import Table
from harness.analyze.statistics.ar1 import Noise
from harness.analyze.statistics.changes import LEAST, STEP_SIDE, Step, noise, scan, step
from harness.analyze.statistics.codes import ordered_codes
from harness.analyze.statistics.estimate import Floats, Ints
from harness.analyze.verdict import adjusted

ALPHA = 0.05
"""Of the changes told of a night, the share that is expected to be none."""
LEVEL = 0.95
"""Of the interval of a shift."""
NEAR = 3
"""Native moved too where it did within so many nights."""

_NAMES = ("host", "scenario", "target", "label", "workload", "metric", "run", "started")


@dataclass(frozen=True, slots=True)
class _Level:
    """Nights of one series and epoch without a change among them: their places among the nights
    that have a value. `p` is of the search that found a change at its first night; None where the
    epoch begins there."""

    series: int
    epoch: int
    start: int
    size: int
    p: float | None


def shifts(nights: Table) -> tuple[Shift, ...]:
    """Every shift of every series, the latest first, none confirmed yet."""
    overhead = nights.logs("F")
    rows = np.flatnonzero(np.isfinite(overhead))
    values = overhead[rows]
    if not rows.size:
        return ()
    stretches = _stretches(nights, rows)
    known = noise(values, stretches.start, stretches.size, stretches.series)
    levels = [
        level
        for level in _levels(nights, rows, values, stretches, known)
        if level.size >= STEP_SIDE
    ]
    pairs = [
        (one, other) for one, other in itertools.pairwise(levels) if one.series == other.series
    ]
    if not pairs:
        return ()
    found = _steps(values, pairs, known, level=None)
    p = np.array([math.nan if after.p is None else after.p for _, after in pairs])
    cut = np.flatnonzero(np.isnan(p))
    p[cut] = found.p[cut]
    real = np.ones(len(pairs), dtype=np.bool_)
    if cut.size:
        family = _families(nights, rows[[pairs[each][1].start for each in cut.tolist()]])
        real[cut] = _hochberg(p[cut], family) <= ALPHA
    pairs = [pairs[each] for each in np.flatnonzero(real).tolist()]
    if not pairs:
        return ()
    found = _steps(values, pairs, known, level=LEVEL)
    native = nights.logs("native_value")[rows]
    return tuple(
        sorted(
            (
                _shift(nights, rows, values, native, pair, found, number, p_of_it)
                for number, (pair, p_of_it) in enumerate(zip(pairs, p[real].tolist(), strict=True))
            ),
            key=lambda shift: (shift.started, *(getattr(shift, name) for name in _NAMES[:6])),
            reverse=True,
        )
    )


@dataclass(frozen=True, slots=True)
class _Stretches:
    """The values of each series and epoch: the number of the series and the epoch, and where among
    the nights that have a value they begin, and how many they are."""

    series: Ints
    epoch: Ints
    start: Ints
    size: Ints

    def each(self) -> Iterator[tuple[int, int, int, int]]:
        columns = (self.series, self.epoch, self.start, self.size)
        return zip(*(column.tolist() for column in columns), strict=True)


def _stretches(nights: Table, rows: Ints) -> _Stretches:
    series, epoch = nights.series[rows].astype(np.int64), nights.epoch[rows]
    start = np.flatnonzero((np.diff(series, prepend=-1) != 0) | (np.diff(epoch, prepend=-1) != 0))
    return _Stretches(series[start], epoch[start], start, np.diff(start, append=rows.size))


def _levels(
    nights: Table, rows: Ints, values: Floats, stretches: _Stretches, known: Noise
) -> list[_Level]:
    """The values of each series and epoch, split where the search found a change."""
    found = _searched(values, stretches, known)
    tests = list(found)
    inside: dict[int, list[_Split]] = {}
    if tests:
        family = _families(nights, rows[stretches.start[[each.segment for each in tests]]])
        judged = _hochberg(np.array([each.p for each in tests]), family) <= ALPHA
        kept: set[int] = set()
        for number, each in enumerate(tests):
            # A part is searched only because the whole was split.
            if judged[number] and (each.parent is None or each.parent in kept):
                kept.add(number)
                inside.setdefault(each.segment, []).append(each)
    out = []
    for segment, (series, epoch, start, size) in enumerate(stretches.each()):
        splits = sorted(inside.get(segment, []), key=lambda each: each.at)
        edges = [start, *(each.at for each in splits), start + size]
        ps = [None, *(each.p for each in splits)]
        out += [
            _Level(series, epoch, begin, end - begin, p)
            for begin, end, p in zip(edges, edges[1:], ps, strict=False)
        ]
    return out


@dataclass(frozen=True, slots=True)
class _Split:
    """A likeliest change: in which of the segments given, before which value, of what test, and
    the number of the test that made the part in which it is (None: the segment is whole)."""

    segment: int
    at: int
    p: float
    parent: int | None


def _searched(values: Floats, stretches: _Stretches, known: Noise) -> Iterator[_Split]:
    """The likeliest change of each segment that is long enough, and of the parts of those that
    are split there; a part comes after what it is a part of."""
    number = 0
    todo: list[tuple[int, int, int, int | None]] = [
        (segment, start, size, None)
        for segment, (_, _, start, size) in enumerate(stretches.each())
        if size >= LEAST
    ]
    while todo:
        places = np.array([start for _, start, _, _ in todo])
        lengths = np.array([size for _, _, size, _ in todo])
        series = stretches.series[[segment for segment, *_ in todo]]
        found = scan(values, places, lengths, known.of(series))
        again: list[tuple[int, int, int, int | None]] = []
        for part, split, p in zip(todo, found.split.tolist(), found.p.tolist(), strict=True):
            segment, start, size, parent = part
            if p <= ALPHA:
                again += [
                    (segment, at, length, number)
                    for at, length in ((start, split), (start + split, size - split))
                    if length >= LEAST
                ]
            yield _Split(segment, start + split, p, parent)
            number += 1
        todo = again


def _steps(
    values: Floats, pairs: list[tuple[_Level, _Level]], known: Noise, level: float | None
) -> Step:
    """The step from the one level of each pair to the other."""
    places = [_places(pair) for pair in pairs]
    sizes = np.array([each.size for each in places])
    splits = np.array([one.size for one, _ in pairs])
    series = np.array([one.series for one, _ in pairs])
    starts = np.cumsum(sizes) - sizes
    return step(values[np.concatenate(places)], starts, sizes, splits, known.of(series), level)


def _places(pair: tuple[_Level, _Level]) -> Ints:
    return np.concatenate([np.arange(each.start, each.start + each.size) for each in pair])


def _families(nights: Table, rows: Ints) -> Ints:
    """A number for the host, scenario and run of each of `rows`."""
    of = nights.table.select("host", "scenario", "run")[rows]
    return ordered_codes(of.get_columns())[0].astype(np.int64)


def _hochberg(p: Floats, family: Ints) -> Floats:
    """The p adjusted over each family (Benjamini & Hochberg 1995)."""
    frame = pl.DataFrame({"p": p, "family": family}).with_columns(
        pl.lit(False).alias("headline"), pl.lit(False).alias("control")
    )
    return adjusted(frame, ["family"])["p_adjusted"].to_numpy()


def _shift(
    nights: Table,
    rows: Ints,
    values: Floats,
    native: Floats,
    pair: tuple[_Level, _Level],
    found: Step,
    number: int,
    p: float,
) -> Shift:
    one, other = pair
    last, first = int(rows[one.start + one.size - 1]), int(rows[other.start])
    changed, releases = None, None
    if one.epoch != other.epoch:
        was, now = (nights.known[int(nights.state[row])] for row in (last, first))
        changed = epochs.changed(was, now)
        releases = epochs.differences(was, now).get("release")
    before = float(values[one.start : one.start + one.size].mean())
    shift, low, high = (float(of[number]) for of in (found.shift, found.low, found.high))
    name = nights.table.row(first, named=True)
    return Shift(
        **{key: name[key] for key in _NAMES},
        before=math.exp(before),
        after=math.exp(before + shift),
        ratio=math.exp(shift),
        low=math.exp(low),
        high=math.exp(high),
        p=p,
        moved="host" if _moved(native[_places(pair)], one.size) else "backend",
        changed=changed,
        status=UNCONFIRMED,
        releases=releases,
    )


def _moved(native: Floats, split: int) -> bool:
    """Whether native changed too, within `NEAR` nights of the split: `step` at each of them, by
    Bonferroni."""
    good = np.isfinite(native)
    split = int(good[:split].sum())
    series = native[good]
    splits = np.arange(split - NEAR, split + NEAR + 1)
    many = np.full(splits.size, series.size)
    p = step(series, np.zeros_like(splits), many, splits, level=None).p
    tried = np.isfinite(p)
    return bool(tried.any()) and float(np.nanmin(p)) * int(tried.sum()) <= ALPHA
