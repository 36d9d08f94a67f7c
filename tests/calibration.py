"""The simulated null distributions to which the constants of `harness.analyze.changes` are fitted.

`python -m tests.calibration` makes them again and prints the constants (minutes). Gaussian AR(1)
series without any change are all that goes in.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize  # type: ignore[import-untyped]

from harness.analyze import changes

Floats = npt.NDArray[np.float64]

NIGHTS = (12, 16, 20, 30, 45, 60, 90, 120, 240)
RHO = (0.0, 0.15, 0.3, 0.45, 0.6)
ALPHAS = (0.05, 0.01, 0.001)


class Null(NamedTuple):
    """Of many series without a change, of one length and autocorrelation: the statistic on the
    normal scale without any allowance, and the noise as estimated."""

    n: int
    rho: float
    z: Floats
    estimated: changes.Noise


def series(n: int, rho: float, count: int, rng: np.random.Generator) -> Floats:
    """`count` stationary Gaussian AR(1) series of `n` values with variance 1, one a row."""
    out = np.empty((count, n))
    out[:, 0] = rng.standard_normal(count)
    for at in range(1, n):
        out[:, at] = rho * out[:, at - 1] + np.sqrt(1 - rho**2) * rng.standard_normal(count)
    return out


def null(test: str, n: int, rho: float, count: int, rng: np.random.Generator) -> Null:
    rows, inside, split, rest, levels = _split(test, series(n, rho, count, rng))
    many = np.full(count, float(n))
    noise = changes._noise(changes._sums(rest, many, levels, _committed(test)))
    first, second = changes._levels(rows, inside, split, many)
    error = np.sqrt(noise.long_run * (1 / split + 1 / (n - split)))
    z = changes._normal(np.abs(second - first) / error, noise.freedom)
    return Null(n, rho, z, noise)


def _committed(test: str) -> tuple[tuple[float, float], tuple[float, float]]:
    return changes._SCAN_BIAS if test == "scan" else changes._STEP_BIAS


def _split(
    test: str, rows: Floats
) -> tuple[Floats, npt.NDArray[np.bool_], npt.NDArray[np.int64], Floats, Floats]:
    """The rows, centred; where they have values; where they are split, the likeliest place or the
    middle; and what is left about how many levels."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    inside = np.ones(rows.shape, dtype=np.bool_)
    n = np.full(len(rows), float(rows.shape[1]))
    if test == "step":
        split = np.full(len(rows), rows.shape[1] // 2)
        return rows, inside, split, changes._rest(rows, inside, split, n), np.full_like(n, 2.0)
    split = changes._largest(rows, np.zeros_like(n), n)[0]
    about_two = changes._rest(rows, inside, split, n)
    return rows, inside, split, *changes._rest_about_four(about_two, split, n)


def bias(test: str, count: int, rng: np.random.Generator) -> Floats:
    """a, b, a', b' of E(r) = ρ − (a + bρ + (a' + b'ρ)m)/n, by least squares over the grid."""
    left, right = [], []
    for n in NIGHTS:
        for rho in RHO:
            *_, rest, levels = _split(test, series(n, rho, count, rng))
            r = (rest[:, :-1] * rest[:, 1:]).sum(axis=1) / (rest**2).sum(axis=1)
            for more in range(3):
                these = levels == 2 + more
                if these.sum() >= count / 10:
                    weight = np.sqrt(these.mean() / n)
                    left.append(weight * np.array([1.0, rho, more, more * rho]))
                    right.append(weight * n * (rho - r[these].mean()))
    found: Floats = np.linalg.lstsq(np.array(left), np.array(right), rcond=None)[0]
    return found


def sizes(test: str, found: Null, allowance: tuple[float, float]) -> Floats:
    """How often each of `ALPHAS` is reached with this allowance."""
    n = np.full(found.z.size, float(found.n))
    z = found.z / changes._allowance(allowance, found.estimated)
    p = changes._p_of_largest(z, n) if test == "scan" else changes._two_sided(z)
    return np.array([(p <= alpha).mean() for alpha in ALPHAS])


def allowance(test: str, nulls: list[Null]) -> tuple[float, float]:
    """The constants that bring the sizes nearest to nominal, a size over it counting thrice."""

    def loss(constants: Floats) -> float:
        total = 0.0
        for found in nulls:
            size = sizes(test, found, (float(constants[0]), float(constants[1])))
            off = np.log((size + 1e-4) / (np.array(ALPHAS) + 1e-4))
            total += float((np.where(off > 0, 3.0, 1.0) * off**2).sum())
        return total

    best = minimize(loss, np.array([1.0, 1.0]), method="Nelder-Mead", options={"xatol": 0.01})
    return float(best.x[0]), float(best.x[1])


def nulls(test: str, count: int, rng: np.random.Generator) -> Iterator[Null]:
    for n in NIGHTS:
        for rho in RHO:
            yield null(test, n, rho, count, rng)


def main(count: int) -> None:
    rng = np.random.default_rng(2026)
    for test in ("scan", "step"):
        print(f"{test}: bias {bias(test, count // 4, rng)} (committed constants are used below)")
        found = list(nulls(test, count, rng))
        best = allowance(test, found)
        print(f"{test}: allowance {best}")
        for each in found:
            text = " ".join(f"{size:.4f}" for size in sizes(test, each, best))
            print(f"  n {each.n:4} rho {each.rho:.2f}: {text}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
