"""Order statistics of the Walsh sums of long series equal those of all sums made and sorted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from harness.analyze.statistics.walsh import count, walsh_sums

RNG = np.random.default_rng(6)
SERIES: dict[str, Callable[[int], npt.NDArray[np.float64]]] = {
    "normal": lambda n: RNG.normal(size=n),
    "heavy tails": lambda n: RNG.standard_cauchy(size=n),
    "skewed": lambda n: RNG.lognormal(sigma=3, size=n),
    "few values": lambda n: RNG.integers(0, 5, n).astype(float),
    "rounded": lambda n: np.round(RNG.normal(size=n), 2),
    "all equal": lambda n: np.full(n, 0.3),
    "one far away": lambda n: np.append(RNG.normal(scale=1e-9, size=n - 1), 1e6),
}


@pytest.mark.parametrize("shape", SERIES)
@pytest.mark.parametrize("n", [1, 2, 17, 300, 1500])
def test_every_rank_is_that_of_the_sorted_sums(shape: str, n: int) -> None:
    ordered = np.sort(SERIES[shape](n))
    first, second = np.triu_indices(n)
    sums = np.sort(ordered[first] + ordered[second])
    middle = [(sums.size + 1) // 2, sums.size // 2 + 1]
    ranks = [*middle, *RNG.integers(1, sums.size + 1, 8).tolist(), 1, sums.size]
    found = np.array(walsh_sums(ordered, ranks))
    last_place = np.spacing(2 * np.abs(ordered).max())
    assert np.abs(found - sums[np.array(ranks) - 1]).max() <= last_place


@pytest.mark.parametrize("n", [1, 2, 17, 300])
def test_sums_up_to_a_limit_are_counted(n: int) -> None:
    ordered = np.sort(RNG.integers(-50, 50, n).astype(float))  # whole numbers: nothing is rounded
    first, second = np.triu_indices(n)
    sums = ordered[first] + ordered[second]
    for limit in (-200.0, -3.0, 0.0, 0.5, 7.0, 200.0):
        assert count(ordered, limit) == int((sums <= limit).sum())
