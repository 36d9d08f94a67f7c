"""Series of nights that hang together, for tests of change: stationary Gaussian AR(1)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def series(n: int, rho: float, count: int, rng: np.random.Generator) -> Floats:
    """`count` stationary Gaussian AR(1) series of `n` values with variance 1, one a row."""
    out = np.empty((count, n))
    out[:, 0] = rng.standard_normal(count)
    for at in range(1, n):
        out[:, at] = rho * out[:, at - 1] + np.sqrt(1 - rho**2) * rng.standard_normal(count)
    return out
