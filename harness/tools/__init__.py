"""The readers of what the programs print: one module a tool, found by its name.

There is no registry: `load("stress-ng")` imports `harness.tools.stress_ng`. Modules whose name
starts with an underscore are what the readers share, not tools. Nothing here starts a program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

from harness.errors import ReadError, UseError
from harness.model.workload import Metric, Sample, Workload
from harness.patterns import modules
from harness.tools import _trace


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


@dataclass(frozen=True, slots=True)
class Explained:
    """What a reader took from an output: `fields` are those of each sample, in its order, empty
    where the reader does not say; `notes` are sentences on what else a person should know."""

    samples: tuple[Sample, ...]
    fields: tuple[str, ...]
    notes: tuple[str, ...]


def explain(tool: str, stdout: bytes, stderr: bytes) -> Explained:
    """What the reader of `tool` takes from an output, and from where. Raises as the reader."""
    with _trace.listening() as trace:
        samples = load(tool).read(stdout, stderr)
    return Explained(samples, tuple(map(trace.fields, samples)), tuple(trace.notes))


def reports(tool: str, stdout: bytes) -> tuple[bytes, ...]:
    """The reports in an output that holds several, in order; of most tools it is always one."""
    split: Callable[[bytes], tuple[bytes, ...]] | None = getattr(load(tool), "reports", None)
    return split(stdout) if split else (stdout,)


def taken(samples: Sequence[Sample], workload: Workload) -> tuple[Sample, ...]:
    """The samples of the workload's metrics. Raises `ReadError` where there is not one of each."""
    found = []
    for metric in workload.metrics:
        same = [sample for sample in samples if sample.metric == metric.name]
        if not same:
            given = ", ".join(dict.fromkeys(sample.metric for sample in samples))
            raise ReadError(
                f"{workload.tool} did not report {metric.name}",
                f"it reports {given}; baremark parse {workload.tool} says of what it left out why",
            )
        if len(same) > 1:
            which = "; ".join(" ".join(f"{k}={v}" for k, v in each.labels) for each in same[:4])
            raise ReadError(
                f"{workload.tool} reported {metric.name} {len(same)} times ({which}); "
                "a workload needs one"
            )
        found.append(same[0])
    return tuple(found)
