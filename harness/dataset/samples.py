"""The columns of the dataset, and the rows of a run: one for each trial × declared metric.

It adds nothing to the ledger and computes nothing; it only gives it types and columns. A trial
that is not ok, and a metric that an ok trial did not yield, have a null value: missing is missing,
never 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import polars as pl
from polars.datatypes import DataType

from harness.dataset.catalogue import Format, Held
from harness.errors import HarnessError
from harness.model.run import Run
from harness.model.target import ADOPTED, OTHER_MACHINE
from harness.model.trial import Trial

SCHEMA_VERSION = 4
# History of the format. A change that an older reader would misread gets a new number.
#   1  first version
#   2  control: native's second trial in each block, a target of its own
#   3  imported: figures that Baremark did not measure, never to be pooled with its own
#   4  elsewhere, adopted: what the end of the label alone told before


def _names(column: str) -> pl.Categorical:
    """Text with few distinct values: dictionary-encoded, each column in a dictionary of its own."""
    return pl.Categorical(pl.Categories(f"baremark.{column}"))


SCHEMA: dict[str, DataType] = {
    "schema_version": pl.UInt16(),
    "run": _names("run"),
    "started": pl.Datetime("us", "UTC"),
    "scenario": _names("scenario"),
    "preset": _names("preset"),
    "host": _names("host"),
    "target": _names("target"),
    "backend": _names("backend"),
    "class": _names("class"),
    "label": _names("label"),
    "native": pl.Boolean(),
    "control": pl.Boolean(),
    "nested": pl.Boolean(),
    "imported": pl.Boolean(),
    "elsewhere": pl.Boolean(),
    "adopted": pl.Boolean(),
    "workload": _names("workload"),
    "workload_version": pl.UInt32(),
    "title": _names("title"),
    "resource": _names("resource"),
    "metric": _names("metric"),
    "metric_index": pl.UInt16(),
    "unit": _names("unit"),
    "better": _names("better"),
    "block": pl.UInt32(),
    "position": pl.UInt32(),
    "trial": pl.String(),
    "status": _names("status"),
    "value": pl.Float64(),
    "controller_s": pl.Float64(),
    "guest_s": pl.Float64(),
}
"""The columns. `started` is the run's `created_at`; `native` marks the baseline of the host,
`control` native's second trial in a block, whose `target` is named apart from native's;
`metric_index` is the metric's place in its workload, 0 being the headline; `value` is in `unit`;
`controller_s` and `guest_s` are seconds. `nested` null means "not observable". `elsewhere` marks
what runs on another machine than native and so has no overhead, `adopted` what was there before,
`imported` what Baremark did not measure: its `started` is when it was imported, its `preset` and
`position` are null."""

_LABEL = pl.col("label").cast(pl.String)
_TOLD_BY_LABEL = {
    "elsewhere": _LABEL.str.ends_with(OTHER_MACHINE),
    "adopted": _LABEL.str.strip_suffix(OTHER_MACHINE).str.ends_with(ADOPTED),
}

FORMAT = Format(
    "dataset",
    SCHEMA_VERSION,
    SCHEMA,
    {3: _TOLD_BY_LABEL},  # exact: the label's end told it before version 4
)


def frame(run: Run) -> pl.DataFrame:
    """The rows of `run`, in the order of its ledger, with the columns of `SCHEMA`.

    Raises HarnessError where the ledger names a workload or target that the manifest lacks, or
    a sample's unit is not the declared one.
    """
    return pl.DataFrame(list(_rows(run)), schema=SCHEMA, orient="row")


def _rows(run: Run) -> Iterator[tuple[Any, ...]]:
    manifest = run.manifest
    started = datetime.fromisoformat(manifest.created_at)
    workloads = {workload.name: workload for workload in manifest.workloads}
    targets = {record.target.name: record for record in manifest.targets}
    for trial in run.trials:
        if trial.workload not in workloads or trial.target not in targets:
            raise HarnessError(
                f"trial {trial.id} of run {manifest.run} names workload {trial.workload} on "
                f"target {trial.target}, which the run's manifest does not declare",
                "the manifest and the ledger are not of the same run: restore the folder",
            )
        workload = workloads[trial.workload]
        record = targets[trial.target]
        seen = record.fingerprint
        units = {metric.name: metric.unit for metric in workload.metrics}
        values = _values(trial, units, manifest.run)
        for index, metric in enumerate(workload.metrics):
            yield (
                SCHEMA_VERSION,
                manifest.run,
                started,
                trial.scenario,
                manifest.preset if manifest.imported is None else None,
                trial.host,
                trial.arm,
                record.target.backend,
                str(seen.backend_class),
                seen.label,
                record.target.native and not trial.control,
                trial.control,
                seen.nested,
                manifest.imported is not None,
                record.target.elsewhere,
                record.target.adopted,
                workload.name,
                workload.version,
                workload.title,
                str(workload.resource),
                metric.name,
                index,
                metric.unit,
                metric.better,
                trial.block,
                trial.position if manifest.imported is None else None,
                trial.id,
                str(trial.status),
                values.get(metric.name),
                trial.controller_s,
                trial.guest_s,
            )


def _values(trial: Trial, units: dict[str, str], run: str) -> dict[str, float]:
    """The values of an ok trial by metric; a value that is no finite number is missing."""
    if trial.status != "ok":
        return {}
    for sample in trial.samples:
        if sample.metric in units and sample.unit != units[sample.metric]:
            raise HarnessError(
                f"trial {trial.id} of run {run} gives {sample.metric} in {sample.unit}, but its "
                f"workload {trial.workload} declares {units[sample.metric]}",
                "correct the unit in the workload file, raise its version, and measure again",
            )
    return {sample.metric: sample.value for sample in trial.samples if math.isfinite(sample.value)}


def held(run: Run, rows: int, ledger: tuple[int, str] | None) -> Held:
    """What the file of `run` says of it."""
    started = datetime.fromisoformat(run.manifest.created_at).astimezone(UTC)
    return Held(run.manifest.host, started.isoformat(), rows, ledger)
