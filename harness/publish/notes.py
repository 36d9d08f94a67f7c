"""The sentences below a table: how to read it, what is missing and why, where it comes from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.model import Missing, Run, Trial, TrialStatus
from harness.publish.figures import duration
from harness.publish.table import Column, Figure, Group, Note, RunFacts, Section

if TYPE_CHECKING:
    from harness.analyze.control import Control
    from harness.analyze.validity import Finding

_ENDED = {
    TrialStatus.FAILED: "failed",
    TrialStatus.TIMEOUT: "timed out",
    TrialStatus.LOST: "lost the connection",
    TrialStatus.REJECTED: "rejected",
}
_LONGEST_REASON = 160
_DIGEST = 12


class Numbered:
    """The numbered notes of a section: the same text gets the same number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers) + 1)

    @property
    def notes(self) -> tuple[Note, ...]:
        return tuple(Note(number, text) for text, number in self._numbers.items())


def not_ok(trials: Iterable[Trial]) -> list[str]:
    """For each way a trial did not end well: how many, and the most frequent reason."""
    made = list(trials)
    parts = []
    for status, word in _ENDED.items():
        reasons = Counter(trial.reason or "" for trial in made if trial.status is status)
        if not reasons:
            continue
        # The most frequent reason; of equally frequent ones the first by name, so that the
        # same ledger always gives the same note.
        reason = min(reasons, key=lambda text: (-reasons[text], text))
        count = f"{reasons.total()} of {len(made)} trials {word}"
        told = _sentence(reason)
        often = "most often: " if len(reasons) > 1 else ""
        parts.append(f"{count} ({often}{told})" if told else count)
    return parts


def about_import(runs: Iterable[Run]) -> list[Note]:
    """What nobody can vouch for in figures that were imported."""
    sources = {run.manifest.imported for run in runs} - {None}
    return [
        Note(
            None,
            f"Imported from {_sentence(source.name)}: Baremark did not measure this. It did not "
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
        f"{each.target} ({each.backend}) took no part: {_sentence(each.reason)}."
        for each in missing
    }
    return [Note(None, text) for text in texts + sorted(gone)]


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
                shown = ", ".join(_sentence(value or "–", 60) for value in values)
                parts.append(f"{key.replace('_', ' ')} ({shown})")
        if parts:
            told = f"{', '.join(names[:-1])} and {names[-1]}"
            texts.append(f"{told}, all {backend}, differ, in this order, in " + "; ".join(parts))
    return [Note(None, f"{text}.") for text in texts]


def about_checks(objections: Sequence[Finding], runs: Sequence[Run]) -> list[Note]:
    """What the validity checks object to, but for rejected trials, which their figures tell of."""
    texts: dict[str, None] = {}
    flagged: dict[tuple[str, str], list[Finding]] = {}
    for each in objections:
        if each.trial is None:
            where = each.target if each.workload is None else f"{each.target}, {each.workload}"
            how = f"accepted (--accept {each.check})" if each.accepted else str(each.outcome)
            texts[f"{where}: {how} ({each.check}): {_sentence(each.text, 400)}."] = None
        elif each.outcome == "flagged":
            flagged.setdefault((each.target, each.check), []).append(each)
    made = Counter(trial.target for run in runs for trial in run.trials)
    for (target, check), found in sorted(flagged.items()):
        worst = max(found, key=lambda each: float(each.figures.get("share") or 0))
        over = sum(each.accepted for each in found)
        accepted = f" ({over} of them accepted by --accept {check})" if over else ""
        texts[
            f"{target}: flagged ({check}) in {len(found)} of {made[target]} trials{accepted}; the "
            f"worst: {_sentence(worst.text)}."
        ] = None
    return [Note(None, text) for text in texts]


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
            " That is more than chance allows: THIS TABLE IS NOT TO BE TRUSTED. Look for other "
            "work on the machine, and measure again."
        )
    return [Note(None, text)]


def about_power(shown: Sequence[Figure], groups: Sequence[Group], alpha: float) -> list[Note]:
    """Say so where so few blocks could resolve no headline row, whatever its overhead."""
    rows = [row for group in groups for row in group.rows if row.headline]
    paired = [f for row in rows for f in row.figures if f.factor is not None]
    enough = [f.n for f in shown if f.factor is not None and f.factor.low is not None]
    if not enough or not paired:
        return []
    most = max(enough)
    if len(paired) * 2.0 ** (1 - most) <= alpha:
        return []
    needed = next(n for n in range(most, 64) if len(paired) * 2.0 ** (1 - n) <= alpha)
    return [
        Note(
            None,
            f"{most} blocks are too few to call any of {len(paired)} headline figures slower when "
            f"they are judged together; {needed} would be enough (--preset publication, or fewer "
            "workloads). The intervals are each row's own.",
        )
    ]


