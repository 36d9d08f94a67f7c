"""What the verbs do with machines: bring targets up, measure hosts at once, judge the harness.

Hosts are independent: one's trouble costs no other its run. Nothing here parses an option or
prints a table.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness import bundle, ledger, provision, session, state
from harness.bundle import Bundle
from harness.errors import HarnessError, UseError
from harness.measure import NOT_ASKED_FOR, Announce, Measurement, Request
from harness.model import Host
from harness.state import Standing

if TYPE_CHECKING:
    from harness.console import Console
    from harness.selftest import SelfTest


@contextmanager
def locked(inventory: Path, hosts: Sequence[Host]) -> Iterator[None]:
    """Nobody else works with these targets meanwhile, nor with this machine if they are on it."""
    here = any(host.local for host in hosts)
    with state.locked(state.state_folder(inventory), here=here):
        yield


def possible(inventory: Path, hosts: Sequence[Host], unusable: dict[str, str]) -> tuple[Host, ...]:
    """`hosts` without what the doctor found unusable; `HarnessError` where none is left."""
    usable = tuple(
        replace(host, targets=tuple(t for t in host.targets if t.name not in unusable))
        for host in hosts
        if host.native.name not in unusable
    )
    if not usable:
        why = "; ".join(f"{host.name}: {unusable[host.name]}" for host in hosts)
        raise HarnessError(f"no machine can be measured: {why}", f"baremark doctor -i {inventory}")
    return usable


def bring_up(inventory: Path, hosts: Sequence[Host], console: Console) -> tuple[Standing, Bundle]:
    """Build what is missing and provision; what did not come up is told and left out."""
    packed = provision.prepare(inventory, console.step)
    standing = provision.up(inventory, hosts, packed, console.step)
    for name, why in standing.failed.items():
        console.warn(f"{name} did not come up: {why}")
    return standing, packed


@dataclass(frozen=True, slots=True)
class Whole:
    """What came of a whole measurement: the runs, what the doctor found unusable and what did not
    come up, each by target with the reason."""

    measured: Measured
    unusable: Mapping[str, str]
    failed: Mapping[str, str]


def whole(
    inventory: Path, hosts: Sequence[Host], request: Request, results: Path, console: Console
) -> Whole:
    """Provision what can be used, measure it, and take everything down again, come what may."""
    with locked(inventory, hosts):
        findings = provision.doctor(inventory, hosts, console.step)
        unusable = {finding.target: finding.why for finding in findings if not finding.usable}
        for finding in findings:
            if not finding.usable:
                console.warn(f"{finding.target} is left out: {finding.why} ({finding.fix})")
        usable = possible(inventory, hosts, unusable)
        try:
            standing, packed = bring_up(inventory, usable, console)
            came_not = dict(standing.failed)
            standing = replace(standing, failed={**unusable, **standing.failed})
            measured = measure_all(
                inventory, hosts, standing, packed, request, results, console, None
            )
        finally:
            console.say("take everything down")
            provision.down(inventory, hosts, console.step, purge=False)
    return Whole(measured, unusable, came_not)


def packed_bundle(standing: Standing) -> Bundle:
    """The bundle that the targets which stand are to carry."""
    return bundle.load(state.cache_folder() / f"bundle-{standing.bundle}.tar.zst")


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of measuring some hosts: the folders of their runs, whether all are whole, and
    what kept the others from being measured."""

    folders: tuple[Path, ...]
    whole: bool
    errors: tuple[HarnessError, ...]


def measure_all(
    inventory: Path,
    hosts: Sequence[Host],
    standing: Standing,
    packed: Bundle,
    request: Request,
    results: Path,
    console: Console,
    resume: str | None,
) -> Measured:
    """Measure all hosts, each in a thread of its own; one's trouble costs no other its run.

    Raises the first trouble where no host was measured at all.
    """
    key = session.load_key(state.state_folder(inventory) / state.KEY)
    announce = Announce(console.step, console.planned, console.trial)
    measurement = Measurement(results, key, announce)
    if resume is not None:
        folder = ledger.find(results / "runs", resume)
        name = ledger.read_manifest(folder).host
        hosts = [host for host in hosts if host.name == name]
        if not hosts:
            raise UseError(
                f"the run {resume} is of {name}, which is not in {inventory}",
                "name the inventory that it was made with: -i INVENTORY",
            )
    folders: list[Path] = []
    troubles: list[BaseException] = [
        HarnessError(
            f"{host.name} is not measured: its native target is not up: "
            f"{standing.failed.get(host.native.name, NOT_ASKED_FOR)}",
            f"baremark doctor -i {inventory}",
        )
        for host in hosts
        if host.native.name not in standing.endpoints
    ]

    def one(host: Host) -> None:
        try:
            if resume is not None:
                folders.append(
                    measurement.resume(folder, host, standing.endpoints, packed, request)
                )
            else:
                folders.append(
                    measurement.begin(host, standing.endpoints, standing.failed, packed, request)
                )
        except BaseException as error:
            troubles.append(error)

    up = [host for host in hosts if host.native.name in standing.endpoints]
    with interrupting(measurement, console):
        _in_threads([lambda host=host: one(host) for host in up])  # type: ignore[misc]
    errors = tuple(each for each in troubles if isinstance(each, HarnessError))
    for trouble in troubles:
        if not isinstance(trouble, HarnessError):
            raise trouble
    if errors and not folders:
        for further in errors[1:]:
            console.error(further)
        raise errors[0]
    runs = [ledger.read_run(folder) for folder in folders]
    for each in runs:
        console.ended(each)
    whole = all(each.ended != "interrupted" for each in runs)
    return Measured(tuple(sorted(folders)), whole, errors)


def judge(
    inventory: Path,
    host: Host,
    standing: Standing,
    packed: Bundle,
    request: Request,
    repetitions: int,
    results: Path,
    console: Console,
) -> SelfTest:
    """Native against itself, then the container (native where there is none) against itself
    slowed down."""
    from harness import dataset, selftest  # polars: only where something is computed
    from harness.analyze.control import control
    from harness.analyze.overhead import overhead

    key = session.load_key(state.state_folder(inventory) / state.KEY)
    measurement = Measurement(results, key, Announce(console.step, console.planned, console.trial))
    alone = replace(host, targets=(host.native,))
    with interrupting(measurement, console):
        folder = measurement.begin(alone, standing.endpoints, {}, packed, request)
    run = ledger.read_run(folder)
    if run.ended == "interrupted":
        raise KeyboardInterrupt
    itself = control(overhead(dataset.frame(run).lazy()))
    up = [target for target in host.targets if target.name in standing.endpoints]
    subject = next((target for target in up if not target.native), host.native)
    console.step(f"slow {subject.name} down by known amounts, {repetitions} times")
    asked = selftest.Asked(repetitions, request.preset.blocks, int(request.preset.seconds))
    place = selftest.Place(
        host, subject, standing.endpoints[subject.name], standing.endpoints[host.name]
    )
    second, found = selftest.known_truths(place, key, packed, asked, results / "runs")
    return selftest.SelfTest(
        host.name, subject.name, itself, tuple(found), (folder.name, second.name)
    )


@contextmanager
def interrupting(measurement: Measurement, console: Console) -> Iterator[None]:
    """Ctrl-C and a polite kill end the measurement cleanly, with what there is."""

    def stop(*_: object) -> None:
        console.say("ending: what is recorded is kept")
        measurement.interrupt()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _in_threads(jobs: Sequence[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(3600)
