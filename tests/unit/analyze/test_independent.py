"""The whole overhead frame against a second implementation: plain loops over pandas, and scipy.

It shares no code with the first, and is written from the definitions, not from the first one.
"""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import polars as pl
import pytest

from harness.analyze.overhead import overhead
from harness.dataset.dataset import frame
from harness.model.run import Run
from harness.model.trial import TrialStatus
from harness.model.workload import Resource
from tests.synthetic import DOCKER, KVM, NATIVE, TCG, make_run, workload

pd = pytest.importorskip("pandas")
stats = pytest.importorskip("scipy.stats")

WORKLOADS = [
    workload("one", Resource.CPU, [("rate", "1/s", "higher"), ("time", "s", "lower")]),
    workload("two", Resource.DISK, [("latency", "µs", "lower")]),
    workload("three", Resource.DISK, [("bandwidth", "MiB/s", "higher")]),
]
HEADLINE = {each.name: each.metrics[0].name for each in WORKLOADS}
DataFrame: TypeAlias = Any  # pandas is not annotated here
SAME = [
    "trials", "failed", "timeout", "lost", "rejected", "n", "n_missing", "n_invalid",
    "n_values", "native_n_values", "runs",
]  # fmt: skip
CLOSE = [
    "value_mean", "value_median", "native_value_mean", "native_value_median",
    "F", "F_low", "F_high", "overhead_percent", "overhead_low", "overhead_high", "sd",
    "p", "p_adjusted", "p_equivalent",
]  # fmt: skip


