"""The harness's own error: native against itself in the same blocks, through the same pipeline."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist

import polars as pl

CHANCE = 0.025
"""A harness that errs as promised is distrusted so often at most."""


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
    def chance(self) -> float:
        """The probability of so many or more where each is called different with α (the upper
        tail of the binomial distribution)."""
        rest = range(self.differing, self.pairs + 1)
        return sum(
            math.comb(self.pairs, k) * self.alpha**k * (1 - self.alpha) ** (self.pairs - k)
            for k in rest
        )

    @property
    def trusted(self) -> bool:
        """False where so many come by chance in a fortieth of all tables at most.

        That is what a lower bound above α is to say, but Wilson's says it of every seventh table
        of three metrics: there one of them is enough.
        """
        return self.chance > CHANCE

    def document(self) -> dict[str, float | bool]:
        """All of it by name, as JSON has it."""
        return {**asdict(self), "chance": self.chance, "trusted": self.trusted}


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
