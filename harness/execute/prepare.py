"""What is done on a target before its first trial: the files that workloads work on, its clock.

A file that cannot be made costs the workloads that need it their trials, never the run.
"""

from __future__ import annotations

import hashlib
import shlex
import time
from collections.abc import Iterable, Mapping
from threading import Event

from harness import tools
from harness.bundle import trial_report
from harness.bundle.trial_report import TrialReport
from harness.errors import HarnessError
from harness.execute.runner import Interrupted, Runner
from harness.ledger.writer import Ledger
from harness.model.plan import Cell
from harness.model.workload import Step, Workload
from harness.remote.session import ConnectionLost, Reply, last_lines

PREPARE_LIMIT_S = 900.0
CALIBRATION_LIMIT_S = 30.0
CALIBRATIONS = 7
DIGEST_LENGTH = 12


def steps(cells: Iterable[Cell], workloads: Mapping[str, Workload], target: str) -> list[Step]:
    """What makes the files that the workloads of a block need on a target, each file once."""
    made = {
        step.creates: step
        for cell in cells
        if cell.target == target
        for step in workloads[cell.workload].prepare
    }
    return list(made.values())


def files(runner: Runner, needed: Iterable[Step], ledger: Ledger, stop: Event) -> None:
    """Make files on a target, unless they are there; why one could not be made is kept with the
    runner. Raises `Interrupted` where `stop` was set."""
    for step in needed:
        _file(runner, step, ledger, stop)


def calibrate(runner: Runner, ledger: Ledger, stop: Event) -> None:
    """Time programs that do nothing by both clocks: what separates them then is no drift.

    Raises `Interrupted` where `stop` was set.
    """
    found: list[float] = []
    try:
        for _ in range(CALIBRATIONS):
            reply = runner.run(CALIBRATION_LIMIT_S, "date", ["+%s"], stop)
            report = trial_report.parse(reply)
            if report.guest_s is not None and report.span_s is not None:
                found.append(round(report.span_s - report.guest_s, 6))
    except ConnectionLost:
        reconnect(runner, ledger)
    runner.apart_s = tuple(found)
    ledger.note("calibrated", target=runner.target.name, apart_s=found)


def reconnect(runner: Runner, ledger: Ledger) -> None:
    """A new session in place of a lost one; where none can be had, the target is gone."""
    try:
        runner.reopen()
    except HarnessError as error:
        runner.gone = f"the target is gone: {error.message}"
    ledger.note("connection", target=runner.target.name, number=runner.connection, gone=runner.gone)


def _file(runner: Runner, step: Step, ledger: Ledger, stop: Event) -> None:
    begin = time.monotonic()
    try:
        if not _make(runner, step, stop):
            return
    except ConnectionLost as error:
        if stop.is_set():
            raise Interrupted from None
        runner.unprepared[step.creates] = f"{step.creates} could not be made: {error.message}"
        reconnect(runner, ledger)
    ledger.note(
        "prepared",
        target=runner.target.name,
        creates=step.creates,
        seconds=round(time.monotonic() - begin, 3),
        reason=runner.unprepared.get(step.creates),
    )


def _make(runner: Runner, step: Step, stop: Event) -> bool:
    """Make a file; whether anything had to be done. Raises `ConnectionLost`, `Interrupted`."""
    ready = f"{runner.work}/.{step.creates}.{_digest(step)}.ready"
    if runner.session.run(["test", "-e", ready], limit_s=30).exit_status == 0:
        return False
    runner.session.check(_forget(runner.work, step), limit_s=60)
    args = [runner.filled(arg, 0) for arg in step.args]
    reply = runner.run(PREPARE_LIMIT_S, tools.load(step.tool).PROGRAM, args, stop)
    report = trial_report.parse(reply)
    if report.status == 0:
        runner.session.check(["touch", ready], limit_s=30)
    else:
        runner.unprepared[step.creates] = _reason(step, reply, report)
    return True


def _reason(step: Step, reply: Reply, report: TrialReport) -> str:
    """Why a file was not made, in one sentence."""
    status = "no status" if report.status is None else str(report.status)
    last = last_lines(report.stderr or reply.stdout).strip()
    return f"{step.creates} could not be made: {step.tool} ended with {status}: {last}"


def _forget(work: str, step: Step) -> str:
    """Remove the file and its mark, as made by a step that has been edited since."""
    file = shlex.quote(f"{work}/{step.creates}")
    mark = shlex.quote(f"{work}/.{step.creates}.")
    return f"rm -rf {file} {mark}{'?' * DIGEST_LENGTH}.ready"


def _digest(step: Step) -> str:
    """Names the mark of a file that was made: one made in another way does not count."""
    return hashlib.sha256("\0".join((step.tool, *step.args)).encode()).hexdigest()[:DIGEST_LENGTH]
