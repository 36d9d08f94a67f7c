"""The one loop: cell → trial → ledger.

Touches the targets through their sessions and computes nothing but a trial's result. A trial
that fails is recorded and the loop goes on; only what makes the ledger itself unwritable stops
it. Nothing here knows how results are compared.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count

from harness import tools, validity
from harness.analyze.allocation import whole
from harness.bundle import trial_report
from harness.execute import counters, prepare
from harness.execute.counters import Counters
from harness.execute.result import TrialResult, of_reply
from harness.execute.runner import Interrupted, Runner
from harness.ledger.writer import Ledger, now
from harness.model.allocation import Allocated, Choice
from harness.model.plan import Block, Cell, Plan
from harness.model.progress import Progress, Silent
from harness.model.trial import ClockOffset, HostLoad, Trial, TrialStatus
from harness.model.workload import Workload
from harness.plan.request import LIMIT_SLACK_S
from harness.remote.session import ConnectionLost, Reply

Choose = Callable[[int, Sequence[Trial], float], Choice]
"""What is run of the block of that number, by all trials so far and the seconds they took."""

Hopeless = Callable[[Sequence[Trial], Sequence[Trial], float, float], bool]
"""Whether a machine as busy as it was leaves no hope of intervals: by all trials, those of this
sitting, the seconds that all took and those of this sitting."""

LIMIT_FACTOR = 2.0

IDLE_S = 0.5
"""How long the idle host is looked at before each block."""
IDLE_WAIT_S = 30.0
"""How long to wait for it to fall idle; then the block is measured, and flagged."""
JUDGED_FROM_S = 120.0
"""After so many seconds of measuring a run may end because its machine is busy: by then a block or
more of any preset's trials are made, and no user wants to wait longer for nothing."""


