"""A night and a comparison of releases on real targets: from one command to what is published.

The tests of this module tell one story in order: a night in which a target fails, a quiet one,
two releases of QEMU interleaved in the same blocks, and an upgrade between two nights that the
next night confirms by itself.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import junitparser
import pytest
import yaml

from harness.ledger import folders, reader
from tests import waiting

from . import machine

ROOT = Path(__file__).parents[2]
BAREMARK = Path(sys.executable).with_name("baremark")

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="provisioning takes root"),
]

INVENTORY = """\
all:
  vars: {baremark_vcpus: 1, baremark_memory_mib: 512, baremark_disk_gib: 2, baremark_boot_s: 400}
baremetal:
  hosts:
    native:
      ansible_connection: local
      ansible_python_interpreter: "{{ ansible_playbook_python }}"
docker:
  hosts:
    box: {baremark_host: native}
kvm:
  vars: {baremark_host: native}
  hosts:
    guest: {}
    odd: {baremark_emulator: /nowhere/qemu-system-x86_64}
"""

Verb = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("lab") / "hosts.yml"
    file.write_text(INVENTORY)
    return file


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def baremark(tmp_path_factory: pytest.TempPathFactory, inventory: Path) -> Iterator[Verb]:
    """Run a verb; at the end of the module the machine is as it was, though nobody says `down`."""
    before = machine.snapshot()
    state = tmp_path_factory.mktemp("state")
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(ROOT / ".cache"),
        "XDG_STATE_HOME": str(state),
        "BAREMARK_BY": "the suite",
    }

    def verb(*args: str, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(BAREMARK), *args],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=waiting.VERB_S,
        )
        assert status is None or done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    yield verb
    assert not [path for path in (state / "baremark").iterdir() if path.is_dir()]
    assert machine.left_behind(before, machine.snapshot(), kept=True) == {}
    if "/var/lib/baremark" not in str(before["files"]):
        environment["XDG_CACHE_HOME"] = environment["XDG_STATE_HOME"]
        verb("down", "-i", str(inventory), "--purge")
        assert not Path("/var/lib/baremark").exists()


def test_a_target_that_fails_makes_the_night_partial_and_loses_nothing_else(
    baremark: Verb, inventory: Path, results: Path, tmp_path: Path
) -> None:
    said = baremark(
        *("nightly", "-i", str(inventory), "-t", "box", "-t", "odd", "-w", "cpu-sysbench-1t"),
        *("--preset", "smoke", "--results", str(results), "--site", str(results / "site")),
        *("--summary", str(tmp_path / "night.xml"), "--summary", str(tmp_path / "night.json")),
        status=3,
    ).stdout
    assert len(said.splitlines()) <= 10
    assert ": partial." in said.splitlines()[0]
    assert "Took no part: odd (" in said
    run = reader.read_run(folders.find(results / "runs", "latest"))
    assert run.ended == "complete"
    assert {record.target.name for record in run.manifest.targets} == {"native", "box"}
    assert run.manifest.by == "the suite"
    assert (results / "published" / f"{run.manifest.run}.md").is_file()
    assert (results / "site" / "index.html").is_file()
    (suite,) = junitparser.JUnitXml.fromfile(str(tmp_path / "night.xml"))
    assert (suite.errors, suite.failures) == (1, 0)
    document = json.loads((tmp_path / "night.json").read_text())
    assert document["exit_code"] == 3
    assert list(document["absent"]) == ["odd"]
    # All that a night adds to a run whose targets are provisioned is analysis and publishing.
    assert document["total_s"] >= document["measuring_s"] + document["publishing_s"]
    assert document["measuring_s"] > 0
    assert document["publishing_s"] > 0


def test_a_second_night_waits_for_nobody(baremark: Verb, inventory: Path, results: Path) -> None:
    lock = results / ".nightly.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        said = baremark(
            *("nightly", "-i", str(inventory), "--results", str(results)), status=2
        ).stderr
    lock.unlink()
    assert "another night is still at work here" in said


@pytest.mark.long
def test_a_quiet_night_is_quiet(baremark: Verb, inventory: Path, results: Path) -> None:
    said = baremark(
        *("nightly", "-i", str(inventory), "-t", "box", "-w", "cpu-sysbench-1t"),
        *("--preset", "smoke", "--results", str(results)),
    ).stdout
    assert ": quiet." in said.splitlines()[0]
    assert "Shifts: none." in said
    done = baremark("verify", "--results", str(results)).stdout
    assert "differs" not in done
    assert "outputs give the recorded values again" in done


@pytest.mark.long
def test_two_releases_of_qemu_are_compared_in_the_same_blocks(
    baremark: Verb, inventory: Path, results: Path
) -> None:
    said = baremark(
        *("compare", "--releases", "qemu=7.2,10.0", "-i", str(inventory), "-t", "guest"),
        *("-w", "cpu-sysbench-1t", "-w", "kernel-syscall", "--results", str(results)),
    ).stdout
    run = reader.read_run(folders.find(results / "runs", "latest"))
    assert run.ended == "complete"
    assert run.manifest.releases == "qemu=7.2,10.0"
    release = {
        record.target.name: str(record.fingerprint.release) for record in run.manifest.targets
    }
    assert release["guest-qemu-7-2"].startswith("7.2.")
    assert release["guest-qemu-10-0"].startswith("10.0.")
    cells = {(cell.target, cell.control) for cell in run.manifest.plan.blocks[0].cells}
    assert cells == {
        *(("native", control) for control in (False, True)),
        *((name, False) for name in release if name != "native"),
    }
    assert "guest-qemu-10-0 (" in said
    assert " against guest-qemu-7-2 (" in said
    assert "ran in the same randomized blocks" in said
    assert f"release: {release['guest-qemu-7-2']} | " in said
    if "emulated" in said:
        assert "this says nothing of KVM's performance" in " ".join(said.split())
    again = baremark(
        *("compare", "latest:guest-qemu-7-2", "latest:guest-qemu-10-0", "-f", "json"),
        *("--results", str(results)),
    ).stdout
    rows = {row["workload"]: row for row in json.loads(again)["rows"] if row["headline"]}
    assert set(rows) == {"cpu-sysbench-1t", "kernel-syscall"}
    for row in rows.values():
        assert row["verdict"] in {
            *("slower", "faster", "equivalent", "unresolved", "suspect", "n too small")
        }
        assert row["ratio"]["point"] > 0


OLD, NEW = "7.2", ("11.1", "10.0")
"""A release of a stable suite; the first that can be had of a suite that moves on, and a stable
one's. Under TCG kernel-switch is slower by a sixth from 7.2 to 11.1, less from 7.2 to 10.0."""
NIGHTS = 7
"""On either release: a level has three nights at least."""
SHORT = ("--preset", "quick", "-w", "kernel-switch")


