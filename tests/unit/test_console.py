"""What is seen of a run as it goes, on a terminal and elsewhere."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest

from harness.console import Console
from harness.model.allocation import Rule
from harness.model.run import Run
from harness.model.trial import TrialStatus
from tests.allocated import under
from tests.synthetic import CPU, DOCKER, Ending, make_run, ok

SAID = "container (docker, os): cpu open (2 blocks give no interval)"
BUSY = "stress-ng (pid 12, 48 % of a CPU)"


def bad(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
    rejected = target == DOCKER.name and block == 0
    return (TrialStatus.REJECTED, "other work took 23 %") if rejected else (TrialStatus.OK, None)


def run_of(ending: Ending = ok) -> Run:
    run = make_run(lambda *_: 1.0, workloads=[CPU], blocks=3, ending=ending)
    return under(run, Rule({"cpu": 0.01}, 8, 300.0))


def play(console: Console, run: Run) -> None:
    """Tell the console what a run tells it."""
    plan = run.manifest.plan
    console.planned(plan, 300.0, run.manifest.run)
    for block in plan.blocks:
        console.block(plan, block.index, 20.0 * block.index)
        for trial in (each for each in run.trials if each.block == block.index):
            console.trial(plan, trial)
            if trial.status is TrialStatus.REJECTED:
                console.disturbed(plan, [BUSY], 0.0)
    console.ended(run)


def test_without_a_terminal_a_block_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.stages(2)
    console.stage("targets")
    console.step("one of many steps")
    play(console, run_of(bad))
    said = capsys.readouterr().err
    assert "\x1b" not in said
    lines = [re.sub(r"^ *[0-9.]+ s  ", "", line) for line in said.splitlines()]
    assert lines[0] == "1/2 targets"
    assert not any("one of many steps" in line for line in lines)
    blocks = [line for line in lines if line.startswith("lab1: block ")]
    assert len(blocks) == 3
    assert re.match(r"lab1: block 1 of at most 3, 0 s of 5 min, 0 trials$", blocks[0])
    assert (
        "block 2 of at most 3, 20 s of 5 min, 2 trials, 1 not ok (the last: block 1:" in blocks[1]
    )
    told = [line for line in lines if "is not quiet" in line]
    assert told == [f"lab1 is not quiet: {BUSY}; end that, or let Baremark wait for it: "
                    "--wait-quiet 10m"]  # fmt: skip
    assert console.busy == {"stress-ng (pid 12": BUSY}


def test_steps_of_a_verb_without_stages_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    Console().step("look at the machine")
    assert capsys.readouterr().err.endswith(" s  look at the machine\n")


def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """A terminal in place of standard error; what was written to it."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stderr", screen)
    return screen.getvalue


def test_a_terminal_shows_what_the_table_would_say(monkeypatch: pytest.MonkeyPatch) -> None:
    written = terminal(monkeypatch)
    asked: list[str] = []

    def so_far(run: str) -> list[str]:
        asked.append(run)
        return [SAID]

    console, run = Console(), run_of(bad)
    console.answer = so_far
    play(console, run)
    drawn = written()
    assert SAID in drawn
    assert "busy on lab1: stress-ng (pid 12, 48 % of a CPU)" in drawn
    assert "block 1: cpu-one on container: rejected: other work took 23 %" in drawn
    # Once a block, and never before there is a trial.
    assert asked == [run.manifest.run] * 2
    # What was drawn is gone in the end; what was said stays.
    assert drawn.rstrip().endswith("planned were 10 min")


def test_what_fails_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    def lost(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        gone = target == DOCKER.name and block == 1
        return (TrialStatus.LOST, "no answer") if gone else (TrialStatus.OK, None)

    play(Console(), run_of(lost))
    assert "lab1: block 2: cpu-one on container: lost: no answer" in capsys.readouterr().err
