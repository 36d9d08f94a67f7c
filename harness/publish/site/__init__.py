"""The static site of all runs: self-contained, from file://, offline, the same bytes each time.

Built from the ledgers into a folder of its own, which takes the place of the old one only when it
is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.analyze.history.history import History
from harness.errors import HarnessError, UseError
from harness.publish.site import (
    backends,
    downloads,
    folder,
    index,
    raw_links,
    releases,
    runs,
    trials,
    workloads,
)
from harness.publish.site import run as site_run
from harness.publish.site.history import of
from harness.publish.site.pages import Pages, opened
from harness.publish.site.run import RunPage, Unread
from harness.report.history import of_results


@dataclass(frozen=True, slots=True)
class Built:
    """What became of a site: how many runs it has, those that it lacks, its size in bytes, and
    why it has no history (None: it has one)."""

    runs: int
    unread: tuple[Unread, ...]
    size: int
    no_history: str | None


def build(
    results: Path,
    site: Path,
    copy_raw: bool = False,
    history: Callable[[Path], History] = of_results,
) -> Built:
    """Make the site of the runs in `results` in the folder `site`, with `history` of them.

    A run that cannot be read is told, and costs the others nothing. Raises UseError where there
    is no run, or `site` is not ours or among the results' own folders, HarnessError where no run
    can be read or nothing be written; an old site is then as it was.
    """
    folder.require_outside(site, results)
    folder.require_ours(site)
    found = site_run.folders(results / "runs")
    if not found:
        raise UseError(
            f"there is no run in {results / 'runs'}",
            "make one with baremark bench, or name the folder of results with --results",
        )
    with folder.replaced(site) as made:
        pages = opened(made)
        how = raw_links.where(results, site, copy_raw)
        nights, unread = _pages_of_runs(pages, found, site, how)
        if not nights:
            raise HarnessError(
                f"none of {len(unread)} runs in {results / 'runs'} can be read: "
                f"{unread[0].name}: {unread[0].message}",
                "restore them from a copy, or name another folder with --results",
            )
        why = _whole(pages, results, nights, unread, history)
        size = sum(file.stat().st_size for file in made.rglob("*") if file.is_file())
    return Built(len(nights), tuple(unread), size, why)


def _pages_of_runs(
    pages: Pages, found: Sequence[Path], site: Path, how: raw_links.Where
) -> tuple[list[RunPage], list[Unread]]:
    """Write the pages of every run that can be read. The trials of a run wait for the next of
    its host: those of the newest, where the first page's figures lead, have plain links."""
    nights: list[RunPage] = []
    unread: list[Unread] = []
    waiting: dict[site_run.Place, Callable[[bool], None]] = {}
    for run in found:
        reading = site_run.reading_of(run)
        if isinstance(reading, Unread):
            unread.append(reading)
            continue
        night = site_run.night_of(reading)
        proof = raw_links.of_run(run, site, pages.folder, how)
        runs.write(pages, night, proof)
        if night.place in waiting:
            waiting[night.place](how is raw_links.Where.COPIED)
        waiting[night.place] = partial(trials.write, pages, night, reading.runs[0], proof, run)
        nights.append(night)
    for last in waiting.values():
        last(True)
    return nights, unread


def _whole(
    pages: Pages,
    results: Path,
    nights: list[RunPage],
    unread: list[Unread],
    history: Callable[[Path], History],
) -> str | None:
    """Write the pages that need all runs; why there is no history, if there is none."""
    why = None
    told = None
    try:
        told = history(results)
    except HarnessError as error:
        why = error.message.replace(f"{results}/", "")
    before = of(told, why, nights)
    newest = site_run.newest(nights)
    index.write(pages, newest, nights, before, unread)
    index.write_method(pages, newest, nights)
    workloads.write(pages, nights, before)
    backends.write(pages, nights, before)
    releases.write(pages, nights)
    runs.write_list(pages, nights, unread)
    downloads.write(pages, newest, nights)
    return why