class Loop:
    """One plan being carried out by the runners of one host's targets."""

    def __init__(
        self,
        plan: Plan,
        workloads: Iterable[Workload],
        runners: Mapping[str, Runner],
        ledger: Ledger,
        *,
        progress: Progress | None = None,
        limit_slack_s: float = LIMIT_SLACK_S,
        choose: Choose | None = None,
        hopeless: Hopeless | None = None,
        idle_wait_s: float = IDLE_WAIT_S,
        wait_quiet_s: float = 0.0,
        accepted: Sequence[str] = (),
        peers: Sequence[str] = (),
        own: Sequence[str] = (),
    ) -> None:
        self._plan = plan
        self._workloads = {workload.name: workload for workload in workloads}
        self._runners = runners
        self._ledger = ledger
        self._progress = progress or Silent()
        self._slack_s = limit_slack_s
        self._choose = choose or (lambda number, *_: whole(plan, number))
        self._hopeless = hopeless or (lambda *_: False)
        self._idle_wait_s = idle_wait_s
        self._patience_s = wait_quiet_s
        self._waited_s = 0.0
        self._accepted = accepted
        self._peers = peers
        self._own = own
        self._counters: Counters | None = None
        self._trials: list[Trial] = []
        self._done: set[str] = set()
        self._stop = threading.Event()

    def interrupt(self) -> None:
        """Ask for the end, from another thread or a signal handler; `run` returns soon."""
        self._stop.set()
        for runner in self._runners.values():
            runner.stop()

    def run(self, before: Collection[Trial] = (), allocated: Sequence[Allocated] = ()) -> str:
        """Carry out what is chosen of each block (`choose`, all of it by default), but for the
        trials `before`; `allocated` is what was chosen before.

        Returns how it ended: as the last choice says, `interrupted`, or `busy` where the machine
        leaves no hope of intervals. The end is recorded.

        What `wait_quiet_s` was waited for the machine is no part of the seconds that a rule counts.
        """
        begin = time.monotonic()
        self._done = {trial.id for trial in before}
        self._trials = list(before)
        chosen = {each.block: each.choice for each in allocated}
        earlier_s = _spent_s(before, allocated)
        try:
            self._prepare()
            for number in count():
                choice = chosen.get(number)
                if choice is None:
                    sitting_s = time.monotonic() - begin - self._waited_s
                    spent_s = round(earlier_s + sitting_s, 3)
                    made = self._trials[len(before) :]
                    if sitting_s >= JUDGED_FROM_S and self._hopeless(
                        self._trials, made, spent_s, sitting_s
                    ):
                        how = "busy"
                        break
                    choice = self._choose(number, self._trials, spent_s)
                    if self._plan.rule is not None:
                        self._ledger.allocate(Allocated(number, spent_s, choice))
                if choice.ended is not None:
                    how = choice.ended
                    break
                spent_s = earlier_s + time.monotonic() - begin - self._waited_s
                self._progress.block(self._plan, number, spent_s)
                self._block(self._plan.blocks[number], choice.positions)
        except Interrupted:
            how = "interrupted"
        self._ledger.end(how, time.monotonic() - begin)
        return how

    def _block(self, block: Block, positions: Sequence[int]) -> None:
        left = [at for at in positions if _name(block.index, at) not in self._done]
        if left:
            self._await_idle(block)
        for position in left:
            self._trial(block.index, position, block.cells[position])

    def _prepare(self) -> None:
        """Make each target ready for the chosen workloads, before any trial."""
        cells = self._plan.blocks[0].cells
        for name, runner in self._runners.items():
            needed = prepare.steps(cells, self._workloads, name)
            prepare.files(runner, needed, self._ledger, self._stop)
            prepare.calibrate(runner, self._ledger, self._stop)

    def _await_idle(self, block: Block) -> None:
        """Look at the host while no trial runs, and wait a while where something else works."""
        host = self._runners.get(self._plan.host)
        if host is None:
            return
        cpus = self._cpus()
        begin = time.monotonic()
        patience_s = max(self._idle_wait_s, self._patience_s)
        while True:
            before = self._read_counters()
            if self._stop.wait(IDLE_S):
                raise Interrupted
            self._counters = self._read_counters()
            load = counters.difference(before, self._counters, cpus)
            if load is None or load.total_s <= 0:
                return
            busy, waited_s = load.busy_s / load.total_s, time.monotonic() - begin - IDLE_S
            if busy <= validity.REJECTED_SHARE:
                break
            over = waited_s >= patience_s
            self._disturbed(before, 0.0 if over else patience_s - waited_s)
            if over:
                break
        if self._patience_s > 0:
            used_s = min(self._patience_s, max(0.0, waited_s))
            self._patience_s -= used_s
            self._waited_s += used_s
        self._ledger.note(
            "probed", block=block.index, busy=round(busy, 4), waited_s=round(max(0, waited_s), 3)
        )

    def _disturbed(self, before: Counters | None, waits_s: float = 0.0) -> None:
        """Tell which programs have kept the host busy since `before`."""
        own = {each.process for each in self._runners.values() if each.process is not None}
        own |= {*self._peers, *self._own}
        programs = counters.busiest(before, self._counters, own)
        self._progress.disturbed(self._plan, programs, waits_s)

    def _cpus(self) -> list[int]:
        return sorted({cpu for each in self._runners.values() for cpu in each.target.size.cpus})

    def _read_counters(self) -> Counters | None:
        """The counters of the host, through its native target's session."""
        host = self._runners.get(self._plan.host)
        if host is None or host.gone is not None or not host.session.alive:
            return None
        processes = [each.process for each in self._runners.values() if each.process is not None]
        return counters.read(host.session, self._cpus(), [*processes, *self._peers])

    def _trial(self, block: int, position: int, cell: Cell) -> None:
        if self._stop.is_set():
            raise Interrupted
        runner = self._runners[cell.target]
        # What was read after the last trial serves before this one: only the ledger was written
        # since.
        before = self._counters or self._read_counters()
        started_at = now()
        result = self._result(runner, self._workloads[cell.workload])
        self._counters = self._read_counters()
        load = self._load(runner, before)
        trial = self._judged(block, position, cell, result, started_at, load)
        self._ledger.record(trial)
        self._trials.append(trial)
        self._progress.trial(self._plan, trial)
        if trial.status is TrialStatus.REJECTED:
            self._disturbed(before)
        if result.status is TrialStatus.LOST and runner.gone is None:
            self._counters = None
            prepare.reconnect(runner, self._ledger)

    def _load(self, runner: Runner, before: Counters | None) -> HostLoad | None:
        """What the target's host did since `before`."""
        if runner.target.elsewhere:
            return None
        cpus = runner.target.size.cpus
        return counters.difference(before, self._counters, cpus, runner.process, self._peers)

    def _judged(
        self,
        block: int,
        position: int,
        cell: Cell,
        result: TrialResult,
        started_at: str,
        load: HostLoad | None,
    ) -> Trial:
        """A result as it is recorded, its raw output kept; what a check objects to is rejected."""
        name, runner, reply = _name(block, position), self._runners[cell.target], result.reply
        report = trial_report.parse(reply) if reply else None
        raw = digest = None
        if reply is not None:
            raw, digest = self._ledger.keep_raw(name, reply.stdout, reply.stderr)
        trial = Trial(
            id=name,
            scenario=self._plan.scenario,
            host=self._plan.host,
            block=block,
            position=position,
            workload=cell.workload,
            target=cell.target,
            status=result.status,
            started_at=started_at,
            controller_s=reply.seconds if reply else None,
            guest_s=report.guest_s if report else None,
            exit_status=result.exit_status,
            samples=result.samples,
            raw=raw,
            raw_sha256=digest,
            reason=result.reason,
            connection=runner.connection,
            span_s=report.span_s if report else None,
            cpu=report.cpu if report else None,
            control=cell.control,
            host_load=load,
            claimed_mib_per_s=result.claimed,
            apart=ClockOffset.of(runner.apart_s),
        )
        if trial.status is not TrialStatus.OK:
            return trial
        about = validity.About((), self._workloads)
        objection = validity.of_trial(trial, about, self._accepted)
        if objection is None:
            return trial
        return replace(trial, status=TrialStatus.REJECTED, reason=objection.text)

    def _result(self, runner: Runner, workload: Workload) -> TrialResult:
        """Run the program once and judge what came of it; never raises for the target's sake."""
        if runner.gone is not None:
            return TrialResult(TrialStatus.LOST, reason=runner.gone)
        for step in workload.prepare:
            if step.creates in runner.unprepared:
                return TrialResult(TrialStatus.FAILED, reason=runner.unprepared[step.creates])
        seconds = self._plan.seconds[workload.name]
        limit_s = LIMIT_FACTOR * seconds + self._slack_s
        program = tools.load(workload.tool).PROGRAM
        given = runner.instead.get(workload.name, workload).args
        args = [runner.filled(arg, seconds) for arg in given]
        try:
            with runner.beside.get(workload.name, contextlib.nullcontext)():
                reply = runner.run(limit_s, program, args, self._stop)
        except ConnectionLost as error:
            return TrialResult(TrialStatus.LOST, reason=error.message)
        if reply.overflow or reply.timed_out:
            return _ended(runner, reply, program, limit_s)
        return of_reply(reply, workload, limit_s)


