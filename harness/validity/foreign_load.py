"""Work on the target's CPUs that is not the program's, seen by the target and by its host.

A guest does not see what its host does: there, all that the guest's own process did not use of
the CPUs that it is pinned to was used by others. What a host's CPUs did is sampled at each tick of
its clock (/proc/stat): a thread that always wakes at a tick, as an idle vCPU may for hours, is
charged for all of it. What processes used is counted. So others did not use more than all other
processes together did, on whatever CPU.

Where the kernel works for the program in threads of its own (disk, network), its time cannot be
told from a stranger's, so no trial of such a workload is rejected. But the kernel's threads spend
no time outside the kernel: what others spent there, and how long tasks waited for a CPU beyond
what they usually do in this workload, are flagged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from harness.model.run import TargetRecord
from harness.model.trial import Trial, TrialStatus
from harness.model.workload import Resource
from harness.validity import (
    LEAST_S,
    REJECTED_SHARE,
    About,
    Figures,
    Finding,
    Outcome,
    cpu_of,
    graded,
)

LIVE = True
UNSEEN = "neither it nor its host tells whose the CPU time was"
TICK_S = 0.01
"""/proc/stat counts in hundredths of a second, a CPU at a time: a few of them are rounding."""
ROUNDING_TICKS = 3
HOST_ROUNDING_TICKS = 8
"""On the host, reading its counters over SSH is work too: some hundredths of a second."""
LEAST_TRIALS = 6
_JUDGED = {Resource.CPU, Resource.MEMORY, Resource.KERNEL}


@dataclass(frozen=True, slots=True)
class _Account:
    """CPU time that somebody used, and what of it was the program's or for the program."""

    used_s: float
    own_s: float
    total_s: float
    rounding_ticks: int
    where: str

    @property
    def share(self) -> float:
        return (self.used_s - self.own_s - self.rounding_ticks * TICK_S) / self.total_s


def of_trial(trial: Trial, about: About) -> Finding | None:
    """Flagged over 1 % of the CPUs' time beyond the rounding, rejected over 5 %; where the kernel
    works for the program, flagged only."""
    accounts = list(_accounts(trial, about))
    if not accounts:
        return None
    worst = max(accounts, key=lambda account: account.share)
    outcome = graded(worst.share)
    if outcome is Outcome.REJECTED and not _rejects(trial, about):
        outcome = Outcome.FLAGGED
    if outcome is None:
        return None
    return Finding(
        check="foreign_load",
        outcome=outcome,
        target=trial.target,
        workload=trial.workload,
        trial=trial.id,
        text=f"other work took {100 * worst.share:.1f} % of its {worst.where}",
        figures={
            "share": worst.share,
            "busy_s": worst.used_s,
            "own_s": worst.own_s,
            "total_s": worst.total_s,
        },
        severity=worst.share,
    )


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:
    """Trials in which tasks of the host waited for a CPU much longer than in most trials of the
    same workload on the same target, in which only the program's own did."""
    cells: dict[tuple[str, str], list[tuple[Trial, float]]] = defaultdict(list)
    for trial in trials:
        if trial.status is TrialStatus.OK and (share := _waiting(trial)) is not None:
            cells[trial.target, trial.workload].append((trial, share))
    for cell in cells.values():
        usual = median(share for _, share in cell)
        if len(cell) < LEAST_TRIALS:
            continue
        for trial, share in cell:
            if share - usual <= REJECTED_SHARE:
                continue
            yield Finding(
                check="foreign_load",
                outcome=Outcome.FLAGGED,
                target=trial.target,
                workload=trial.workload,
                trial=trial.id,
                text=(
                    f"tasks on its host waited for a CPU in {100 * share:.0f} % of the time, "
                    f"mostly {100 * usual:.0f} % in this workload"
                ),
                figures={"waiting_share": share, "usual_waiting_share": usual},
                severity=share - usual,
            )


def figures(
    trials: Sequence[Trial],
    record: TargetRecord,
    about: About,
) -> Figures | None:
    if not trials:
        return None
    seen = [
        max(account.share for account in accounts)
        for trial in trials
        if (accounts := list(_accounts(trial, about)))
    ]
    waits = [share for trial in trials if (share := _waiting(trial)) is not None]
    if not seen:
        # How long tasks waited does not tell whose work they waited for.
        return {}
    return {
        "trials": float(len(seen)),
        "worst_share": max(0.0, *seen),
        "median_waiting_share": median(waits) if waits else None,
    }


def _rejects(trial: Trial, about: About) -> bool:
    workload = about.workloads[trial.workload]
    return workload.resource in _JUDGED and not workload.needs_peer


def _accounts(trial: Trial, about: About) -> Iterator[_Account]:
    """By what can be told of a trial's CPU time: inside the target, and on its host."""
    workload = about.workloads.get(trial.workload)
    if workload is None:
        return
    whole = _rejects(trial, about)
    load, cpu = trial.host_load, cpu_of(trial)
    peer_s = 0.0
    if workload.needs_peer:
        if load is None or load.peer_user_s is None:
            return
        peer_s = load.peer_user_s
    if cpu is not None:
        seen_s, own_s = (cpu.busy_s, cpu.own_s) if whole else (cpu.user_s, cpu.own_user_s)
        # A guest does not see the peer; who shares the host's kernel does.
        shared_s = peer_s if load is None or load.process_s is None else 0.0
        if seen_s is not None and own_s is not None:
            yield _Account(seen_s, own_s + shared_s, cpu.total_s, ROUNDING_TICKS, "CPU time")
    if load is None or load.total_s < LEAST_S:
        return
    seen_s, own_s = (load.busy_s, load.process_s) if whole else (load.user_s, load.process_user_s)
    if seen_s is not None and own_s is not None:
        if load.others_s is not None:
            seen_s = min(seen_s, own_s + load.others_s)
        yield _Account(
            seen_s, own_s + peer_s, load.total_s, HOST_ROUNDING_TICKS, "CPUs' time on its host"
        )


def _waiting(trial: Trial) -> float | None:
    """The share of a trial in which some task of its host waited for a CPU."""
    load = trial.host_load
    if load is None or load.pressure_s is None or not trial.guest_s or trial.guest_s < LEAST_S:
        return None
    return load.pressure_s / trial.guest_s
