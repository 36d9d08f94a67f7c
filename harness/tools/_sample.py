"""From a number to a sample: the last check that a value can be one. Shared by the readers."""

from __future__ import annotations

import math

from harness.model.workload import Metric, Sample
from harness.tools import _trace
from harness.tools._text import refuse

COUNT = "1"
"""The unit of a plain count, the only one of which zero is a value."""

_MOST = {
    COUNT: 1e15,
    "1/s": 1e13,
    "MiB/s": 1e8,
    "Mbit/s": 1e9,
    "ms": 1e8,
    "µs": 1e11,
}
"""Per unit, what no machine reaches: 100 TB/s, 1 Pbit/s, a latency of a day."""


Labels = tuple[tuple[str, str], ...]
"""What tells a sample from others of its metric; see `Sample.labels`."""


def sample(
    metric: Metric,
    value: float,
    tool: str,
    where: str,
    labels: Labels = (),
    *,
    zero: bool = False,
    fields: str = "",
) -> Sample:
    """`value` as a sample of `metric`, in the metric's unit; `where` names it in messages.

    `fields` are all those of the output that it was taken from, where `where` is not all of them.
    ReadError where it is not finite, negative, absurd for the unit, or a zero that means
    that nothing was measured. `zero` says that it may be one all the same.
    """
    if not math.isfinite(value) or value < 0 or value > _MOST[metric.unit]:
        raise refuse(tool, f"{where} gives {value} {metric.unit}, which cannot be")
    if value == 0 and metric.unit != COUNT and not zero:
        raise refuse(tool, f"{where} is zero: nothing was measured")
    made = Sample(metric.name, value, metric.unit, metric.better, labels)
    _trace.used(made, fields or where)
    return made


def table(*metrics: Metric) -> dict[str, Metric]:
    """`metrics` by name."""
    return {metric.name: metric for metric in metrics}
