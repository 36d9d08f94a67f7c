"""The one loop: cell → trial → ledger.

Touches the targets through their sessions and computes nothing but a trial's outcome. A trial
that fails is recorded and the loop goes on; only what makes the ledger itself unwritable stops
it. Nothing here knows how results are compared.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness import tools
from harness.analyze import validity
from harness.errors import HarnessError, ReadError
from harness.ledger import Ledger, now
from harness.model import Cell, CpuTime, Plan, Sample, Step, Target, Trial, TrialStatus, Workload
from harness.session import ConnectionLost, Reply, Session, last_lines

LIMIT_FACTOR = 2.0
LIMIT_SLACK_S = 60.0
"""A program may take this factor of the seconds asked of it, and this much more, to its end."""

ANSWER_S = 15.0
"""How long after the target's own limit the controller waits for the target's reply."""

PREPARE_LIMIT_S = 900.0
CALIBRATIONS = 7

_BEGIN = re.compile(rb"baremark begin (\d+) (\d+)\n")
_END = re.compile(rb"baremark end (\d+) (\d+)\n")
_STAT = re.compile(
    rb"baremark stat (?:cpu +([\d ]+))? to (?:cpu +([\d ]+))?\n"
    rb"(?:[\dms. ]+\n(\d+)m([\d.]+)s (\d+)m([\d.]+)s\n)?"
)
"""/proc/stat before and after, and what the shell's children used (user, system)."""
_HZ = 100
"""Ticks a second in /proc/stat: USER_HZ, 100 on every architecture that the bundle is for."""
_LIMIT_STATUSES = frozenset({124, 137})
"""What `timeout` ends with when it had to end the program."""


@dataclass(slots=True)
class Seat:
    """A target ready to work: its open session, where its bundle and its files are.

    `reopen` makes a new session after a loss. `connection` counts them.
    """

    target: Target
    session: Session
    bundle: str
    work: str
    peer: str
    reopen: Callable[[], Session]
    connection: int = 1
    gone: str | None = None
    apart_s: tuple[float, ...] = ()
    unprepared: dict[str, str] = field(default_factory=dict)
    """Files of the workloads that could not be made here, and why."""


class Interrupted(Exception):
    """The user asked for the end; the trial in flight is not recorded."""


