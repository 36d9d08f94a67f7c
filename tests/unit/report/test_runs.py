"""Runs become a table in one place: each trial judged once, and nothing written on the way."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from harness import validity
from harness.cli.app import app
from harness.model.run import Run
from harness.model.trial import CpuTime, Trial
from harness.report import runs
from harness.validity import About, Finding, LiveCheck
from tests.lab import night, save, workloads
from tests.unit.cli.test_cli import baremark

NIGHTS = [night(number, blocks=3, of=workloads(1)) for number in range(2)]
NAMES = [run.manifest.run for run in NIGHTS]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for run in NIGHTS:
        save(run, tmp_path / "results")
    return tmp_path / "results"


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Everything in `folder`: when it was changed, in ns, and its size."""
    return {
        str(each.relative_to(folder)): (each.stat().st_mtime_ns, each.stat().st_size)
        for each in [folder, *folder.rglob("*")]
    }


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> tuple[Counter[str], Counter[tuple[str, str, int]]]:
    """How often each check was asked about all trials together, and how often about each trial:
    by the check's name, the trial's and the block's."""
    together: Counter[str] = Counter()
    alone: Counter[tuple[str, str, int]] = Counter()
    for name in validity.names():
        check = validity.load(name)

        def findings(
            trials: Sequence[Trial], about: About, name: str = name, ask: Any = check.findings
        ) -> Iterator[Finding]:
            together[name] += 1
            return cast(Iterator[Finding], ask(trials, about))

        monkeypatch.setattr(check, "findings", findings)
        if check.LIVE:
            one = cast(LiveCheck, check).of_trial

            def of_trial(
                trial: Trial, about: About, name: str = name, ask: Any = one
            ) -> Finding | None:
                alone[name, trial.id, trial.block] += 1
                return cast("Finding | None", ask(trial, about))

            monkeypatch.setattr(check, "of_trial", of_trial)
    return together, alone


@pytest.mark.parametrize(
    "verb",
    [
        ("table",),
        ("export", "junit"),
        ("plot", "--kind", "heatmap", "-o", "chart.svg"),
    ],
)
def test_each_trial_is_judged_once(
    results: Path,
    asked: tuple[Counter[str], Counter[tuple[str, str, int]]],
    verb: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(results.parent)
    done = CliRunner().invoke(app, list(verb))
    assert done.exit_code == 0, done.output
    together, alone = asked
    live = [name for name in validity.names() if validity.load(name).LIVE]
    assert len(live) > 2
    trials = {(trial.id, trial.block) for trial in NIGHTS[1].trials}
    assert alone == Counter({(name, *trial): 1 for name in live for trial in trials})
    assert together == Counter(dict.fromkeys(validity.names(), 1))


def test_a_table_of_two_runs_judges_each_trial_of_both_once(
    results: Path, asked: tuple[Counter[str], Counter[tuple[str, str, int]]]
) -> None:
    made = runs.read([results / "runs" / name for name in NAMES])
    assert [run.manifest.run for run in made.runs] == NAMES
    together, alone = asked
    # The two nights have trials of the same names.
    assert set(alone.values()) == {2}
    assert set(together.values()) == {2}


@pytest.mark.parametrize(
    "args",
    [
        ("table", NAMES[0], "-f", "json"),
        ("export", "openmetrics", NAMES[0]),
        ("compare", *NAMES, "-f", "json"),
        ("verify", NAMES[0]),
    ],
    ids=lambda args: args[0],
)
def test_what_only_shows_runs_writes_nothing(
    results: Path, tmp_path: Path, args: tuple[str, ...]
) -> None:
    """Neither into the folder of results, which may be another's, nor into the current one."""
    here = tmp_path / "here"
    here.mkdir()
    writable = [folder for folder in [results, *results.rglob("*"), here] if folder.is_dir()]
    before = files(tmp_path)
    for folder in writable:
        folder.chmod(0o555)
    try:
        done = baremark(*args, "--results", os.path.relpath(results, here), folder=here)
    finally:
        for folder in writable:
            folder.chmod(0o755)
    # The plans of made runs have made digests, which verify tells.
    assert done.returncode == (args[0] == "verify"), done.stderr
    assert done.stdout
    assert files(tmp_path) == before


def test_a_run_is_shown_by_its_path_and_nothing_is_written_where_one_is(
    results: Path, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    before = files(tmp_path)
    done = baremark("table", str(results / "runs" / NAMES[0]), folder=here)
    assert done.returncode == 0, done.stderr
    assert NAMES[0] in done.stdout
    assert files(tmp_path) == before


def test_the_order_in_which_runs_are_named_changes_no_figure() -> None:
    """Of 14 blocks and more the signs are flipped at random, a block's by its place."""
    many = [night(number, blocks=8, of=workloads(1)) for number in range(2)]
    frames = [runs.analysed(order).frame for order in (many, many[::-1])]
    assert frames[0]["n"].max() == 16
    assert frames[0].equals(frames[1])


def test_what_is_found_is_of_the_run_as_it_is_judged_again() -> None:
    """A stolen trial is rejected, told once with its run, and counts in no figure."""
    (stolen, *others) = [t for t in NIGHTS[0].trials if t.target == "kvm"]
    run: Run = replace(
        NIGHTS[0],
        trials=tuple(
            replace(t, cpu=CpuTime(10.0, 5.0, 4.0, 5.0)) if t.id == stolen.id else t
            for t in NIGHTS[0].trials
        ),
    )
    made = runs.analysed([run])
    told = [(each.run, each.trial, each.outcome) for each in made.findings if each.trial]
    assert told == [(NAMES[0], stolen.id, validity.Outcome.REJECTED)]
    figures = {
        (row.workload, column.target): figure
        for group in made.table.sections[0].groups
        for row in group.rows
        if row.headline
        for column, figure in zip(made.table.sections[0].columns, row.figures, strict=True)
    }
    assert figures[stolen.workload, "kvm"].rejected == 1
    assert figures[others[-1].workload, "kvm"].rejected == (others[-1].workload == stolen.workload)
    assert figures[stolen.workload, "kvm"].n == 2
