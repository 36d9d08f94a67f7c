"""Who is told while things happen: the console, or nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from harness.model.plan import Plan
from harness.model.trial import Trial


class Progress(Protocol):
    """Is told what is being done. Never called while a program is being measured."""

    def step(self, text: str) -> None:
        """In a few words what is being done now."""

    def planned(self, plan: Plan, seconds: float, run: str) -> None:
        """A run is about to begin: its plan, the time that it will take, its name."""

    def block(self, plan: Plan, number: int, spent_s: float) -> None:
        """A block is about to begin, after so many seconds of the run."""

    def trial(self, plan: Plan, trial: Trial) -> None:
        """A trial of a plan has ended and is recorded."""

    def disturbed(self, plan: Plan, programs: Sequence[str], waits_s: float) -> None:
        """Other work keeps the host of a plan busy, that of these programs where they are known;
        the run waits for it to end, for so many seconds at most (0: it goes on)."""


class Silent:
    """Nobody is told."""

    def step(self, text: str) -> None: ...

    def planned(self, plan: Plan, seconds: float, run: str) -> None: ...

    def block(self, plan: Plan, number: int, spent_s: float) -> None: ...

    def trial(self, plan: Plan, trial: Trial) -> None: ...

    def disturbed(self, plan: Plan, programs: Sequence[str], waits_s: float) -> None: ...
