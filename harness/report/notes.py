"""The sentences below a table: how to read it, what is missing and why, where it comes from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING

from harness.analyze.allocation import open_cells
from harness.analyze.verdict import BEYOND_SENSE
from harness.model.run import OVER_BUDGET, Missing, Run
from harness.model.trial import TrialStatus
from harness.plan.plan import FEWEST_BLOCKS
from harness.report.numbers import FIRM
from harness.report.table import Column, Figure, Group, Note
from harness.text import sentence

if TYPE_CHECKING:
    from harness.analyze.control import Control
    from harness.validity import Finding, Judgement


_EMULATED_CPU = "QEMU TCG CPU"
"""How QEMU names the processor that it interprets, unless it is told another name."""


def about_import(runs: Iterable[Run]) -> list[Note]:
    """What nobody can vouch for in figures that were imported."""
    sources = {run.manifest.imported for run in runs} - {None}
    return [
        Note(
            None,
            f"Imported from {sentence(source.name)}: Baremark did not measure this. It did not "
            "see what the targets are, and cannot check clock, steal, other load, bundle or order: "
            "of such threats no check objects, because none could look.",
        )
        for source in sorted((each for each in sources if each), key=lambda each: each.name)
    ]


def about_host(columns: Sequence[Column], missing: Iterable[Missing]) -> list[Note]:
    """What must be known of the targets of a section before any of its figures is read."""
    texts = []
    for column in columns:
        if column.native and column.nested:
            texts.append(
                "native is itself a guest: these figures are relative to a nested native, "
                "not to bare metal."
            )
        if column.native and column.nested is None:
            texts.append("Whether native is itself a guest could not be observed.")
        if column.backend_class == "emulated":
            texts.append(
                f"{column.header}: the processor is emulated in software; this is "
                "not KVM's performance, nor that of any hypervisor with hardware support."
            )
    gone = {
        f"{each.target} ({each.backend}) took no part: {sentence(each.reason, 600)}."
        for each in missing
    }
    return [Note(None, text) for text in texts + sorted(gone)]


def about_rootless(columns: Sequence[Column], runs: Iterable[Run]) -> list[Note]:
    """What targets lack that were made without root."""
    seen = {each.target.name: each.fingerprint for run in runs for each in run.manifest.targets}
    texts = []
    for column in columns:
        record = seen.get(column.target)
        if record is None:
            continue
        if column.native and record.inside.get("user") == "unprivileged":
            texts.append(
                "native is an unprivileged user's: it is held to its CPUs by their affinity, its "
                "files lie in the user's folder, and its peer is on the loopback."
            )
        elif record.outside.get("rootless") == "true":
            texts.append(
                f"{column.header}: made without root. It is held to its CPUs by their affinity, "
                "no control group limits its memory, and its network is "
                f"{record.outside.get('network')}."
            )
    return [Note(None, text) for text in texts]


def about_adopted(columns: Sequence[Column], runs: Iterable[Run]) -> list[Note]:
    """What nobody saw of targets that Baremark did not make, and which have no baseline."""
    seen = {
        record.target.name: record.fingerprint
        for run in runs
        for record in run.manifest.targets
        if record.target.adopted
    }
    texts = []
    for column in columns:
        record = seen.get(column.target)
        if record is None:
            continue
        if column.native:
            texts.append(
                "native is adopted: Baremark did not set it up, and held its own work to the "
                "declared CPUs."
            )
        elif column.elsewhere:
            texts.append(
                f"{column.header}: it runs on another machine than native. Its values stand beside "
                "native's and are not compared with them: the difference of two machines is no "
                "overhead."
            )
        elif record.outside.get("platform") is not None:
            texts.append(
                f"{column.header}: adopted. Its process was found on its host, which runs it by "
                f"{record.outside['platform']}; size and pinning were seen from inside only."
            )
        elif record.outside.get("same_kernel") == "yes":
            texts.append(
                f"{column.header}: adopted. It shares native's kernel, so it is on native's "
                "machine; all else was seen from inside only."
            )
        else:
            texts.append(
                f"{column.header}: adopted. Only its inside was seen: what runs it, that nothing "
                "else does so beside it, and that it is on native's machine is the inventory's "
                "word."
            )
    return [Note(None, text) for text in texts]


def about_machine(runs: Iterable[Run]) -> list[Note]:
    """What must be known of the processor and of the baseline, where it is not what it seems."""
    texts: dict[str, None] = {}
    for record in (each for run in runs for each in run.manifest.targets if each.target.native):
        seen = record.fingerprint
        name = record.target.name
        if seen.label == "xen-dom0":
            pinned = seen.outside.get("pinned_to")
            texts[
                f"{name} is dom0 of Xen {seen.release or '(release not observable)'}: wherever "
                "native is said here, dom0 is meant, and overhead is relative to dom0 and not to "
                "bare metal. Its CPUs are vCPUs that Xen schedules"
                + (f", bound to the machine's CPUs {pinned}" if pinned else ", bound to no CPU")
                + "; its memory is what Xen lets it have."
            ] = None
        if (seen.cpu_model or "").startswith(_EMULATED_CPU):
            texts[
                f"The processor of {name} is emulated in software ({seen.cpu_model}): these "
                "figures show that everything works and are no hypervisor's performance."
            ] = None
    return [Note(None, text) for text in texts]


_OF_ONE_START = frozenset({"process"})
"""Observations that differ between any two targets and say nothing of what they are."""


def about_differences(runs: Iterable[Run]) -> list[Note]:
    """What tells apart the targets of one backend, by what their host showed of them."""
    seen: dict[str, dict[str, Mapping[str, str | None]]] = {}
    for run in runs:
        for each in run.manifest.targets:
            if not each.target.native:
                of_backend = seen.setdefault(each.target.backend, {})
                of_backend[each.target.name] = each.fingerprint.outside
    texts = []
    for backend, targets in sorted(seen.items()):
        names = sorted(targets)
        parts = []
        for key in dict.fromkeys(key for name in names for key in targets[name]):
            values = [targets[name].get(key) for name in names]
            if key not in _OF_ONE_START and len({value for value in values if value}) > 1:
                shown = ", ".join(sentence(value or "–", 60) for value in values)
                parts.append(f"{key.replace('_', ' ')} ({shown})")
        if parts:
            told = f"{', '.join(names[:-1])} and {names[-1]}"
            texts.append(f"{told}, all {backend}, differ, in this order, in " + "; ".join(parts))
    return [Note(None, f"{text}.") for text in texts]


def about_checks(objections: Sequence[Finding], runs: Sequence[Run]) -> list[Note]:
    """What the validity checks object to, but for rejected trials, which their figures tell of."""
    whole: dict[tuple[str, str], list[str]] = {}
    flagged: dict[tuple[str, str], list[Finding]] = {}
    for each in objections:
        if each.trial is None:
            how = f"accepted (--accept {each.check})" if each.accepted else str(each.outcome)
            text = f"{how} ({each.check}): {sentence(each.text, 400)}."
            of = whole.setdefault((each.target, text), [])
            if each.workload is not None and each.workload not in of:
                of.append(each.workload)
        elif each.outcome == "flagged":
            flagged.setdefault((each.target, each.check), []).append(each)
    texts = {
        f"{', '.join([target, *workloads])}: {text}": None
        for (target, text), workloads in whole.items()
    }
    made = Counter(trial.target for run in runs for trial in run.trials)
    for (target, check), found in sorted(flagged.items()):
        worst = max(found, key=lambda each: each.severity)
        over = len({(each.run, each.trial) for each in found if each.accepted})
        accepted = f" ({over} of them accepted by --accept {check})" if over else ""
        times = len({(each.run, each.trial) for each in found})
        texts[
            f"{target}: flagged ({check}) in {times} of {made[target]} trials{accepted}; the "
            f"worst: {sentence(worst.text)}."
        ] = None
    return [Note(None, text) for text in texts]


def about_unseen(judgements: Sequence[Judgement], runs: Sequence[Run]) -> list[Note]:
    """What no check could look at, in one sentence. Of imported runs another note says so."""
    if all(run.manifest.imported is not None for run in runs):
        return []
    targets: dict[tuple[str, str], list[str]] = {}
    for each in judgements:
        if each.outcome == "not observable":
            targets.setdefault((each.check, each.text), []).append(each.target)
    if not targets:
        return []
    parts = [f"{check} ({', '.join(names)}: {why})" for (check, why), names in targets.items()]
    return [Note(None, f"Could not be judged here, so nothing is said of it: {'; '.join(parts)}.")]


def about_precision(runs: Iterable[Run]) -> list[Note]:
    """What a run whose cells were to be settled has not settled: unresolved is then no statement
    about the difference, but about the time spent; and what it had no time for at all."""
    texts = []
    for run in runs:
        manifest = run.manifest
        beyond = dict.fromkeys(e.workload for e in manifest.left_out if e.reason == OVER_BUDGET)
        if beyond:
            texts.append(
                f"{manifest.run} had no time for {len(beyond)} workloads "
                f"({sentence(', '.join(beyond), 600)}): its budget holds fewer than "
                f"{FEWEST_BLOCKS} blocks of them beside the others."
            )
        if lost := _lost_and_made_up(run):
            texts.append(lost)
        wide = open_cells(manifest, run.trials)
        if wide:
            rule = manifest.plan.rule
            blocks = 1 + max((trial.block for trial in run.trials), default=-1)
            asked = sorted(set(rule.precision.values() if rule else ()))
            within = "/".join(f"{100 * share:g}" for share in asked)
            named = ", ".join(f"{workload} on {target}" for workload, target in wide)
            texts.append(
                f"{manifest.run} was to reach ±{within} % and ended after {blocks} blocks "
                f"({run.ended or 'unfinished'}) without it for {len(wide)} headline figures: "
                f"{sentence(named, 600)}."
            )
    return [Note(None, text) for text in texts]


def _lost_and_made_up(run: Run) -> str:
    """How many trials gave no value, and for how many of them later blocks made another; "" where
    all gave one or nothing is made up. A cell is tried again beyond the blocks that each has."""
    rule = run.manifest.plan.rule
    if rule is None or not rule.precision:
        return ""
    tries: Counter[tuple[str, str]] = Counter()
    lost: Counter[tuple[str, str]] = Counter()
    for trial in run.trials:
        tries[trial.workload, trial.arm] += 1
        lost[trial.workload, trial.arm] += trial.status is not TrialStatus.OK
    if not lost.total():
        return ""
    made_up = sum(max(0, min(lost[cell], tries[cell] - rule.least)) for cell in tries)
    return (
        f"{run.manifest.run}: {lost.total()} of {tries.total()} trials gave no value, "
        f"{made_up} of them made up in later blocks."
    )


def about_control(itself: Control | None) -> list[Note]:
    """What native against itself says of the harness."""
    if itself is None:
        return [
            Note(
                None,
                "Native was not compared with itself over enough blocks: how often this harness "
                "calls equals different on this machine is not known.",
            )
        ]
    text = (
        f"Native against itself in the same blocks: {itself.differing} of {itself.pairs} headline "
        f"metrics were called different at α = {itself.alpha:.2g}, each by itself "
        f"({100 * itself.differing / itself.pairs:.0f} %, 95 % Wilson interval "
        f"{100 * itself.low:.0f} to {100 * itself.high:.0f} %)."
    )
    if not itself.trusted:
        text += (
            " That is more than chance allows (so many or more come up in "
            f"{100 * itself.chance:.2g} % of tables): THIS TABLE IS NOT TO BE TRUSTED. Look for "
            "other work on the machine, and measure again."
        )
    return [Note(None, text)]


def unresolved(groups: Sequence[Group], alpha: float) -> str:
    """How many headline figures are unresolved, why, and what would resolve more of them; empty
    where there is no figure."""
    every = [f for group in groups for row in group.rows if row.headline for f in row.figures]
    paired = [f for f in every if f.factor is not None]
    waiting = [f for f in paired if f.verdict not in FIRM]
    if not paired:
        return ""
    if not waiting:
        return f"All {len(paired)} figures are resolved." if len(paired) > 1 else ""
    told = f"{len(waiting)} of {len(paired)} figures are unresolved"
    most = max(f.n for f in waiting)
    if most < (needed := _blocks_needed(alpha)):
        return (
            f"{told}. With {most} block{'' if most == 1 else 's'} none can be called slower, "
            f"however slow it is: that takes {needed}."
        )
    return f"{told}. More blocks than {most} would resolve more."


def _blocks_needed(alpha: float) -> int:
    """The fewest blocks in which anything can be called different: the smallest p of a signed-rank
    test, and of flipping whole blocks, is 2^(1−n)."""
    return next(n for n in count(1) if 2.0 ** (1 - n) <= alpha * (1 + 1e-12))


def _is_fast_without_interval(figure: Figure) -> bool:
    factor = figure.factor
    return factor is not None and factor.low is None and factor.point < 1 / BEYOND_SENSE
