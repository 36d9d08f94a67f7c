"""A night: measure, tell what shifted, confirm what can be confirmed, publish.

Each step after the measurement may fail without losing what was measured before it: its trouble is
told in the night's summary. What confirms a shift is an ordinary interleaved comparison of the old
release and the new.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessError, UseError
from harness.ledger import reader
from harness.ledger.folders import runs_in
from harness.model.target import Host
from harness.plan.request import Request
from harness.provision import releases
from harness.provision.releases import PRODUCTS, Releases
from harness.publish import formats
from harness.report.night import HISTORY, SITE, TABLE, Summary
from harness.workflow import bench as steps

if TYPE_CHECKING:
    from harness.analyze.history.history import History, Shift
    from harness.console import Console


CONFIRMING, LEAST_CONFIRMING = 2, 12
"""Times the fewest blocks of an ordinary night, and how many at least. A shift is told by many
nights together, so what is to settle it in one run must see more than one of them does: of a
night's eight blocks nearly all would have to agree, and a smoke night's two settle nothing."""


@dataclass(frozen=True, slots=True)
class Night:
    """What a night is to do. `site` is the folder to publish into, None for none."""

    inventory: Path
    hosts: Sequence[Host]
    request: Request
    results: Path
    site: Path | None
    confirm: bool


def run(plan: Night, console: Console) -> Summary:
    """Go through a whole night. Raises `UseError` where the request itself is wrong; everything
    else that fails is in what it returns."""
    began, clock = datetime.now(UTC), time.monotonic()
    absent: dict[str, str] = {}
    folders: tuple[Path, ...] = ()
    whole = True
    try:
        done = steps.run(plan.inventory, plan.hosts, plan.request, plan.results, console)
    except UseError:
        raise
    except HarnessError as error:
        console.error(error)
        absent[", ".join(host.name for host in plan.hosts)] = error.message
    else:
        folders, whole = done.measured.folders, done.measured.whole
        absent = {**done.unusable, **done.failed}
        troubles = enumerate(done.measured.errors, 1)
        absent |= {f"({number})": each.message for number, each in troubles}
    measured = time.monotonic()
    night = Summary(began, None, (), (), (), whole, 0.0, 0.0)
    if folders:
        night = _analysed(night, plan, folders, absent, console)
    confirming_s = 0.0
    if plan.confirm and whole and (wanted := tuple(_confirmable(plan, night.shifts))):
        before = time.monotonic()
        night = _confirmed(night, plan, wanted, absent, console)
        confirming_s = time.monotonic() - before
    if plan.site is not None:
        night = _published(night, plan, plan.site, absent, console)
    end = time.monotonic()
    return replace(
        night,
        absent=tuple(absent.items()),
        total_s=end - clock - confirming_s,
        publishing_s=end - measured - confirming_s,
        confirming_s=confirming_s,
    )


def _analysed(
    night: Summary,
    plan: Night,
    folders: Sequence[Path],
    absent: dict[str, str],
    console: Console,
) -> Summary:
    """The night's table, written as Markdown and CSV, and the history up to tonight."""
    from harness.report import runs as report_runs

    runs = [reader.read_run(folder) for folder in folders]
    for run in runs:
        absent |= {each.target: each.reason for each in run.manifest.missing}
    night = replace(night, measuring_s=sum(run.used_s or 0.0 for run in runs))
    try:
        table = report_runs.read(folders).table
    except HarnessError as error:
        console.error(error)
        absent[TABLE] = error.message
        return night
    name = formats.name_of([folder.name for folder in folders])
    paths = [plan.results / "published" / f"{name}.{ending}" for ending in ("md", "csv")]
    for path, format in zip(paths, ("markdown", "csv"), strict=True):
        formats.write(formats.render(table, format), path)
    night = replace(night, table=table, written=(*night.written, *map(str, paths)))
    return _with_history(night, plan, absent, console)


