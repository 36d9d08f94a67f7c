"""Units that other formats want: seconds, and Prometheus' base units. Exact factors, or nothing.

A unit that does not stand here is not converted by guess: what has it is left out and said.
"""

from __future__ import annotations

from dataclasses import dataclass

_OF_A_SECOND = {"ns": 1e9, "µs": 1e6, "us": 1e6, "ms": 1e3, "s": 1.0}
"""How many of each a second has: dividing by these is exact to the last digit."""
_BYTES = {
    **{f"{prefix}iB": 1024.0**power for power, prefix in enumerate("KMG", 1)},
    **{f"{prefix}B": 1000.0**power for power, prefix in enumerate(("", "k", "M", "G"))},
    **{f"{prefix}bit": 1000.0**power / 8 for power, prefix in enumerate(("", "k", "M", "G"))},
}
PER_SECOND = "/s"


@dataclass(frozen=True, slots=True)
class InSeconds:
    """How a value becomes a number of seconds. `said` is what those are: `s`, or of a rate, whose
    reciprocal they are, `s per operation` or `s per MiB`."""

    name: str
    of_a_second: float
    inverted: bool

    def of(self, value: float) -> float | None:
        """Seconds; None where a rate is not above zero and so has no reciprocal."""
        if not self.inverted:
            return value / self.of_a_second
        return 1 / value if value > 0 else None


def in_seconds(unit: str) -> InSeconds | None:
    """How a value of that unit becomes seconds; None where it is neither a time nor a rate."""
    if unit in _OF_A_SECOND:
        return InSeconds("s", _OF_A_SECOND[unit], inverted=False)
    amount, per, nothing = unit.rpartition(PER_SECOND)
    if per and amount and "/" not in amount and not nothing:
        return InSeconds(f"s per {'operation' if amount == '1' else amount}", 1.0, inverted=True)
    return None


@dataclass(frozen=True, slots=True)
class InBase:
    """How a value becomes one of Prometheus' base units, `name` being what that is called there."""

    name: str
    factor: float = 1.0
    divisor: float = 1.0

    def of(self, value: float) -> float:
        return value * self.factor / self.divisor


def in_base(unit: str) -> InBase | None:
    """`seconds`, `per_second` or `bytes_per_second`; None for every other unit."""
    if unit in _OF_A_SECOND:
        return InBase("seconds", divisor=_OF_A_SECOND[unit])
    amount, per, nothing = unit.rpartition(PER_SECOND)
    if not per or nothing:
        return None
    if amount == "1":
        return InBase("per_second")
    return InBase("bytes_per_second", _BYTES[amount]) if amount in _BYTES else None
