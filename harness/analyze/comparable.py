"""Whether two runs of a host may be pooled: only where nothing differs that makes numbers so.

Label, class, nesting and a workload's version need no check here: they are part of a row's key, so
that rows which differ in them are never one. So is a metric's unit, but two units of one metric of
one version of a workload are a mistake in its file.
"""

from __future__ import annotations

from harness.model import facts
from harness.model.run import Manifest, Run


def difference(one: Run, other: Run) -> tuple[str, str, str] | None:
    """The first thing in which two runs of one host differ, and its two values; None where
    nothing does. What was not observable in either is not known to differ."""
    mine, theirs = one.manifest, other.manifest
    if mine.bundle != theirs.bundle:
        return "the bundle", f"{mine.bundle[:12]}…", f"{theirs.bundle[:12]}…"
    for workload in sorted(mine.plan.seconds.keys() & theirs.plan.seconds.keys()):
        before, after = mine.plan.seconds[workload], theirs.plan.seconds[workload]
        if before != after:
            return f"the time of a trial of {workload}", f"{before:g} s", f"{after:g} s"
    if (found := _unit(mine, theirs)) is not None:
        return found
    records = {record.target.name: record for record in theirs.targets}
    for record in mine.targets:
        again = records.get(record.target.name)
        if again is None or again.fingerprint.label != record.fingerprint.label:
            continue
        for fact, *values in facts.differing(record, again):
            if fact.pooled:
                return (f"the {fact.title} of {record.target.name}", *_told(*values))
    return None


def _unit(mine: Manifest, theirs: Manifest) -> tuple[str, str, str] | None:
    """The first metric of a workload of one version that is in two units, and these."""
    units = {
        (workload.name, workload.version, metric.name): f"{metric.unit} ({metric.better})"
        for workload in theirs.workloads
        for metric in workload.metrics
    }
    for workload in mine.workloads:
        for metric in workload.metrics:
            one = f"{metric.unit} ({metric.better})"
            other = units.get((workload.name, workload.version, metric.name), one)
            if other != one:
                return f"the unit of {metric.name} of {workload.name}", one, other
    return None


def _told(one: facts.Value, other: facts.Value) -> tuple[str, str]:
    return facts.differing_parts(facts.text(one), facts.text(other))
