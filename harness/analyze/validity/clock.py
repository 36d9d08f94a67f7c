"""The target's clock against the controller's: a guest whose clock runs wrong times itself wrong.

The controller notes by its monotonic clock when the marks before and after the program arrive; the
target reads its own clock at the same two places. Programs that do nothing, timed so before the
first trial, tell how far the two are apart without any drift: that is the connection's jitter.
A mark may come late while a program uses every CPU, so a single trial shows gross errors only; the
median over all trials of a target shows a clock that runs a little wrong all the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from harness.analyze.validity import About, Finding, Outcome
from harness.model import Trial

LIVE = True
LIMIT = 0.005
LEAST_JITTER_S = 0.1
"""A mark may be that late where a program uses every CPU: seen were 57 ms, under emulation."""
JITTER_FACTOR = 4.0
LEAST_TRIALS = 6


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:
    """Rejected: the clocks disagree by more than .5 % of the trial beyond the jitter. Refused:
    they do so by the median over at least six trials, without any allowance."""
    yield from _steady(trials, about)
    for trial in trials:
        apart = about.calibrations.get(trial.target)
        if trial.span_s is None or trial.guest_s is None or not apart:
            continue
        jitter_s = max(LEAST_JITTER_S, JITTER_FACTOR * (max(apart) - min(apart)))
        drift_s = trial.guest_s - (trial.span_s - median(apart))
        if abs(drift_s) <= LIMIT * trial.span_s + jitter_s:
            continue
        yield Finding(
            check="clock",
            outcome=Outcome.REJECTED,
            target=trial.target,
            workload=trial.workload,
            trial=trial.id,
            text=(
                f"its clock says {trial.guest_s:.3f} s, the controller's "
                f"{trial.span_s - median(apart):.3f} s: more apart than {100 * LIMIT:g} % and a "
                f"jitter of {1000 * jitter_s:.0f} ms"
            ),
            figures={
                "guest_s": trial.guest_s,
                "controller_s": trial.span_s,
                "offset_s": median(apart),
                "jitter_s": jitter_s,
            },
        )


def _steady(trials: Sequence[Trial], about: About) -> Iterator[Finding]:
    """A clock that is wrong in most trials of a target, by however little over the limit."""
    for target, apart in about.calibrations.items():
        drifts = [
            (trial.guest_s - (trial.span_s - median(apart))) / trial.span_s
            for trial in trials
            if trial.target == target and trial.span_s and trial.guest_s and apart
        ]
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
