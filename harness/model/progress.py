"""Who is told while things happen: the console, or nobody."""

from __future__ import annotations

from typing import Protocol

from harness.model.plan import Plan
from harness.model.trial import Trial


class Progress(Protocol):
    """Is told what is being done. Never called while a program is being measured."""

    def step(self, text: str) -> None:
        """In a few words what is being done now."""

    def planned(self, plan: Plan, seconds: float, run: str) -> None:
        """A run is about to begin: its plan, the time that it will take, its name."""

    def trial(self, plan: Plan, trial: Trial) -> None:
        """A trial of a plan has ended and is recorded."""


class Silent:
    """Nobody is told."""

    def step(self, text: str) -> None: ...

    def planned(self, plan: Plan, seconds: float, run: str) -> None: ...

    def trial(self, plan: Plan, trial: Trial) -> None: ...
