"""Whether the outputs of one workload state the same options as native's.

Two targets that ran other work under one name are no comparison at all, so the check as a whole
cannot be overruled: they need two names. Of a single option it may be said that it is no part of
the work (`passed`). All that the outputs state is compared; an option that one of them
states and another lacks is a difference, unless what it says is the program's default. What an
output has no way to state is not compared, and told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.errors import UseError
from harness.importing import ImportedTrial, stated
from harness.importing.stated import Stated

CHECK = "arguments"


def require_native_s(trials: Sequence[ImportedTrial], passed: Sequence[str] = ()) -> None:
    """UseError where two outputs of one workload state other options than those `passed` over; it
    names both."""
    for trial, mine, other, known in _pairs(trials):
        differing = [
            name
            for name in _compared(known, mine)
            if known.means(name) != mine.means(name) and name.rpartition("] ")[2] not in passed
        ]
        if differing:
            first, *more = differing
            also = f"; they differ in {', '.join(more)} too" if more else ""
            raise UseError(
                f"{CHECK}: {trial.workload} is not one workload: its {first} is "
                f"{known.as_text(first)} in {other.place} and {mine.as_text(first)} in "
                f"{trial.place}{also}",
                "give what was run with other arguments another name, or say of an option that it "
                f"is no part of the work: --ignore {first.rpartition('] ')[2]}",
            )


def untold(trials: Sequence[ImportedTrial]) -> tuple[str, ...]:
    """What could not be compared, a sentence for each workload and target."""
    told: dict[tuple[str, str | None], str] = {}
    for trial, mine, other, known in _pairs(trials):
        if sentence := _untold(trial, mine, other, known):
            told.setdefault((trial.workload, trial.target), sentence)
    return tuple(told.values())


def _untold(trial: ImportedTrial, mine: Stated, other: ImportedTrial, known: Stated) -> str | None:
    whose = f"{trial.workload} on {trial.target or 'native'}"
    names = (mine.given.keys() | known.given.keys()) - set(_compared(known, mine))
    for each, of in ((trial, mine), (other, known)):
        if not of.form:
            return f"{whose}: its options are not compared: {each.place} states none"
    if names:
        return (
            f"{whose}: not compared: {', '.join(sorted(names))}: only one of {other.place} "
            f"({known.form}) and {trial.place} ({mine.form}) has a way to state it"
        )
    differing = [name for name in mine.seen if known.seen.get(name) != mine.seen[name]]
    if differing and known.seen:
        name = min(differing)
        return (
            f"{whose}: its {name} is {mine.seen[name]}, native's {known.seen.get(name)}: an "
            "option, or what the systems chose"
        )
    return None


def _pairs(
    trials: Sequence[ImportedTrial],
) -> Iterator[tuple[ImportedTrial, Stated, ImportedTrial, Stated]]:
    """Each trial with what its output states, beside native's first of that workload (or the
    first of all where native has none)."""
    first: dict[str, tuple[ImportedTrial, Stated]] = {}
    for trial in sorted(trials, key=lambda each: each.target is not None):
        if trial.output is not None and trial.samples:
            mine = stated.read(trial.tool, trial.output.stdout, trial.output.stderr)
            other, known = first.setdefault(trial.workload, (trial, mine))
            if other is not trial:
                yield trial, mine, other, known


def _compared(one: Stated, other: Stated) -> list[str]:
    """The options that both have a way to state."""
    if one.form == other.form:
        return sorted(one.given.keys() | other.given.keys())
    return sorted(one.given.keys() & other.given.keys())
