"""What a night came to, in sentences, and the exit status that says it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from harness.report import answer
from harness.text import duration, sentence

if TYPE_CHECKING:
    from harness.analyze.history.history import Shift
    from harness.report.table import Table

EXIT_QUIET = 0
EXIT_REGRESSION = 1
EXIT_PARTIAL = 3
TABLE, HISTORY, SITE = "the table", "the history", "the site"
"""What a night makes of its runs, as `Night.absent` calls what could not be made."""

MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Summary:
    """`table` is None where nothing was measured. `absent` tells by target, or host, why it took no
    part, and of what could not be made of the runs; `warnings` what the history could not read.
    Times in seconds: `measuring_s` of the runs themselves, `publishing_s` of table, history and
    site, `total_s` of everything but `confirming_s`, the comparisons that confirm."""

    began: datetime
    table: Table | None
    absent: tuple[tuple[str, str], ...]
    shifts: tuple[Shift, ...]
    warnings: tuple[str, ...]
    whole: bool
    measuring_s: float
    total_s: float
    confirming_s: float = 0.0
    publishing_s: float = 0.0
    confirming: tuple[str, ...] = ()
    """Names of the runs that compared releases."""
    written: tuple[str, ...] = field(default=())

    @property
    def regressions(self) -> tuple[Shift, ...]:
        """What a comparison confirmed, made slower, and nobody acknowledged."""
        return tuple(each for each in self.shifts if each.status == "confirmed" and each.ratio > 1)

    @property
    def partial(self) -> bool:
        lacking = bool(self.absent) or not self.whole or self.table is None
        return lacking or self.distrusted or bool(self.busy)

    @property
    def busy(self) -> tuple[str, ...]:
        """For each machine that was too busy to measure on, that this is so."""
        return () if self.table is None else answer.too_busy(self.table)

    @property
    def distrusted(self) -> bool:
        """Whether native differs from itself too often for a table of this night to be believed."""
        sections = () if self.table is None else self.table.sections
        return any(each.control is not None and not each.control.trusted for each in sections)

    @property
    def exit_code(self) -> int:
        if self.regressions:
            return EXIT_REGRESSION
        return EXIT_PARTIAL if self.partial else EXIT_QUIET

    @property
    def verdict(self) -> str:
        if self.regressions:
            return "a regression is confirmed" + (", and the night is partial" * self.partial)
        return "partial" if self.partial else "quiet"


def lines(night: Summary) -> list[str]:
    """The summary, ten lines or fewer."""
    return [f"Night of {night.began:%Y-%m-%d %H:%M} UTC: {night.verdict}.", *body(night)]


def body(night: Summary) -> Iterator[str]:
    yield measured(night)
    if night.absent:
        first = sorted(night.absent, key=lambda each: each[0] not in {TABLE, HISTORY, SITE})
        yield "Took no part: " + few([f"{name} ({sentence(why)})" for name, why in first])
    of: dict[str, list[Shift]] = {}
    for each in night.shifts:
        of.setdefault("host" if each.moved == "host" else each.status, []).append(each)
    confirmed = of.get("confirmed", [])
    if found := [each for each in confirmed if each.ratio > 1]:
        yield "Regressions, confirmed: " + few([shift(each) for each in found])
    if found := of.get("unconfirmed", []):
        yield "Candidates, unconfirmed: " + few([shift(each) for each in found])
    if found := of.get("host", []):
        yield "Native moved too, so the host changed: " + few([shift(each) for each in found])
    faster = [each for each in confirmed if each.ratio <= 1]
    known = len([*of.get("acknowledged", []), *of.get("refuted", [])])
    if faster or known:
        told = few([shift(each) for each in faster]) or "none"
        yield f"Faster, confirmed: {told}. Acknowledged or refuted: {known}."
    if not night.shifts and not {TABLE, HISTORY} & dict(night.absent).keys():
        yield "Shifts: none."
    if night.table is not None:
        costs = few([text for each in night.table.sections for text in answer.sentences(each)])
        yield f"What it costs: {costs}. {itself(night.table)}" if costs else itself(night.table)
    if night.warnings:
        told = few([sentence(each) for each in night.warnings])
        yield f"To know of the history: {told}"
    if night.written:
        yield "Written: " + ", ".join(night.written)


def measured(night: Summary) -> str:
    if night.table is None and TABLE in dict(night.absent):
        return f"Measured: {duration(night.measuring_s)}, of which no table could be made."
    if night.table is None:
        return "Measured: nothing."
    runs = night.table.runs
    trials = sum(run.trials for run in runs)
    planned = sum(run.planned_trials or 0 for run in runs)
    rest = max(0.0, night.total_s - night.measuring_s - night.publishing_s)
    confirming = (
        f", {duration(night.confirming_s)} to confirm ({', '.join(night.confirming)})"
        if night.confirming
        else ""
    )
    return (
        f"Measured: {', '.join(run.run for run in runs)}; {trials} of {planned} trials in "
        f"{duration(night.measuring_s)}, {duration(night.publishing_s)} to analyse and publish, "
        f"{duration(rest)} for all else{confirming}.{''.join(f' {each}' for each in night.busy)}"
    )


def itself(table: Table) -> str:
    parts = []
    for section in table.sections:
        itself = section.control
        if itself is None:
            parts.append(f"{section.host}: too few blocks to tell")
            continue
        trusted = "" if itself.trusted else ", so its table is not to be trusted"
        parts.append(
            f"{section.host}: {itself.differing} of {itself.pairs} called different "
            f"(95 % interval {100 * itself.low:.0f} to {100 * itself.high:.0f} %){trusted}"
        )
    return f"Native against itself: {few(parts)}."


def shift(each: Shift) -> str:
    percent = 100 * (each.ratio - 1)
    size = f"{each.ratio:.3g}×" if each.ratio >= 2 else f"{percent:+.1f} %".replace("-", "−")
    since = f"since {each.started:%Y-%m-%d}"
    changed = f", new that night: {sentence(each.changed)}" if each.changed else ""
    return f"{each.host}: {each.workload} {each.metric} on {each.target} {size} {since}{changed}"


def few(parts: Sequence[str]) -> str:
    more = len(parts) - MOST_NAMED
    return "; ".join(parts[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")