@pytest.mark.long
def test_an_upgrade_that_shifts_a_series_is_confirmed_by_the_night_that_sees_it(
    baremark: Verb, inventory: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Nothing is stood in for: nights on the old release, nights on the new, and in the last of
    them the candidate, for which both releases are brought up and interleaved."""
    results = tmp_path_factory.mktemp("upgraded")
    where = ("-i", str(inventory))
    new = ""
    for releases, measured in (((OLD,), NIGHTS), (NEW, NIGHTS - 1)):
        for new in releases:
            _ask_for(inventory, new)
            if baremark("up", *where, "-t", "guest", status=None).returncode == 0:
                break
        for _ in range(measured):
            baremark("run", *where, "-t", "guest", *SHORT, "--results", str(results))
        baremark("down", *where)
    summary = results / "night.json"
    baremark(
        *("nightly", "-i", str(inventory), "-t", "guest", *SHORT, "--results", str(results)),
        *("--summary", str(summary)),
        status=None,
    )
    document: dict[str, Any] = json.loads(summary.read_text())
    assert document["absent"] == {}
    told = [each for each in document["shifts"] if each["changed"] and "release" in each["changed"]]
    if not told:
        pytest.skip(f"no series shifted here between QEMU {OLD} and {new}")
    (run,) = document["confirming"]
    compared = reader.read_run(results / "runs" / run)
    assert compared.manifest.releases == f"qemu={OLD},{new}"
    assert {record.target.name for record in compared.manifest.targets} == {
        *("native", *(f"guest-qemu-{release.replace('.', '-')}" for release in (OLD, new)))
    }
    for each in told:
        # A noisy machine may leave too few blocks; then the line says so and breaks nothing.
        assert each["status"] in {"confirmed", "refuted", "unconfirmed"}
        assert run in each["told"]
    slower = [each for each in told if each["status"] == "confirmed" and each["ratio"] > 1]
    assert (document["exit_code"] == 1) is bool(slower)


def _ask_for(inventory: Path, release: str) -> None:
    """Have the guest run on this release of QEMU."""
    document = yaml.safe_load(INVENTORY)
    document["kvm"]["hosts"]["guest"]["baremark_emulator_release"] = release
    inventory.write_text(yaml.safe_dump(document))
