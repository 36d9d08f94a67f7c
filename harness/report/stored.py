"""The table of runs of which only the dataset is there: figures and labels, and what is missing.

A run's manifest and ledger tell what the rows of a dataset cannot. Without them nothing is made
up: the table says what it does not know, and has one run a host, since nobody can tell whether
runs are comparable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from harness import patterns
from harness.analyze.blocks import cells, pairs
from harness.analyze.overhead import from_pairs
from harness.dataset import dataset, scan
from harness.dataset.catalogue import Catalogue, Held
from harness.errors import HarnessError, UseError
from harness.report import summaries
from harness.report.assemble import assemble
from harness.report.columns import Record
from harness.report.table import Note, Table

LACKING = (
    "Made from the dataset alone, without the manifest and the ledger of the run. Not known here: "
    "seed, plan, bundle, fingerprints, the time used; why trials failed; which targets took no "
    "part; what the checks that look at a whole run object to (page cache, flush, frequency, "
    "mitigations, memory settings, network path, busy host, size), so that no figure is marked as "
    "suspect for one of them. Trials that a check rejected do not count, as ever."
)


def of_dataset(
    source: dataset.Source,
    runs: Sequence[str] = (),
    hosts: Sequence[str] = (),
    since: datetime | None = None,
) -> Table:
    """The table of the newest run of each host in the dataset, or of `runs`, one a host.

    `hosts` are names or patterns; `since` leaves out what began before. Raises UseError where no
    run is left, or two of one host are asked for, and HarnessError as `dataset.read` does.
    """
    held = held_by(dataset.look(source))
    chosen = choose(held, runs, hosts, since)
    if not any(held[run].rows for run in chosen):
        raise HarnessError(
            f"of run {', '.join(chosen)} the dataset holds no trial",
            "name another run; baremark dataset ls names them",
        )
    frame, means = dataset.read(source, _analysed, list(chosen))
    made = assemble(frame, means, [], [])
    by_host = {held[run].host: run for run in chosen}
    sections = tuple(
        replace(
            section,
            notes=(*section.notes, *_about(by_host[section.host], held[by_host[section.host]])),
        )
        for section in made.sections
    )
    return replace(made, sections=sections)


def _analysed(parts: list[pl.LazyFrame]) -> tuple[pl.DataFrame, list[Record]]:
    """The overhead frame of whole hosts, one part after another, and what each resource costs."""
    frames, means = [], []
    for part in parts:
        paired = pairs(cells(part))
        frames.append(from_pairs(paired))
        means += summaries.means(frames[-1], paired, [], [])
    return pl.concat(frames), means


def held_by(found: Catalogue) -> dict[str, Held]:
    """What the dataset holds: by run, what its file says of it."""
    told: dict[str, Held] = {}
    for file, counting in found.counting.values():
        told |= {run: held for run, held in scan.describe(file).items() if run in counting}
    return told


def choose(
    held: dict[str, Held], runs: Sequence[str], hosts: Sequence[str], since: datetime | None
) -> tuple[str, ...]:
    """The runs to show, one a host."""
    for run in runs:
        if run not in held:
            raise UseError(f"the dataset does not hold run {run}", "baremark dataset ls names them")
    patterns.require_match("host", hosts, ((told.host,) for told in held.values()))
    left = {
        run: told
        for run, told in held.items()
        if (not runs or run in runs)
        and patterns.matches((told.host,), hosts)
        and (since is None or datetime.fromisoformat(told.started) >= since)
    }
    if not left:
        raise UseError(
            "the dataset holds no such run", "baremark dataset ls names hosts, runs and times"
        )
    newest: dict[str, str] = {}
    for run in sorted(left, key=lambda run: (left[run].started, run)):
        host = left[run].host
        if host in newest and runs:
            raise UseError(
                f"runs {newest[host]} and {run} are both of {host}, and whether they may be pooled "
                "stands in their manifests, which the dataset does not hold",
                "show each in a table of its own, or use baremark table where their folders are",
            )
        newest[host] = run
    return tuple(newest[host] for host in sorted(newest))


def _about(run: str, held: Held) -> tuple[Note, Note]:
    return Note(None, f"Run {run}, begun {held.started}, as the dataset holds it."), Note(
        None, LACKING
    )
