"""The shift between two independent samples, held against scipy and against its own promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from harness.analyze.statistics import two_samples


def samples(seed: int, m: int, n: int, by: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=m), rng.normal(size=n) + by


@pytest.mark.parametrize(("m", "n"), [(3, 3), (4, 9), (6, 6), (10, 8), (30, 50)])
def test_the_test_is_scipys_exact_one(m: int, n: int) -> None:
    before, after = samples(m * n, m, n, 0.7)
    expected = stats.mannwhitneyu(after, before, alternative="two-sided", method="exact").pvalue
    assert two_samples.shift(before, after, 0.95, 0.1).p == pytest.approx(expected, rel=1e-9)


def test_beyond_the_exact_sizes_it_is_normal_without_a_correction() -> None:
    before, after = samples(5, 60, 70, 0.3)
    expected = stats.mannwhitneyu(
        after, before, alternative="two-sided", method="asymptotic", use_continuity=False
    ).pvalue
    assert two_samples.shift(before, after, 0.95, 0.1).p == pytest.approx(expected, rel=1e-6)


def test_the_null_distribution_adds_up_and_is_symmetric() -> None:
    for m, n in ((1, 1), (2, 7), (12, 9)):
        chance = two_samples.null_distribution(m, n)
        assert chance.sum() == pytest.approx(1, abs=1e-12)
        assert chance == pytest.approx(chance[::-1], abs=1e-12)
        assert chance[0] == pytest.approx(1 / math.comb(m + n, m))


@pytest.mark.parametrize("seed", range(40))
def test_test_and_interval_say_the_same(seed: int) -> None:
    before, after = samples(seed, 7, 9, 0.9 * (seed % 3))
    found = two_samples.shift(before, after, 0.95, 0.1)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.point <= found.high
    assert (found.p <= 0.05) == (found.low > 0 or found.high < 0)


def test_the_interval_covers_a_known_shift_as_often_as_it_promises() -> None:
    """500 skewed samples of 8 and 10: at least 95 %, but for three standard errors of that."""
    rng = np.random.default_rng(11)
    times, covered = 500, 0
    for _ in range(times):
        found = two_samples.shift(rng.exponential(size=8), rng.exponential(size=10) + 1, 0.95, 0.1)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 1 <= found.high
    assert covered / times >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / times)


def test_too_few_values_have_no_interval() -> None:
    assert two_samples.interval_rank(3, 3, 0.95) is None
    assert two_samples.interval_rank(4, 4, 0.95) == 1
    found = two_samples.shift(np.array([1.0, 2, 3]), np.array([4.0, 5, 6]), 0.95, 0.1)
    assert (found.low, found.high) == (None, None)
    assert found.point == 3


def test_equivalence_is_shown_only_inside_the_margin() -> None:
    values = np.linspace(-0.001, 0.001, 12)
    assert two_samples.shift(values, values, 0.95, 0.01).p_margin < 0.05
    assert two_samples.shift(values, values + 0.02, 0.95, 0.01).p_margin > 0.5


@pytest.mark.parametrize("bad", [np.empty(0), np.array([1.0, math.nan])])
def test_no_values_and_values_that_are_none_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="shift needs"):
        two_samples.shift(bad, np.ones(5), 0.95, 0.1)
