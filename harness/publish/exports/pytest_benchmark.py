"""The file of pytest-benchmark: each metric on each target a benchmark, each block a round.

Its numbers are seconds, and nothing in it names another unit. So times are turned into seconds, and
a rate into the seconds that one of what it counts takes (`s per operation`, `s per MiB`), which the
benchmark's name and group say; any other metric is left out. The `ops` of a rate are then its
harmonic mean, in the rate's own unit. `extra_info` has what was measured: the values in their unit,
with run and block of each, the labels, and the overhead with its interval; `baremark import` reads
the values back from there.

Field names and what they mean are those of pytest-benchmark 4 and 5 (its `stats` and `storage`).
"""

from __future__ import annotations

import json
import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from harness import __version__
from harness.model.run import Run
from harness.publish.exports import Export, Exported, _units
from harness.publish.exports._series import MetricSeries, of_table


def render(export: Export) -> Exported:
    """A file for `pytest-benchmark list` and `compare`, or for pytest's `--benchmark-compare`."""
    benchmarks = []
    left_out: dict[str, None] = {}
    for series in of_table(export.table, export.runs):
        row = series.row
        how = _units.in_seconds(row.unit)
        name = f"{row.workload} {row.metric}"
        if how is None:
            left_out[f"{name} is in {row.unit}, which is neither a time nor a rate"] = None
            continue
        seconds = [how.of(each.value) for each in series.values]
        good = [each for each in seconds if each is not None]
        if len(good) < len(seconds):
            left_out[f"{name} on {series.header}: a rate of zero takes no time that is known"] = (
                None
            )
            continue
        benchmarks.append(_benchmark(series, how, good))
    document = {
        "machine_info": _machine(export.runs),
        "commit_info": {},
        "benchmarks": benchmarks,
        "datetime": max(
            datetime.fromisoformat(r.manifest.created_at) for r in export.runs
        ).isoformat(),
        "version": f"baremark {__version__}",
    }
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return Exported(text, tuple(left_out))


def _benchmark(
    series: MetricSeries, how: _units.InSeconds, seconds: Sequence[float]
) -> dict[str, Any]:
    row = series.row
    said = f"{row.workload} {row.metric} ({how.name})"
    return {
        "group": f"{series.section.host}: {said}",
        "name": f"{said}[{series.header}]",
        "fullname": f"{series.section.host}/{series.section.scenario}/{said}[{series.header}]",
        "params": {"target": series.header},
        "param": series.header,
        "extra_info": _measured(series, how),
        "options": {},
        "stats": stats(seconds),
    }


def _measured(series: MetricSeries, how: _units.InSeconds) -> dict[str, Any]:
    row, figure = series.row, series.figure
    told: dict[str, Any] = {
        "seconds_are": how.name,
        "workload": row.workload,
        "metric": row.metric,
        "unit": row.unit,
        **series.labels(),
        "runs": [each.run for each in series.values],
        "blocks": [each.block for each in series.values],
        "values": [each.value for each in series.values],
    }
    if figure is not None:
        told["verdict"] = figure.verdict
        numbered = {note.number: note.text for note in series.section.notes}
        if figure.notes:
            told["notes"] = [numbered[number] for number in figure.notes]
        if figure.factor is not None:
            factor = figure.factor
            known = {
                "F": factor.point,
                "F_low": factor.low,
                "F_high": factor.high,
                "level": factor.level,
                "n": figure.n,
                "method": factor.method,
            }
            told["slowdown"] = {name: value for name, value in known.items() if value is not None}
    return told


def stats(seconds: Sequence[float]) -> dict[str, Any]:
    """The statistics of pytest-benchmark of rounds of so many seconds each, in its terms.

    Quartiles: of an even number the medians of the two halves, of an odd one the weighted means
    of method 3 (https://en.wikipedia.org/wiki/Quartile). `ld15iqr` and `hd15iqr` are the lowest
    and the highest datum within 1.5 interquartile ranges of them (Tukey). `outliers` counts those
    beyond one standard deviation from the mean, and beyond Tukey's fences. `stddev` of one round is
    0 by that format's convention.
    """
    data = sorted(seconds)
    mean, deviation = statistics.mean(data), statistics.stdev(data) if len(data) > 1 else 0
    q1, q3 = _quartiles(data)
    low, high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    by_deviation = sum(not mean - deviation <= each <= mean + deviation for each in data)
    by_fences = sum(not low <= each <= high for each in data)
    total = sum(seconds)
    return {
        "min": data[0],
        "max": data[-1],
        "mean": mean,
        "stddev": deviation,
        "rounds": len(data),
        "median": statistics.median(data),
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": by_fences,
        "stddev_outliers": by_deviation,
        "outliers": f"{by_deviation};{by_fences}",
        "ld15iqr": data[bisect_left(data, low)],
        "hd15iqr": data[bisect_right(data, high) - 1],
        "ops": len(data) / total if total else 0,
        "total": total,
        "data": list(seconds),
        "iterations": 1,
    }


def _quartiles(data: Sequence[float]) -> tuple[float, float]:
    """The lower and the upper quartile of sorted data (see `stats`)."""
    count = len(data)
    if count == 1:
        return data[0], data[0]
    if count % 2 == 0:
        return statistics.median(data[: count // 2]), statistics.median(data[count // 2 :])
    quarter = count // 4
    if count % 4 == 1:
        return (
            0.25 * data[quarter - 1] + 0.75 * data[quarter],
            0.75 * data[3 * quarter] + 0.25 * data[3 * quarter + 1],
        )
    return (
        0.75 * data[quarter] + 0.25 * data[quarter + 1],
        0.25 * data[3 * quarter + 1] + 0.75 * data[3 * quarter + 2],
    )


def _machine(runs: Sequence[Run]) -> dict[str, Any]:
    """What was observed of the machine, where all runs agree on it."""
    seen = [
        (run.manifest.host, record.fingerprint.cpu_model, record.fingerprint.kernel)
        for run in runs
        for record in run.manifest.targets
        if record.target.native
    ]
    names = ("node", "processor", "release")
    told = {}
    for place, name in enumerate(names):
        values = {each[place] for each in seen}
        if len(values) == 1 and None not in values:
            told[name] = values.pop()
    return told
