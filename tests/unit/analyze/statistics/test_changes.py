"""Tests of change: where, how large, how often wrongly, how often rightly.

Truths are known: the series are simulated. What is expected of rates lies in binomial intervals
around what `docs/history.md` says; the long test makes that page's table again and prints it.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats  # type: ignore[import-untyped]

from harness.analyze.statistics import ar1, changes
from tests import autoregressive

Floats = npt.NDArray[np.float64]
ROOT = Path(__file__).parents[4]
NIGHTS = (30, 60, 120)
RHO = (0.0, 0.3, 0.6)
ALPHA = 0.05
RECENT = 7


def flat(rows: Floats) -> tuple[Floats, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    count, n = rows.shape
    return rows.ravel(), np.arange(count) * n, np.full(count, n)


def rejected(rows: Floats) -> float:
    return float((changes.scan(*flat(rows)).p <= ALPHA).mean())


def shifted(n: int, rho: float, size: float, after: int, count: int, seed: int) -> Floats:
    """Series of standard deviation 1 whose last `after` nights are `size` higher."""
    rows = autoregressive.series(n, rho, count, np.random.default_rng(seed))
    rows[:, n - after :] += size
    return rows


# ------------------------------------------------------------------ where and how large
def test_the_likeliest_change_is_the_one_that_ruptures_finds() -> None:
    ruptures = pytest.importorskip("ruptures", reason="ruptures has no wheel for this Python")
    for split in (5, 17, 40):
        series = np.random.default_rng(split).normal(size=45)
        series[split:] += 1.5
        found = int(changes.scan(series, np.array([0]), np.array([45])).split[0])
        least = ruptures.KernelCPD(kernel="linear", min_size=changes.SIDE).fit(series)
        assert found == least.predict(n_bkps=1)[0]


@pytest.mark.parametrize("split", [5, 17, 40])
def test_the_likeliest_change_is_where_least_squares_puts_it(split: int) -> None:
    """By trying every split."""
    rng = np.random.default_rng(split)
    for _ in range(20):
        series = rng.normal(size=45)
        series[split:] += 1.5
        found = int(changes.scan(series, np.array([0]), np.array([45])).split[0])
        rest = [
            series[:k].var() * k + series[k:].var() * (45 - k)
            for k in range(changes.SIDE, 45 - changes.SIDE + 1)
        ]
        assert found == int(np.argmin(rest)) + changes.SIDE


def test_segments_of_any_length_are_tested_as_if_alone() -> None:
    rng = np.random.default_rng(5)
    sizes = np.array([12, 300, 11, 45, 45, 46, 13, 1, 150])
    values = rng.normal(size=int(sizes.sum())) + 7
    starts = np.cumsum(sizes) - sizes
    together = changes.scan(values, starts, sizes)
    for number, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        alone = changes.scan(values[start : start + size], np.array([0]), np.array([size]))
        assert together.split[number] == alone.split[0]
        assert together.p[number] == pytest.approx(alone.p[0], rel=1e-9)
    assert (together.split[sizes < changes.LEAST] == -1).all()
    assert (together.p[sizes < changes.LEAST] == 1).all()


def test_neither_the_level_nor_the_scale_of_a_series_changes_its_p() -> None:
    rows = shifted(40, 0.3, 1.0, 20, 50, seed=3)
    p = changes.scan(*flat(rows)).p
    assert changes.scan(*flat(0.001 * rows + 100)).p == pytest.approx(p, rel=1e-6)
    assert changes.scan(*flat(-rows)).p == pytest.approx(p, rel=1e-9)


def test_a_series_without_any_noise_is_not_a_division_by_zero() -> None:
    still = np.zeros(30)
    assert changes.scan(*flat(still[None])).p[0] == 1
    still[20:] = 0.1
    found = changes.scan(*flat(still[None]))
    assert (found.split[0], found.p[0]) == (20, pytest.approx(0, abs=1e-6))
    done = changes.step(*flat(still[None]), np.array([20]))
    assert done.shift[0] == pytest.approx(0.1)
    assert done.high[0] - done.low[0] < 1e-6


def test_a_step_is_the_difference_of_the_means_and_has_no_answer_for_two_nights() -> None:
    rows = shifted(30, 0.0, 2.0, 4, 3, seed=1)
    done = changes.step(*flat(rows), np.array([26, 28, 2]))
    assert done.shift[0] == pytest.approx(rows[0, 26:].mean() - rows[0, :26].mean())
    assert np.isnan([done.shift[1], done.p[1], done.low[2]]).all()


def test_the_interval_of_a_step_excludes_zero_exactly_where_its_p_is_small() -> None:
    rows = shifted(30, 0.3, 0.8, 15, 2000, seed=2)
    done = changes.step(*flat(rows), np.full(2000, 15))
    small = done.p <= 0.05
    assert 0.1 < small.mean() < 0.9
    assert (small == ((done.low > 0) | (done.high < 0))).all()
    assert ((done.low <= done.shift) & (done.shift <= done.high)).all()


def test_for_each_autocorrelation_levels_and_noise_are_those_of_generalized_least_squares() -> None:
    """By matrices, from the definition: y = Xβ + e with the covariance of AR(1)."""
    rng = np.random.default_rng(31)
    for before, after in ((3, 3), (7, 8), (20, 5)):
        n = before + after
        y = rng.normal(size=n)
        y -= y.mean()
        sizes, splits = np.array([n]), np.array([before])
        fit = ar1.two_levels(y[None], np.ones((1, n), dtype=np.bool_), splits, sizes)
        x = np.stack([np.arange(n) < before, np.arange(n) >= before], axis=1).astype(float)
        for at, rho in enumerate(ar1.GRID):
            v = rho ** np.abs(np.subtract.outer(np.arange(n), np.arange(n))) / (1 - rho**2)
            inverse = np.linalg.inv(v)
            of = x.T @ inverse @ x
            beta = np.linalg.solve(of, x.T @ inverse @ y)
            rest = y - x @ beta
            assert fit.difference[0, at] == pytest.approx(beta[1] - beta[0], abs=1e-9)
            assert fit.noise.squares[0, at] == pytest.approx(rest @ inverse @ rest)
            contrast = np.array([-1.0, 1.0])
            assert fit.apart[0, at] == pytest.approx(contrast @ np.linalg.inv(of) @ contrast)
            logs = -(np.linalg.slogdet(v)[1] + np.linalg.slogdet(of)[1]) / 2
            assert fit.noise.logs[0, at] == pytest.approx(logs)
        assert fit.noise.freedom[0] == n - 2


def test_p_is_weighed_over_the_autocorrelations_by_the_restricted_likelihood() -> None:
    """Written out with matrices and scipy's t, for series with and without a change."""
    rng = np.random.default_rng(33)
    for size in (0.0, 1.0, 3.0):
        y = rng.normal(size=15)
        y[7:] += size
        x = np.stack([np.arange(15) < 7, np.arange(15) >= 7], axis=1).astype(float)
        logs, tails = [], []
        for rho in ar1.GRID:
            v = rho ** np.abs(np.subtract.outer(np.arange(15), np.arange(15))) / (1 - rho**2)
            inverse = np.linalg.inv(v)
            of = np.linalg.inv(x.T @ inverse @ x)
            beta = of @ x.T @ inverse @ y
            squares = (y - x @ beta) @ inverse @ (y - x @ beta)
            # Of all contrasts without a level, their variance integrated out.
            logs.append(
                (np.linalg.slogdet(of)[1] - np.linalg.slogdet(v)[1] - 13 * np.log(squares)) / 2
            )
            error = math.sqrt(squares / 13 * (of[0, 0] + of[1, 1] - 2 * of[0, 1]))
            tails.append(2 * stats.t.sf(abs(beta[1] - beta[0]) / error, 13))
        weights = np.exp(np.array(logs) - max(logs))
        expected = float(weights @ tails / weights.sum())
        found = changes.step(*flat(y[None]), np.array([7]))
        assert found.p[0] == pytest.approx(expected, rel=0.02)
        assert found.rho[0] == pytest.approx(float(weights @ ar1.GRID / weights.sum()))


