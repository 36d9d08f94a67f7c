"""Series over nights as text: an overview, one cell in detail, JSON and CSV."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

import polars as pl
from rich import box
from rich.table import Table as Grid
from rich.text import Text

from harness.analyze.history.history import (
    ACKNOWLEDGED,
    CONFIRMED,
    NIGHT,
    REFUTED,
    SERIES,
    History,
    Shift,
)
from harness.analyze.verdict import EQUIVALENT_WITHIN
from harness.model.estimate import Estimate
from harness.model.workload import Resource
from harness.publish.formats._screen import Screen
from harness.report import numbers
from harness.report.columns import called
from harness.report.series import OF_SHIFT, HistorySeries

VERSION = 1
"""Of the JSON document's format."""


def as_json(history: History, chosen: Sequence[HistorySeries]) -> str:
    """The series with their nights and shifts, unrounded; what is not known is null."""
    lines = (
        _json(
            {
                **each.name,
                "nights": each.nights.with_columns(_iso()).to_dicts(),
                "shifts": [
                    {**asdict(shift), "started": shift.started.isoformat()} for shift in each.shifts
                ],
            }
        )
        for each in chosen
    )
    series = ",\n".join(lines)
    return (
        f'{{"version": {VERSION},\n"series": [\n{series}\n],\n'
        f'"warnings": {_json(list(history.warnings))}}}\n'
    )


