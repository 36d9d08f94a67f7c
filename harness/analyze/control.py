"""The harness's own error: native against itself in the same blocks, through the same pipeline."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import polars as pl


@dataclass(frozen=True, slots=True)
class Control:
    """Of `pairs` headline metrics of native against itself, `differing` were called different at
    `alpha` (each by itself, nothing corrected); `low` and `high` are the 95 % Wilson interval of
    that share."""

    differing: int
    pairs: int
    low: float
    high: float
    alpha: float

    @property
    def trusted(self) -> bool:
        """False where even the lower bound is above α."""
        return self.low <= self.alpha


def control(frame: pl.DataFrame) -> Control | None:
    """The A/A result of an overhead frame of one host and scenario.

    None where no headline metric has a control with enough blocks for an interval.
    """
    judged = frame.filter("control", "headline", pl.col("F_low").is_not_null())
    if judged.is_empty():
        return None
    alpha = 1 - float(judged["level"][0])
    differing = int((judged["p"] <= alpha * (1 + 1e-12)).sum())
    low, high = wilson(differing, judged.height)
    return Control(differing, judged.height, low, high, alpha)


def wilson(hits: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """The score interval of a share (Wilson, J. Am. Statist. Assoc. 22, 1927)."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, spread = hits / trials, z * z / trials
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    return max(0.0, middle - half), min(1.0, middle + half)
