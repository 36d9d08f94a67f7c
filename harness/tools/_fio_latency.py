"""One of fio's blocks of latency (`lat_ns`, `clat_ns`, before fio 3 `lat`, `clat`) in µs.

fio writes the block of a latency that was switched off (`gtod_reduce`, `disable_lat`) all the
same, with zeros, and before 3.4 with percentiles that are zeros too. Newer ones count in `N`
what they measured. Any member may be missing where others wrote the report anew.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.tools._fio_document import refuse
from harness.tools._json import Node

_P99 = "99.000000"


@dataclass(frozen=True, slots=True)
class Latency:
    """What of a latency is known, each with its place; `per_us` of its unit make a µs."""

    mean: Node | None
    p99: Node | None
    per_us: int


def latency(side: Node, kind: str, *, percentiles: bool) -> Latency | None:
    """`kind` (`lat` or `clat`) of a direction; None where it is not stated or was not measured.

    `percentiles` says whether those in the block are of this latency.

    ReadError where the block contradicts itself: zeros although it counts, a mean or a
    percentile that is not between its least and its greatest.
    """
    in_ns = side.get(f"{kind}_ns")
    block = in_ns or side.get(kind)
    if block is None or not _was_measured(block):
        return None
    mean, p99 = block.get("mean"), _p99(block) if percentiles else None
    least, most = block.get("min"), block.get("max")
    if mean and mean.number() == 0:
        raise refuse(f"{mean.place} is zero beside figures that are not")
    if mean:
        _require_between(mean, least, most, share=0)
    if p99:
        _require_between(p99, least, most, share=0.1)
    return Latency(mean, p99, 1000 if in_ns else 1)


def _was_measured(block: Node) -> bool:
    """Whether the block holds a latency; ReadError where its count says otherwise."""
    count = block.get("N")
    figures = [found for key in ("max", "mean", "min") if (found := block.get(key))]
    some = [figure for figure in figures if figure.number() != 0]
    if count is None:
        return bool(some) or (not figures and _p99(block) is not None)
    if count.number() == 0:
        if some:
            raise refuse(f"{count.place} is zero, and {some[0].place} is not")
        return False
    if figures and not some:
        raise refuse(f"{block.place} counts {count.value} (N) and is zero, which cannot be")
    return True


def _p99(block: Node) -> Node | None:
    """The 99th percentile; None where it is not stated, or too short for the unit."""
    percentiles = block.get("percentile")
    p99 = percentiles.get(_P99) if percentiles else None
    return p99 if p99 and p99.number() != 0 else None


def _require_between(value: Node, least: Node | None, most: Node | None, share: float) -> None:
    """fio cuts min and max to integers, and knows percentiles to some percent (`share`)."""
    below = least is not None and value.number() < (1 - share) * least.number() - (share > 0)
    above = most is not None and value.number() > (1 + share) * most.number() + 1
    if below or above:
        raise refuse(f"{value.place} is not between min and max beside it")
