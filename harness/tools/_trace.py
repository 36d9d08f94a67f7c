"""What of an output was used for which sample, and what was left out and why.

A reader returns samples alone. While somebody listens here, each sample that is made also leaves
the name of the fields that it was taken from, and a reader may add notes: a figure that the
output states and that is no value, a run that ended early. Nothing here changes a sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from harness.model.workload import Sample


@dataclass(slots=True)
class Trace:
    """What was heard: the fields of each sample, and sentences for people, in order."""

    used: list[tuple[Sample, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def fields(self, sample: Sample) -> str:
        """The fields that `sample` was taken from; empty where its reader did not say."""
        return next((fields for each, fields in self.used if each == sample), "")


_listening: ContextVar[Trace | None] = ContextVar("listening", default=None)


@contextmanager
def listening() -> Iterator[Trace]:
    """Hear what readers say inside the `with`, in this thread."""
    trace = Trace()
    token = _listening.set(trace)
    try:
        yield trace
    finally:
        _listening.reset(token)


def used(sample: Sample, fields: str) -> None:
    """Say that `sample` was taken from `fields` of the output."""
    if (trace := _listening.get()) is not None:
        trace.used.append((sample, fields))


def note(sentence: str) -> None:
    """Say what a person should know of the output beside its samples."""
    if (trace := _listening.get()) is not None:
        trace.notes.append(sentence)