class Execution:
    """One plan being carried out on the seats of one host."""

    def __init__(
        self,
        plan: Plan,
        workloads: Iterable[Workload],
        seats: Mapping[str, Seat],
        ledger: Ledger,
        *,
        on_trial: Callable[[Trial], None] = lambda _: None,
        limit_slack_s: float = LIMIT_SLACK_S,
        enough: Callable[[int, Sequence[Trial]], bool] = lambda *_: False,
    ) -> None:
        self._plan = plan
        self._workloads = {workload.name: workload for workload in workloads}
        self._seats = seats
        self._ledger = ledger
        self._on_trial = on_trial
        self._slack_s = limit_slack_s
        self._enough = enough
        self._trials: list[Trial] = []
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
        done = {trial.id for trial in before}
        self._trials = list(before)
        try:
            self._prepare()
            for block in self._plan.blocks:
                started = time.monotonic()
                if budget_s is not None and started - begin + longest_s > budget_s:
                    how = "budget"
                    break
                for position, cell in enumerate(block.cells):
                    name = f"b{block.index:03d}-{position:03d}"
                    if name not in done:
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

    def _make(self, seat: Seat, step: Step) -> None:
        ready = f"{seat.work}/.{step.creates}.ready"
        begin = time.monotonic()
        try:
            if seat.session.run(["test", "-e", ready], limit_s=30).exit_status == 0:
                return
            args = [_filled(arg, seat, 0) for arg in step.args]
            reply = seat.session.run(
                _command(seat, PREPARE_LIMIT_S, tools.load(step.tool).PROGRAM, args),
                limit_s=PREPARE_LIMIT_S + ANSWER_S,
            )
            self._raise_if_stopped(seat, reply)
            end = _END.search(reply.stderr)
            if end is None or int(end[2]) != 0:
                said = last_lines(_without_marks(reply.stderr) or reply.stdout)
                seat.unprepared[step.creates] = (
                    f"{step.creates} could not be made: {step.tool} ended with "
                    f"{int(end[2]) if end else 'no status'}: {said.strip()}"
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

    def _calibrate(self, seat: Seat) -> None:
        """Time programs that do nothing by both clocks: what separates them then is no drift."""
        found: list[float] = []
        try:
            for _ in range(CALIBRATIONS):
                reply = seat.session.run(_command(seat, 30, "date", ["+%s"]), limit_s=60)
                self._raise_if_stopped(seat, reply)
                guest_s, span_s = _clocks(reply)
                if guest_s is not None and span_s is not None:
                    found.append(round(span_s - guest_s, 6))
        except ConnectionLost:
            self._raise_if_stopped(seat, None)
            self._reconnect(seat)
        seat.apart_s = tuple(found)
        self._ledger.note("calibrated", target=seat.target.name, apart_s=found)

    def _trial(self, name: str, block: int, position: int, cell: Cell) -> None:
        if self._stop.is_set():
            raise Interrupted
        seat = self._seats[cell.target]
        workload = self._workloads[cell.workload]
        started_at = now()
        outcome = self._outcome(seat, workload)
        guest_s, span_s = _clocks(outcome.reply) if outcome.reply else (None, None)
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
            guest_s=guest_s,
            exit_status=outcome.exit_status,
            samples=outcome.samples,
            raw=raw,
            raw_sha256=digest,
            reason=outcome.reason,
            connection=seat.connection,
            span_s=span_s,
            cpu=_cpu_time(outcome.reply.stderr) if outcome.reply else None,
            control=cell.control,
        )
        if trial.status is TrialStatus.OK:
            about = validity.About((), self._workloads, {cell.target: seat.apart_s})
            if (objection := validity.of_trial(trial, about)) is not None:
                trial = replace(trial, status=TrialStatus.REJECTED, reason=objection.text)
        self._ledger.record(trial)
        self._trials.append(trial)
        self._on_trial(trial)
        if outcome.status is TrialStatus.LOST and seat.gone is None:
            self._reconnect(seat)

    def _outcome(self, seat: Seat, workload: Workload) -> _Outcome:
        """Run the program once and judge what came of it; never raises for the target's sake."""
        if seat.gone is not None:
            return _Outcome(TrialStatus.LOST, reason=seat.gone)
        for step in workload.prepare:
            if step.creates in seat.unprepared:
                return _Outcome(TrialStatus.FAILED, reason=seat.unprepared[step.creates])
        seconds = self._plan.seconds[workload.name]
        limit_s = LIMIT_FACTOR * seconds + self._slack_s
        tool = tools.load(workload.tool)
        args = [_filled(arg, seat, seconds) for arg in workload.args]
        try:
            reply = seat.session.run(
                _command(seat, limit_s, tool.PROGRAM, args), limit_s=limit_s + ANSWER_S
            )
        except ConnectionLost as error:
            self._raise_if_stopped(seat, None)
            return _Outcome(TrialStatus.LOST, reason=error.message)
        self._raise_if_stopped(seat, reply)
        if reply.overflow:
            _kill(seat, reply)
            return _Outcome(
                TrialStatus.FAILED,
                reply,
                reason=f"{tool.PROGRAM} printed more than {len(reply.stdout) >> 20} MiB; ended",
            )
        if reply.timed_out:
            if not seat.session.answers():
                return _Outcome(
                    TrialStatus.LOST, reply, reason=f"no answer for {reply.seconds:.0f} s"
                )
            _kill(seat, reply)
            return _Outcome(
                TrialStatus.TIMEOUT, reply, reason=f"no end within {limit_s:.0f} s; ended"
            )
        return _judged(reply, workload, limit_s)

    def _reconnect(self, seat: Seat) -> None:
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

    def _raise_if_stopped(self, seat: Seat, reply: Reply | None) -> None:
        if not self._stop.is_set():
            return
        if reply is not None and seat.session.alive:
            _kill(seat, reply)
        raise Interrupted


@dataclass(frozen=True, slots=True)
class _Outcome:
    status: TrialStatus
    reply: Reply | None = None
    exit_status: int | None = None
    samples: tuple[Sample, ...] = ()
    reason: str | None = None