def random_run(rng: np.random.Generator, name: str, blocks: int) -> Run:
    """A run with failures, missing metrics, values of zero, repeats and blocks never reached."""
    endings = [TrialStatus.OK] * 8 + [
        TrialStatus.FAILED, TrialStatus.TIMEOUT, TrialStatus.LOST, TrialStatus.REJECTED,
    ]  # fmt: skip

    def value(target: str, workload: str, metric: str, block: int) -> float | None:
        chance = rng.random()
        if chance < 0.05:
            return None
        return 0.0 if chance < 0.08 else float(rng.lognormal(mean=3, sigma=0.4))

    def ending(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        if target == TCG.name and workload == "two":
            return TrialStatus.FAILED, "never works"
        return endings[rng.integers(len(endings))], "why"

    kinds = [NATIVE, DOCKER, KVM, TCG]
    run = make_run(
        value,
        kinds,
        WORKLOADS,
        blocks,
        ending,
        run=name,
        repeats=int(rng.integers(1, 4)),
        control=True,
    )
    kept = tuple(trial for trial in run.trials if rng.random() < 0.9)
    return Run(run.manifest, kept, run.ended, run.used_s)


def by_hand(rows: DataFrame, level: float) -> list[dict[str, Any]]:
    """The overhead of pandas rows, one target and metric at a time."""
    out = []
    for (target, name, metric), group in rows.groupby(["target", "workload", "metric"]):
        of_metric = rows[(rows.workload == name) & (rows.metric == metric)]
        of_runs = of_metric[of_metric.run.isin(group.run.unique())]
        is_native = bool(group.native.iloc[0])
        native = of_runs[of_runs.native]
        second = of_runs[of_runs.control]
        if is_native or group.control.iloc[0]:
            second = second[:0]
        sign = 1 if group.better.iloc[0] == "lower" else -1
        mine: dict[Any, float] = {}
        base: dict[Any, float] = {}
        more: dict[Any, float] = {}
        for arm, means in ((group, mine), (native, base), (second, more)):
            for key, part in arm.groupby(["run", "block"]):
                got = [x for x in part.value if not pd.isna(x)]
                if got:
                    means[key] = sum(got) / len(got)
        tried = {tuple(key) for key in group[["run", "block"]].to_numpy()}
        both = [key for key in mine if key in base or key in more]
        logs = {key: [np.log(of[key]) for of in (base, more) if of.get(key, 0) > 0] for key in both}
        positive = [key for key in sorted(both) if mine[key] > 0 and logs[key]]
        d = [sign * (np.log(mine[key]) - sum(logs[key]) / len(logs[key])) for key in positive]
        row: dict[str, Any] = {"target": target, "workload": name, "metric": metric}
        row["trials"] = len(group)
        for status in ("failed", "timeout", "lost", "rejected"):
            row[status] = int((group.status == status).sum())
        row |= {"n": len(mine) if is_native else len(d), "runs": group.run.nunique()}
        row |= {"n_missing": len(tried) - len(d), "n_invalid": len(both) - len(d)}
        row |= {"n_values": len(mine), "native_n_values": len(base)}
        for prefix, means in (("", mine), ("native_", base)):
            numbers = pd.Series(list(means.values()), dtype=float)
            row[f"{prefix}value_mean"] = numbers.mean()
            row[f"{prefix}value_median"] = numbers.median()
        row["verdict"] = "baseline" if is_native else "no result"
        if d and not is_native:
            row["d"] = dict(zip(positive, d, strict=True))
            row |= relative(d, level, 0.01 if group.resource.iloc[0] == "cpu" else 0.03)
        row["headline"] = metric == HEADLINE[name]
        row["control"] = target.endswith("+control")
        out.append(row)
    judge(out, 1 - level)
    return out


def judge(rows: list[dict[str, Any]], alpha: float) -> None:
    """Verdicts over all rows: the headline ones by every flip of the blocks' signs, the others by
    scipy's Benjamini–Hochberg or, with fewer than eight blocks, like those but over all rows."""
    tested = [row for row in rows if "p" in row and not row["control"]]
    everything = stats.false_discovery_control([row["p"] for row in tested], method="bh")
    for row, p in zip(tested, everything, strict=True):
        row["p_adjusted"] = p
    able = [row for row in tested if 2.0 ** (1 - len(row["d"])) <= alpha + 1e-12]
    if len({key for row in tested for key in row["d"]}) < 8:
        flip(tested)
        flip(able)
    flip([row for row in tested if row["headline"]])
    flip([row for row in able if row["headline"]])
    for row in rows:
        if row["control"]:
            row["verdict"] = "control"
            if "p" in row:
                row["p_adjusted"] = row["p"]
        elif "F_low" in row:
            if row["p_adjusted"] <= alpha + 1e-12 and row["F"] > 1:
                row["verdict"] = "slower"
            elif row["F_high"] < 1:
                row["verdict"] = "suspect"
            elif row["p_equivalent"] <= 0.05 + 1e-12:
                row["verdict"] = "equivalent"
            else:
                row["verdict"] = "unresolved"


def flip(rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    keys = sorted({key for row in rows for key in row["d"]})
    signs = np.array(list(itertools.product([1.0, -1.0], repeat=len(keys) - 1)))
    signs = np.hstack([np.ones((len(signs), 1)), signs])
    t: dict[int, Any] = {}
    for number, row in enumerate(rows):
        d = signs[:, [key in row["d"] for key in keys]] * list(row["d"].values())
        n = d.shape[1]
        t[number] = np.zeros(len(d))
        if n > 1:
            t[number] = np.abs(d.mean(axis=1)) / (d.std(axis=1, ddof=1) / np.sqrt(n))
    worst = 0.0
    for number in sorted(t, key=lambda each: -t[each][0]):
        largest = np.max([t[each] for each in t if t[each][0] <= t[number][0]], axis=0)
        worst = max(worst, float((largest >= t[number][0] * (1 - 1e-9)).mean()))
        rows[number]["p_adjusted"] = max(worst, rows[number]["p"])


def relative(d: list[float], level: float, margin: float) -> dict[str, Any]:
    bound = np.log(1 + margin)
    walsh = sorted((a + b) / 2 for a, b in itertools.combinations_with_replacement(d, 2))
    row: dict[str, Any] = {"F": np.exp(np.median(walsh)), "verdict": "n too small"}
    row["overhead_percent"] = 100 * (row["F"] - 1)
    row["sd"] = pd.Series(d).std() if len(d) > 1 else np.nan
    # A shift beyond the t smallest Walsh averages has T⁺ ≤ t: the test rejects it while that is
    # rarer than half of 1 − level.
    index = -1
    while index + 1 < len(walsh) / 2 and tail(index + 1, len(d)) <= (1 - level) / 2 + 1e-15:
        index += 1
    if index >= 0:
        row["F_low"], row["F_high"] = np.exp(walsh[index]), np.exp(walsh[-1 - index])
        row["overhead_low"] = 100 * (row["F_low"] - 1)
        row["overhead_high"] = 100 * (row["F_high"] - 1)
    # Without ties and zeros, as here, T⁺ is the number of Walsh averages above the location.
    row["p"] = min(
        1.0,
        2 * min(tail(sum(w <= 0 for w in walsh), len(d)), tail(sum(w >= 0 for w in walsh), len(d))),
    )
    row["p_equivalent"] = max(
        tail(sum(w <= -bound for w in walsh), len(d)), tail(sum(w >= bound for w in walsh), len(d))
    )
    return row


@cache
def tail(t: int, n: int) -> float:
    """P(T⁺ ≤ t) by scipy: the one-sided test of a series whose positive ranks sum to t."""
    series = -np.arange(1.0, n + 1)
    left = t
    for rank in range(n, 0, -1):
        if rank <= left:
            series[rank - 1], left = rank, left - rank
    return float(stats.wilcoxon(series, alternative="less", method="exact").pvalue)


@pytest.mark.parametrize(
    ("seed", "level", "blocks"),
    [
        (1, 0.95, (7, 3)),
        (5, 0.95, (7,)),
        (6, 0.9, (6,)),
        (2, 0.95, (9, 4)),
        (3, 0.9, (8,)),
        (4, 0.99, (9, 3, 5)),
    ],
)
def test_frame_equals_an_independent_implementation(
    seed: int, level: float, blocks: tuple[int, ...]
) -> None:
    """Up to 13 blocks every flip is tried on both sides; beyond, a headline row's adjusted p is of
    4,999 flips here and of all there."""
    rng = np.random.default_rng(seed)
    runs = [random_run(rng, name, count) for name, count in zip("abc", blocks, strict=False)]
    samples = pl.concat([frame(run) for run in runs])
    found = overhead(samples.lazy(), level=level)
    rows = pd.DataFrame(samples.with_columns(pl.col(pl.Categorical).cast(pl.String)).to_dicts())
    expected = by_hand(rows, level)
    assert found.height == len(expected) > 0
    table = {(str(r["target"]), str(r["workload"]), str(r["metric"])): r for r in found.to_dicts()}
    for row in expected:
        mine = table[row["target"], row["workload"], row["metric"]]
        for name in [*SAME, "verdict"]:
            assert mine[name] == row[name], (name, row)
        for name in CLOSE:
            there = row.get(name, np.nan)
            if np.isnan(there):
                assert mine[name] is None, (name, row)
            else:
                drawn = name == "p_adjusted" and row["headline"] and sum(blocks) > 13
                near = 5 * np.sqrt(there / 4999) + 2e-4 if drawn else 1e-12
                assert mine[name] == pytest.approx(there, rel=1e-12, abs=near), (name, row)
