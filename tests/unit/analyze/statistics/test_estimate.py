"""The Hodges–Lehmann estimate and its interval, against published tables, scipy and simulation."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analyze.statistics import estimate as module
from harness.analyze.statistics.estimate import (
    estimate,
    estimate_groups,
    interval_rank,
    medians,
    null_distribution,
)

# Critical values of Wilcoxon's T, two-sided α = .05 (the table printed in most textbooks, e.g.
# Siegel & Castellan 1988, table H): the largest T at which the hypothesis is rejected.
CRITICAL_05 = {6: 0, 7: 2, 8: 3, 9: 5, 10: 8, 11: 10, 12: 13, 13: 17, 14: 21, 15: 25}
CRITICAL_05 |= {16: 29, 17: 34, 18: 40, 19: 46, 20: 52, 25: 89, 30: 137}
CRITICAL_01 = {8: 0, 9: 1, 10: 3, 11: 5, 12: 7, 15: 15, 20: 37, 25: 68, 30: 109}

finite = st.floats(-1e6, 1e6, allow_nan=False, allow_subnormal=False)


@pytest.mark.parametrize(("n", "critical"), CRITICAL_05.items())
def test_interval_rank_is_one_above_the_published_critical_value(n: int, critical: int) -> None:
    assert interval_rank(n, 0.95) == critical + 1


@pytest.mark.parametrize(("n", "critical"), CRITICAL_01.items())
def test_interval_rank_at_99_percent(n: int, critical: int) -> None:
    assert interval_rank(n, 0.99) == critical + 1


@pytest.mark.parametrize("n", range(1, 6))
def test_under_six_blocks_there_is_a_point_and_no_interval(n: int) -> None:
    found = estimate(np.arange(n))
    assert found.point == pytest.approx((n - 1) / 2)
    assert (found.low, found.high) == (None, None)


@pytest.mark.parametrize("n", [1, 4, 9, 12])
def test_null_distribution_is_that_of_all_sign_patterns(n: int) -> None:
    counts = np.zeros(n * (n + 1) // 2 + 1)
    for signs in itertools.product((0, 1), repeat=n):
        counts[sum(rank for rank, sign in enumerate(signs, 1) if sign)] += 1
    assert null_distribution(n) == pytest.approx(counts / 2**n, abs=1e-15)


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", range(1, 26))
def test_coverage_is_at_least_nominal_and_the_next_rank_would_be_too_little(
    n: int, level: float
) -> None:
    ways = [1]  # exact counts, in integers
    for rank in range(1, n + 1):
        more = [0] * rank + ways
        ways = [a + b for a, b in zip(ways + [0] * rank, more, strict=True)]
    tail = (1 - Fraction(str(level))) / 2
    k = interval_rank(n, level) or 0
    if k:
        assert Fraction(sum(ways[:k]), 2**n) <= tail
    assert Fraction(sum(ways[: k + 1]), 2**n) > tail


def test_normal_ranks_go_on_where_exact_ones_end() -> None:
    exact, normal = interval_rank(200, 0.95), interval_rank(201, 0.95)
    assert exact is not None
    assert normal is not None
    assert 0.985 < exact / normal < 0.995  # k grows like n²/4: 1 % a step at n = 200


@given(st.lists(finite, min_size=1, max_size=40))
def test_one_series_is_the_sorted_walsh_averages(values: list[float]) -> None:
    n = len(values)
    walsh = sorted((a + b) / 2 for i, a in enumerate(values) for b in values[i:])
    found = estimate(values)
    assert found.point == pytest.approx(float(np.median(walsh)), rel=1e-12, abs=1e-9)
    k = interval_rank(n, 0.95)
    if k is None:
        assert found.low is None
    else:
        assert found.low == pytest.approx(walsh[k - 1], rel=1e-12, abs=1e-9)
        assert found.high == pytest.approx(walsh[-k], rel=1e-12, abs=1e-9)
        assert found.low <= found.point <= found.high  # type: ignore[operator]


@given(st.lists(finite, min_size=6, max_size=20), finite)
def test_estimate_moves_and_mirrors_with_the_data(values: list[float], shift: float) -> None:
    here, there = estimate(values), estimate([shift - value for value in values])
    assert here.low is not None
    assert here.high is not None
    assert there.point == pytest.approx(shift - here.point, rel=1e-9, abs=1e-6)
    assert there.low == pytest.approx(shift - here.high, rel=1e-9, abs=1e-6)
    assert there.high == pytest.approx(shift - here.low, rel=1e-9, abs=1e-6)


def test_interval_excludes_zero_exactly_where_the_signed_rank_test_rejects() -> None:
    wilcoxon = pytest.importorskip("scipy.stats").wilcoxon
    rng = np.random.default_rng(5)
    for n in (6, 8, 10, 15):
        for _ in range(60):
            values = rng.normal(0.7, 1, n)
            found = estimate(values)
            assert found.low is not None
            assert found.high is not None
            rejected = wilcoxon(values, method="exact").pvalue <= 0.05
            assert (found.low > 0 or found.high < 0) == rejected


def test_ties_and_zeros_are_values_like_others() -> None:
    found = estimate([0.0] * 8)
    assert (found.point, found.low, found.high) == (0.0, 0.0, 0.0)


def test_groups_give_what_each_gives_alone() -> None:
    rng = np.random.default_rng(2)
    sizes = rng.integers(0, 33, 500)
    values = rng.standard_t(2, int(sizes.sum()))
    found = estimate_groups(values, sizes)
    middle = medians(values, sizes)
    for index, part in enumerate(np.split(values, np.cumsum(sizes)[:-1])):
        if part.size == 0:
            assert np.isnan(found.point[index])
            assert np.isnan(middle[index])
            continue
        alone = estimate(part)
        assert found.point[index] == alone.point
        assert middle[index] == np.median(part)
        if alone.low is None:
            assert np.isnan(found.low[index])
        else:
            assert (found.low[index], found.high[index]) == (alone.low, alone.high)


def test_long_series_are_counted_and_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    for values in (rng.normal(size=301), np.round(rng.normal(size=300), 1), np.zeros(300)):
        monkeypatch.setattr(module, "_SORT_N", 1000)
        sorted_all = estimate(values)
        monkeypatch.setattr(module, "_SORT_N", 10)
        counted = estimate(values)
        monkeypatch.undo()
        for name in ("point", "low", "high"):
            assert getattr(counted, name) == pytest.approx(getattr(sorted_all, name), abs=1e-14)


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_no_estimate_from_nothing_or_from_what_is_no_number(values: list[float]) -> None:
    with pytest.raises(ValueError, match="an estimate needs"):
        estimate(values)


def test_sizes_must_add_up() -> None:
    with pytest.raises(ValueError, match="add up"):
        estimate_groups(np.zeros(3), np.array([2, 2]))


def _coverage(draws: np.ndarray, truth: float) -> float:
    sizes = np.full(len(draws), draws.shape[1])
    found = estimate_groups(draws.ravel(), sizes)
    return float(np.mean((found.low <= truth) & (truth <= found.high)))


def test_coverage_at_eight_blocks_lies_in_the_band() -> None:
    draws = np.random.default_rng(8).normal(size=(8000, 8))
    assert 0.93 <= _coverage(draws, 0.0) <= 0.97


@pytest.mark.long
@pytest.mark.parametrize("n", [6, 8, 10, 20])
@pytest.mark.parametrize("shape", ["normal", "heavy-tailed", "ratio of skewed"])
def test_coverage_by_simulation(n: int, shape: str) -> None:
    rng = np.random.default_rng([n, len(shape)])
    many = (200_000, n)
    if shape == "normal":
        draws = rng.normal(size=many)
    elif shape == "heavy-tailed":
        draws = rng.standard_t(2, size=many)
    else:  # two equally skewed arms: their log ratio is what an overhead is made of
        draws = np.log(rng.exponential(size=many) + 0.2) - np.log(rng.exponential(size=many) + 0.2)
    exact = 1 - 2 * float(null_distribution(n)[: interval_rank(n, 0.95)].sum())
    assert exact >= 0.95
    assert _coverage(draws, 0.0) == pytest.approx(exact, abs=0.003)


@settings(max_examples=20)
@given(st.integers(1, 30))
def test_null_distribution_sums_to_one_and_is_symmetric(n: int) -> None:
    chance = null_distribution(n)
    assert chance.sum() == pytest.approx(1)
    assert chance == pytest.approx(chance[::-1])


@pytest.mark.parametrize("n", [6, 7, 8, 10, 13, 20, 30])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_the_test_excludes_zero_exactly_where_the_interval_does(n: int, level: float) -> None:
    rows = np.random.default_rng(n).normal(0.5, 1, (400, n)).round(1)
    found = estimate_groups(rows.ravel(), np.full(400, n), level, np.full(400, 0.4))
    outside = (found.low > 0) | (found.high < 0)
    assert (outside == (found.p <= (1 - level) * (1 + 1e-9))).all()
    wide = estimate_groups(rows.ravel(), np.full(400, n), 0.9)
    inside = (wide.low > -0.4) & (wide.high < 0.4)
    assert (inside == (found.p_margin <= 0.05 * (1 + 1e-9))).all()


def test_p_is_that_of_the_signed_rank_test() -> None:
    stats = pytest.importorskip("scipy.stats")
    for n in (6, 11, 25):
        row = np.random.default_rng(n).normal(0.3, 1, n)
        p = estimate_groups(row, np.array([n])).p[0]
        assert p == pytest.approx(stats.wilcoxon(row, method="exact").pvalue)


def test_p_of_long_series_is_counted_without_making_the_sums() -> None:
    row = np.random.default_rng(3).normal(0.02, 1, 1500)
    found = estimate_groups(row, np.array([1500]), 0.95, np.array([0.2]))
    stats = pytest.importorskip("scipy.stats")
    assert found.p[0] == pytest.approx(
        stats.wilcoxon(row, method="asymptotic", correction=False).pvalue, rel=1e-2
    )
    assert found.p_margin[0] < 0.05