def test_noise_about_one_level_is_that_of_generalized_least_squares_too() -> None:
    n = 14
    y = np.random.default_rng(32).normal(size=n).cumsum()
    y -= y.mean()
    found = ar1.one_level(y[None], np.array([n]))
    for at, rho in enumerate(ar1.GRID):
        v = rho ** np.abs(np.subtract.outer(np.arange(n), np.arange(n))) / (1 - rho**2)
        inverse, one = np.linalg.inv(v), np.ones(n)
        of = one @ inverse @ one
        rest = y - one @ inverse @ y / of
        assert found.squares[0, at] == pytest.approx(rest @ inverse @ rest)
        assert found.logs[0, at] == pytest.approx(-(np.linalg.slogdet(v)[1] + math.log(of)) / 2)
    assert found.freedom[0] == n - 1


def test_without_autocorrelation_a_step_is_the_t_test_of_two_means() -> None:
    """The first of the grid; what is weighed with it makes the test a little wider."""
    rows = shifted(200, 0.0, 0.3, 100, 400, seed=4)
    rows -= rows.mean(axis=1, keepdims=True)
    many = np.full(400, 100)
    fit = ar1.two_levels(rows, np.ones(rows.shape, dtype=np.bool_), many, 2 * many)
    t, p = stats.ttest_ind(rows[:, 100:], rows[:, :100], axis=1)
    assert changes._t(fit, fit.noise)[:, 0] == pytest.approx(np.abs(t))
    done = changes.step(*flat(rows), many)
    white = done.rho < 0.03
    assert white.sum() > 50
    assert (done.p[white] >= p[white] * 0.98).all()
    assert np.abs(np.log(done.p[white] / p[white])).max() < 0.35 * np.abs(np.log(p)).max()


