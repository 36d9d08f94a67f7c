"""The whole rule, simulated: what intervals cover and how often equals are called different, where
cells leave once they are settled, every block is looked at, and rejected trials are made up.

A table has rows of known overheads; native runs twice in each block, a fifth of all trials
is rejected, and what is settled is asked of the code that a run asks. The tables are those of
docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from harness.analyze import allocation
from harness.analyze.statistics.estimate import estimate_groups
from harness.analyze.verdict import Blocks, adjusted, flipped
from harness.model.allocation import Rule
from harness.model.trial import TrialStatus
from harness.model.workload import Better, Resource
from tests import synthetic
from tests.allocated import carried_out

pytestmark = pytest.mark.long

PAGE = Path(__file__).parents[3] / "docs" / "statistics.md"
Floats = npt.NDArray[np.float64]
Shape = tuple[int, int, int]
"""Rows, blocks, and in each the trials of the target and both of native's."""

MOST, LEAST, REJECTED, DELTA = 30, 8, 0.2, 0.01
TABLES = 1000
EFFECTS = (0.0, 0.01, 0.03, 0.10)
SIGMAS = (0.005, 0.01, 0.02)
"""Noise of a trial: half, once and twice δ."""
TRIAL_S = 5.1
"""What a trial of `synthetic.make_run` takes."""
CPU_METRIC: list[tuple[str, str, Better]] = [("time", "s", "lower")]
PER_BLOCK = 30
"""Trials in a block where noise lasts from one to the next."""


def bimodal(rng: np.random.Generator, shape: Shape) -> Floats:
    """Three trials of ten are in another state, far beyond the noise of either."""
    return np.where(rng.random(shape) < 0.3, 2.0, 0.0) + 0.3 * rng.normal(size=shape)


def autocorrelated(rng: np.random.Generator, shape: Shape) -> Floats:
    """A machine that drifts (ρ = .95 from trial to trial), and noise of half its size; the three
    trials of a cell are at random places of the block."""
    rows, blocks, arms = shape
    drift = rng.normal(size=(blocks * PER_BLOCK, rows))
    for at in range(1, len(drift)):
        drift[at] = 0.95 * drift[at - 1] + np.sqrt(1 - 0.95**2) * drift[at]
    whole = drift.T.reshape(rows, blocks, PER_BLOCK)
    places = np.argsort(rng.random(whole.shape), axis=2)[:, :, :arms]
    return np.take_along_axis(whole, places, 2) + 0.5 * rng.normal(size=shape)


NOISE: dict[str, Callable[[np.random.Generator, Shape], Floats]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "heavy tails (t, 3 df)": lambda rng, shape: rng.standard_t(3, size=shape),
    "skewed (gamma, 4)": lambda rng, shape: rng.gamma(4, size=shape),
    "bimodal (3 of 10)": bimodal,
    "autocorrelated (.95)": autocorrelated,
    "very skewed (exponential)": lambda rng, shape: rng.exponential(size=shape),
}


@dataclass(frozen=True)
class Outcome:
    """Of tables of the same overheads: by row whether it has an interval, whether that covers, how
    many blocks it took, whether it was called different."""

    bounded: npt.NDArray[np.bool_]
    covered: npt.NDArray[np.bool_]
    blocks: npt.NDArray[np.int64]
    different: npt.NDArray[np.bool_]


def simulated(noise: str, theta: Floats, sigma: Floats, seed: int) -> Outcome:
    """`theta` and `sigma` (tables, rows): the log ratio of each row and the noise of a trial."""
    rng = np.random.default_rng([seed, *noise.encode()])
    rows = theta.size
    raw = NOISE[noise](rng, (rows, MOST, 3))
    values = raw / raw.std() * sigma.ravel()[:, None, None]
    values[rng.random(values.shape) < REJECTED] = np.nan
    first, second = values[..., 1], values[..., 2]
    either = np.where(np.isnan(first), second, first)
    d = (
        theta.ravel()[:, None]
        + values[..., 0]
        - (either + np.where(np.isnan(second), either, second)) / 2
    )
    blocks = np.full(rows, MOST)
    going = np.arange(rows)
    for made in range(LEAST, MOST):
        seen = d[going, :made]
        present = np.isfinite(seen)
        n = present.sum(axis=1)
        asked = n >= LEAST
        margins = np.full(int(asked.sum()), np.log1p(DELTA))
        over = allocation.settled(seen[asked][present[asked]], n[asked], margins)
        leaving = going[asked][np.array(over)]
        blocks[leaving] = made
        going = np.setdiff1d(going, leaving)
    return _judged(np.where(np.arange(MOST) < blocks[:, None], d, np.nan), theta, blocks)