def reading(sections: Sequence[Section], level: float, method: str) -> tuple[str, ...]:
    """How to read the figures of this table, in as many sentences as it needs."""
    figures = [f for s in sections for g in s.groups for row in g.rows for f in row.figures]
    texts = [
        "Absolute values: median over blocks; k, M, G are 10³, 10⁶, 10⁹. "
        "↑ higher is better, ↓ lower is better.",
        "Overhead: slowdown against native on the same host; positive is slower, for every "
        "metric. One of +100 % or more is given as a factor (2.00×: twice as long, or half as "
        f"much). {method}, on the log ratios of target and native in the same block, so it need "
        f"not equal the ratio of the two medians; in brackets the {100 * level:g} % interval, "
        "each row by itself.",
        "Behind each overhead its verdict, all rows of a host judged together: ▲ slower, "
        "≈ equivalent (within ±1 % for cpu, memory and kernel, ±3 % for disk and network), "
        "‼ suspect (faster than native: something else was measured), · unresolved, which is not "
        '"no difference". Headline rows by Holm, the others by Benjamini–Hochberg.',
        "n: blocks in which target and native both gave a value. Δ: the smallest overhead, in "
        "percent, that so many blocks would detect (power .8, α .05). Where the targets differ: "
        "one figure each, in their order.",
        "Geometric mean: of the slowdown over the first metric of each workload, within a "
        "resource; in brackets how many workloads entered.",
    ]
    if any(figure.verdict == "n too small" for figure in figures):
        texts.append(f"n too small: fewer blocks than a {100 * level:g} % interval needs.")
    return tuple(texts)


def facts(run: Run) -> RunFacts:
    """Where the figures of a run come from."""
    manifest = run.manifest
    if manifest.imported is not None:
        return RunFacts(
            run=manifest.run,
            created_at=manifest.created_at,
            host=manifest.host,
            scenario=manifest.scenario,
            preset=None,
            seed=None,
            plan=None,
            bundle=None,
            baremark=manifest.baremark,
            planned_s=None,
            used_s=None,
            ended=run.ended,
            trials=len(run.trials),
            planned_trials=None,
            imported=manifest.imported,
        )
    return RunFacts(
        run=manifest.run,
        created_at=manifest.created_at,
        host=manifest.host,
        scenario=manifest.scenario,
        preset=manifest.preset,
        seed=manifest.seed,
        plan=manifest.plan.digest,
        bundle=manifest.bundle,
        baremark=manifest.baremark,
        planned_s=manifest.planned_s,
        used_s=run.used_s,
        ended=run.ended,
        trials=len(run.trials),
        planned_trials=sum(len(block.cells) for block in manifest.plan.blocks),
        imported=None,
    )


def provenance(run: RunFacts) -> str:
    """The facts of a run in one line."""
    if run.imported is not None:
        return (
            f"Run {run.run}: imported {run.created_at} from {_sentence(run.imported.name)} "
            f"(sha256 {_short(run.imported.sha256)}) by baremark {run.baremark}; {run.trials} "
            "trials, made elsewhere."
        )
    used = "not recorded" if run.used_s is None else duration(run.used_s)
    ended = run.ended or "its record just stops"
    return (
        f"Run {run.run}: {run.created_at}, preset {run.preset}, seed {run.seed}, "
        f"plan {_short(run.plan or '')}, bundle {_short(run.bundle or '')}, "
        f"baremark {run.baremark}; planned {duration(run.planned_s or 0)}, used {used}; {ended}, "
        f"{run.trials} of {run.planned_trials} planned trials made."
    )


def by_cell(runs: Iterable[Run]) -> Mapping[tuple[str, str, str, str], list[Trial]]:
    """The trials of `runs` by host, scenario, target and workload."""
    found: dict[tuple[str, str, str, str], list[Trial]] = {}
    for run in runs:
        for trial in run.trials:
            key = (trial.host, trial.scenario, trial.arm, trial.workload)
            found.setdefault(key, []).append(trial)
    return found


def _sentence(text: str, longest: int = _LONGEST_REASON) -> str:
    """A reason on one line, without its full stop, and not so long that it hides the rest."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split()).rstrip(".")
    return line if len(line) <= longest else f"{line[:longest]}…"


def _short(digest: str) -> str:
    return digest.rpartition(":")[2][:_DIGEST]
