"""Targets and verbs that somebody disturbs: other targets, other bytes, Ctrl-C, a kill.

The tests of this module use what the first one brings up.
"""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from harness.ledger import reader
from tests import waiting

from . import machine
from .verbs import Verb, begun, latest, needs_root

pytestmark = needs_root


def test_up_can_be_said_again_and_changes_nothing(baremark: Verb) -> None:
    def ours() -> set[str]:
        return {
            process
            for process in machine.snapshot()["processes"]
            if "qemu" in process or process.endswith(" sshd")
        }

    baremark("up")
    before = ours()
    assert len(before) >= 2
    baremark("up")
    assert before <= ours()


def test_a_target_that_is_not_what_was_declared_keeps_out_of_the_run(
    baremark: Verb, environment: dict[str, str], tmp_path: Path
) -> None:
    """The guest's endpoint is made to lead into the container: a container that says it is a VM."""
    (file,) = Path(environment["XDG_STATE_HOME"]).glob("baremark/localhost-*/standing.json")
    before = file.read_text()
    standing = json.loads(before)
    for key in ("address", "port", "host_key"):
        standing["endpoints"]["guest"][key] = standing["endpoints"]["container"][key]
    file.write_text(json.dumps(standing))
    try:
        done = baremark(
            *("run", "--preset", "smoke", "-t", "guest", "-w", "cpu-sysbench-1t"),
            *("--results", str(tmp_path)),
        )
    finally:
        file.write_text(before)
    said = " ".join(done.stdout.split())
    assert "guest is not the kvm target that the inventory declares" in said
    assert "from inside it is a container: docker" in said
    assert [t.target for t in reader.read_run(latest(tmp_path)).trials] == ["native"] * 4


def test_other_bytes_on_one_target_keep_it_out_of_the_run(
    baremark: Verb, environment: dict[str, str], tmp_path: Path
) -> None:
    """The container's sysbench is replaced; the run goes on without the container and says so."""
    changed = subprocess.run(
        [
            *_docker(),
            "exec",
            "baremark-container",
            "sh",
            "-c",
            "cp /bin/true /var/lib/baremark/cache/bundle/*/bin/sysbench",
        ],
        capture_output=True,
        text=True,
    )
    assert changed.returncode == 0, changed.stderr
    done = baremark(
        *("run", "--preset", "smoke", "-t", "docker", "-w", "cpu-sysbench-1t"),
        *("--results", str(tmp_path)),
    )
    assert "container does not take part" in done.stderr
    assert "bin/sysbench in its bundle has sha256" in " ".join(done.stdout.split())


def test_ctrl_c_ends_a_run_cleanly_with_what_there_is(
    baremark: Verb, environment: dict[str, str], tmp_path: Path
) -> None:
    where = ("-t", "guest", "-w", "cpu-*", "--results", str(tmp_path))
    process = begun(environment, "run", "--preset", "nightly", *where)

    def measured() -> bool:
        assert process.poll() is None, process.communicate()
        files = list((tmp_path / "runs").glob("*/ledger.jsonl"))
        written = files[0].read_text() if files else ""
        trials = [json.loads(line) for line in written.splitlines() if '"record": "trial"' in line]
        return {"native", "guest"} <= {each["target"] for each in trials if not each["control"]}

    waiting.until(measured, "a trial of each target")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=waiting.GUARD_S)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    run = reader.read_run(latest(tmp_path))
    assert run.ended == "interrupted"
    assert {"native", "guest"} <= {trial.arm for trial in run.trials}
    assert "guest" in out.split()


def test_down_removes_what_a_killed_up_left(baremark: Verb, environment: dict[str, str]) -> None:
    baremark("down")
    process = begun(environment, "up")
    waiting.until(Path("/sys/class/net/bmk0").exists, "the bridge")
    time.sleep(2)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    baremark("down")
    assert not [line for line in machine.snapshot()["processes"] if "ansible" in line]
    assert not Path("/sys/class/net/bmk0").exists()
    assert not Path("/run/baremark").exists()


def test_bench_does_it_all_and_writes_the_table(baremark: Verb, tmp_path: Path) -> None:
    before = machine.snapshot()
    some = ("-w", "cpu-sysbench-1t", "-t", "docker", "--results", str(tmp_path))
    done = baremark("bench", "--preset", "smoke", *some)
    run = latest(tmp_path)
    assert reader.read_run(run).ended == "complete"
    assert "cpu-sysbench-1t" in done.stdout
    (markdown,) = (tmp_path / "published").glob("*.md")
    assert "| cpu-sysbench-1t | events_per_s |" in markdown.read_text()
    assert run.name in markdown.read_text()
    (comma,) = (tmp_path / "published").glob("*.csv")
    rows = list(csv.DictReader(io.StringIO(comma.read_text())))
    assert {row["workload"] for row in rows if row["kind"] == "metric"} == {"cpu-sysbench-1t"}
    assert "container" in comma.read_text()
    assert machine.left_behind(before, machine.snapshot()) == {}


@pytest.mark.long  # tests/system/test_selftest.py has a short one
def test_the_selftest_judges_the_harness_on_a_container_and_leaves_nothing(
    baremark: Verb, tmp_path: Path
) -> None:
    before = machine.snapshot()
    few = ("-w", "cpu-sysbench-1t", "--repetitions", "1", "--results", str(tmp_path))
    done = baremark("selftest", *few, "-f", "json", status=None)
    if "no interval was had" in done.stderr:
        pytest.skip(f"this machine is not calm enough: {done.stderr[-400:]}")
    (said,) = json.loads(done.stdout)
    assert said["subject"] == "container"
    assert said["control"]["pairs"] == 1
    assert len(said["truths"]) == 2
    for truth in said["truths"]:
        assert truth["repetitions"] == 1
        assert 1.15 < truth["truth"] < 1.3
        assert 1.1 < truth["estimate"] < 1.35
    for name in said["runs"]:
        # It ends as soon as it has the blocks it needs; some are spare.
        assert reader.read_run(tmp_path / "runs" / name).ended in {"complete", "precise"}
    assert machine.left_behind(before, machine.snapshot()) == {}


def _docker() -> list[str]:
    own = Path("/run/baremark/docker.sock")
    return ["docker", *(["--host", f"unix://{own}"] if own.exists() else [])]
