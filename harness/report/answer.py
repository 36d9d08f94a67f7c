"""What a reader asks first: what does each target cost, resource by resource, and what is doubtful.

A sentence a target, from its summaries alone; words follow the verdict, never the point.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from harness.analyze.verdict import EQUIVALENT, EQUIVALENT_WITHIN, SLOWER, SUSPECT, TOO_SMALL
from harness.model.workload import Resource
from harness.plan.plan import FEWEST_BLOCKS
from harness.report import numbers
from harness.report.table import Column, Section, Summary, Table

_LONGEST_S = 24 * 3600
"""What would take longer is not promised."""


def sentences(section: Section) -> tuple[str, ...]:
    """A sentence for each target but native; for each resource what it costs there."""
    return tuple(
        f"{column.header}: {', '.join(_parts(section, place, column))}"
        for place, column in enumerate(section.columns)
        if not column.native
    )


def _parts(section: Section, place: int, column: Column) -> Iterator[str]:
    if column.elsewhere:
        yield "on another machine than native, so it is compared with nothing"
        return
    for group in section.groups:
        summary = group.summaries[place]
        if summary is not None:
            yield f"{group.resource} {_said(summary, Resource(group.resource))}"


def _said(summary: Summary, resource: Resource) -> str:
    few = summary.entered < summary.workloads
    some = f"{summary.entered} of {summary.workloads} workloads" if few else ""
    if summary.factor is None:
        return numbers.NO_RESULT
    if summary.verdict == EQUIVALENT:
        return f"equal ({_joined(f'±{100 * EQUIVALENT_WITHIN[resource]:g} %', some)})"
    if summary.verdict not in {SLOWER, SUSPECT}:
        return f"open ({_joined(_range(summary), more(summary), some)})"
    doubt = "suspect, faster than native: " if summary.verdict == SUSPECT else ""
    return f"{doubt}{numbers.effect(summary.factor)}{some and f' ({some})'}"


def _joined(*parts: str) -> str:
    return "; ".join(filter(None, parts))


def _range(summary: Summary) -> str:
    """Where an open overhead lies: its interval, or that it has none."""
    factor = summary.factor
    if factor is None or summary.verdict == TOO_SMALL or factor.low is None:
        n = 0 if factor is None else factor.n
        return "1 block gives no interval" if n == 1 else f"{n} blocks give no interval"
    return numbers.span(factor)


def more(summary: Summary) -> str:
    """How much longer is expected to resolve it: `3 more minutes`; "" where nobody can say."""
    if summary.more_s is None:
        return ""
    if summary.more_s > _LONGEST_S:
        return "not in a day"
    if summary.more_s > 90 * 60:
        return f"{math.ceil(summary.more_s / 3600)} more hours"
    minutes = max(1, math.ceil(summary.more_s / 60))
    return f"{minutes} more minute{'' if minutes == 1 else 's'}"


def doubts(section: Section) -> tuple[str, ...]:
    """What to doubt, in a few words each: the notes have it in full. Empty where all is well."""
    return tuple(_doubts(section))


def _doubts(section: Section) -> Iterator[str]:
    if section.control is not None and not section.control.trusted:
        yield (
            f"native differs from itself in {section.control.differing} of "
            f"{section.control.pairs} headline metrics"
        )
    rows = [row for group in section.groups for row in group.rows if row.headline]
    figures = [figure for row in rows for figure in row.figures]
    if suspect := sum(figure.verdict == SUSPECT for figure in figures):
        yield f"{suspect} headline figure{'' if suspect == 1 else 's'} suspect (‼)"
    if rejected := sum(figure.rejected for figure in figures):
        trials = sum(figure.trials for figure in figures)
        yield f"{rejected} of {trials} trials rejected{_why(section)}"
    ended = sum(figure.failed + figure.timeout + figure.lost for figure in figures)
    if ended:
        yield f"{ended} trial{'' if ended == 1 else 's'} failed, timed out or were lost"


def too_busy(table: Table) -> tuple[str, ...]:
    """For each host of which most headline figures have no interval because checks rejected
    trials: that this is so."""
    gave_up = {run.host for run in table.runs if run.ended == "busy"}
    told = []
    for section in table.sections:
        without = list(_without(section, section.host in gave_up))
        if 2 * sum(without) > len(without):
            told.append(
                f"{section.host} was too busy to measure on: {sum(without)} of {len(without)} "
                "headline figures have no interval, as trials were rejected."
            )
    return tuple(told)


def _without(section: Section, gave_up: bool) -> Iterator[bool]:
    """Of each headline figure that is compared with native, whether it has no interval because
    trials were rejected, its own or native's: else it would have had pairs enough."""
    columns = section.columns
    for row in (row for group in section.groups for row in group.rows if row.headline):
        native = sum(
            each.rejected for each, of in zip(row.figures, columns, strict=True) if of.native
        )
        for figure, of in zip(row.figures, columns, strict=True):
            if of.native or of.elsewhere:
                continue
            enough = gave_up or figure.n + figure.missing >= FEWEST_BLOCKS
            unbounded = figure.factor is None or figure.factor.low is None
            yield unbounded and enough and bool(figure.rejected or native)


def _why(section: Section) -> str:
    """The checks that rejected most."""
    counted = Counter(each.check for each in section.checks if each.outcome == "rejected")
    named = [name for name, _ in sorted(counted.items(), key=lambda each: (-each[1], each[0]))]
    return f" ({', '.join(named[:2])})" if named else ""
