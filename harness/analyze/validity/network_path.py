"""A network figure that is a processor's, or another path's: where CPUs are full the line is not
the limit, and targets that reach the peer otherwise than native are measured over another path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from harness.analyze.validity import About, Figures, Finding, Outcome, cpu_of
from harness.model import Settings, TargetRecord, Trial, TrialStatus

LIVE = False
UNSEEN = "neither the path to the peer nor the CPU time of its ends is told"
MOST_BUSY = 0.7
_NAMES = ("route", "MTU", "offloads")
_TRANSLATED = {"nat", "user"}
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
    base = _path(about.native.fingerprint.settings) if about.native else {}
    for record in about.targets:
        mine = _path(record.fingerprint.settings)
        for name in [name for name in mine if name in base and mine[name] != base[name]]:
            yield Finding(
                check="network_path",
                outcome=Outcome.FLAGGED,
                target=record.target.name,
                text=f"{name} on its way to the peer: {mine[name]}, native's: {base[name]}",
                figures={name: mine[name], f"native_{name}": base[name]},
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
    path = dict.fromkeys(_NAMES) | _path(settings)
    busiest = {f"{end}_share": max(shares[end]) if shares[end] else None for end in _ENDS}
    return {**path, "network": settings.network, **busiest}


def _networked(about: About) -> bool:
    return any(workload.needs_peer for workload in about.workloads.values())


def _path(settings: Settings) -> dict[str, str]:
    """What is known of a way to the peer, as text by name."""
    told: dict[str, str | None] = {
        "route": settings.route,
        "MTU": None if settings.mtu is None else str(settings.mtu),
        "offloads": None,
    }
    if settings.offloads is not None:
        on = sorted(name for name, value in settings.offloads.items() if value)
        told["offloads"] = ", ".join(on) or "none"
    return {name: value for name, value in told.items() if value is not None}


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
        if (cpu := cpu_of(trial, about)) is not None:
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
