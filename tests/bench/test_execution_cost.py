"""What measuring itself costs. No time is asserted: the figures go into the report.

`make test-all` runs these with pytest-benchmark; `make test` runs each once, as a plain test.
"""

from __future__ import annotations

import itertools
import math
import random
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import zstandard

from harness import state, tools
from harness.analyze.statistics.estimate import estimate
from harness.bundle import install
from harness.bundle.archive import load
from harness.execute.loop import Loop
from harness.execute.runner import Runner
from harness.ledger import reader, writer
from harness.ledger.writer import Ledger
from harness.model.run import Manifest
from harness.model.target import Host, Size, Target
from harness.model.trial import TrialStatus
from harness.model.workload import Metric, Resource, Sample, Workload
from harness.plan.plan import make, preset
from harness.remote import connect
from tests.system import ready, sshd, standin

pytestmark = pytest.mark.system

TARGET = Target("native", "baremetal", "native", Size(1, 256, 2, (0,)), "127.0.0.1")
HOST = Host("native", (TARGET,), True, "127.0.0.1")
OUTPUT = Path(__file__).parents[1] / "unit" / "outputs" / "sysbench" / "cpu-sysbench-1t.out"
METRICS = (Metric("events_per_s", "1/s", "higher"),)


@pytest.fixture
def whole(pytestconfig: pytest.Config) -> bool:
    """Whether figures are wanted, and not only that the path works."""
    return bool(pytestconfig.getoption("benchmark_enable"))


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    if sshd.program() is None:
        pytest.skip("there is no sshd: apt-get install openssh-server")
    packed = standin.make(tmp_path / "bundle")
    with sshd.running(tmp_path / "sshd") as server:
        made = ready.runner(server, packed, TARGET)
        yield made
        made.close()


def test_from_the_end_of_a_trial_to_the_start_of_the_next(
    runner: Runner, tmp_path: Path, benchmark: Any
) -> None:
    """By the target's own clock around each program: judging, storing and recording a trial, all
    fsynced, and starting the next. The aim is a median of 50 ms."""
    workloads = tuple(
        Workload(f"w{n:02d}", "w", 1, Resource.CPU, "sysbench", (str(OUTPUT),), METRICS)
        for n in range(40)
    )
    plan = make(HOST, workloads, preset("smoke"), 1, blocks=1)
    manifest = Manifest(
        writer.SCHEMA, "run", "2026-01-01T00:00:00+00:00", "0", "overhead", "native", "smoke", 1,
        plan, 1.0, "0" * 64, (), (), workloads,
    )  # fmt: skip
    with Ledger.create(tmp_path / "runs", manifest) as record:
        loop = Loop(plan, workloads, {"native": runner}, record)
        benchmark.pedantic(loop.run, rounds=1)
    trials = reader.read_run(record.folder).trials
    assert {trial.status for trial in trials} == {TrialStatus.OK}
    marks = []
    for trial in trials:
        stored = (record.folder / "raw" / f"{trial.id}.err.zst").read_bytes()
        text = zstandard.ZstdDecompressor().decompress(stored).decode()
        begin = re.search(r"baremark begin \d+ (\d+)", text)
        end = re.search(r"baremark end (\d+)", text)
        assert begin is not None
        assert end is not None
        marks.append((int(begin[1]), int(end[1])))
    gaps = [after[0] - before[1] for before, after in itertools.pairwise(marks)]
    benchmark.extra_info["median_gap_ms"] = round(median(gaps) / 1e6, 2)
    benchmark.extra_info["largest_gap_ms"] = round(max(gaps) / 1e6, 2)


def test_the_controller_sleeps_while_a_trial_runs(runner: Runner, benchmark: Any) -> None:
    """CPU time of the controller while a program of 5 s runs; the aim is 1 % of a core."""

    def share() -> float:
        before, begin = time.process_time(), time.monotonic()
        runner.session.run(["sleep", "5"], limit_s=30)
        return (time.process_time() - before) / (time.monotonic() - begin)

    used = benchmark.pedantic(share, rounds=1)
    benchmark.extra_info["share_of_a_core_percent"] = round(100 * used, 3)


def test_the_observer_costs_nothing(tmp_path: Path, benchmark: Any, whole: bool) -> None:
    """A CPU workload through the session against the same command line from a shell, interleaved
    in random order within each pair. The aim is a ratio within 1 %."""
    if sshd.program() is None:
        pytest.skip("there is no sshd: apt-get install openssh-server")
    caches = (Path(__file__).parents[2] / ".cache" / "baremark", state.cache_folder())
    archives = [archive for cache in caches for archive in cache.glob("bundle-*.tar.zst")]
    if not archives:
        pytest.skip("no bundle of the real programs is in the cache: baremark up makes one")
    packed = max(archives, key=lambda archive: archive.stat().st_mtime)
    pairs, seconds = (20, 3) if whole else (2, 1)
    coin = random.Random(1)
    with sshd.running(tmp_path / "sshd") as server:
        opened = connect.connect("native", server.endpoint, server.key)
        place = install.push(load(packed), opened, server.endpoint.store)
        program = ["sysbench", "cpu", f"--time={seconds}", "--threads=1", "run"]
        command = ["taskset", "--cpu-list", "0", f"{place}/run", "dash", f"{place}/trial", "60"]
        command += [server.endpoint.work, *program]
        read = tools.load("sysbench").read

        def over_ssh() -> float:
            reply = opened.run(command, limit_s=60)
            return _rate(read(reply.stdout, b""))

        def from_a_shell() -> float:
            done = subprocess.run(
                ["/bin/sh", "-c", shlex.join(command)], capture_output=True, check=True
            )
            return _rate(read(done.stdout, b""))

        def measure() -> list[float]:
            ratios = []
            for _ in range(pairs):
                both = [("ssh", over_ssh), ("shell", from_a_shell)]
                coin.shuffle(both)
                rates = {name: run() for name, run in both}
                ratios.append(math.log(rates["shell"] / rates["ssh"]))
            return ratios

        found = estimate(benchmark.pedantic(measure, rounds=1))
        opened.close()
    assert found.n == pairs
    benchmark.extra_info["slowdown"] = round(math.exp(found.point), 4)
    if found.low is not None and found.high is not None:
        benchmark.extra_info["slowdown_low"] = round(math.exp(found.low), 4)
        benchmark.extra_info["slowdown_high"] = round(math.exp(found.high), 4)


def _rate(samples: Sequence[Sample]) -> float:
    return next(each.value for each in samples if each.metric == "events_per_s")


def test_help_answers_at_once(benchmark: Any) -> None:
    """The aim is 0.3 s."""
    command = [str(Path(sys.executable).with_name("baremark")), "--help"]
    benchmark.pedantic(lambda: subprocess.run(command, capture_output=True, check=True), rounds=5)
