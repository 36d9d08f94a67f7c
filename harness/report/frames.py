"""What a notebook works with: the runs of a folder of results as polars frames, and as pandas'.

Everything comes from the ledgers, judged again by today's checks; nothing is written. What is not
known is null, never 0. The columns with their types and units stand in docs/python.md, the types
below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import polars as pl
from polars.datatypes import DataType

from harness.analyze.blocks import cells, pairs
from harness.analyze.overhead import from_pairs
from harness.analyze.verdict import SUSPECT
from harness.dataset import samples as dataset_samples
from harness.errors import UseError
from harness.ledger import folders, reader
from harness.model.estimate import Estimate
from harness.model.run import Run
from harness.model.trial import Trial
from harness.report import runs as report_runs
from harness.report.frame import Frame
from harness.report.provenance import facts
from harness.report.table import Column, Figure, Row, Section, Table
from harness.validity import Finding

Schema = Mapping[str, DataType]

_TEXT, _TRUTH, _COUNT, _NUMBER = pl.String(), pl.Boolean(), pl.UInt32(), pl.Float64()
_TIME = pl.Datetime("us", "UTC")


def _named(of: DataType, names: str) -> dict[str, DataType]:
    return dict.fromkeys(names.split(), of)


RUNS: Schema = {
    "run": _TEXT,
    "started": _TIME,
    **_named(_TEXT, "host scenario preset ended"),
    "imported": _TRUTH,
    **_named(_COUNT, "trials planned_trials"),
    **_named(_NUMBER, "planned_s used_s"),
    **_named(_TEXT, "seed plan bundle baremark"),
}
TRIALS: Schema = {
    **_named(_TEXT, "run trial"),
    "started": _TIME,
    **_named(_TEXT, "host scenario"),
    **_named(_COUNT, "block position"),
    **_named(_TEXT, "target backend class label"),
    **_named(_TRUTH, "native control"),
    **_named(_TEXT, "workload status reason"),
    "exit_status": pl.Int32(),
    **_named(_NUMBER, "controller_s guest_s"),
    **_named(_NUMBER, "cpu_total_s cpu_busy_s cpu_own_s cpu_steal_s"),
    **_named(_NUMBER, "host_total_s host_busy_s host_process_s host_steal_s host_mhz"),
}
SAMPLES: Schema = {
    name: _TEXT if isinstance(of, pl.Categorical) else of
    for name, of in dataset_samples.SCHEMA.items()
}
_TARGET = {**_named(_TEXT, "target backend class label"), **_named(_TRUTH, "native nested")}
_METRIC: Schema = {
    **_named(_TEXT, "resource workload"),
    "workload_version": _COUNT,
    **_named(_TEXT, "title metric"),
    "headline": _TRUTH,
    **_named(_TEXT, "unit better"),
}
_FACTOR = _named(_NUMBER, "F F_low F_high overhead_percent overhead_low overhead_high")
_TESTS = _named(_NUMBER, "p p_adjusted p_equivalent mde_percent")
_ENDED = _named(_COUNT, "trials failed timeout lost rejected")
OVERHEADS: Schema = {
    **_named(_TEXT, "run host scenario"),
    **_TARGET,
    **_named(_TRUTH, "control imported"),
    **_METRIC,
    **_named(_NUMBER, "value_median value_mean native_value_median native_value_mean"),
    **_FACTOR,
    **_TESTS,
    **_named(_NUMBER, "margin sd level"),
    "verdict": _TEXT,
    **_named(_COUNT, "n n_missing n_invalid"),
    **_ENDED,
}
TABLE: Schema = {
    **_named(_TEXT, "host scenario"),
    **_METRIC,
    **_TARGET,
    "imported": _TRUTH,
    "header": _TEXT,
    **_named(_NUMBER, "value_median value_mean"),
    **_FACTOR,
    **_TESTS,
    "level": _NUMBER,
    "verdict": _TEXT,
    **_named(_COUNT, "n n_missing"),
    **_ENDED,
    "notes": _TEXT,
}


@dataclass(frozen=True)
class Results:
    """The runs of a folder of results, or those `named` by name or path, read when first asked for.

    Every method raises UseError where there is no such run, and HarnessError where a run cannot be
    read, is there twice, or none has a trial; name the runs to leave one out.
    """

    folder: Path
    named: tuple[str, ...] = ()

    def runs(self) -> Frame:
        """A row a run: `run`, `started` (UTC), `host`, `scenario`, `preset`, `ended`, `imported`,
        `trials`, `planned_trials`, `planned_s` and `used_s` (s), `seed`, `plan`, `bundle`,
        `baremark`."""
        return _frame((_run(run) for run in self._judged[0]), RUNS)

    def trials(self) -> Frame:
        """A row a trial: `run`, `trial`, `started` (UTC), `host`, `scenario`, `block`, `position`,
        `target`, `backend`, `class`, `label`, `native`, `control`, `workload`, `status`, `reason`,
        `exit_status`, and in seconds `controller_s`, `guest_s`; of the target's CPUs `cpu_total_s`,
        `cpu_busy_s`, `cpu_own_s`, `cpu_steal_s`; of its host's `host_total_s`, `host_busy_s`,
        `host_process_s`, `host_steal_s`; `host_mhz` (MHz). A trial that a check rejects is
        `rejected`."""
        # Asked first: it refuses a ledger that names what its manifest lacks.
        _ = self._samples
        rows = (_trial(run, trial) for run in self._judged[0] for trial in run.trials)
        return _frame(rows, TRIALS)

    def samples(self) -> Frame:
        """A row a trial and metric, with the columns of the dataset (docs/results.md):
        `schema_version`, `run`, `started` (UTC), `scenario`, `preset`, `host`, `target`, `backend`,
        `class`, `label`, `native`, `control`, `nested`, `imported`, `elsewhere`, `adopted`,
        `workload`, `workload_version`, `title`, `resource`, `metric`, `metric_index`, `unit`,
        `better`, `block`, `position`, `trial`, `status`, `value` (in `unit`), `controller_s`,
        `guest_s` (s)."""
        return Frame(self._samples.select(_typed(SAMPLES)))

    def overheads(self) -> Frame:
        """A row for each run, target and metric, never pooled: `run`, `host`, `scenario`, `target`,
        `backend`, `class`, `label`, `native`, `nested`, `control`, `imported`, `resource`,
        `workload`, `workload_version`, `title`, `metric`, `headline`, `unit`, `better`;
        `value_median`, `value_mean`, `native_value_median`, `native_value_mean` (in `unit`); the
        slowdown `F`, `F_low`, `F_high` (a ratio) and `overhead_percent`, `overhead_low`,
        `overhead_high` (%); `p`, `p_adjusted`, `p_equivalent`, `mde_percent` (%), `margin`, `sd`,
        `level`, `verdict`; `n`, `n_missing`, `n_invalid` (blocks), `trials`, `failed`, `timeout`,
        `lost`, `rejected`. A run without a trial of native has no row."""
        rows = self._samples.filter(pl.col("native").any().over("run"))
        if rows.is_empty():
            return _frame((), OVERHEADS)
        made = from_pairs(pairs(cells(rows.lazy())), by_run=True)
        return Frame(_doubted(made.select(_typed(OVERHEADS)), self._judged[1]))

    def table(self, *runs: str) -> Frame:
        """The rows of `baremark table` of `runs`, pooled, by name or path; for none of those that
        were named before, or else of the latest.

        `host`, `scenario`, `resource`, `workload`, `workload_version`, `title`, `metric`,
        `headline`, `unit`, `better`, `target`, `backend`, `class`, `label`, `native`, `nested`,
        `imported`, `header`; `value_median`, `value_mean` (in `unit`); `F`, `F_low`, `F_high` (a
        ratio), `overhead_percent`, `overhead_low`, `overhead_high` (%); `p`, `p_adjusted`,
        `p_equivalent`, `mde_percent` (%), `level`, `verdict`; `n`, `n_missing` (blocks), `trials`,
        `failed`, `timeout`, `lost`, `rejected`; `notes`, the sentences that a figure refers to.
        Raises UseError where the runs must not be pooled.
        """
        wanted = runs or self.named or (folders.LATEST,)
        made = report_runs.read([folders.find(self.folder / "runs", name) for name in wanted])
        return _frame(_rows(made.table), TABLE)

    @cached_property
    def _samples(self) -> pl.DataFrame:
        return report_runs.rows(self._judged[0])

    @cached_property
    def _judged(self) -> tuple[tuple[Run, ...], tuple[Finding, ...]]:
        runs = self.folder / "runs"
        found = [folders.find(runs, name) for name in self.named] or folders.runs_in(runs)
        if not found:
            raise UseError(
                f"there is no run in {runs}", "name another folder, or make one with baremark bench"
            )
        return report_runs.judged_together([reader.read_run(folder) for folder in found])


def _frame(
    rows: Iterator[Mapping[str, object]] | Sequence[Mapping[str, object]], of: Schema
) -> Frame:
    return Frame(
        pl.DataFrame([[row[name] for name in of] for row in rows], schema=of, orient="row")
    )


def _typed(schema: Schema) -> list[pl.Expr]:
    return [pl.col(name).cast(of) for name, of in schema.items()]


def _run(run: Run) -> dict[str, object]:
    told = asdict(facts(run))
    return {
        **told,
        "started": datetime.fromisoformat(run.manifest.created_at),
        "imported": run.manifest.imported is not None,
        "seed": None if told["seed"] is None else str(told["seed"]),
    }


def _trial(run: Run, trial: Trial) -> dict[str, object]:
    record = next(each for each in run.manifest.targets if each.target.name == trial.target)
    seen, cpu, load = record.fingerprint, trial.cpu, trial.host_load
    imported = run.manifest.imported is not None
    return {
        "run": run.manifest.run,
        "trial": trial.id,
        "started": None if imported else datetime.fromisoformat(trial.started_at),
        "host": trial.host,
        "scenario": trial.scenario,
        "block": trial.block,
        "position": None if imported else trial.position,
        "target": trial.arm,
        "backend": record.target.backend,
        "class": str(seen.backend_class),
        "label": seen.label,
        "native": record.target.native and not trial.control,
        "control": trial.control,
        "workload": trial.workload,
        "status": str(trial.status),
        "reason": trial.reason,
        "exit_status": trial.exit_status,
        "controller_s": trial.controller_s,
        "guest_s": trial.guest_s,
        "cpu_total_s": cpu and cpu.total_s,
        "cpu_busy_s": cpu and cpu.busy_s,
        "cpu_own_s": cpu and cpu.own_s,
        "cpu_steal_s": cpu and cpu.steal_s,
        "host_total_s": load and load.total_s,
        "host_busy_s": load and load.busy_s,
        "host_process_s": load and load.process_s,
        "host_steal_s": load and load.steal_s,
        "host_mhz": load and load.mhz_mean,
    }


def _doubted(frame: pl.DataFrame, findings: Sequence[Finding]) -> pl.DataFrame:
    """`frame` with the verdict `suspect` where a check doubts an overhead, as in a table."""
    doubted = pl.lit(value=False)
    for each in findings:
        if each.suspect:
            of_target = pl.col("target").eq(each.target) | pl.col("host").eq(each.target)
            of_workload = each.workload is None or pl.col("workload").eq(each.workload)
            doubted |= pl.col("run").eq(each.run) & of_target & of_workload
    suspect = doubted & pl.col("F").is_not_null()
    verdict = pl.when(suspect).then(pl.lit(SUSPECT)).otherwise("verdict")
    return frame.with_columns(verdict.alias("verdict"))


def _rows(table: Table) -> Iterator[dict[str, object]]:
    for section in table.sections:
        for group in section.groups:
            for row in group.rows:
                for column, figure in zip(section.columns, row.figures, strict=True):
                    yield {
                        "host": section.host,
                        "scenario": section.scenario,
                        "resource": group.resource,
                        "level": table.level,
                        **_of_row(row),
                        **_of_column(column),
                        **_of_figure(figure, section),
                    }


def _of_row(row: Row) -> dict[str, object]:
    return {name: getattr(row, name) for name in _METRIC if name != "resource"}


def _of_column(column: Column) -> dict[str, object]:
    names = ("target", "backend", "label", "native", "nested", "imported", "header")
    return {name: getattr(column, name) for name in names} | {"class": column.backend_class}


def _of_figure(figure: Figure, section: Section) -> dict[str, object]:
    noted = {note.number: note.text for note in section.notes}
    names = ("p", "p_adjusted", "p_equivalent", "verdict", "n", *_ENDED)
    return {
        **{name: getattr(figure, name) for name in names},
        **_interval(figure.factor, "F", "F_low", "F_high"),
        **_interval(figure.overhead, "overhead_percent", "overhead_low", "overhead_high"),
        "value_median": figure.median,
        "value_mean": figure.mean,
        "mde_percent": figure.detectable_percent,
        "n_missing": figure.missing,
        "notes": " ".join(noted[number] for number in figure.notes),
    }


def _interval(of: Estimate | None, point: str, low: str, high: str) -> dict[str, object]:
    return {point: of and of.point, low: of and of.low, high: of and of.high}
