"""The record of a run as people read it: who, when, with what, on what, and what the checks say."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict

from harness.model.facts import FACTS, UNKNOWN, text
from harness.model.run import Run, TargetRecord
from harness.report.provenance import Provenance
from harness.text import aligned, duration
from harness.validity import Judgement, Outcome

VERSION = 1
"""Of the JSON document."""


def render(made: Provenance, format: str) -> str:
    """As `text` or `json`."""
    return _json(made) if format == "json" else "\n".join(_lines(made)) + "\n"


def _json(made: Provenance) -> str:
    run = made.run
    manifest = asdict(run.manifest)
    manifest["plan"].pop("blocks")  # the order is in manifest.json; its digest says which
    document = {
        "version": VERSION,
        "manifest": manifest,
        "sha256": dict(made.sha256),
        "ended": run.ended,
        "used_s": run.used_s,
        "trials": _trials(run),
        "planned_trials": run.planned_trials,
        "judgements": [asdict(each) for each in made.judgements],
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _trials(run: Run) -> dict[str, int]:
    return dict(sorted(Counter(str(trial.status) for trial in run.trials).items()))


def _lines(made: Provenance) -> Iterator[str]:
    run = made.run
    manifest = run.manifest
    yield f"run {manifest.run}"
    facts = {
        "made": f"{manifest.created_at}, by {manifest.by or 'somebody (not recorded)'}, with "
        f"baremark {manifest.baremark}, run format {manifest.schema}",
        "host": f"{manifest.host}, scenario {manifest.scenario}",
    }
    if manifest.releases:
        facts["compared"] = f"{manifest.releases}, provisioned side by side for it"
    if manifest.imported is not None:
        source = manifest.imported
        facts["imported"] = f"from {source.name}, sha256 {source.sha256}; measured elsewhere"
    else:
        facts |= {
            "asked": f"preset {manifest.preset}, seed {manifest.seed}",
            "plan": f"sha256 {manifest.plan.digest}",
            "bundle": f"sha256 {manifest.bundle}",
        }
    facts["trials"] = _ended(run)
    facts |= {name: f"sha256 {digest}" for name, digest in made.sha256.items()}
    if rule := manifest.plan.rule:
        wanted = ", ".join(f"{name} ±{100 * of:g} %" for name, of in rule.precision.items())
        limit = "" if rule.budget_s is None else f"; at most {duration(rule.budget_s)}"
        least = f"not before {rule.least} blocks{limit}"
        facts["rule"] = f"{rule.name} {rule.version}: {wanted or 'whole blocks'}; {least}"
    if manifest.plan.pilot:
        facts["seconds"] = f"of a trial as the pilot {manifest.plan.pilot} chose them"
    if manifest.accepted:
        facts["overruled"] = ", ".join(f"--accept {check}" for check in manifest.accepted)
    yield from _facts(facts)
    for record in manifest.targets:
        yield ""
        yield from _target(record)
    for missing in manifest.missing:
        yield ""
        yield f"target {missing.target} ({missing.backend}) took no part: {missing.reason}"
    yield ""
    yield "workloads"
    for workload in manifest.workloads:
        seconds = manifest.plan.seconds.get(workload.name)
        time = "" if seconds is None else f", {seconds:g} s a trial"
        metrics = ", ".join(f"{each.name} ({each.unit})" for each in workload.metrics)
        yield f"  {workload.name}, version {workload.version}: {workload.tool}{time}: {metrics}"
    for left in manifest.left_out:
        yield f"  {left.workload} is not run on {left.target}: {left.reason}"
    yield ""
    yield from _validity(made.judgements)


def _ended(run: Run) -> str:
    counted = ", ".join(f"{number} {status}" for status, number in _trials(run).items())
    planned = f" of {run.planned_trials} planned" if run.manifest.imported is None else ""
    used = "time not recorded" if run.used_s is None else f"in {duration(run.used_s)}"
    return f"{len(run.trials)}{planned} ({counted}), {run.ended or 'its record just stops'}, {used}"


_IN_FRONT = frozenset({"backend", "label", "nested"})
"""Facts that the line above a target's facts tells."""


def _target(record: TargetRecord) -> Iterator[str]:
    target, seen = record.target, record.fingerprint
    nested = {True: ", nested", False: "", None: ", whether nested not observable"}[seen.nested]
    kind = f"{seen.label}, {seen.backend_class}{nested}"
    yield f"target {target.name} ({target.backend}; seen: {kind})"
    known = {fact.title: fact.of(record) for fact in FACTS if fact.name not in _IN_FRONT}
    yield from _facts(
        {
            **{title: text(value) for title, value in known.items() if value is not None},
            **{f"program {name}": said for name, said in sorted(record.programs.items())},
            UNKNOWN: ", ".join(title for title, value in known.items() if value is None),
        }
    )


def _facts(facts: Mapping[str, str]) -> Iterator[str]:
    return (f"  {line}" for line in aligned(tuple(facts.items()), left=(0, 1)))


def _validity(judgements: tuple[Judgement, ...]) -> Iterator[str]:
    """What each check came to: those that have nothing to object to in one line each."""
    yield "validity"
    by_check: dict[str, list[Judgement]] = {}
    for each in judgements:
        by_check.setdefault(each.check, []).append(each)
    for check, of in sorted(by_check.items()):
        fine = [each.target for each in of if each.outcome is Outcome.OK]
        if fine:
            yield f"  {check}: ok: {', '.join(fine)}"
        for each in of:
            if each.outcome is not Outcome.OK:
                yield f"  {check}: {each.outcome}: {each.target}: {each.text}"
