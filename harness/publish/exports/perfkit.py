"""PerfKitBenchmarker's samples as newline-delimited JSON: one a line, for what reads its output.

The fields are those that PerfKitBenchmarker publishes to a file: `metric`, `value`, `unit`,
`timestamp` (Unix time), `test`, `product_name`, `official`, `run_uri`, `sample_uri`, and `labels`,
its metadata as `|key:value|` pairs with commas between. A sample is a value of one block, in the
unit in which it was measured; the slowdown against native follows as a sample of its own, labelled
`kind:estimate`, with its interval as labels. A time that nobody recorded is left out.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from harness import __version__
from harness.publish.exports import Export, Exported
from harness.publish.exports._series import MetricSeries, Value, of_table

PRODUCT = "baremark"
SLOWDOWN = "slowdown"
KIND, VALUE, ESTIMATE = "kind", "value", "estimate"

_BAR, _ESCAPED = "|", "%7C"
"""The format cannot tell a bar in a value from one that ends it."""


def render(export: Export) -> Exported:
    """The samples of all runs, in the order of the table."""
    lines = [
        json.dumps(sample, ensure_ascii=False, allow_nan=False)
        for series in of_table(export.table, export.runs)
        for sample in _samples(series)
    ]
    return Exported("".join(f"{line}\n" for line in lines))


def collapsed(metadata: Mapping[str, object]) -> str:
    """Metadata as PerfKitBenchmarker's `labels`."""
    return ",".join(
        f"|{key}:{str(value).replace(_BAR, _ESCAPED)}|" for key, value in metadata.items()
    )


def _samples(series: MetricSeries) -> Iterator[dict[str, Any]]:
    labels = series.labels()
    for value in series.values:
        yield _sample(
            series,
            series.row.metric,
            value.value,
            series.row.unit,
            value,
            {KIND: VALUE, "block": value.block, **labels},
        )
    figure = series.figure
    if figure is None or figure.factor is None:
        return
    factor = figure.factor
    told: dict[str, object] = {
        KIND: ESTIMATE,
        "level": factor.level,
        "n": figure.n,
        "method": factor.method,
        "verdict": figure.verdict,
        **labels,
    }
    if factor.low is not None and factor.high is not None:
        told |= {"low": factor.low, "high": factor.high}
    last = series.values[-1]
    metric = f"{series.row.metric} {SLOWDOWN}"
    yield _sample(series, metric, factor.point, "ratio", last, told)


def _sample(
    series: MetricSeries,
    metric: str,
    number: float,
    unit: str,
    of: Value,
    labels: Mapping[str, object],
) -> dict[str, Any]:
    name = f"{of.run}/{of.trial}/{series.target}/{series.row.workload}/{metric}"
    sample: dict[str, Any] = {
        "metric": metric,
        "value": number,
        "unit": unit,
        "test": series.row.workload,
        "product_name": PRODUCT,
        "official": False,
        "run_uri": of.run,
        "sample_uri": str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
        "labels": collapsed({"baremark_version": __version__, **labels}),
    }
    if of.started_at:
        sample["timestamp"] = datetime.fromisoformat(of.started_at).timestamp()
    return sample
