"""What the user sees while things happen: stages, steps, and a run as it goes.

On a terminal a run is one view that is drawn anew after each trial; elsewhere a stage and a block
are a line each. Prints only between trials: nothing here runs while a program is being measured.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console as RichConsole
from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from harness.errors import HarnessError
from harness.model.plan import Plan
from harness.model.run import Run
from harness.model.target import DECLARED
from harness.model.trial import Trial, TrialStatus
from harness.text import duration, sentence

if TYPE_CHECKING:
    from harness.model.target import Diagnosis
    from harness.state import Standing

LAST = 3
"""How many of the last rejections are shown."""
MOST_TOLD = 6
"""How many busy programs are told of in lines that stay, in a run."""
QUIETEN = "end that, or let Baremark wait for it: --wait-quiet 10m"


@dataclass
class _Going:
    """A run as it goes: what of it is shown."""

    plan: Plan
    run: str
    begin: float
    block: int = 0
    spent_s: float = 0.0
    trials: int = 0
    bad: int = 0
    now: str = ""
    answer: tuple[str, ...] = ()
    rejected: deque[str] = field(default_factory=lambda: deque(maxlen=LAST))
    busy: str = ""
    told: set[str] = field(default_factory=set)

    def head(self) -> str:
        rule = self.plan.rule
        most = f"of {'at most ' if rule else ''}{len(self.plan.blocks)}"
        spent = duration(self.spent_s + time.monotonic() - self.begin)
        limit = f" of {duration(rule.budget_s)}" if rule and rule.budget_s is not None else ""
        bad = f", {self.bad} not ok" if self.bad else ""
        where = f"{self.plan.host}: block {self.block + 1} {most}"
        return f"{where}, {spent}{limit}, {self.trials} trial{'' if self.trials == 1 else 's'}{bad}"


class Console:
    """Progress on standard error, so that a table on standard output can be piped."""

    def __init__(self) -> None:
        self._err = RichConsole(stderr=True, highlight=False)
        self._terminal = self._err.is_terminal
        self._begin = time.monotonic()
        self._stage, self._stages = 0, 0
        self._going: dict[str, _Going] = {}
        self._view: Live | None = None
        self._lock = threading.RLock()
        self.answer: Callable[[str], Sequence[str]] | None = None
        """What the table would say of a run as far as it is, a sentence a target."""
        self.busy: dict[str, str] = {}
        """The programs that kept a machine busy while it was measured, as they were last seen."""

    def say(self, text: str) -> None:
        """A line that stays."""
        self._clear()
        self._err.print(escape(text), soft_wrap=True)

    def warn(self, text: str) -> None:
        self._clear()
        self._err.print(f"[yellow]{escape(text)}[/]", soft_wrap=True)

    def stages(self, number: int) -> None:
        """So many stages follow."""
        self._stage, self._stages = 0, number

    def stage(self, text: str) -> None:
        """The next stage begins; its steps are shown on a terminal only."""
        self._stage += 1
        self._timed(f"{self._stage}/{self._stages} {text}")

    def step(self, text: str) -> None:
        """What is being done now; on a terminal the next one takes its place."""
        if not text or text.startswith("Validating arguments"):
            return
        if self._view is not None:
            self._draw()
        elif self._terminal:
            self._over(text)
        elif not self._stages:
            self._timed(text)

    def planned(self, plan: Plan, seconds: float, run: str) -> None:
        most = "" if plan.rule is None else "at most "
        cells = len(plan.blocks[0].cells)
        self.say(
            f"{plan.host}: run {run}, preset {plan.preset}, seed {plan.seed}: {most}"
            f"{len(plan.blocks)} blocks of {cells} trials, planned time {most}{duration(seconds)}"
        )
        with self._lock:
            self._going[plan.host] = _Going(plan, run, time.monotonic())
            if self._terminal and self._view is None:
                self._view = Live(console=self._err, auto_refresh=False, transient=True)
                self._view.start()

    def block(self, plan: Plan, number: int, spent_s: float) -> None:
        going = self._going[plan.host]
        going.block, going.spent_s, going.begin = number, spent_s, time.monotonic()
        if self._terminal:
            if self.answer is not None and going.trials:
                going.answer = tuple(self.answer(going.run))
            self._draw()
        else:
            last = f" (the last: {going.rejected[-1]})" if going.rejected else ""
            self._timed(going.head() + last)

    def trial(self, plan: Plan, trial: Trial) -> None:
        going = self._going[plan.host]
        going.trials += 1
        going.now = f"{trial.workload} on {trial.target}"
        if trial.status is not TrialStatus.OK:
            going.bad += 1
            told = f"block {trial.block + 1}: {going.now}: {trial.status}: {trial.reason}"
            if trial.status is TrialStatus.REJECTED:
                going.rejected.append(sentence(told))
            else:
                self.warn(f"{plan.host}: {told}")
        self._draw()

    def disturbed(self, plan: Plan, programs: Sequence[str], waits_s: float) -> None:
        going = self._going[plan.host]
        named = ", ".join(programs) or "other work"
        going.busy = f"{named}; waiting for {duration(waits_s)} at most" if waits_s else named
        for each in programs:
            self.busy[each.partition(",")[0]] = each
        advice = f"it is waited for, {duration(waits_s)} at most" if waits_s else QUIETEN
        told = {f"{advice}: {each.partition(',')[0]}" for each in programs or [named]}
        if told - going.told and len(going.told) < MOST_TOLD and not (waits_s and going.told):
            going.told |= told
            self.warn(f"{plan.host} is not quiet: {named}; {advice}")
        self._draw()

    def ended(self, run: Run) -> None:
        """How the run ended, and its time beside the planned one."""
        self.still()
        manifest = run.manifest
        used = "an unknown time" if run.used_s is None else duration(run.used_s)
        self.say(
            f"{manifest.host}: run {manifest.run} ended ({run.ended or 'unfinished'}) after "
            f"{used}, planned were {duration(manifest.planned_s)}"
        )

    def still(self) -> None:
        """Nothing is measured any more: the view of what is being measured goes."""
        with self._lock:
            if self._view is not None:
                self._view.stop()
            self._view = None

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

    def _draw(self) -> None:
        """The runs that are going, in the place of what was drawn before."""
        with self._lock:
            if self._view is not None:
                parts = [part for going in self._going.values() for part in _shown(going)]
                self._view.update(Group(*parts), refresh=True)

    def _timed(self, text: str) -> None:
        if self._terminal:
            self.say(text)
        else:
            print(f"{time.monotonic() - self._begin:7.1f} s  {text}", file=sys.stderr, flush=True)

    def _over(self, text: str) -> None:
        width = self._err.width - 1
        sys.stderr.write("\r\x1b[2K" + text[:width])
        sys.stderr.flush()

    def _clear(self) -> None:
        if self._terminal and self._view is None:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()


def _shown(going: _Going) -> list[Text | Padding]:
    now = f": {going.now}" if going.now else ""
    lines = [Text(f"{going.head()}{now}", no_wrap=True, overflow="ellipsis")]
    below = [Text(each) for each in going.answer]
    below += [Text(each, style="dim", no_wrap=True, overflow="ellipsis") for each in going.rejected]
    if going.busy:
        below.append(Text(f"busy on {going.plan.host}: {going.busy}", style="yellow"))
    return [*lines, *(Padding(each, (0, 0, 0, 2)) for each in below)]
