"""The one loop: cell → trial → ledger.

Touches the targets through their sessions and computes nothing but a trial's outcome. A trial
that fails is recorded and the loop goes on; only what makes the ledger itself unwritable stops
it. Nothing here knows how results are compared.
"""

from __future__ import annotations

import contextlib
import hashlib
import shlex
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from harness import tools, validity
from harness.bundle import trial_report
from harness.errors import HarnessError
from harness.execute import counters
from harness.execute.counters import Counters
from harness.execute.result import TrialResult, of_reply
from harness.execute.runner import Runner
from harness.ledger.writer import Ledger, now
from harness.model.plan import Block, Cell, Plan
from harness.model.trial import ClockOffset, Trial, TrialStatus
from harness.model.workload import Step, Workload
from harness.plan.request import LIMIT_SLACK_S
from harness.remote.session import ConnectionLost, Reply, last_lines

LIMIT_FACTOR = 2.0

ANSWER_S = 15.0
"""How long after the target's own limit the controller waits for the target's reply."""

PREPARE_LIMIT_S = 900.0
CALIBRATIONS = 7
DIGEST_LENGTH = 12

IDLE_S = 0.5
"""How long the idle host is looked at before each block."""
IDLE_WAIT_S = 30.0
"""How long to wait for it to fall idle; then the block is measured, and flagged."""


class Interrupted(Exception):
    """The user asked for the end; the trial in flight is not recorded."""


