"""What the verbs do with machines: bring targets up, measure hosts at once, keep the dataset.

Hosts are independent: one's trouble costs no other its run. Nothing here parses an option or
prints a table.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness import state
from harness.bundle import archive
from harness.bundle.archive import Bundle
from harness.errors import HarnessError, UseError
from harness.execute.measurement import NOT_ASKED_FOR, Measurement, foresee
from harness.ledger import reader
from harness.ledger.folders import find
from harness.model.target import Host
from harness.plan.request import Request
from harness.provision import lifecycle, rights
from harness.remote import keys
from harness.state import Standing

if TYPE_CHECKING:
    from harness.console import Console


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


def require_sides(
    inventory: Path, asked: Sequence[Host], usable: Sequence[Host], unusable: Mapping[str, str]
) -> None:
    """Raise `HarnessError` where targets besides native were asked for and none can be used: there
    would be nothing to compare native with."""
    if any(len(host.targets) > 1 for host in usable) or all(len(h.targets) == 1 for h in asked):
        return
    natives = {host.native.name for host in asked}
    why = "; ".join(f"{name}: {why}" for name, why in unusable.items() if name not in natives)
    raise HarnessError(
        f"there is nothing to compare native with: {why}",
        f"baremark doctor -i {inventory}; to measure native alone, choose it with -t",
    )


def _require(needed: Collection[str], lacking: Mapping[str, str], inventory: Path) -> None:
    """Raise `HarnessError` where one of the targets that are to be compared does not take part."""
    if gone := [f"{name}: {lacking[name]}" for name in needed if name in lacking]:
        raise HarnessError(
            f"there is nothing to compare: {'; '.join(gone)}", f"baremark doctor -i {inventory}"
        )


def bring_up(inventory: Path, hosts: Sequence[Host], console: Console) -> tuple[Standing, Bundle]:
    """Build what is missing and provision; what did not come up is told and left out."""
    console.stage("image and bundle")
    packed = lifecycle.prepare(inventory, hosts, console)
    console.stage("targets")
    standing = lifecycle.up(inventory, hosts, packed, console)
    for name, why in standing.failed.items():
        console.warn(f"{name} did not come up: {why}")
    return standing, packed


@dataclass(frozen=True, slots=True)
class Bench:
    """What came of a whole measurement: the runs, what the doctor found unusable and what did not
    come up, each by target with the reason."""

    measured: Measured
    unusable: Mapping[str, str]
    failed: Mapping[str, str]


def run(
    inventory: Path,
    hosts: Sequence[Host],
    request: Request,
    results: Path,
    console: Console,
    *,
    needed: Collection[str] = (),
) -> Bench:
    """Provision what can be used, measure it, and take everything down again, come what may.

    Raises `HarnessError` before anything is provisioned where that leaves nothing to compare, or
    one of the targets `needed` cannot be used; before anything is measured where one of these did
    not come up.
    """
    with locked(inventory, hosts):
        console.stages(5)
        console.stage("look at what can be used")
        findings = lifecycle.doctor(inventory, hosts, console)
        unusable = {finding.target: finding.why for finding in findings if not finding.usable}
        for finding in findings:
            if not finding.usable:
                fix = f" ({finding.fix})" if finding.fix else ""
                console.warn(f"{finding.target} is left out: {finding.why}{fix}")
        if (line := rights.to_install(findings)) is not None:
            console.warn(f"for an administrator to type, {line}")
        _require(needed, unusable, inventory)
        usable = possible(inventory, hosts, unusable)
        require_sides(inventory, hosts, usable, unusable)
        for host in usable:
            foresee(host, request)
        try:
            standing, packed = bring_up(inventory, usable, console)
            came_not = dict(standing.failed)
            _require(needed, came_not, inventory)
            standing = replace(standing, failed={**unusable, **standing.failed})
            console.stage("measure")
            measured = measure_all(
                inventory, hosts, standing, packed, request, results, console, None
            )
        finally:
            console.stage("take everything down")
            lifecycle.down(inventory, hosts, console, purge=False)
    return Bench(measured, unusable, came_not)


def packed_bundle(standing: Standing) -> Bundle:
    """The bundle that the targets which stand are to carry."""
    return archive.load(state.cache_folder() / f"bundle-{standing.bundle}.tar.zst")


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of measuring some hosts: the folders of their runs, whether all are whole, and
    what kept the others from being measured, or a run from the dataset."""

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
    """Measure all hosts, each in a thread of its own; one's trouble costs no other its run. The
    dataset of `results` is then brought up to date with the runs.

    Raises the first trouble where no host was measured at all.
    """
    key = keys.load_key(state.state_folder(inventory) / state.KEY)
    measurement = Measurement(results, key, console)
    if resume is not None:
        folder = find(results / "runs", resume)
        name = reader.read_manifest(folder).host
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
    # What the runs say so far is computed between the trials of one host: another's may be going.
    console.answer = partial(_so_far, results) if len(up) == 1 else None
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
    runs = [reader.read_run(folder) for folder in folders]
    for each in runs:
        console.ended(each)
    whole = all(each.ended != "interrupted" for each in runs)
    return Measured(tuple(sorted(folders)), whole, (*errors, *_into_dataset(folders, results)))


def _so_far(results: Path, run: str) -> tuple[str, ...]:
    """What the table would say of a run that is going; nothing where it is too short for one."""
    from harness.report import answer, runs

    try:
        table = runs.read([results / "runs" / run]).table
    except HarnessError:
        return ()
    return tuple(each for section in table.sections for each in answer.sentences(section))


def _into_dataset(folders: Sequence[Path], results: Path) -> Iterator[HarnessError]:
    """Write the runs in `folders` to the dataset of `results`, and give what keeps one from it:
    it can be made again from the ledgers, so that costs no run its table."""
    from harness.dataset import dataset  # polars: only after something was measured
    from harness.report import runs

    for folder in folders:
        ledger = dataset.ledger_of(folder)
        try:
            dataset.write(runs.judged(folder), results, ledger)
        except HarnessError as error:
            yield error


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
        console.still()
        for number, handler in before.items():
            signal.signal(number, handler)


def _in_threads(jobs: Sequence[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(3600)
