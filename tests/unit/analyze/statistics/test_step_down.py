"""Rows of the same blocks judged together: how often wrongly, how often rightly, and on what terms.

`tests/unit/analyze/test_independent.py` has the same p from a second implementation.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats  # type: ignore[import-untyped]

from harness.analyze.statistics.step_down import step_down

Floats = npt.NDArray[np.float64]
ALPHA = 0.05
ROWS = 40


def blocks(count: int, rng: np.random.Generator, heavy: bool = False) -> Floats:
    """d of rows without any effect, correlated as rows of one native are, each with a scatter of
    its own."""
    shared = rng.standard_normal(count)
    own = rng.standard_t(3, (ROWS, count)) if heavy else rng.standard_normal((ROWS, count))
    return (shared + own) * rng.uniform(0.005, 0.05, (ROWS, 1))


def wrongly(count: int, effects: Floats, times: int, heavy: bool = False) -> int:
    """How often any row without an effect was called different."""
    rng = np.random.default_rng([count, times, int(heavy)])
    none = effects == 0
    return sum(
        bool((step_down(blocks(count, rng, heavy) + effects[:, None])[none] <= ALPHA).any())
        for _ in range(times)
    )


@pytest.mark.parametrize("heavy", [False, True])
@pytest.mark.parametrize("count", [6, 8, 10])
def test_rows_without_an_effect_are_rarely_called_different(count: int, heavy: bool) -> None:
    assert wrongly(count, np.zeros(ROWS), 400, heavy) <= stats.binom.isf(0.001, 400, ALPHA)


@pytest.mark.parametrize("count", [6, 10])
def test_rows_with_an_effect_do_not_have_the_others_called_different(count: int) -> None:
    effects = np.where(np.arange(ROWS) % 2, 0.0, 0.7)
    assert wrongly(count, effects, 400) <= stats.binom.isf(0.001, 400, ALPHA)


@pytest.mark.long
@pytest.mark.parametrize("count", [6, 8, 10, 13, 20])
def test_the_share_of_tables_with_a_wrong_row_is_at_most_what_is_promised(count: int) -> None:
    for effects in (np.zeros(ROWS), np.where(np.arange(ROWS) % 2, 0.0, 0.7)):
        wrong = wrongly(count, effects, 4000 if count <= 13 else 400)
        assert wrong <= stats.binom.isf(0.001, 4000 if count <= 13 else 400, ALPHA)


def test_six_blocks_find_what_holms_procedure_could_not() -> None:
    """Its smallest adjusted p would be 40/32."""
    rng = np.random.default_rng(6)
    effects = np.where(np.arange(ROWS) % 2, 0.0, 0.7)
    found = [step_down(blocks(6, rng) + effects[:, None])[::2] <= ALPHA for _ in range(50)]
    assert np.mean(found) > 0.9


def test_p_is_two_to_the_one_minus_n_at_least_whatever_the_number_of_rows() -> None:
    rng = np.random.default_rng(1)
    for count in (1, 2, 5, 6, 9):
        d = 1 + 1e-3 * rng.standard_normal((ROWS, count))
        assert step_down(d) == pytest.approx(np.full(ROWS, 2.0 ** (1 - count)))


def test_one_row_alone_has_the_p_of_flipping_its_signs() -> None:
    """As scipy does it, with every flip."""
    d = np.random.default_rng(3).normal(0.4, 1.0, (1, 9))

    def t(values: Floats, axis: int) -> Floats:
        found: Floats = np.abs(values.mean(axis)) / values.std(axis, ddof=1)
        return found

    same = stats.permutation_test(
        (d[0],), t, permutation_type="samples", alternative="greater", n_resamples=math.inf
    )
    assert step_down(d)[0] == pytest.approx(same.pvalue)


def test_neither_order_nor_sign_nor_scale_of_rows_matters_and_holes_are_no_zeros() -> None:
    rng = np.random.default_rng(8)
    d = blocks(9, rng)
    d[:8] += 0.1
    d[rng.random(d.shape) < 0.1] = np.nan
    p = step_down(d)
    order = rng.permutation(ROWS)
    assert step_down(d[order]) == pytest.approx(p[order])
    assert step_down(-3 * d) == pytest.approx(p)
    assert step_down(d[:, ::-1]) == pytest.approx(p)
    assert step_down(np.hstack([d, np.full((ROWS, 2), np.nan)])) == pytest.approx(p)


def test_a_row_of_one_block_or_of_zeros_says_nothing_and_disturbs_nobody() -> None:
    d = 1 + 0.01 * np.random.default_rng(2).standard_normal((3, 8))
    d[0, 1:] = np.nan
    d[1] = 0
    assert step_down(d).tolist() == pytest.approx([1.0, 1.0, 2.0**-7])


def test_random_flips_are_the_same_each_time_and_near_the_exact_share() -> None:
    """At 14 blocks, where all flips could still be counted: t² of one row by brute force."""
    d = np.random.default_rng(4).normal(0.5, 1.0, (1, 14))
    p = step_down(d)[0]
    assert step_down(d)[0] == p
    number = np.arange(1 << 13)
    signs = np.where((number[:, None] >> np.arange(14)) & 1, -1.0, 1.0)
    exact = float((np.abs(signs @ d[0]) >= abs(d[0].sum()) * (1 - 1e-12)).mean())
    assert p == pytest.approx(exact, abs=4 * math.sqrt(exact / 4999) + 1e-4)
