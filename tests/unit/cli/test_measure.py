"""How a measurement ends: the table, what is told after it, and the exit status."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from harness.cli import measure
from harness.console import Console
from harness.errors import EXIT_BUSY
from harness.model.run import Run
from harness.model.trial import TrialStatus
from harness.workflow.bench import Measured
from tests.nightly import save
from tests.synthetic import CPU, DOCKER, make_run


def run_of(every: int) -> Run:
    """Docker's trials give a value in each `every`th of eight blocks."""

    def ending(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        bad = target == DOCKER.name and block % every > 0
        return (TrialStatus.REJECTED, "other work took 9 %") if bad else (TrialStatus.OK, None)

    return make_run(lambda *_: 1.0, workloads=[CPU], ending=ending)


def test_a_machine_too_busy_for_an_answer_ends_with_a_status_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = save(run_of(every=3), tmp_path)
    console = Console()
    console.busy["make (pid 7"] = "make (pid 7, 90 % of a CPU)"
    with pytest.raises(typer.Exit) as ended:
        measure._end(Measured((folder,), True, ()), tmp_path, console)
    assert ended.value.exit_code == EXIT_BUSY
    said = capsys.readouterr()
    assert "lab1 · overhead" in said.out
    told = " ".join(said.err.split())
    assert (
        "error: lab1 was too busy to measure on: 1 of 1 headline figures have no interval" in told
    )
    assert "Other work there: make (pid 7, 90 % of a CPU)." in told
    assert "--wait-quiet 10m" in told


def test_a_quiet_machine_ends_with_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = save(run_of(every=1), tmp_path)
    measure._end(Measured((folder,), True, ()), tmp_path, Console())
    assert "too busy" not in capsys.readouterr().err
