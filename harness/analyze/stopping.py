"""When a run that measures to a precision has enough blocks.

Looking at the data to decide when to stop costs coverage: from 8 blocks on little (STATISTICS.md;
the tests simulate it), so no run stops before that.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from harness.model.trial import Trial, TrialStatus
from harness.model.workload import Workload


def too_wide(
    trials: Sequence[Trial],
    workloads: Iterable[Workload],
    native: str,
    precision: Mapping[str, float],
) -> list[tuple[str, str]]:
    """The (workload, target) whose headline overhead has no interval narrow enough yet.

    `precision` is δ by resource. A target of which no trial gave a value is left out: more
    blocks would not help it.
    """
    from harness.analyze.statistics.estimate import estimate

    values: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    headline = {workload.name: workload for workload in workloads}
    for trial in trials:
        if trial.status is not TrialStatus.OK or trial.control:
            continue
        metric = headline[trial.workload].metrics[0].name
        for sample in trial.samples:
            if sample.metric == metric and sample.value > 0:
                values[trial.workload, trial.target][trial.block] = math.log(sample.value)
    wide = []
    for (workload, target), mine in sorted(values.items()):
        if target == native:
            continue
        base = values.get((workload, native), {})
        found = estimate([mine[block] - base[block] for block in mine.keys() & base.keys()] or [0])
        limit = math.log1p(precision[str(headline[workload].resource)])
        if found.low is None or found.high is None or (found.high - found.low) / 2 >= limit:
            wide.append((workload, target))
    return wide
