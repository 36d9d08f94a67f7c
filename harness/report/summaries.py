"""What a target costs in a resource, as a table has it, and how much longer would resolve it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from statistics import fmean

import polars as pl

from harness.analyze.blocks import Pairs
from harness.analyze.summary import summary
from harness.analyze.verdict import ELSEWHERE, NO_RESULT, SUSPECT, TOO_SMALL, UNRESOLVED
from harness.model.run import Run
from harness.report.columns import Accepted, Record, column, estimate
from harness.report.table import Column, Summary
from harness.validity import Finding

OPEN = frozenset({TOO_SMALL, UNRESOLVED})
"""The verdicts that more blocks may change."""


def means(
    frame: pl.DataFrame, paired: Pairs, runs: Sequence[Run], findings: Sequence[Finding]
) -> list[Record]:
    """The rows of `harness.analyze.summary.summary`, without what is suspect, each with the
    frame's `level` and `method`."""
    level, method = float(frame["level"][0]), str(frame["method"][0])
    made = summary(paired, _believed(frame, runs, findings), level)
    return [{**row, "level": level, "method": method} for row in made.iter_rows(named=True)]


def of_resource(
    columns: Iterable[Column],
    rows: Sequence[Record],
    means: Iterable[Record],
    accepted: Accepted,
    runs: Sequence[Run],
) -> tuple[Summary | None, ...]:
    """The summary of each column in the resource of `rows`; None for native."""
    resource = rows[0]["resource"]
    found = {
        column({**mean, "native": False}, accepted): mean
        for mean in means
        if mean["resource"] == resource
    }
    number = len({(row["workload"], row["workload_version"]) for row in rows})
    names = {row["workload"] for row in rows}
    return tuple(
        None if each.native else _summary(found.get(each), each, names, number, runs)
        for each in columns
    )


def _summary(
    mean: Record | None,
    of: Column,
    names: Collection[str],
    number: int,
    runs: Sequence[Run],
) -> Summary:
    if mean is None or mean["F"] is None:
        verdict = ELSEWHERE if of.elsewhere else NO_RESULT
        return Summary(None, None, None, None, None, verdict, 0, number)
    more = None
    if mean["verdict"] in OPEN and mean["n_needed"] is not None:
        a_block = _seconds_a_block(runs, of.target, names)
        more = None if a_block is None else a_block * max(1, mean["n_needed"] - mean["n"])
    return Summary(
        factor=estimate(mean, mean["level"], mean["method"]),
        p=mean["p"],
        p_adjusted=mean["p_adjusted"],
        p_equivalent=mean["p_equivalent"],
        detectable_percent=mean["mde_percent"],
        verdict=mean["verdict"],
        entered=mean["entered"],
        workloads=number,
        more_s=more,
    )


def _seconds_a_block(runs: Iterable[Run], target: str, workloads: Collection[str]) -> float | None:
    """The time in seconds that a block of these workloads takes on `target` and on native, twice;
    with its share of the time between trials. None where no time is recorded."""
    took: dict[tuple[str, bool], list[float]] = defaultdict(list)
    used = whole = 0.0
    for run in runs:
        if run.used_s is None or not run.trials:
            continue
        used += run.used_s
        for trial in run.trials:
            whole += trial.controller_s or 0.0
            if trial.workload in workloads and trial.controller_s is not None:
                native = trial.target == run.manifest.host
                if native or trial.target == target:
                    took[trial.workload, native].append(trial.controller_s)
    if not whole or not took:
        return None
    one = sum(fmean(times) * (2 if native else 1) for (_, native), times in took.items())
    return one * used / whole


def _believed(
    frame: pl.DataFrame, runs: Sequence[Run], findings: Sequence[Finding]
) -> pl.DataFrame:
    """`frame` without the overheads that are suspect, by themselves or for a check: a mean must
    not rest on them."""
    hosts = {run.manifest.run: run.manifest.host for run in runs}
    doubted = [(hosts[f.run], f.target, f.workload) for f in findings if f.suspect]
    whole = pl.col("verdict") != SUSPECT
    for host, target, workload in doubted:
        hit = pl.col("host").cast(pl.String) == host
        if target != host:
            hit &= pl.col("target").cast(pl.String) == target
        if workload is not None:
            hit &= pl.col("workload").cast(pl.String) == workload
        whole &= ~hit
    return frame.with_columns(pl.when(whole).then("F").alias("F"))