def _judged(d: Floats, theta: Floats, blocks: npt.NDArray[np.int64]) -> Outcome:
    """The rows of each table, judged as those of a run are."""
    present = np.isfinite(d)
    n = present.sum(axis=1)
    found = estimate_groups(d[present], n)
    frame = pl.DataFrame(
        {"host": np.repeat(np.arange(len(theta)), theta.shape[1]), "p": found.p}
    ).with_columns(host=pl.col("host").cast(pl.String), headline=True, control=False)
    wanted = flipped(np.ones(n.size, dtype=np.bool_), n)
    number = np.broadcast_to(np.arange(MOST), d.shape)[wanted]
    chosen = present[wanted]
    given = Blocks(d[wanted][chosen], np.where(wanted, n, -1), number[chosen])
    p = adjusted(frame, ["host"], given)["p_adjusted"].to_numpy()
    covered = (found.low <= theta.ravel()) & (found.high >= theta.ravel())
    shape = theta.shape
    return Outcome(
        np.isfinite(found.high - found.low).reshape(shape),
        covered.reshape(shape),
        blocks.reshape(shape),
        (p <= 0.05 * (1 + 1e-12)).reshape(shape),
    )


def line(noise: str, sigmas: tuple[float, ...]) -> tuple[str, list[float], float]:
    """The row of `noise` in the page's tables, its coverage by overhead, and the share of tables
    of targets as fast as native in which any was called different."""
    theta = np.broadcast_to(np.log1p(EFFECTS)[:, None], (TABLES, len(EFFECTS), len(sigmas)))
    sigma = np.broadcast_to(sigmas, theta.shape)
    flat = (TABLES, -1)
    mixed = simulated(noise, theta.reshape(flat), sigma.reshape(flat), 1)
    equal = simulated(noise, np.zeros_like(theta).reshape(flat), sigma.reshape(flat), 2)
    covered = mixed.covered.reshape(theta.shape).mean(axis=(0, 2))
    blocks = mixed.blocks.reshape(theta.shape).mean(axis=(0, 2))
    wrong = float(equal.different.any(axis=1).mean())
    figures = [f"{share:.3f}"[1:] for share in covered] + [f"{each:.1f}" for each in blocks]
    text = f"| {noise} | {' | '.join(figures)} | {100 * wrong:.1f} % |"
    return text, covered.tolist(), wrong


@pytest.mark.parametrize("noise", NOISE)
def test_intervals_cover_and_equals_are_not_called_different(noise: str) -> None:
    text, covered, wrong = line(noise, SIGMAS)
    error = 3 * np.sqrt(0.05 * 0.95 / (TABLES * len(SIGMAS)))
    assert all(0.94 - error <= share <= 0.97 + error for share in covered), text
    assert wrong <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / TABLES), text
    assert text in PAGE.read_text().split("## Noise as large as δ")[0], text


BLOCKS_HELD = (10, 13)
"""Budgets, by how many blocks of all rows they hold: some rows are settled, others stay open."""
BUDGETED = 300
"""Tables of each kind, each a run that is carried out by the code that a real one is."""