@pytest.mark.parametrize("freedom", [5, 12, 28, 118])
def test_the_normal_scale_of_t_is_that_of_equal_tails(freedom: int) -> None:
    t = np.array([0.5, 1.5, 2.5, 4.0, 6.0])
    exact = stats.norm.isf(stats.t.sf(t, freedom))
    of_t = changes._normal(t, np.full(t.size, float(freedom)))
    assert of_t == pytest.approx(exact, abs=0.03)
    assert changes._student(of_t, np.full(t.size, float(freedom))) == pytest.approx(t)


def test_the_tail_of_the_maximum_is_that_of_a_brownian_bridge() -> None:
    """Against a simulated one, finely stepped; the formula is of large values."""
    rng = np.random.default_rng(9)
    n, count = 1000, 4000
    exceeded = np.zeros(2)
    levels = np.array([2.9, 3.3])
    for _ in range(10):
        walk = np.cumsum(rng.standard_normal((count // 10, n)), axis=1)
        k = np.arange(1, n)
        bridge = np.abs(walk[:, :-1] - walk[:, -1:] * k / n) * np.sqrt(n / (k * (n - k)))
        inside = (k >= changes.SIDE) & (k <= n - changes.SIDE)
        exceeded += (bridge[:, inside].max(axis=1)[:, None] > levels).sum(axis=0)
    expected = changes._p_of_largest(levels[:, None], np.full((2, 1), float(n)))[:, 0]
    # The walk's steps miss some of what lies between them: never more than the formula says.
    for found, p in zip(exceeded / count, expected, strict=True):
        slack = 3 * math.sqrt(p * (1 - p) / count)
        assert 0.6 * p - slack < found < p + slack


# ------------------------------------------------------------------ what earlier epochs tell
def after_a_cut(
    nights: int, rho: float, size: float, count: int, seed: int, noisier: float = 1.0
) -> tuple[float, float]:
    """How often a shift in the last `RECENT` nights of an epoch is found at 5 %, by that epoch
    alone, and knowing four earlier ones of 30 nights; `noisier` is its deviation beside theirs."""
    rows = autoregressive.series(120 + nights, rho, count, np.random.default_rng(seed))
    rows[:, 120:] *= noisier
    rows[:, -RECENT:] += size
    sizes = np.tile([30, 30, 30, 30, nights], count)
    starts, series = np.cumsum(sizes) - sizes, np.repeat(np.arange(count), 5)
    known = changes.noise(rows.ravel(), starts, sizes, series)
    last = rows.ravel(), starts[4::5], sizes[4::5]
    alone, told = (changes.scan(*last, noise).p <= ALPHA for noise in (None, known))
    return float(alone.mean()), float(told.mean())


def test_a_series_of_one_epoch_knows_no_more_than_that_epoch() -> None:
    rows = shifted(40, 0.3, 1.5, 12, 300, seed=12)
    known = changes.noise(*flat(rows), np.arange(300))
    assert (changes.scan(*flat(rows), known).p == changes.scan(*flat(rows)).p).all()
    assert set(known.freedom) == {38, 39}  # about two levels where they are shown, else about one


def test_a_series_of_short_epochs_only_is_judged_by_what_each_shows() -> None:
    rows = shifted(24, 0.3, 3.0, 12, 100, seed=13)
    values = rows.ravel()
    short = np.arange(300) * 8
    known = changes.noise(values, short, np.full(300, 8), np.repeat(np.arange(100), 3))
    assert (known.freedom == 0).all()
    splits = np.full(100, 12)
    alone, told = (changes.step(*flat(rows), splits, noise) for noise in (None, known))
    assert (alone.p == told.p).all()
    assert (alone.low == told.low).all()


@pytest.mark.parametrize(("nights", "rho"), [(20, 0.3), (40, 0.6)])
def test_after_a_cut_what_the_series_knows_finds_more_and_errs_no_more(
    nights: int, rho: float
) -> None:
    said = {row[:2]: row[2:] for row in page_table(6)}[nights, rho]
    count = 1500
    wrong = after_a_cut(nights, rho, 0.0, count, seed=nights)[1] * count
    assert wrong <= stats.binom.isf(0.001, count, said[1])
    alone, known = after_a_cut(nights, rho, 3.0, count, seed=nights + 1)
    assert known * count >= stats.binom.isf(0.999, count, said[3])
    assert known > alone + (0.1 if nights == 20 else -0.03)


def test_an_epoch_that_is_noisier_than_the_others_raises_no_more_alarms() -> None:
    count = 1500
    for noisier in (1.5, 2.0, 3.0):
        wrong = after_a_cut(40, 0.3, 0.0, count, seed=21, noisier=noisier)[1] * count
        assert wrong <= stats.binom.isf(0.001, count, 0.055), noisier


# ------------------------------------------------------------------ how often wrongly and rightly
@pytest.mark.parametrize("rho", RHO)
@pytest.mark.parametrize("n", NIGHTS)
def test_false_alarms_are_as_rare_as_promised(n: int, rho: float) -> None:
    count = 1500
    wrong = rejected(shifted(n, rho, 0.0, 0, count, seed=n)) * count
    assert wrong <= stats.binom.isf(0.001, count, promised(n, rho))


def test_a_shift_of_three_deviations_is_found_within_a_week() -> None:
    rows = shifted(60, 0.0, 3.0, RECENT, 300, seed=8)
    assert rejected(rows) >= stats.binom.isf(0.999, 300, 0.95) / 300


def test_heavy_tails_raise_no_more_alarms_than_normal_ones() -> None:
    """Student's t with 3 degrees of freedom: now and then a night is far off."""
    rows = np.random.default_rng(6).standard_t(3, size=(1500, 60))
    assert rejected(rows) * 1500 <= stats.binom.isf(0.001, 1500, ALPHA)


def test_an_interval_of_a_step_covers_what_it_promises() -> None:
    count = 2000
    for n, rho in ((30, 0.0), (60, 0.3)):
        rows = shifted(n, rho, 1.0, n // 3, count, seed=n + 1)
        done = changes.step(*flat(rows), np.full(count, n - n // 3))
        held = int(((done.low <= 1.0) & (done.high >= 1.0)).sum())
        assert held >= stats.binom.isf(0.999, count, 0.93)


@pytest.mark.long
def test_the_table_in_the_page_is_what_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """False alarms and power at 30, 60 and 120 nights, with autocorrelation 0, .3 and .6."""
    count = 20_000
    rows: list[tuple[float, ...]] = []
    for n in NIGHTS:
        for rho in RHO:
            measured = [
                rejected(shifted(n, rho, size, after, count, seed=n + int(10 * rho)))
                for size, after in CASES
            ]
            rows.append((n, rho, *measured))
    require_page(rows, count, capsys)


@pytest.mark.long
def test_the_table_of_young_epochs_is_what_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    count = 20_000
    rows: list[tuple[float, ...]] = []
    for nights in (20, 40):
        for rho in RHO:
            wrong = after_a_cut(nights, rho, 0.0, count, seed=nights)
            right = after_a_cut(nights, rho, 3.0, count, seed=nights)
            rows.append((nights, rho, *wrong, *right))
    require_page(rows, count, capsys)


def at_a_known_night(before: int, after: int, rho: float, size: float, count: int) -> float:
    """How often a step at a known night is found at 5 %."""
    rows = shifted(before + after, rho, size, after, count, seed=before + after)
    return float((changes.step(*flat(rows), np.full(count, before), level=None).p <= ALPHA).mean())


KNOWN = [(before, size) for before in (7, 30) for size in (0.0, 3.0, 5.0)]


@pytest.mark.long
def test_the_table_of_known_nights_is_what_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    count = 20_000
    rows = [
        (after, rho, *(at_a_known_night(before, after, rho, size, count) for before, size in KNOWN))
        for after in (3, 7)
        for rho in RHO
    ]
    require_page(rows, count, capsys)


@pytest.mark.parametrize("rho", RHO)
def test_a_week_on_either_side_of_an_upgrade_is_enough_for_what_anybody_sees(rho: float) -> None:
    """Ten deviations; it once took months, for what two weeks tell of ρ is little."""
    count = 1000
    assert at_a_known_night(7, 7, rho, 10.0, count) > 0.995
    wrong = at_a_known_night(7, 7, rho, 0.0, count) * count
    assert wrong <= stats.binom.isf(0.001, count, 0.065)


def require_page(
    rows: list[tuple[float, ...]], count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Print `rows` of shares of `count` series, and fail where the page says otherwise."""
    with capsys.disabled():
        print()
        for row in rows:
            shares = [f"{100 * share:.1f} %" for share in row[2:]]
            print("| " + " | ".join([f"{row[0]:g}", f"{row[1]:g}", *shares]) + " |")
    said = page_table(len(rows[0]))
    assert [row[:2] for row in said] == [row[:2] for row in rows]
    for row, promised_row in zip(rows, said, strict=True):
        for promise, rate in zip(promised_row[2:], row[2:], strict=True):
            # Both were measured: the difference of two binomial shares, at one in a million.
            spread = 5 * math.sqrt(2 * max(promise * (1 - promise), 1 / count) / count)
            assert abs(promise - rate) < spread + 0.0005, (row[:2], promise, rate)


CASES = ((0.0, 0), (1.0, 15), (2.0, 15), (2.0, RECENT), (3.0, RECENT))
"""Size of the shift in standard deviations, and how many nights ago."""


def page_table(columns: int) -> list[tuple[float, ...]]:
    """The rows of the measured table of so many columns in docs/history.md, as shares."""
    text = (ROOT / "docs" / "history.md").read_text()
    rows = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == columns and re.fullmatch(r"\d+", cells[0]):
            shares = [float(cell.removesuffix(" %")) / 100 for cell in cells[2:]]
            rows.append((int(cells[0]), float(cells[1]), *shares))
    return rows


def promised(n: int, rho: float) -> float:
    """The false-alarm rate that the page says."""
    return next(row[2] for row in page_table(2 + len(CASES)) if row[:2] == (n, rho))