def _json(value: object) -> str:
    """On one line: with an indent hundreds of thousands of nights would take seconds."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def as_csv(chosen: Sequence[HistorySeries]) -> str:
    """A line a series and night, every figure unrounded, with the shift that begins there; an
    empty field is a value that is not known."""
    frames = []
    for each in chosen:
        told = {shift.run: shift for shift in each.shifts}
        runs = each.nights["run"].to_list()
        columns = [
            pl.Series(
                f"shift_{name}",
                [getattr(told[run], name) if run in told else None for run in runs],
                dtype=pl.Float64() if name in {"ratio", "low", "high", "p"} else pl.String(),
            )
            for name in OF_SHIFT
        ]
        names = [pl.lit(value).alias(key) for key, value in each.name.items()]
        frames.append(
            each.nights.with_columns(*names, _iso(), *columns).select(
                *SERIES, *NIGHT, *(f"shift_{name}" for name in OF_SHIFT)
            )
        )
    return pl.concat(frames, how="vertical_relaxed").write_csv()


def _iso() -> pl.Expr:
    return pl.col("started").dt.strftime("%Y-%m-%dT%H:%M:%S%:z")


_BARS = "▁▂▃▄▅▆▇█"
_GAP = "·"
"""A night, or several, of which there is no overhead."""
_SHIFT = "│"
_CUT = "┊"
_WIDTH = 64
_NARROW = 20
_LAST = 30
"""Nights listed in detail unless it is said since when."""
_LEVEL = 0.95
_STYLES = {CONFIRMED: "bold red", ACKNOWLEDGED: "dim", REFUTED: "dim"}

_READING = (
    f"Nights from left to right, fast to slow upwards, {_GAP} without a result, {_SHIFT} where a "
    "shift begins. An unconfirmed shift is a candidate: what else was new that night may be its "
    "cause."
)


def overview(chosen: Sequence[HistorySeries], hidden: int = 0, width: int | None = None) -> str:
    """One line for each of `chosen`; `hidden` tells how many further metrics are not shown."""
    screen = Screen(width)
    console = screen.console
    for place in dict.fromkeys((each.name["host"], each.name["scenario"]) for each in chosen):
        theirs = [each for each in chosen if (each.name["host"], each.name["scenario"]) == place]
        console.print(Text(" · ".join(place), style="bold"))
        console.print(_grid(theirs))
        console.print()
    console.print(Text(_READING))
    if hidden:
        console.print(Text(f"{hidden} series of further metrics: name a cell to see them."))
    return screen.text()


def detail(chosen: Sequence[HistorySeries], whole: bool = False, width: int | None = None) -> str:
    """Each of `chosen` with its epochs, shifts and nights: the last 30, or all where `whole`."""
    screen = Screen(width)
    console = screen.console
    for each in chosen:
        name = each.name
        head = f"{name['host']} · {name['workload']} {name['metric']} × {_target(each)}"
        console.print(Text(head, style="bold"))
        console.print(Text(sparkline(each, cuts=True)))
        console.print()
        for line in _epochs(each):
            console.print(Text(line))
        for shift in each.shifts:
            console.print(Text(verdict(shift), style=_STYLES.get(shift.status, "yellow")))
        console.print(_nights(each, whole))
        if (earlier := each.nights.height - _LAST) > 0 and not whole:
            console.print(Text(f"{earlier} earlier nights: see them with --since"))
        console.print()
    console.print(Text(f"{_READING} {_CUT} is where something known of the target changed."))
    return screen.text()


def sparkline(series: HistorySeries, cuts: bool = False, width: int = _WIDTH) -> str:
    """The nights as `width` characters at most, each the median of as many nights, with a mark
    before the one in which a shift begins; with `cuts` also before one that begins an epoch."""
    values = [None if f is None else math.log(f) for f in series.nights["F"].to_list()]
    known = [value for value in values if value is not None]
    if not known:
        return _GAP * min(width, len(values))
    middle = median(known)
    least = math.log1p(EQUIVALENT_WITHIN[Resource(series.name["resource"])])
    low, high = min(*known, middle - least), max(*known, middle + least)
    begins = {shift.run for shift in series.shifts}
    runs, new = series.nights["run"].to_list(), series.nights["changed"].to_list()
    text = ""
    count = min(width, len(values))
    for number in range(count):
        nights = range(len(values) * number // count, len(values) * (number + 1) // count)
        if any(runs[night] in begins for night in nights):
            text += _SHIFT
        elif cuts and any(new[night] is not None for night in nights):
            text += _CUT
        here = [value for night in nights if (value := values[night]) is not None]
        if here:
            text += _BARS[round((median(here) - low) / (high - low) * (len(_BARS) - 1))]
        else:
            text += _GAP
    return text


def verdict(shift: Shift) -> str:
    """A shift as a sentence: when, how far, what moved, what was new, and what is said of it."""
    interval = Estimate(shift.ratio, shift.low, shift.high, _LEVEL, 0, "")
    mark = "▲" if shift.ratio > 1 else "▼"
    whose = "the host's own values moved too" if shift.moved == "host" else "native did not move"
    new = f"; new: {shift.changed}" if shift.changed else "; nothing known was new"
    told = f" ({shift.told})" if shift.told else ""
    return (
        f"{mark} {shift.started:%Y-%m-%d} {numbers.effect(interval)}, p {_p(shift.p)}, from "
        f"{_change(shift.before)} to {_change(shift.after)}; {whose}{new}; "
        f"{shift.status}{told}"
    )


def _grid(chosen: Sequence[HistorySeries]) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column("", overflow="fold")
    grid.add_column("nights", no_wrap=True)
    grid.add_column("last overhead", justify="right", no_wrap=True)
    grid.add_column("of", justify="right", no_wrap=True)
    grid.add_column("epochs", justify="right", no_wrap=True)
    grid.add_column("latest shift", overflow="fold")
    before = ""
    for each in chosen:
        if (target := _target(each)) != before:
            grid.add_row(Text(target, style="bold underline"))
        before = target
        measured = each.nights["F"].count()
        grid.add_row(
            Text.assemble(each.name["workload"], " ", (each.name["metric"], "dim")),
            Text(sparkline(each, width=_NARROW)),
            Text(_last(each)),
            Text(_of(measured, each.nights.height)),
            Text(str(each.nights["epoch"].n_unique())),
            _latest(each.shifts),
        )
    return grid


def _of(measured: int, nights: int) -> str:
    return str(nights) if measured == nights else f"{measured}/{nights}"


def _last(series: HistorySeries) -> str:
    return _effect(series.nights.row(-1, named=True))


def _effect(night: dict[str, Any]) -> str:
    if night["F"] is None:
        return numbers.NO_RESULT
    return numbers.effect(
        Estimate(night["F"], night["F_low"], night["F_high"], _LEVEL, night["n"], "")
    )


def _latest(shifts: Sequence[Shift]) -> Text:
    if not shifts:
        return Text("none")
    shift = shifts[-1]
    mark = "▲" if shift.ratio > 1 else "▼"
    more = f" and {len(shifts) - 1} before" if len(shifts) > 1 else ""
    host = ", host" if shift.moved == "host" else ""
    text = f"{mark} {_change(shift.ratio)} {shift.started:%Y-%m-%d} {shift.status}{host}{more}"
    return Text(text, style=_STYLES.get(shift.status, "yellow"))


def _epochs(series: HistorySeries) -> Iterator[str]:
    for (number,), nights in series.nights.group_by("epoch", maintain_order=True):
        logs = [math.log(f) for f in nights["F"] if f is not None]
        mean = _change(math.exp(sum(logs) / len(logs))) if logs else numbers.NO_RESULT
        new = nights["changed"][0]
        yield (
            f"epoch {number} from {nights['started'][0]:%Y-%m-%d}: "
            f"{_of(len(logs), nights.height)} night{'s' if nights.height != 1 else ''}, "
            f"geometric mean {mean}" + (f"; new: {new}" if new else "")
        )


def _nights(series: HistorySeries, whole: bool) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column("night")
    grid.add_column("run", overflow="fold")
    grid.add_column("overhead", justify="right")
    grid.add_column("n", justify="right")
    unit = f"native, {series.name['unit']} {'↑' if series.name['better'] == 'higher' else '↓'}"
    grid.add_column(unit, justify="right")
    grid.add_column("", overflow="fold")
    begins = {shift.run: shift for shift in series.shifts}
    rows = series.nights if whole else series.nights.tail(_LAST)
    for night in rows.iter_rows(named=True):
        shift = begins.get(night["run"])
        marks = [f"{_SHIFT} {_change(shift.ratio)} {shift.status}"] if shift else []
        marks += [f"{_CUT} {night['changed']}"] if night["changed"] else []
        native = night["native_value"]
        grid.add_row(
            f"{night['started']:%Y-%m-%d}",
            Text(night["run"]),
            Text(_effect(night)),
            str(night["n"]),
            Text("–" if native is None else numbers.value(native)),
            Text("; ".join(marks)),
        )
    return grid


def _target(series: HistorySeries) -> str:
    """The target with its label and class, and whether it is nested."""
    name, nested = series.name, "nested" if series.nights["nested"][-1] else ""
    return called(name["target"], name["label"], name["class"], nested)


def _change(factor: float) -> str:
    """A factor without its interval: `+3.1 %`, `2.40×`."""
    if factor >= 2:
        return f"{factor:.3g}×"
    return f"{100 * (factor - 1):+.1f} %".replace("-", "−")


def _p(p: float) -> str:
    return f"{p:.2g}" if p >= 1e-4 else "< 0.0001"
