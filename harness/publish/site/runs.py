"""The page of a run, and the list of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.run import TargetRecord
from harness.publish.site import urls, views
from harness.publish.site.pages import Pages
from harness.publish.site.raw_links import Evidence
from harness.publish.site.run import RunPage, Unread
from harness.publish.site.trials import addresses

UNSEEN = "not observable"


def write(pages: Pages, night: RunPage, evidence: Evidence) -> None:
    """The page of a run: what was fixed, what was seen, the table, and what the checks say."""
    section = night.section
    headers = {column.target: views.head(column) for column in section.columns}
    records = [each for each in night.manifest.targets if each.target.name in headers]
    checks = sorted({each.check for each in section.judgements})
    outcomes = {(each.check, each.target): each for each in section.judgements}
    pages.write(
        urls.run_page(night.name),
        "run.html",
        night=night,
        section=section,
        evidence=evidence,
        view=views.of_section(section, addresses(night.manifest, "trials.html")),
        costs=views.costs(section),
        targets=[headers[each.target.name] for each in records],
        observed=_observed(records),
        checks=[
            (check, [outcomes.get((check, each.target.name)) for each in records])
            for check in checks
        ],
        programs=_programs(records),
    )


def write_list(pages: Pages, nights: Sequence[RunPage], unread: Sequence[Unread]) -> None:
    """The list of all runs, the newest first."""
    pages.write("runs/index.html", "runs.html", nights=newest_first(nights), unread=unread)


def newest_first(nights: Sequence[RunPage]) -> list[RunPage]:
    return sorted(nights, key=lambda each: (each.started, each.name), reverse=True)


@dataclass(frozen=True, slots=True)
class Observed:
    """A fact of each target, in the order of the table's columns."""

    what: str
    values: tuple[str, ...]


def _observed(records: Sequence[TargetRecord]) -> list[Observed]:
    """The fingerprints, fact by fact; what nobody could see is called that."""
    rows: dict[str, list[str | None]] = {}
    for record in records:
        seen, size = record.fingerprint, record.target.size
        facts: dict[str, object] = {
            "backend": seen.backend,
            "class": seen.backend_class,
            "label": seen.label,
            "nested": {True: "yes", False: "no", None: None}[seen.nested],
            "release": seen.release,
            "accelerator": seen.accelerator,
            "kernel": seen.kernel,
            "CPU model": seen.cpu_model,
            "vCPUs": seen.vcpus,
            "host CPUs": ", ".join(map(str, size.cpus)) or None,
            "memory, MiB": seen.memory_mib,
            "clock source": seen.clocksource,
            "disk format": seen.settings.disk_format,
            "disk cache": seen.settings.disk_cache,
            "network card": seen.settings.nic_model,
        }
        for what, value in facts.items():
            rows.setdefault(what, []).append(None if value is None else str(value))
    return [
        Observed(what, tuple(UNSEEN if value is None else value for value in values))
        for what, values in rows.items()
    ]


def _programs(records: Sequence[TargetRecord]) -> list[tuple[str, str]]:
    """What each program of the bundle calls itself; several where targets differ."""
    said: dict[str, dict[str, None]] = {}
    for record in records:
        for program, version in record.programs.items():
            said.setdefault(program, {})[version] = None
    return [(program, "; ".join(versions)) for program, versions in sorted(said.items())]