class Loop:
    """One plan being carried out on the seats of one host."""

    def __init__(
        self,
        plan: Plan,
        workloads: Iterable[Workload],
        seats: Mapping[str, Runner],
        ledger: Ledger,
        *,
        on_trial: Callable[[Trial], None] = lambda _: None,
        limit_slack_s: float = LIMIT_SLACK_S,
        enough: Callable[[int, Sequence[Trial]], bool] = lambda *_: False,
        idle_wait_s: float = IDLE_WAIT_S,
        accepted: Sequence[str] = (),
        peers: Sequence[str] = (),
    ) -> None:
        self._plan = plan
        self._workloads = {workload.name: workload for workload in workloads}
        self._seats = seats
        self._ledger = ledger
        self._on_trial = on_trial
        self._slack_s = limit_slack_s
        self._enough = enough
        self._idle_wait_s = idle_wait_s
        self._accepted = accepted
        self._peers = peers
        self._counters: Counters | None = None
        self._trials: list[Trial] = []
        self._done: set[str] = set()
        self._stop = threading.Event()

    def interrupt(self) -> None:
        """Ask for the end, from another thread or a signal handler; `run` returns soon."""
        self._stop.set()
        for seat in self._seats.values():
            seat.session.interrupt()

    def run(self, before: Collection[Trial] = (), budget_s: float | None = None) -> str:
        """Carry out every trial of the plan that is not in `before`.

        Returns how it ended: `complete`, `precise` (`enough`, asked after each block with the
        number of blocks and all trials, said so), `budget` (no further block was begun because
        it would not have fitted, going by the longest so far) or `interrupted`. The end is
        recorded.
        """
        begin = time.monotonic()
        how = "complete"
        longest_s = 0.0
        self._done = {trial.id for trial in before}
        self._trials = list(before)
        try:
            self._prepare()
            for block in self._plan.blocks:
                started = time.monotonic()
                if budget_s is not None and started - begin + longest_s > budget_s:
                    how = "budget"
                    break
                self._await_idle(block)
                for position, cell in enumerate(block.cells):
                    name = f"b{block.index:03d}-{position:03d}"
                    if name not in self._done:
                        self._trial(name, block.index, position, cell)
                longest_s = max(longest_s, time.monotonic() - started)
                last = block.index + 1 == len(self._plan.blocks)
                if not last and self._enough(block.index + 1, self._trials):
                    how = "precise"
                    break
        except Interrupted:
            how = "interrupted"
        self._ledger.end(how, time.monotonic() - begin)
        return how

    def _prepare(self) -> None:
        """Make the files that the chosen workloads work on, once a target, before any trial."""
        cells = self._plan.blocks[0].cells
        for name, seat in self._seats.items():
            steps = {
                step.creates: step
                for cell in cells
                if cell.target == name
                for step in self._workloads[cell.workload].prepare
            }
            for step in steps.values():
                self._make(seat, step)
            self._calibrate(seat)

    def _make(self, seat: Runner, step: Step) -> None:
        ready = f"{seat.work}/.{step.creates}.{_digest(step)}.ready"
        begin = time.monotonic()
        try:
            if seat.session.run(["test", "-e", ready], limit_s=30).exit_status == 0:
                return
            seat.session.check(_forget(seat.work, step), limit_s=60)
            args = [seat.filled(arg, 0) for arg in step.args]
            reply = seat.session.run(
                seat.command(PREPARE_LIMIT_S, tools.load(step.tool).PROGRAM, args),
                limit_s=PREPARE_LIMIT_S + ANSWER_S,
            )
            self._raise_if_stopped(seat, reply)
            found = trial_report.parse(reply)
            if found.status != 0:
                status = "no status" if found.status is None else str(found.status)
                said = last_lines(found.stderr or reply.stdout)
                seat.unprepared[step.creates] = (
                    f"{step.creates} could not be made: {step.tool} ended with {status}: "
                    f"{said.strip()}"
                )
            else:
                seat.session.check(["touch", ready], limit_s=30)
        except ConnectionLost as error:
            self._raise_if_stopped(seat, None)
            seat.unprepared[step.creates] = f"{step.creates} could not be made: {error.message}"
            self._reconnect(seat)
        self._ledger.note(
            "prepared",
            target=seat.target.name,
            creates=step.creates,
            seconds=round(time.monotonic() - begin, 3),
            reason=seat.unprepared.get(step.creates),
        )

    def _calibrate(self, seat: Runner) -> None:
        """Time programs that do nothing by both clocks: what separates them then is no drift."""
        found: list[float] = []
        try:
            for _ in range(CALIBRATIONS):
                reply = seat.session.run(seat.command(30, "date", ["+%s"]), limit_s=60)
                self._raise_if_stopped(seat, reply)
                seen = trial_report.parse(reply)
                if seen.guest_s is not None and seen.span_s is not None:
                    found.append(round(seen.span_s - seen.guest_s, 6))
        except ConnectionLost:
            self._raise_if_stopped(seat, None)
            self._reconnect(seat)
        seat.apart_s = tuple(found)
        self._ledger.note("calibrated", target=seat.target.name, apart_s=found)

    def _await_idle(self, block: Block) -> None:
        """Look at the host while no trial runs, and wait a while where something else works."""
        if all(f"b{block.index:03d}-{at:03d}" in self._done for at in range(len(block.cells))):
            return
        host = self._seats.get(self._plan.host)
        if host is None:
            return
        cpus = self._cpus()
        begin = time.monotonic()
        while True:
            before = self._reading()
            if self._stop.wait(IDLE_S):
                raise Interrupted
            self._counters = self._reading()
            load = counters.difference(before, self._counters, cpus)
            if load is None or load.total_s <= 0:
                return
            busy, waited_s = load.busy_s / load.total_s, time.monotonic() - begin - IDLE_S
            if busy <= validity.REJECTED_SHARE or waited_s >= self._idle_wait_s:
                break
        self._ledger.note(
            "probed", block=block.index, busy=round(busy, 4), waited_s=round(max(0, waited_s), 3)
        )

    def _cpus(self) -> list[int]:
        return sorted({cpu for seat in self._seats.values() for cpu in seat.target.size.cpus})

    def _reading(self) -> Counters | None:
        """The counters of the host, through its native target's session."""
        host = self._seats.get(self._plan.host)
        if host is None or host.gone is not None or not host.session.alive:
            return None
        processes = [seat.process for seat in self._seats.values() if seat.process is not None]
        return counters.read(host.session, self._cpus(), [*processes, *self._peers])

    def _trial(self, name: str, block: int, position: int, cell: Cell) -> None:
        if self._stop.is_set():
            raise Interrupted
        seat = self._seats[cell.target]
        workload = self._workloads[cell.workload]
        # What was read after the last trial serves before this one: only the ledger was written
        # since.
        before = self._counters or self._reading()
        started_at = now()
        outcome = self._outcome(seat, workload)
        self._counters = self._reading()
        load = None
        if not seat.target.elsewhere:
            load = counters.difference(
                before, self._counters, seat.target.size.cpus, seat.process, self._peers
            )
        seen = trial_report.parse(outcome.reply) if outcome.reply else None
        raw = digest = None
        if outcome.reply is not None:
            raw, digest = self._ledger.keep_raw(name, outcome.reply.stdout, outcome.reply.stderr)
        trial = Trial(
            id=name,
            scenario=self._plan.scenario,
            host=self._plan.host,
            block=block,
            position=position,
            workload=cell.workload,
            target=cell.target,
            status=outcome.status,
            started_at=started_at,
            controller_s=outcome.reply.seconds if outcome.reply else None,
            guest_s=seen.guest_s if seen else None,
            exit_status=outcome.exit_status,
            samples=outcome.samples,
            raw=raw,
            raw_sha256=digest,
            reason=outcome.reason,
            connection=seat.connection,
            span_s=seen.span_s if seen else None,
            cpu=seen.cpu if seen else None,
            control=cell.control,
            host_load=load,
            claimed_mib_per_s=outcome.claimed,
            apart=ClockOffset.of(seat.apart_s),
        )
        if trial.status is TrialStatus.OK:
            about = validity.About((), self._workloads)
            if (objection := validity.of_trial(trial, about, self._accepted)) is not None:
                trial = replace(trial, status=TrialStatus.REJECTED, reason=objection.text)
        self._ledger.record(trial)
        self._trials.append(trial)
        self._on_trial(trial)
        if outcome.status is TrialStatus.LOST and seat.gone is None:
            self._reconnect(seat)

    def _outcome(self, seat: Runner, workload: Workload) -> TrialResult:
        """Run the program once and judge what came of it; never raises for the target's sake."""
        if seat.gone is not None:
            return TrialResult(TrialStatus.LOST, reason=seat.gone)
        for step in workload.prepare:
            if step.creates in seat.unprepared:
                return TrialResult(TrialStatus.FAILED, reason=seat.unprepared[step.creates])
        seconds = self._plan.seconds[workload.name]
        limit_s = LIMIT_FACTOR * seconds + self._slack_s
        tool = tools.load(workload.tool)
        given = seat.instead.get(workload.name, workload).args
        args = [seat.filled(arg, seconds) for arg in given]
        try:
            with seat.beside.get(workload.name, contextlib.nullcontext)():
                reply = seat.session.run(
                    seat.command(limit_s, tool.PROGRAM, args), limit_s=limit_s + ANSWER_S
                )
        except ConnectionLost as error:
            self._raise_if_stopped(seat, None)
            return TrialResult(TrialStatus.LOST, reason=error.message)
        self._raise_if_stopped(seat, reply)
        if reply.overflow:
            seat.kill(reply)
            return TrialResult(
                TrialStatus.FAILED,
                reply,
                reason=f"{tool.PROGRAM} printed more than {len(reply.stdout) >> 20} MiB; ended",
            )
        if reply.timed_out:
            if not seat.session.answers():
                return TrialResult(
                    TrialStatus.LOST, reply, reason=f"no answer for {reply.seconds:.0f} s"
                )
            seat.kill(reply)
            return TrialResult(
                TrialStatus.TIMEOUT, reply, reason=f"no end within {limit_s:.0f} s; ended"
            )
        return of_reply(reply, workload, limit_s)

    def _reconnect(self, seat: Runner) -> None:
        self._counters = None
        seat.session.close()
        try:
            seat.session = seat.reopen()
        except HarnessError as error:
            seat.gone = f"the target is gone: {error.message}"
        else:
            seat.connection += 1
        self._ledger.note(
            "connection", target=seat.target.name, number=seat.connection, gone=seat.gone
        )

    def _raise_if_stopped(self, seat: Runner, reply: Reply | None) -> None:
        if not self._stop.is_set():
            return
        if reply is not None and seat.session.alive:
            seat.kill(reply)
        raise Interrupted


def _forget(work: str, step: Step) -> str:
    """Remove the file and its mark, as made by a step that has been edited since."""
    file = shlex.quote(f"{work}/{step.creates}")
    mark = shlex.quote(f"{work}/.{step.creates}.")
    return f"rm -rf {file} {mark}{'?' * DIGEST_LENGTH}.ready"


def _digest(step: Step) -> str:
    """Names the mark of a file that was made: one made in another way does not count."""
    return hashlib.sha256("\0".join((step.tool, *step.args)).encode()).hexdigest()[:DIGEST_LENGTH]
