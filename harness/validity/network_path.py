"""A network figure that is a processor's, or another path's: where CPUs are full the line is not
the limit, and targets that reach the peer otherwise than native are measured over another path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median

from harness.model.fingerprint import Settings
from harness.model.run import TargetRecord
from harness.model.trial import Trial, TrialStatus
from harness.validity import About, Figures, Finding, Outcome, cpu_of

LIVE = False
UNSEEN = "neither the path to the peer nor the CPU time of its ends is told"
MOST_BUSY = 0.7
_TRANSLATED = {"nat", "user", "slirp4netns"}
_ENDS = {
    "target": "its own CPU time",
    "host": "the time of its CPUs on its host",
    "peer": "the time of one CPU by the peer's server",
}


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:
    """Flagged where, by the median over trials, over 70 % was used of the target's CPUs, of those
    CPUs of the host, or of one CPU by the peer's server; and where the way to the peer is of
    another kind, or has another MTU or other offloads than native's."""
    for (target, end), names in _full(trials, about).items():
        yield Finding(
            check="network_path",
            outcome=Outcome.FLAGGED,
            target=target,
            text=(
                f"over {100 * MOST_BUSY:.0f} % of {_ENDS[end]} was used in {', '.join(names)}: "
                "that is what the path costs the processor, not what the line can carry"
            ),
            figures={f"{end}: {name}": share for name, share in names.items()},
            severity=max(names.values()),
        )
    if not _networked(about):
        return
    base = about.native.fingerprint.settings if about.native else Settings()
    for record in about.targets:
        for name, ours, theirs in _unlike(record.fingerprint.settings, base):
            yield Finding(
                check="network_path",
                outcome=Outcome.FLAGGED,
                target=record.target.name,
                text=f"{name} on its way to the peer: {ours}, native's: {theirs}",
                figures={name: ours, f"native_{name}": theirs},
            )
        if (network := record.fingerprint.settings.network) in _TRANSLATED:
            yield Finding(
                check="network_path",
                outcome=Outcome.FLAGGED,
                target=record.target.name,
                text=f"its host translates its addresses ({network}); native's are its own",
                figures={"network": network},
            )


def figures(trials: Sequence[Trial], record: TargetRecord, about: About) -> Figures | None:
    if not _networked(about) or not trials:
        return None
    shares: dict[str, list[float]] = defaultdict(list)
    for by_end in _busy(trials, about).values():
        for end, seen in by_end.items():
            shares[end].append(median(seen))
    settings = record.fingerprint.settings
    path = _path(settings)
    busiest = {f"{end}_share": max(shares[end]) if shares[end] else None for end in _ENDS}
    return {**path, "network": settings.network, **busiest}


def _networked(about: About) -> bool:
    return any(workload.needs_peer for workload in about.workloads.values())


def _path(settings: Settings) -> dict[str, str | None]:
    """The way to the peer as text, by the names of its properties."""
    return {
        "route": settings.route,
        "MTU": None if settings.mtu is None else str(settings.mtu),
        "offloads": None if settings.offloads is None else _switches(settings.offloads),
    }


def _switches(offloads: Mapping[str, bool]) -> str:
    return ", ".join(f"{name} {'on' if value else 'off'}" for name, value in offloads.items())


def _unlike(mine: Settings, base: Settings) -> Iterator[tuple[str, str, str]]:
    """What of two ways to the peer is known and not the same; of offloads only the others."""
    ours, theirs = mine.offloads or {}, base.offloads or {}
    other = [name for name in ours if name in theirs and ours[name] != theirs[name]]
    mine, base = (
        replace(each, offloads={name: switch[name] for name in other} or None)
        for each, switch in ((mine, ours), (base, theirs))
    )
    told, native = _path(mine), _path(base)
    for name in told:
        one, two = told[name], native[name]
        if one is not None and two is not None and one != two:
            yield name, one, two


def _busy(
    trials: Sequence[Trial], about: About
) -> Mapping[tuple[str, str], Mapping[str, list[float]]]:
    """By target and workload, for each end of the path the shares of CPU time that were used."""
    busy: dict[tuple[str, str], dict[str, list[float]]] = {}
    for trial in trials:
        workload = about.workloads.get(trial.workload)
        if trial.status is not TrialStatus.OK or workload is None or not workload.needs_peer:
            continue
        cell = busy.setdefault((trial.target, trial.workload), defaultdict(list))
        if (cpu := cpu_of(trial)) is not None:
            cell["target"].append(cpu.busy_s / cpu.total_s)
        if (load := trial.host_load) is not None and load.total_s > 0:
            cell["host"].append(load.busy_s / load.total_s)
            if load.peer_s is not None and trial.guest_s:
                cell["peer"].append(load.peer_s / trial.guest_s)
    return busy


def _full(trials: Sequence[Trial], about: About) -> Mapping[tuple[str, str], Mapping[str, float]]:
    """By target and end, the workloads in which more of its CPU time was used than a path should
    take. Of a target and its host, which may be the same CPUs, the target alone."""
    full: dict[tuple[str, str], dict[str, float]] = {}
    for (target, name), by_end in sorted(_busy(trials, about).items()):
        over = {end: median(by_end[end]) for end in _ENDS if by_end.get(end)}
        over = {end: share for end, share in over.items() if share > MOST_BUSY}
        if "target" in over:
            over.pop("host", None)
        for end, share in over.items():
            full.setdefault((target, end), {})[name] = share
    return full
