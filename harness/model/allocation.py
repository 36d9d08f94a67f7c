"""Which cells of a frozen plan are run, block by block: the rule, and what it came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NAME, VERSION = "settle", 2
"""Of the rule that is in force; a change of what it chooses gets a new number."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How the cells of each next block follow from the plan and the ledger.

    `precision` is δ by resource; without any no cell is ever settled. No cell is settled before
    it has `least` values, and no block before that many is cut short. `budget_s` is the most time
    to spend, None for no limit. Where the targets stay `together`, a workload leaves with the last
    of them: so are two targets compared with each other, in the same blocks. `order` names the
    workloads that a budget keeps first.
    """

    precision: Mapping[str, float]
    least: int
    budget_s: float | None = None
    together: bool = False
    name: str = NAME
    version: int = VERSION
    order: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """The positions of a block's cells that are run; or, with none of them, how the run ends
    (`complete`, `precise`, `budget`)."""

    positions: tuple[int, ...]
    ended: str | None = None


@dataclass(frozen=True, slots=True)
class Allocated:
    """A choice as the ledger has it, with the seconds that the run had taken before it."""

    block: int
    spent_s: float
    choice: Choice