def _with_history(night: Summary, plan: Night, absent: dict[str, str], console: Console) -> Summary:
    from harness.report import dates
    from harness.report.history import of_results

    try:
        history: History = of_results(plan.results)
    except HarnessError as error:
        console.error(error)
        absent[HISTORY] = error.message
        return night
    hosts = {host.name for host in plan.hosts}
    shifts = tuple(each for each in history.shifts if each.host in hosts)
    made = () if night.table is None else tuple(run.run for run in night.table.runs)
    order = dates.before_the_last(history.nights, {*made, *night.confirming})
    warnings = dict.fromkeys((*night.warnings, *order, *history.warnings))
    return replace(night, shifts=shifts, warnings=tuple(warnings))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A comparison that would settle some shifts of one target."""

    target: str
    releases: Releases
    workloads: frozenset[str]


def _confirmable(plan: Night, shifts: Sequence[Shift]) -> Iterator[_Wanted]:
    """The comparisons of releases that can be had, one for each target and pair of them."""
    backend_of = {target.name: target.backend for host in plan.hosts for target in host.targets}
    found: dict[tuple[str, Releases], set[str]] = {}
    for each in shifts:
        if each.status != "unconfirmed" or each.moved == "host" or each.releases is None:
            continue
        for name, product in PRODUCTS.items():
            pair = tuple(_series(release) for release in each.releases)
            asked = Releases(name, pair)
            if (
                backend_of.get(each.target) == product.backend
                and pair[0] != pair[1]
                and not _tried(plan.results, each, asked)
            ):
                found.setdefault((each.target, asked), set()).add(each.workload)
    for (target, pair_of), workloads in found.items():
        yield _Wanted(target, pair_of, frozenset(workloads))


def _tried(results: Path, shift: Shift, asked: Releases) -> bool:
    """Whether these releases were compared for this workload since the shift: what that did not
    settle, a comparison every night would not, but only one of more blocks."""
    names = set(releases.names(shift.target, asked))
    for folder in reversed(runs_in(results / "runs")):
        if folder.name < shift.run:
            return False
        try:
            manifest = reader.read_manifest(folder)
        except HarnessError:
            continue  # the history tells of it
        measured = {workload.name for workload in manifest.workloads}
        here = {record.target.name for record in manifest.targets}
        if manifest.host == shift.host and shift.workload in measured and names <= here:
            return True
    return False


def _series(release: str) -> str:
    """`10.0` of `10.0.7`: what a distribution keeps of a release."""
    return ".".join(release.split(".")[:2])


def _confirmed(
    night: Summary,
    plan: Night,
    wanted: Sequence[_Wanted],
    absent: dict[str, str],
    console: Console,
) -> Summary:
    """Compare old and new interleaved, and ask the history again."""
    names: list[str] = []
    troubles: list[str] = []
    for each in wanted:
        told = f"{each.target}: {each.releases.name} {' against '.join(each.releases.releases)}"
        console.say(f"confirm a shift of {told}")
        request = _more(plan.request, each)
        try:
            with releases.beside(plan.inventory, [each.target], each.releases) as pair:
                done = steps.run(
                    pair.inventory,
                    [pair.host],
                    request,
                    plan.results,
                    console,
                    needed=pair.targets,
                )
        except HarnessError as error:
            troubles.append(f"not confirmed, {told}: {error.message}")
            console.error(error)
            continue
        names += [folder.name for folder in done.measured.folders]
    night = replace(
        night, shifts=(), warnings=tuple(troubles), confirming=(*night.confirming, *names)
    )
    return _with_history(night, plan, absent, console)


def _more(request: Request, wanted: _Wanted) -> Request:
    """What the night measured of the workloads that shifted, over more blocks: where cells settle,
    not before so many. A precision, a budget, and the most blocks that were asked for, stay what
    they are."""
    preset = request.preset
    blocks = max(CONFIRMING * preset.blocks, LEAST_CONFIRMING)
    preset = replace(preset, blocks=blocks, max_blocks=max(blocks, preset.max_blocks))
    chosen = tuple(each for each in request.workloads if each.name in wanted.workloads)
    return replace(request, preset=preset, workloads=chosen, releases=str(wanted.releases))


def _published(
    night: Summary, plan: Night, site: Path, absent: dict[str, str], console: Console
) -> Summary:
    from harness.publish.site import build

    try:
        built = build(plan.results, site)
    except HarnessError as error:
        console.error(error)
        absent[SITE] = error.message
        return night
    lacking = [f"{each.name}: {each.message}" for each in built.unread]
    return replace(
        night,
        written=(*night.written, str(site)),
        warnings=tuple(dict.fromkeys((*night.warnings, *lacking))),
    )
