"""A network figure that is a processor's: where the CPUs are full, the path is not the limit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from statistics import median

from harness.analyze.validity import About, Finding, Outcome
from harness.model import Trial, TrialStatus

LIVE = False
MOST_BUSY = 0.7


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:
    """Flagged where, by the median over trials, the target's CPUs or those of the host (with the
    peer on it) were over 70 % busy; and where the way to the peer has another MTU than native's,
    or leads through a NAT."""
    busy: dict[tuple[str, str], list[float]] = defaultdict(list)
    for trial in trials:
        workload = about.workloads.get(trial.workload)
        if trial.status is not TrialStatus.OK or workload is None or not workload.needs_peer:
            continue
        shares = [
            each.busy_s / each.total_s
            for each in (trial.cpu, trial.host_load)
            if each is not None and each.total_s > 0
        ]
        if shares:
            busy[trial.target, trial.workload].append(max(shares))
    full: dict[str, list[str]] = defaultdict(list)
    for (target, name), shares in sorted(busy.items()):
        if median(shares) > MOST_BUSY:
            full[target].append(name)
    for target, names in full.items():
        yield Finding(
            check="network_path",
            outcome=Outcome.FLAGGED,
            target=target,
            text=(
                f"over {100 * MOST_BUSY:.0f} % of its or its host's CPU time was used in "
                f"{', '.join(names)}: that is what the path costs the processor, not what the "
                "line can carry"
            ),
            figures={name: median(busy[target, name]) for name in names},
        )
    yield from _mtu(about)
    yield from _nat(about)


def _nat(about: About) -> Iterator[Finding]:
    if not any(workload.needs_peer for workload in about.workloads.values()):
        return
    for record in about.targets:
        if record.fingerprint.outside.get("network_mode") == "nat":
            yield Finding(
                check="network_path",
                outcome=Outcome.FLAGGED,
                target=record.target.name,
                text=(
                    "its way to the peer leads through its hypervisor's NAT, not over the bench "
                    "bridge as native's: its network rows are of another path"
                ),
                figures={"network_mode": "nat"},
            )


def _mtu(about: About) -> Iterator[Finding]:
    base = about.native.fingerprint.inside.get("nic_mtu") if about.native else None
    for record in about.targets:
        mine = record.fingerprint.inside.get("nic_mtu")
        if base is None or mine is None or mine == base:
            continue
        yield Finding(
            check="network_path",
            outcome=Outcome.FLAGGED,
            target=record.target.name,
            text=f"the MTU on its way to the peer is {mine}, native's {base}",
            figures={"mtu": mine, "native_mtu": base},
        )
