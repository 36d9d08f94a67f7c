"""The target's clock against the controller's: a guest whose clock runs wrong times itself wrong.

The controller notes by its monotonic clock when the marks before and after the program arrive; the
target reads its own clock at the same two places. Programs that do nothing, timed so before the
first trial of a session, tell how far the two are apart without any drift: that is the connection's
jitter, and each trial bears what was known of it then. A mark may come late while a program uses
every CPU, so a single trial shows gross errors only; the median over all trials of a target shows
a clock that runs a little wrong all the time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from statistics import median

from harness.model.run import TargetRecord
from harness.model.trial import Trial
from harness.validity import About, Figures, Finding, Outcome

LIVE = True
UNSEEN = "its clock was not compared with the controller's"
LIMIT = 0.005
LEAST_JITTER_S = 0.1
"""A mark may be that late where a program uses every CPU: seen were 57 ms, under emulation."""
JITTER_FACTOR = 4.0
LEAST_TRIALS = 6


def of_trial(trial: Trial, about: About) -> Finding | None:
    """Rejected: the clocks disagree by more than .5 % of the trial beyond the jitter."""
    drift_s = _drift_s(trial)
    if drift_s is None or trial.apart is None or not trial.span_s:
        return None
    jitter_s = max(LEAST_JITTER_S, JITTER_FACTOR * trial.apart.jitter_s)
    if abs(drift_s) <= LIMIT * trial.span_s + jitter_s:
        return None
    return Finding(
        check="clock",
        outcome=Outcome.REJECTED,
        target=trial.target,
        workload=trial.workload,
        trial=trial.id,
        text=(
            f"its clock says {trial.guest_s:.3f} s, the controller's "
            f"{trial.span_s - trial.apart.offset_s:.3f} s: more apart than {100 * LIMIT:g} % "
            f"and a jitter of {1000 * jitter_s:.0f} ms"
        ),
        figures={
            "guest_s": trial.guest_s,
            "controller_s": trial.span_s,
            "offset_s": trial.apart.offset_s,
            "jitter_s": jitter_s,
        },
        severity=abs(drift_s),
    )


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:
    """Refused: the clocks disagree by more than .5 % by the median over at least six trials of a
    target, without any allowance."""
    by_target: dict[str, list[float]] = defaultdict(list)
    for trial in trials:
        if (drift := _drift(trial)) is not None and trial.guest_s:
            by_target[trial.target].append(drift)
    for target, drifts in by_target.items():
        if len(drifts) < LEAST_TRIALS or abs(median(drifts)) <= LIMIT:
            continue
        yield Finding(
            check="clock",
            outcome=Outcome.REFUSED,
            target=target,
            text=(
                f"its clock runs {100 * median(drifts):+.2f} % against the controller's, by the "
                f"median over {len(drifts)} trials: nothing that it timed is to be believed"
            ),
            figures={"drift": median(drifts), "trials": float(len(drifts))},
            suspect=True,
        )


def figures(
    trials: Sequence[Trial],
    record: TargetRecord,
    about: About,
) -> Figures | None:
    if not trials:
        return None
    drifts = [drift for trial in trials if (drift := _drift(trial)) is not None]
    return {"trials": float(len(drifts)), "drift": median(drifts)} if drifts else {}


def _drift_s(trial: Trial) -> float | None:
    if trial.span_s is None or trial.guest_s is None or trial.apart is None:
        return None
    return trial.guest_s - (trial.span_s - trial.apart.offset_s)


def _drift(trial: Trial) -> float | None:
    drift_s = _drift_s(trial)
    return drift_s / trial.span_s if drift_s is not None and trial.span_s else None