def _judged(reply: Reply, workload: Workload, limit_s: float) -> _Outcome:
    """What a reply says: samples, or in one sentence why there are none."""
    begin = _BEGIN.search(reply.stderr)
    ends = list(_END.finditer(reply.stderr))
    stderr = _without_marks(reply.stderr)
    if begin is None or not ends:
        said = last_lines(stderr or reply.stdout).strip() or "nothing"
        return _Outcome(
            TrialStatus.FAILED,
            reply,
            exit_status=reply.exit_status,
            reason=f"the program could not be started; the target says: {said}",
        )
    end = ends[-1]
    status = int(end[2])
    if status in _LIMIT_STATUSES:
        return _Outcome(
            TrialStatus.TIMEOUT,
            reply,
            status,
            reason=f"no end within {limit_s:.0f} s; stopped on the target",
        )
    if status != 0:
        said = last_lines(stderr or reply.stdout).strip() or "nothing"
        return _Outcome(
            TrialStatus.FAILED,
            reply,
            status,
            reason=f"{workload.tool} ended with status {status}: {said}",
        )
    try:
        samples = {s.metric: s for s in tools.load(workload.tool).read(reply.stdout, stderr)}
        taken = tuple(samples[metric.name] for metric in workload.metrics)
    except ReadError as error:
        return _Outcome(TrialStatus.FAILED, reply, status, reason=error.message)
    except KeyError as error:
        return _Outcome(
            TrialStatus.FAILED,
            reply,
            status,
            reason=f"{workload.tool} did not report {error.args[0]}",
        )
    return _Outcome(TrialStatus.OK, reply, status, taken)


def _clocks(reply: Reply) -> tuple[float | None, float | None]:
    """The target's time around the program, and the controller's between the marks' arrivals."""
    begin = _BEGIN.search(reply.stderr)
    end = next(reversed(list(_END.finditer(reply.stderr))), None)
    if begin is None or end is None:
        return None, None
    first, last = reply.arrived_s(begin.start()), reply.arrived_s(end.start())
    span_s = None if first is None or last is None else last - first
    return (int(end[1]) - int(begin[2])) / 1e9, span_s


def _cpu_time(stderr: bytes) -> CpuTime | None:
    """What /proc/stat and the shell told of the CPUs; None where either did not."""
    found = _STAT.search(stderr)
    if found is None or not (found[1] and found[2] and found[3]):
        return None
    before, after = ([int(word) for word in found[i].split()[:8]] for i in (1, 2))
    if len(before) != 8 or len(after) != 8:
        return None
    ticks = [max(0, b - a) / _HZ for a, b in zip(before, after, strict=True)]
    user, nice, system, _idle, _iowait, irq, softirq, steal = ticks
    own_s = 60 * (int(found[3]) + int(found[5])) + float(found[4]) + float(found[6])
    return CpuTime(
        total_s=round(sum(ticks), 3),
        busy_s=round(user + nice + system + irq + softirq, 3),
        steal_s=round(steal, 3),
        own_s=round(own_s, 3),
    )


def _filled(arg: str, seat: Seat, seconds: float) -> str:
    return arg.format(
        seconds=f"{seconds:g}",
        vcpus=seat.target.size.vcpus,
        memory_mib=seat.target.size.memory_mib,
        peer=seat.peer,
        work=seat.work,
    )


def _command(seat: Seat, limit_s: float, program: str, args: Iterable[str]) -> list[str]:
    trial = [f"{seat.bundle}/run", "dash", f"{seat.bundle}/trial"]
    return [*trial, f"{limit_s:g}", seat.work, program, *args]


def _without_marks(stderr: bytes) -> bytes:
    return _STAT.sub(b"", _END.sub(b"", _BEGIN.sub(b"", stderr)))


def _kill(seat: Seat, reply: Reply) -> None:
    """End the trial's program on the target: the signal goes to its `timeout`, which passes it
    on to the whole process group."""
    begin = _BEGIN.search(reply.stderr)
    if begin is None:
        return
    process = int(begin[1])
    with contextlib.suppress(ConnectionLost):
        seat.session.run(f"kill -TERM {process} && sleep 1; kill -KILL -{process}", limit_s=30)
