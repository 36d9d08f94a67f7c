"""What is not as it should be with a figure, in the numbered notes that it carries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from harness.analyze.verdict import NO_RESULT
from harness.model.run import Run
from harness.model.trial import Trial, TrialStatus
from harness.report.columns import Record
from harness.report.table import Column, Note
from harness.text import sentence

_ENDED = {
    TrialStatus.FAILED: "failed",
    TrialStatus.TIMEOUT: "timed out",
    TrialStatus.LOST: "lost the connection",
    TrialStatus.REJECTED: "rejected",
}


class Numbered:
    """The numbered notes of a section: the same text gets the same number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers) + 1)

    @property
    def notes(self) -> tuple[Note, ...]:
        return tuple(Note(number, text) for text, number in self._numbers.items())


def not_ok(trials: Iterable[Trial]) -> list[str]:
    """For each way a trial did not end well: how many, and the most frequent reason."""
    made = list(trials)
    parts = []
    for status, word in _ENDED.items():
        reasons = Counter(trial.reason or "" for trial in made if trial.status is status)
        if not reasons:
            continue
        # The most frequent reason; of equally frequent ones the first by name, so that the
        # same ledger always gives the same note.
        reason = min(reasons, key=lambda text: (-reasons[text], text))
        count = f"{reasons.total()} of {len(made)} trials {word}"
        told = sentence(reason)
        often = "most often: " if len(reasons) > 1 else ""
        parts.append(f"{count} ({often}{told})" if told else count)
    return parts


def counted(record: Mapping[str, Any]) -> list[str]:
    """`not_ok` where the trials themselves are not known, but how many there were of each."""
    return [
        f"{record[status]} of {record['trials']} trials {word}"
        for status, word in _ENDED.items()
        if record[status]
    ]


def remark(record: Record, column: Column, made: list[Trial]) -> str:
    """What is not as it should be with a figure, as one sentence; "" where all is well."""
    parts = not_ok(made) if made else counted(record)
    if record["value_median"] is None:
        why = "; ".join(parts) or "its trials gave no such value"
        return f"{NO_RESULT}: {why}."
    missing, invalid = record["n_missing"], record["n_invalid"]
    alone = column.native or column.elsewhere
    lacking = "value" if alone else "pair with native"
    lost = sum(record[status] for status in _ENDED)
    if missing > lost or invalid:
        parts.append(f"{missing} of {missing + record['n']} blocks gave no {lacking}")
    if invalid:
        parts.append(f"{invalid} of them for a value of zero or less, which has no ratio")
    return "; ".join(parts) + "." if parts else ""


def by_cell(runs: Iterable[Run]) -> Mapping[tuple[str, str, str, str], list[Trial]]:
    """The trials of `runs` by host, scenario, target and workload."""
    found: dict[tuple[str, str, str, str], list[Trial]] = {}
    for run in runs:
        for trial in run.trials:
            key = (trial.host, trial.scenario, trial.arm, trial.workload)
            found.setdefault(key, []).append(trial)
    return found
