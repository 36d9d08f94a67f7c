"""Whether a run, and what was published of it, is what its ledger says.

Everything that can be computed again is: the plan's digest, the sha256 of each raw output, the
samples that a reader finds in it, the dataset file, and the published tables to the byte. What is
not there is said to be not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness import tools
from harness.analyze import allocation
from harness.bundle import trial_report
from harness.dataset import dataset
from harness.errors import HarnessError, UseError
from harness.ledger import reader
from harness.model.allocation import NAME, VERSION, Choice
from harness.model.run import Run
from harness.model.trial import Trial, TrialStatus
from harness.plan import plan
from harness.publish import formats
from harness.report import runs
from harness.report.table import Table

_ENDINGS = {".md": "markdown", ".tex": "latex"}
"""The format of a file by its ending, where it is not the ending itself."""
_MOST_NAMED = 5


class Result(StrEnum):
    SAME = "same"
    DIFFERS = "differs"
    ABSENT = "not here"


@dataclass(frozen=True, slots=True)
class Verified:
    """One thing that was looked at, what came of it, and what was seen."""

    what: str
    came: Result
    seen: str


def verify(folder: Path, results: Path, tables: Sequence[Path] = ()) -> tuple[Verified, ...]:
    """Look at the run in `folder`, at what `results` has published of it, and at `tables`.

    Raises `HarnessError` where manifest or ledger cannot be read, `UseError` where one of `tables`
    is not there or no table that can be made again.
    """
    _require_tables(tables)
    run = reader.read_run(folder)
    made = runs.analysed([run])
    return (
        _plan(run),
        _trials(run),
        *_allocation(run),
        *_raw(folder, run),
        _dataset(made.runs[0], results),
        *_tables(made.table, run, results, tables),
    )


def _plan(run: Run) -> Verified:
    manifest = run.manifest
    what = "plan digest"
    if manifest.imported is not None:
        return Verified(what, Result.ABSENT, "the run was imported; there was no plan")
    targets = [record.target for record in manifest.targets]
    made = manifest.plan
    found = plan.digest_of(
        targets, manifest.workloads, made.seconds, made.blocks, made.rule, made.pilot
    )
    return _equal(what, manifest.plan.digest, found)


def _equal(what: str, recorded: str, found: str) -> Verified:
    if recorded == found:
        return Verified(what, Result.SAME, found)
    return Verified(what, Result.DIFFERS, f"recorded is {recorded}, computed {found}")


def _trials(run: Run) -> Verified:
    """Whether every trial is one that was planned, and chosen, in its place, and none is there
    twice."""
    manifest = run.manifest
    made = f"{len(run.trials)} trials"
    if manifest.imported is not None:
        return Verified("trials", Result.ABSENT, f"{made}; the run was imported; there was no plan")
    wrong = []
    seen: set[str] = set()
    cells = {block.index: block.cells for block in manifest.plan.blocks}
    chosen = None
    if manifest.plan.rule is not None:
        chosen = {each.block: each.choice.positions for each in run.allocated}
    for trial in run.trials:
        of_block = cells.get(trial.block, ())
        cell = of_block[trial.position] if trial.position < len(of_block) else None
        planned = cell is not None and (cell.workload, cell.target, cell.control) == (
            trial.workload,
            trial.target,
            trial.control,
        )
        wanted = chosen is None or trial.position in chosen.get(trial.block, ())
        if not (planned and wanted) or trial.id in seen:
            wrong.append(trial.id)
        seen.add(trial.id)
    if wrong:
        return Verified("trials", Result.DIFFERS, f"not as planned, or twice: {_named(wrong)}")
    told = f"{made} of {run.planned_trials} planned, each in its place"
    return Verified("trials", Result.SAME, told)


def _allocation(run: Run) -> Iterator[Verified]:
    """Whether the cells of each block are those that the rule chooses by the trials before it."""
    rule = run.manifest.plan.rule
    if rule is None:
        return
    what = f"rule {rule.name} {rule.version}"
    if (rule.name, rule.version) != (NAME, VERSION):
        yield Verified(what, Result.ABSENT, "this Baremark has another rule, or version of it")
        return
    wrong = []
    for number, each in enumerate(run.allocated):
        found = allocation.choose(run.manifest, number, run.trials, each.spent_s)
        if each.block != number or each.choice != found:
            wrong.append(f"block {each.block} ({_differing(each.choice, found)})")
    yield Verified(what, *_came(wrong, f"{len(run.allocated)} choices come out again"))


def _differing(recorded: Choice, found: Choice) -> str:
    if recorded.ended != found.ended:
        return f"recorded is {recorded.ended or 'a block'}, it gives {found.ended or 'a block'}"
    apart = len(set(recorded.positions) ^ set(found.positions))
    return f"{apart} cells are not what it gives"


def _raw(folder: Path, run: Run) -> Iterator[Verified]:
    """The raw outputs, and the samples that a reader finds in them now."""
    workloads = {workload.name: workload for workload in run.manifest.workloads}
    with_raw = [trial for trial in run.trials if trial.raw is not None]
    here = [trial for trial in with_raw if (folder / str(trial.raw)).is_file()]
    absent = len(with_raw) - len(here)
    lacking = f"; {absent} are not here" if absent else ""
    if not here:
        told = f"none of {len(with_raw)} raw outputs is here"
        yield Verified("raw outputs", Result.ABSENT, told)
        return
    damaged = _failing(here, lambda trial: _damage(folder, trial))
    told = f"{len(here)} of {len(with_raw)} have the recorded sha256{lacking}"
    yield Verified("raw outputs", *_came(damaged, told))
    readable = [trial for trial in here if trial.status is not TrialStatus.FAILED and trial.samples]

    def reread(trial: Trial) -> str:
        workload = workloads[trial.workload]
        errors, _ = trial_report.strip(reader.read_raw_errors(folder, trial))
        found = tools.load(workload.tool).read(reader.read_raw(folder, trial), errors)
        return "" if tools.taken(found, workload) == trial.samples else "other samples"

    differing = _failing(readable, reread)
    told = f"{len(readable)} outputs give the recorded values again"
    yield Verified("samples", *_came(differing, told))


def _damage(folder: Path, trial: Trial) -> str:
    """Its sha256 as recorded, and as the target itself took it of what its program printed."""
    reader.read_raw(folder, trial)
    _, told = trial_report.strip(reader.read_raw_errors(folder, trial))
    return "the target took another sha256" if told not in {None, trial.raw_sha256} else ""


def _failing(trials: Sequence[Trial], ask: Callable[[Trial], str]) -> list[str]:
    """What is wrong with which trial; nothing where all are well."""
    found = []
    for trial in trials:
        try:
            why = ask(trial)
        except HarnessError as error:
            why = error.message
        if why:
            found.append(f"{trial.id} ({why})")
    return found


def _came(wrong: Sequence[str], told: str) -> tuple[Result, str]:
    return (Result.DIFFERS, _named(wrong)) if wrong else (Result.SAME, told)


def _named(parts: Sequence[str]) -> str:
    more = len(parts) - _MOST_NAMED
    return ", ".join(parts[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _dataset(run: Run, results: Path) -> Verified:
    what = "dataset file"
    folder = results / "dataset"
    try:
        held = dataset.stored(folder, run.manifest.run)
    except HarnessError as error:
        return Verified(what, Result.DIFFERS, error.message)
    if held is None:
        told = f"{run.manifest.run} is not in {folder}; baremark dataset build adds it"
        return Verified(what, Result.ABSENT, told)
    file, rows = held
    same = rows.equals(dataset.frame(run))
    return Verified(
        what,
        Result.SAME if same else Result.DIFFERS,
        f"{file}: {rows.height} rows" if same else f"{file} holds other rows than the ledger",
    )


def _require_tables(tables: Sequence[Path]) -> None:
    for file in tables:
        if not file.is_file():
            raise UseError(f"there is no file {file}", "name a published table with --table")
        if _format(file) not in formats.FORMATS:
            raise UseError(
                f"{file}: no table format has the ending {file.suffix!r}",
                f"name it by its format: {', '.join(formats.FORMATS)}; .md and .tex are known too",
            )


def _format(file: Path) -> str:
    return _ENDINGS.get(file.suffix, file.suffix.removeprefix("."))


def _tables(made: Table, run: Run, results: Path, tables: Sequence[Path]) -> Iterator[Verified]:
    published = sorted((results / "published").glob(f"{run.manifest.run}.*"))
    if not published and not tables:
        told = f"no table of it is in {results / 'published'}; name one with --table"
        yield Verified("published table", Result.ABSENT, told)
    for file in dict.fromkeys([*published, *tables]):
        format = _format(file)
        what = f"table {file}"
        if format not in formats.FORMATS:
            yield Verified(what, Result.ABSENT, f"no format is known by the ending {file.suffix!r}")
            continue
        try:
            stored = file.read_bytes()
        except OSError as error:
            yield Verified(what, Result.ABSENT, f"cannot be read: {error.strerror}")
            continue
        text = formats.render(made, format)
        data = text if isinstance(text, bytes) else text.encode()
        if stored == data:
            yield Verified(what, Result.SAME, f"is the {format} table to the byte")
        elif data in stored:
            yield Verified(what, Result.SAME, f"contains the {format} table to the byte")
        else:
            yield Verified(what, Result.DIFFERS, f"is not the {format} table of this ledger")
