"""What the user sees while things happen: steps, the plan's time, trials, errors.

Prints only between trials: nothing here runs while a program is being measured.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console as RichConsole
from rich.markup import escape

from harness.errors import HarnessError
from harness.model.plan import Plan
from harness.model.run import Run
from harness.model.target import DECLARED
from harness.model.trial import Trial, TrialStatus
from harness.text import duration

if TYPE_CHECKING:
    from harness.model.target import Diagnosis
    from harness.state import Standing


class Console:
    """Progress on standard error, so that a table on standard output can be piped."""

    def __init__(self) -> None:
        self._err = RichConsole(stderr=True, highlight=False)
        self._live = self._err.is_terminal
        self._begin = time.monotonic()
        self._done: dict[str, int] = {}
        self._bad: dict[str, int] = {}
        self._block: dict[str, int] = {}

    def say(self, text: str) -> None:
        """A line that stays."""
        self._clear()
        self._err.print(escape(text), soft_wrap=True)

    def warn(self, text: str) -> None:
        self._clear()
        self._err.print(f"[yellow]{escape(text)}[/]", soft_wrap=True)

    def step(self, text: str) -> None:
        """What is being done now; on a terminal the next one takes its place."""
        if not text or text.startswith("Validating arguments"):
            return
        if self._live:
            self._over(text)
        else:
            print(f"{time.monotonic() - self._begin:7.1f} s  {text}", file=sys.stderr, flush=True)

    def planned(self, plan: Plan, seconds: float, run: str) -> None:
        most = "" if plan.rule is None else "at most "
        cells = len(plan.blocks[0].cells)
        self.say(
            f"{plan.host}: run {run}, preset {plan.preset}, seed {plan.seed}: {most}"
            f"{len(plan.blocks)} blocks of {cells} trials, planned time {most}{duration(seconds)}"
        )

    def trial(self, plan: Plan, trial: Trial) -> None:
        total = f" of {sum(len(block.cells) for block in plan.blocks)}"
        begun = self._block.get(plan.host) != trial.block
        self._block[plan.host] = trial.block
        done = self._done[plan.host] = self._done.get(plan.host, 0) + 1
        if trial.status is not TrialStatus.OK:
            self._bad[plan.host] = self._bad.get(plan.host, 0) + 1
            self.warn(
                f"{plan.host}: block {trial.block}: {trial.workload} on {trial.target}: "
                f"{trial.status}: {trial.reason}"
            )
        bad = self._bad.get(plan.host, 0)
        text = f"{plan.host}: {done}{'' if plan.rule else total} trials" + (
            f", {bad} not ok" if bad else ""
        )
        if self._live:
            self._over(f"{text}: {trial.workload} on {trial.target}")
        elif begun:
            self.step(f"block {trial.block + 1} of {len(plan.blocks)} has begun ({text})")

    def ended(self, run: Run) -> None:
        """How the run ended, and its time beside the planned one."""
        manifest = run.manifest
        used = "an unknown time" if run.used_s is None else duration(run.used_s)
        self.say(
            f"{manifest.host}: run {manifest.run} ended ({run.ended or 'unfinished'}) after "
            f"{used}, planned were {duration(manifest.planned_s)}"
        )

    def standing(self, standing: Standing) -> None:
        for name, endpoint in standing.endpoints.items():
            if "adopted" in endpoint.facts:
                where = f"{endpoint.user}@{endpoint.address}:{endpoint.port}"
                self.say(f"{name} is adopted: {where} answers with the pinned key")
                continue
            # What is declared stands in the inventory; it is checked before measuring.
            facts = ", ".join(
                f"{key} {value}"
                for key, value in endpoint.facts.items()
                if not key.startswith(DECLARED)
            )
            self.say(f"{name} is up at {endpoint.address}:{endpoint.port} ({facts})")

    def findings(self, findings: Sequence[Diagnosis]) -> None:
        """The doctor's report, on standard output."""
        self._clear()
        out = RichConsole(highlight=False)
        for finding in findings:
            mark = "[green]usable[/]" if finding.usable else "[red]not usable[/]"
            out.print(f"{escape(finding.target)} ({finding.backend}): {mark}", soft_wrap=True)
            out.print(f"  why: {escape(finding.why)}", soft_wrap=True)
            if finding.fix:
                out.print(f"  to do: {escape(finding.fix)}", soft_wrap=True)

    def error(self, error: HarnessError) -> None:
        self._clear()
        self._err.print(f"[bold red]error:[/] {escape(error.message)}", soft_wrap=True)
        if error.hint:
            self._err.print(f"[bold]to do:[/] {escape(error.hint)}", soft_wrap=True)

    def _over(self, text: str) -> None:
        width = self._err.width - 1
        sys.stderr.write("\r\x1b[2K" + text[:width])
        sys.stderr.flush()

    def _clear(self) -> None:
        if self._live:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
