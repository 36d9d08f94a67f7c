"""A point with its interval."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A point with its interval. `low` and `high` are None where n allows no interval."""

    point: float
    low: float | None
    high: float | None
    level: float
    n: int
    method: str
