"""Runs carried out by the rule of their plan, without a machine."""

from __future__ import annotations

from dataclasses import replace

from harness.analyze.allocation import choose
from harness.model.allocation import Allocated, Rule
from harness.model.run import Run
from harness.model.trial import Trial
from harness.plan.plan import digest_of


def under(run: Run, rule: Rule | None) -> Run:
    """The run with `rule` in its plan, and the plan's digest over it."""
    manifest = run.manifest
    made = manifest.plan
    targets = [record.target for record in manifest.targets]
    digest = digest_of(targets, manifest.workloads, made.seconds, made.blocks, rule, made.pilot)
    return replace(run, manifest=replace(manifest, plan=replace(made, rule=rule, digest=digest)))


def carried_out(run: Run, rule: Rule | None) -> Run:
    """Of a whole run, each cell tried once a block, what `rule` would have made."""
    run = under(run, rule)
    places = {(trial.block, trial.position): trial for trial in run.trials}
    made: list[Trial] = []
    allocated: list[Allocated] = []
    while True:
        spent_s = round(sum(trial.controller_s or 0.0 for trial in made), 3)
        choice = choose(run.manifest, len(allocated), made, spent_s)
        allocated.append(Allocated(len(allocated), spent_s, choice))
        if choice.ended is not None:
            kept = allocated if rule is not None else []
            return replace(
                run, trials=tuple(made), ended=choice.ended, used_s=spent_s, allocated=tuple(kept)
            )
        made += [places[len(allocated) - 1, at] for at in choice.positions]