def within_budget(noise: str, theta: Floats, blocks: int, seed: int) -> Outcome:
    """A workload for each row, `theta` and noise by row; the budget is that of so many blocks."""
    rng = np.random.default_rng([seed, *noise.encode()])
    rows = len(theta)
    named = [synthetic.workload(f"cpu-{at}", Resource.CPU, CPU_METRIC) for at in range(rows)]
    at = {each.name: number for number, each in enumerate(named)}
    d = np.full((BUDGETED * rows, MOST), np.nan)
    for table in range(BUDGETED):
        raw = NOISE[noise](rng, (rows, MOST, 3))
        values = raw / raw.std() * np.resize(SIGMAS, rows)[:, None, None]
        values[..., 0] -= theta[:, None]
        lost = rng.random(values.shape) < REJECTED
        arms = {name: arm for arm, name in enumerate(("container", "lab1", "lab1+control"))}

        def value(
            arm: str, of: str, _: str, block: int, drawn: Floats = values, by: dict[str, int] = arms
        ) -> float:
            return float(np.exp(drawn[at[of], block, by[arm]]))

        def ending(
            arm: str,
            of: str,
            block: int,
            bad: npt.NDArray[np.bool_] = lost,
            by: dict[str, int] = arms,
        ) -> tuple[TrialStatus, str | None]:
            rejected = bad[at[of], block, by[arm]]
            return (TrialStatus.REJECTED, "busy") if rejected else (TrialStatus.OK, None)

        whole = synthetic.make_run(value, workloads=named, blocks=MOST, ending=ending, control=True)
        budget_s = blocks * 3 * rows * TRIAL_S
        run = carried_out(whole, Rule({"cpu": DELTA}, LEAST, budget_s))
        assert run.used_s is not None
        assert run.used_s <= budget_s
        for (of, _), pairs in allocation.log_ratios(run.trials, named, "lab1").items():
            d[table * rows + at[of], : len(pairs)] = np.negative(pairs)
    each = np.broadcast_to(theta, (BUDGETED, rows))
    return _judged(d, each, np.isfinite(d).sum(axis=1))


@pytest.mark.parametrize("blocks", BLOCKS_HELD)
@pytest.mark.parametrize("noise", ["normal", "skewed (gamma, 4)"])
def test_a_budget_that_ends_a_run_spoils_neither_intervals_nor_verdicts(
    noise: str, blocks: int
) -> None:
    effects = np.repeat(np.log1p(EFFECTS), len(SIGMAS))
    mixed = within_budget(noise, effects, blocks, 1)
    equal = within_budget(noise, np.zeros_like(effects), blocks, 2)
    covered, without = [], float((~mixed.bounded).mean())
    for at in range(len(EFFECTS)):
        of = slice(at * len(SIGMAS), (at + 1) * len(SIGMAS))
        covered.append(float(mixed.covered[:, of][mixed.bounded[:, of]].mean()))
    wrong = float(equal.different.any(axis=1).mean())
    figures = " | ".join(f"{share:.3f}"[1:] for share in covered)
    text = f"| {noise} | {blocks} | {figures} | {100 * without:.0f} % | {100 * wrong:.1f} % |"
    error = 3 * np.sqrt(0.05 * 0.95 / (BUDGETED * len(SIGMAS)))
    assert all(0.94 - error <= share <= 0.97 + error for share in covered), text
    assert wrong <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / BUDGETED), text
    assert text in PAGE.read_text(), text


def plainer(d: Floats, sizes: npt.NDArray[np.int64], margins: Floats) -> list[bool]:
    """Equivalent, or narrow enough and without 0."""
    found = estimate_groups(d, sizes, margins=margins)
    half, far = (found.high - found.low) / 2, np.abs(found.point)
    narrow = half < np.maximum(margins, allocation.TENTH * far)
    without = (found.low > 0) | (found.high < 0)
    return list((found.p_margin <= 0.05) | (narrow & without))


@pytest.mark.parametrize("noise", list(NOISE)[:2])
def test_to_stop_where_an_interval_just_excludes_0_costs_coverage(
    noise: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ruled, covered, _ = line(noise, (DELTA,))
    monkeypatch.setattr(allocation, "settled", plainer)
    plain, less, wrong = line(noise, (DELTA,))
    assert less[0] < covered[0] - 0.02, plain
    assert wrong > 0.05, plain
    for text, page in zip((ruled, plain), PAGE.read_text().split("The plainer rule"), strict=True):
        assert text in page, text
