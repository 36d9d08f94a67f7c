"""A flush that does not reach the device: one that is faster than the native device's, or that the
disk's cache mode does not pass on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from harness.model.run import TargetRecord
from harness.model.trial import Trial, TrialStatus
from harness.model.workload import Resource
from harness.validity import About, Figures, Finding, Outcome

LIVE = False
UNSEEN = "no cache mode of its disk is told, and no flush was timed often enough"
METRIC = "sync_lat_mean_us"
LEAST_BLOCKS = 6
"""So many blocks, all in favour of the target, are p = .031 by the sign test, two-sided."""
_IGNORES = "unsafe"
_HOST_CACHED = {"writeback", "writethrough"}


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:
    """Suspect where syncing was faster than on native in every one of at least six blocks, and
    where the disk's cache mode ignores flushes; flagged where it is the host's page cache."""
    yield from _by_cache_mode(about)
    native = about.native.target.name if about.native else None
    seen = _synced(trials)
    for (workload, target), mine in seen.items():
        base = seen.get((workload, native or ""), {})
        both = sorted(mine.keys() & base.keys())
        if target == native or len(both) < LEAST_BLOCKS:
            continue
        if any(mine[block] >= base[block] for block in both):
            continue
        ours, theirs = (median(of[block] for block in both) for of in (mine, base))
        yield Finding(
            check="flush",
            outcome=Outcome.FLAGGED,
            target=target,
            workload=workload,
            text=(
                f"a sync took {ours:.0f} µs, native's {theirs:.0f} µs: faster in all of "
                f"{len(both)} blocks, so nothing shows that data reached the device"
            ),
            figures={"sync_us": ours, "native_sync_us": theirs, "blocks": float(len(both))},
            severity=theirs / ours if ours else 0.0,
            suspect=True,
        )


def figures(trials: Sequence[Trial], record: TargetRecord, about: About) -> Figures | None:
    disk = {w.name for w in about.workloads.values() if w.resource is Resource.DISK}
    if record.target.native or not any(trial.workload in disk for trial in trials):
        return None
    blocks = max((len(mine) for mine in _synced(trials).values()), default=0)
    return {
        "disk_cache": record.fingerprint.settings.disk_cache,
        "blocks": float(blocks) if blocks >= LEAST_BLOCKS else None,
    }


def _by_cache_mode(about: About) -> Iterator[Finding]:
    disk = sorted(w.name for w in about.workloads.values() if w.resource is Resource.DISK)
    for record in about.targets:
        mode = record.fingerprint.settings.disk_cache
        if mode == _IGNORES:
            for workload in disk:
                yield Finding(
                    check="flush",
                    outcome=Outcome.FLAGGED,
                    target=record.target.name,
                    workload=workload,
                    text=(
                        f"its disk's cache mode is {mode}, which ignores every flush: nothing is "
                        "durable, and a sync is no sync"
                    ),
                    figures={"disk_cache": mode},
                    suspect=True,
                )
        elif mode in _HOST_CACHED and disk:
            yield Finding(
                check="flush",
                outcome=Outcome.FLAGGED,
                target=record.target.name,
                text=(
                    f"its disk's cache mode is {mode}: the host's page cache holds what it reads "
                    "and writes"
                ),
                figures={"disk_cache": mode},
            )


def _synced(trials: Sequence[Trial]) -> Mapping[tuple[str, str], dict[int, float]]:
    """How long a sync took, in µs, by workload and target, and by block."""
    seen: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for trial in trials:
        if trial.status is TrialStatus.OK and not trial.control:
            for sample in trial.samples:
                if sample.metric == METRIC:
                    seen[trial.workload, trial.target][trial.block] = sample.value
    return seen
