"""Time that a hypervisor took from the target's CPUs while the program wanted to run: as the target
sees it, and as its host does of the CPUs that the target is pinned to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.model.run import TargetRecord
from harness.model.trial import Trial
from harness.validity import LEAST_S, About, Figures, Finding, cpu_of, graded

LIVE = True
UNSEEN = "neither it nor its host tells of stolen time"
_TEXTS = {
    "inside": "{0:.1f} % of its CPU time was stolen by a hypervisor under it",
    "host": "{0:.1f} % of its CPUs' time was stolen from its host by a hypervisor under that",
}


def of_trial(trial: Trial, about: About) -> Finding | None:
    """Flagged over 1 % of the CPUs' time, rejected over 5 % (/proc/stat of target and host)."""
    seen = _shares(trial)
    if not seen:
        return None
    side = max(seen, key=lambda side: seen[side])
    share = seen[side]
    if (outcome := graded(share)) is None:
        return None
    return Finding(
        check="steal",
        outcome=outcome,
        target=trial.target,
        workload=trial.workload,
        trial=trial.id,
        text=_TEXTS[side].format(100 * share),
        figures={"share": share},
        severity=share,
    )


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:
    """Nothing beyond what `of_trial` tells of each."""
    yield from ()


def figures(
    trials: Sequence[Trial],
    record: TargetRecord,
    about: About,
) -> Figures | None:
    if not trials:
        return None
    seen = [max(shares.values()) for trial in trials if (shares := _shares(trial))]
    return {"trials": float(len(seen)), "worst_share": max(seen)} if seen else {}


def _shares(trial: Trial) -> dict[str, float]:
    shares = {}
    if (cpu := cpu_of(trial)) is not None:
        shares["inside"] = cpu.steal_s / cpu.total_s
    if (load := trial.host_load) is not None and load.total_s >= LEAST_S:
        shares["host"] = load.steal_s / load.total_s
    return shares
