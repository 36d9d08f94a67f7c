"""The table in docs/statistics.md from which the order of workloads follows, made anew."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import fmean, median, stdev

from harness.analyze.allocation import CLEAR, TENTH, log_ratios
from harness.ledger import reader
from harness.plan import order
from harness.plan.request import PRECISION

ROOT = Path(__file__).parents[3]
RUN = reader.read_run(ROOT / "docs" / "example")
D = log_ratios(RUN.trials, RUN.manifest.workloads, RUN.manifest.host)
RESOURCE = {each.name: each.resource for each in RUN.manifest.workloads}
TARGETS = ("container", "guest")
MOST = 1000


def cost_s(workload: str, target: str) -> float:
    """Seconds of a trial that is asked for one second. memory-latency counts passes, each as long
    as a pass takes; the others take the seconds and what their start takes."""
    took = fmean(
        trial.controller_s
        for trial in RUN.trials
        if (trial.workload, trial.target) == (workload, target) and trial.controller_s is not None
    )
    asked = RUN.manifest.plan.seconds[workload]
    return took / asked if workload == "memory-latency" else took - asked + 1


def blocks(workload: str, target: str) -> str:
    """How many until it is settled, different or equivalent, as the rule predicts."""
    d, margin = D[workload, target], math.log1p(PRECISION[RESOURCE[workload]])
    spread, far = stdev(d), abs(median(d))
    ways = [2.0 * spread / min(max(margin, TENTH * far), CLEAR * far)]
    ways += [1.7 * spread / (margin - far)] if far < margin else []
    needed = max(8, math.ceil(min(ways) ** 2))
    return str(needed) if needed <= MOST else "> 1000"


def row(name: str) -> str:
    block_s = 2 * cost_s(name, RUN.manifest.host) + sum(cost_s(name, each) for each in TARGETS)
    cells = [f"{100 * stdev(D[name, each]):.1f} % | {blocks(name, each)}" for each in TARGETS]
    return f"| {name} | {block_s:.1f} | {' | '.join(cells)} |"


def test_the_order_of_workloads_rests_on_the_table_that_the_committed_run_gives() -> None:
    names = order.load(ROOT / "workloads", set(RESOURCE))
    page = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    assert "\n".join(map(row, names)) in page