def _spent_s(trials: Collection[Trial], allocated: Sequence[Allocated]) -> float:
    """The seconds that a run had taken, by its ledger: those before its last choice, and those of
    the trials made since. What was neither is not known, where a kill ended it."""
    if not allocated:
        return 0.0
    last = allocated[-1]
    since = (trial.controller_s or 0.0 for trial in trials if trial.block >= last.block)
    return last.spent_s + sum(since)


def _name(block: int, position: int) -> str:
    """What a trial is called in its run."""
    return f"b{block:03d}-{position:03d}"


def _ended(runner: Runner, reply: Reply, program: str, limit_s: float) -> TrialResult:
    """End a program that printed too much or did not end; a target that no longer answers is
    lost."""
    if reply.overflow:
        runner.kill(reply)
        reason = f"{program} printed more than {len(reply.stdout) >> 20} MiB; ended"
        return TrialResult(TrialStatus.FAILED, reply, reason=reason)
    if not runner.session.answers():
        reason = f"no answer for {reply.seconds:.0f} s"
        return TrialResult(TrialStatus.LOST, reply, reason=reason)
    runner.kill(reply)
    reason = f"no end within {limit_s:.0f} s; ended"
    return TrialResult(TrialStatus.TIMEOUT, reply, reason=reason)
