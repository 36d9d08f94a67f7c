"""The axis of overhead: a log scale of the slowdown F, labelled as tables write it.

What is drawn is θ = ln F, so that F and 1/F are as far from native, which is at 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import product
from typing import Literal

import altair as alt

from harness.publish.charts.palette import LIGHT

TITLE = "overhead versus native (log scale)"
_LABEL = (
    "abs(datum.value) < 1e-9 ? 'native' : datum.value > 0.693 ? format(exp(datum.value), '.3~g')"
    " + '×' : format(100 * (exp(datum.value) - 1), '+.2~f') + ' %'"
)
_AT_NATIVE = "abs(datum.value) < 1e-9"
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
"""Distances of ticks in percent, where a factor of two is beyond the axis."""
_FINE = tuple(sorted(a * 10.0**b for a, b in product((1, 1.5, 2, 3, 5, 7), range(-6, 9))))
_COARSE = tuple(sorted(a * 10.0**b for a, b in product((1, 2, 5), range(-6, 9))))
_DECADES = tuple(10.0**b for b in range(-300, 300))
_MOST = 8
_LEAST_SPAN = math.log(1.02)
_ROOM = 0.05


def reach(factors: Iterable[float | None]) -> tuple[float, float]:
    """The ends of the axis as F: room around `factors` (None is passed over) and native's 1."""
    found = [1.0, *(each for each in factors if each is not None)]
    low, high = math.log(min(found)), math.log(max(found))
    room = max(_ROOM * (high - low), (_LEAST_SPAN - (high - low)) / 2, 0.002)
    return math.exp(low - room), math.exp(high + room)


def ticks(low: float, high: float) -> list[float]:
    """Round slowdown factors from `low` to `high`, at most eight and native's 1 among them."""
    if high < 2 and low > 0.5:
        begin, end = 100 * (low - 1), 100 * (high - 1)
        step = next((s for s in _STEPS if (end - begin) / s <= _MOST - 1), _STEPS[-1])
        return [
            1 + step * k / 100 for k in range(math.ceil(begin / step), math.floor(end / step) + 1)
        ]
    for values in (_FINE, _COARSE):
        inside = [value for value in values if low <= value <= high]
        if len(inside) <= _MOST:
            return inside
    inside = [value for value in _DECADES if low <= value <= high]
    every = -(-len(inside) // _MOST)
    return [value for value in inside if round(math.log10(value)) % every == 0]


def along(
    ends: tuple[float, float],
    orient: Literal["bottom", "left"] = "bottom",
    title: str | None = TITLE,
    labels: bool = True,
) -> tuple[alt.Scale, alt.Axis]:
    """The scale and the axis of an encoding of θ, with `ends` in F."""
    low, high = ends
    scale = alt.Scale(domain=[math.log(low), math.log(high)], nice=False, zero=False)
    axis = alt.Axis(
        values=[math.log(value) for value in ticks(low, high)],
        labelExpr=_LABEL,
        title=title,
        orient=orient,
        labels=labels,
        ticks=labels,
        grid=True,
        gridColor=alt.condition(_AT_NATIVE, alt.value(LIGHT["ink"]), alt.value(LIGHT["line"])),
        labelOverlap=True,
    )
    return scale, axis


def theta(factor: float | None) -> float | None:
    """θ of a slowdown factor; None stays None."""
    return None if factor is None else math.log(factor)
