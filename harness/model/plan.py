"""The frozen, seeded order in which cells are visited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.model.allocation import Rule

SCENARIO_OVERHEAD = "overhead"
CONTROL = "+control"


@dataclass(frozen=True, slots=True)
class Cell:
    """Workload × target. `control` marks the native target's second trial of a workload in a
    block: native against itself (A/A) tells how often the harness errs."""

    workload: str
    target: str
    control: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """One visit to every cell of a host, in random order."""

    index: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Preset:
    """How much to measure: seconds asked of each trial, and blocks; `to_precision` the fewest of
    a cell before it is settled, `max_blocks` the most. `budget_s` is the most time to spend."""

    name: str
    blocks: int
    seconds: float
    max_blocks: int
    to_precision: bool = False
    budget_s: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The frozen, seeded list of blocks of one host, with the digest of all that it fixes. Without
    a `rule` every cell of every block is run; with one, those that follow from it."""

    scenario: str
    host: str
    preset: str
    seed: int
    blocks: tuple[Block, ...]
    seconds: Mapping[str, float]
    """Seconds asked of one trial, by workload name."""
    digest: str
    rule: Rule | None = None
    pilot: str = ""
    """The run by whose variances the seconds were chosen; "" where they are the preset's."""
