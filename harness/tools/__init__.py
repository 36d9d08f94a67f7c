"""The readers of what the programs print: one module a tool, found by its name.

There is no registry: `load("stress-ng")` imports `harness.tools.stress_ng`. Modules whose name
starts with an underscore are what the readers share, not tools. Nothing here starts a program.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, cast

from harness.errors import ReadError, UseError
from harness.model.workload import Metric, Sample, Workload
from harness.patterns import modules


class Tool(Protocol):
    """What a tool's module offers. A reader is pure: the same bytes give the same samples."""

    PROGRAM: str
    """File name of the program in the bundle's `bin/`."""
    VERSION_ARGS: tuple[str, ...]
    """Arguments with which the program states its version; none where its report does."""
    BUNDLED: bool
    """Whether the bundle holds the program, so that a workload can use it."""
    METRICS: dict[str, Metric]
    """Every metric the reader can return, by name, with its unit and what is better."""

    def read(self, stdout: bytes, stderr: bytes) -> tuple[Sample, ...]:
        """Take the samples from one execution's output; never empty.

        ReadError, naming the tool and the place, where the output is broken, incomplete or
        tells of a failure.
        """

    def version(self, stdout: bytes, stderr: bytes) -> str:
        """The line in which the program states its own version, without what is the machine's.

        ReadError where there is none.
        """


def names() -> tuple[str, ...]:
    """The tools there are, sorted, spelled as in workload files (`stress-ng`)."""
    return tuple(name.replace("_", "-") for name in modules(__path__))


def bundled() -> tuple[str, ...]:
    """The tools whose program is in the bundle, sorted; the others are only read."""
    return tuple(name for name in names() if load(name).BUNDLED)


def load(name: str) -> Tool:
    """The reader of the tool called `name`; UseError where there is none."""
    if name not in names():
        raise UseError(
            f"there is no tool {name!r}",
            f"use one of {', '.join(names())}, or add harness/tools/<name>.py",
        )
    return cast(Tool, import_module(f"{__name__}.{name.replace('-', '_')}"))


def taken(samples: Sequence[Sample], workload: Workload) -> tuple[Sample, ...]:
    """The samples of the workload's metrics. Raises `ReadError` where there is not one of each."""
    found = []
    for metric in workload.metrics:
        same = [sample for sample in samples if sample.metric == metric.name]
        if not same:
            raise ReadError(f"{workload.tool} did not report {metric.name}")
        if len(same) > 1:
            which = "; ".join(" ".join(f"{k}={v}" for k, v in each.labels) for each in same[:4])
            raise ReadError(
                f"{workload.tool} reported {metric.name} {len(same)} times ({which}); "
                "a workload needs one"
            )
        found.append(same[0])
    return tuple(found)
