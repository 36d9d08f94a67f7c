"""A page cache posing as a disk: the device moved far less than the workload says it did.

Seen on the host, whose block device is the real one for native, containers and guests alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from harness.model.run import TargetRecord
from harness.model.trial import Trial, TrialStatus
from harness.model.workload import Resource
from harness.validity import About, Figures, Finding, Outcome

LIVE = False
UNSEEN = "its host's block devices were not read"
LEAST_SHARE = 0.5
"""A trial's time includes the program's start, in which nothing is moved: so not 1."""
_MIB = 1024 * 1024


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:
    """Suspect where, by the median over trials, the host's device moved less than half of what
    the workload claims to have read or written."""
    for (target, workload, side), found in _shares(trials).items():
        if (share := median(found)) >= LEAST_SHARE:
            continue
        yield Finding(
            check="page_cache",
            outcome=Outcome.FLAGGED,
            target=target,
            workload=workload,
            text=(
                f"cached: of the bytes that it says were {side}, the host's device moved "
                f"{100 * share:.0f} %, so memory was measured in place of the disk"
            ),
            figures={"device_share": share, "trials": float(len(found))},
            severity=1 - share,
            suspect=True,
        )


def figures(
    trials: Sequence[Trial],
    record: TargetRecord,
    about: About,
) -> Figures | None:
    disk = {w.name for w in about.workloads.values() if w.resource is Resource.DISK}
    if not any(trial.workload in disk for trial in trials):
        return None
    shares = _shares(trials)
    return {"least_device_share": min(map(median, shares.values()))} if shares else {}


def _shares(trials: Sequence[Trial]) -> Mapping[tuple[str, str, str], list[float]]:
    """What the device moved of what was claimed, by target, workload and direction."""
    shares: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for trial in trials:
        load = trial.host_load
        if trial.status is not TrialStatus.OK or trial.claimed_mib_per_s is None:
            continue
        if load is None or trial.guest_s is None:
            continue
        moved = (load.read_bytes, load.written_bytes)
        for side, rate, real in zip(
            ("read", "written"), trial.claimed_mib_per_s, moved, strict=True
        ):
            if rate > 0 and real is not None:
                claimed = rate * _MIB * trial.guest_s
                shares[trial.target, trial.workload, side].append(real / claimed)
    return shares
