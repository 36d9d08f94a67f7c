"""A machine that is kept busy: what is said of it, and how a run ends."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import EXIT_BUSY
from harness.ledger import reader
from harness.model.trial import TrialStatus

from .verbs import Verb, latest, needs_root

pytestmark = [*needs_root, pytest.mark.long]

HALF = """
import os, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
while True:
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        pass
    time.sleep(0.5)
"""


@pytest.fixture
def burner() -> Iterator[subprocess.Popen[bytes]]:
    """It keeps one CPU busy for half of the time."""
    busy = subprocess.Popen([sys.executable, "-c", HALF])
    yield busy
    busy.kill()
    busy.wait()


def test_a_busy_machine_gives_an_answer_or_says_what_keeps_it_busy(
    baremark: Verb, burner: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    baremark("up", "-t", "docker")
    done = baremark(
        *("run", "-t", "docker", "-w", "cpu-sysbench-all", "-w", "memory-write"),
        *("-w", "kernel-syscall", "--budget", "4m", "--results", str(tmp_path)),
        status=None,
    )
    assert done.returncode in {0, EXIT_BUSY}, done.stderr
    run = reader.read_run(latest(tmp_path))
    named = rf"\(pid {burner.pid}, \d+ % of a CPU\)"
    if any(trial.status is TrialStatus.REJECTED for trial in run.trials):
        assert re.search(rf"is not quiet: .*{named}", done.stderr), done.stderr
    if done.returncode == EXIT_BUSY:
        assert re.search(rf"too busy to measure on: .*{named}", done.stderr), done.stderr
        assert run.ended in {"busy", "budget", "precise", "complete"}
    else:
        assert "give no interval" not in done.stdout
