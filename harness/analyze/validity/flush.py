"""A flush that is faster than the native device's cannot have reached that device."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from statistics import median

from harness.analyze.validity import About, Finding, Outcome
from harness.model import Trial, TrialStatus

LIVE = False
METRIC = "sync_lat_mean_us"
LEAST_BLOCKS = 6
"""So many blocks, all in favour of the target, are p = .031 by the sign test, two-sided."""


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:
    """Suspect where syncing was faster than on native in every one of at least six blocks."""
    native = about.native.target.name if about.native else None
    seen: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for trial in trials:
        if trial.status is TrialStatus.OK and not trial.control:
            for sample in trial.samples:
                if sample.metric == METRIC:
                    seen[trial.workload, trial.target][trial.block] = sample.value
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
            suspect=True,
        )
