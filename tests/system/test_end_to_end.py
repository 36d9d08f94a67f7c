"""The main job on real targets: native, a container and a guest, from nothing to a table and back.

The tests of this module tell one story in order; what one leaves up the next one uses.
"""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.ledger import folders, reader
from harness.model.target import BackendClass
from harness.model.trial import TrialStatus

from . import machine

ROOT = Path(__file__).parents[2]
BAREMARK = Path(sys.executable).with_name("baremark")
INVENTORY = ROOT / "inventories" / "localhost"
FEW = tuple(
    word
    for name in ("cpu-sysbench-1t", "disk-randread-4k-qd1", "kernel-syscall", "network-rr")
    for word in ("-w", name)
)

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        os.geteuid() != 0 and not os.environ.get("BAREMARK_TEST_SUDO"),
        reason="provisioning takes root: run as root, or set BAREMARK_TEST_SUDO=1 to let it sudo",
    ),
]

Verb = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Images are kept in the clone between two `make test`; all else is temporary."""
    return {
        **os.environ,
        "XDG_CACHE_HOME": str(ROOT / ".cache"),
        "XDG_STATE_HOME": str(tmp_path_factory.mktemp("state")),
    }


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def baremark(environment: dict[str, str]) -> Iterator[Verb]:
    """Run a verb; at the end of the module everything is down and the machine as it was."""
    before = machine.snapshot()

    def verb(
        *args: str, status: int | None = 0, limit_s: float = 900
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(BAREMARK), *args],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=limit_s,
        )
        assert status is None or done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    yield verb
    purge = [] if "/var/lib/baremark" in str(before["files"]) else ["--purge"]
    keep = {**environment, "XDG_CACHE_HOME": environment["XDG_STATE_HOME"]}
    done = subprocess.run(
        [str(BAREMARK), "down", *purge], cwd=ROOT, env=keep, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert machine.left_behind(before, machine.snapshot(), kept=not purge) == {}


def the_run(results: Path) -> Path:
    return folders.find(results / "runs", "latest")


def test_doctor_tells_of_every_target_and_changes_nothing(baremark: Verb) -> None:
    before = machine.snapshot()
    said = baremark("doctor").stdout
    for target in ("native (baremetal)", "container (docker)", "guest (kvm)"):
        assert f"{target}: usable" in said
    assert machine.left_behind(before, machine.snapshot()) == {}


def test_a_size_that_the_machine_does_not_have_is_told_by_the_doctor(
    baremark: Verb, tmp_path: Path
) -> None:
    (tmp_path / "hosts.yml").write_text(
        "all:\n  vars: {baremark_vcpus: 2, baremark_memory_mib: 90000000, baremark_disk_gib: 2}\n"
        "  children:\n    baremetal: {hosts: {native: {ansible_connection: local, "
        "ansible_python_interpreter: '{{ ansible_playbook_python }}'}}}\n"
        "    docker: {hosts: {container: {baremark_host: native}}}\n"
    )
    said = baremark("doctor", "-i", str(tmp_path), status=1).stdout
    assert "not usable" in said
    assert "90000000 MiB" in said


def test_a_machine_that_cannot_be_reached_is_told_by_the_doctor(
    baremark: Verb, tmp_path: Path
) -> None:
    (tmp_path / "hosts.yml").write_text(
        "all:\n  vars: {baremark_vcpus: 1, baremark_memory_mib: 512, baremark_disk_gib: 2}\n"
        "  children:\n    baremetal: {hosts: {far: {ansible_host: 127.0.0.1, ansible_port: 9}}}\n"
    )
    said = baremark("doctor", "-i", str(tmp_path), status=1).stdout
    assert "far (baremetal): not usable" in said
    assert "127.0.0.1" in said


def test_the_doctor_says_what_to_type_also_where_it_cannot_look(
    baremark: Verb, tmp_path: Path
) -> None:
    """A variable of the inventory that Ansible cannot make out stops the look at the target."""
    (tmp_path / "hosts.yml").write_text(
        "all:\n  vars: {baremark_vcpus: 1, baremark_memory_mib: 256, baremark_disk_gib: 2}\n"
        "  children:\n    baremetal: {hosts: {native: {ansible_connection: local, "
        "ansible_python_interpreter: '{{ ansible_playbook_python }}', "
        "baremark_ssh_port: '{{ nowhere_defined }}'}}}\n"
    )
    said = baremark("doctor", "-i", str(tmp_path), status=1).stdout
    assert "nowhere_defined" in said
    assert f"to do: see what Ansible finds there: ansible -i {tmp_path} --become" in said


def test_up_brings_up_native_container_and_guest(baremark: Verb) -> None:
    said = baremark("up").stderr
    for target in ("native", "container", "guest"):
        assert f"{target} is up at 198.18.0." in said


def test_up_can_be_said_again_and_changes_nothing(baremark: Verb) -> None:
    def ours() -> set[str]:
        return {
            process
            for process in machine.snapshot()["processes"]
            if "qemu" in process or process.endswith(" sshd")
        }

    before = ours()
    assert len(before) >= 2
    baremark("up")
    assert before <= ours()


def test_a_run_that_is_killed_in_the_middle_loses_at_most_one_trial(
    baremark: Verb, environment: dict[str, str], results: Path
) -> None:
    process = subprocess.Popen(
        [str(BAREMARK), "run", "--preset", "smoke", *FEW, "--results", str(results)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        time.sleep(0.2)
        lines = list((results / "runs").glob("*/ledger.jsonl"))
        if lines and lines[0].read_text().count('"record": "trial"') >= 5:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    run = reader.read_run(the_run(results))
    assert run.ended is None
    assert 5 <= len(run.trials) < sum(len(block.cells) for block in run.manifest.plan.blocks)


def test_resume_does_only_what_is_left(baremark: Verb, results: Path) -> None:
    folder = the_run(results)
    before = reader.read_run(folder)
    baremark("run", "--resume", folder.name, "--results", str(results))
    run = reader.read_run(folder)
    assert run.ended == "complete"
    assert run.trials[: len(before.trials)] == before.trials
    planned = [
        f"b{block.index:03d}-{position:03d}"
        for block in run.manifest.plan.blocks
        for position in range(len(block.cells))
    ]
    assert [trial.id for trial in run.trials] == planned


def test_a_complete_run_is_not_resumed(baremark: Verb, results: Path) -> None:
    done = baremark("run", "--resume", "latest", "--results", str(results), status=2)
    assert "is complete" in done.stderr


def test_every_trial_is_ok_and_traceable_to_its_raw_output(results: Path) -> None:
    folder = the_run(results)
    run = reader.read_run(folder)
    # A noisy machine may have a trial rejected; nothing may go wrong in any other way.
    ended = {TrialStatus.OK, TrialStatus.REJECTED}
    assert {trial.reason for trial in run.trials if trial.status not in ended} == set()
    assert {trial.target for trial in run.trials} == {"native", "container", "guest"}
    assert all(trial.span_s is not None and trial.cpu is not None for trial in run.trials)
    sizes = {record.target.size.vcpus for record in run.manifest.targets}
    assert {trial.cpu.cpus for trial in run.trials if trial.cpu} == sizes
    assert all(trial.apart is not None for trial in run.trials)
    loads = [trial.host_load for trial in run.trials if trial.host_load is not None]
    assert loads
    assert all(load.peer_s is not None for load in loads), "the peer's servers were not seen"
    for trial in run.trials:
        assert reader.read_raw(folder, trial)
        assert trial.guest_s is not None
        assert trial.controller_s is not None
        assert trial.guest_s < trial.controller_s


def test_the_manifest_says_what_each_target_really_is(results: Path) -> None:
    manifest = reader.read_manifest(the_run(results))
    seen = {record.target.name: record.fingerprint for record in manifest.targets}
    assert seen["native"].backend_class is BackendClass.NATIVE
    assert seen["container"].backend_class is BackendClass.OS
    assert seen["container"].kernel == seen["native"].kernel
    guest = seen["guest"]
    if guest.accelerator == "kvm":
        assert (guest.backend_class, guest.label) == (BackendClass.TYPE1, "kvm")
    else:
        assert (guest.backend_class, guest.label) == (BackendClass.EMULATED, "qemu-tcg")
    hypervisor = "hypervisor" in Path("/proc/cpuinfo").read_text()
    assert seen["native"].nested is hypervisor
    settings = {name: each.settings for name, each in seen.items()}
    assert settings["container"].cpu_limited is False
    assert settings["guest"].container == "none"
    assert settings["guest"].network == "bridge"
    assert all(each.offloads for each in settings.values())
    assert {each.route for each in settings.values()} == {"on-link"}
    # Huge pages change what memory costs: the guest's kernel is told the host's setting.
    assert settings["guest"].huge_pages == settings["native"].huge_pages
    versions = [tuple(sorted(record.programs.items())) for record in manifest.targets]
    assert len(set(versions)) == 1
    assert "sysbench 1.0" in dict(versions[0])["sysbench"]


def test_the_table_is_the_same_in_every_format(baremark: Verb, results: Path) -> None:
    where = ("--results", str(results))
    as_json: dict[str, Any] = json.loads(baremark("table", "-f", "json", *where).stdout)
    rows = list(csv.DictReader(io.StringIO(baremark("table", "-f", "csv", *where).stdout)))
    markdown = baremark("table", "-f", "markdown", *where).stdout
    terminal = baremark("table", *where).stdout
    assert as_json
    assert rows
    for text in (markdown, terminal):
        assert "emulated" in text or "kvm" in text
        assert "cpu-sysbench-1t" in text or "CPU, one thread" in text


def test_the_same_ledger_gives_the_same_table_to_the_byte(baremark: Verb, results: Path) -> None:
    where = ("--results", str(results))
    for form in ("json", "csv", "markdown"):
        first = baremark("table", "-f", form, *where).stdout
        assert baremark("table", "-f", form, *where).stdout == first


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
    assert [t.target for t in reader.read_run(the_run(tmp_path)).trials] == ["native"] * 4


def test_other_bytes_on_one_target_keep_it_out_of_the_run(
    baremark: Verb, environment: dict[str, str], results: Path, tmp_path: Path
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
    process = subprocess.Popen(
        [str(BAREMARK), "run", "--preset", "nightly", *where],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        time.sleep(0.2)
        files = list((tmp_path / "runs").glob("*/ledger.jsonl"))
        written = files[0].read_text() if files else ""
        trials = [json.loads(line) for line in written.splitlines() if '"record": "trial"' in line]
        if {"native", "guest"} <= {each["target"] for each in trials if not each["control"]}:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    run = reader.read_run(the_run(tmp_path))
    assert run.ended == "interrupted"
    assert {"native", "guest"} <= {trial.arm for trial in run.trials}
    assert "guest" in out.split()


def test_down_leaves_nothing_and_can_be_said_again(baremark: Verb) -> None:
    baremark("down")
    state = machine.snapshot()
    assert not {name for name in state["links"] if name.startswith("bm")}
    assert not {line for line in state["namespaces"] if line.startswith("bm")}
    assert not {line for line in state["processes"] if "/run/baremark" in line}
    assert not Path("/run/baremark").exists()
    assert not Path("/var/lib/baremark/targets").exists()
    baremark("down")


def test_down_removes_what_a_killed_up_left(baremark: Verb, environment: dict[str, str]) -> None:
    process = subprocess.Popen(
        [str(BAREMARK), "up"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not Path("/sys/class/net/bmk0").exists():
        time.sleep(0.1)
    time.sleep(2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    baremark("down")
    assert not [line for line in machine.snapshot()["processes"] if "ansible" in line]
    assert not Path("/sys/class/net/bmk0").exists()
    assert not Path("/run/baremark").exists()


def test_bench_does_it_all_and_writes_the_table(baremark: Verb, tmp_path: Path) -> None:
    before = machine.snapshot()
    some = ("-w", "cpu-sysbench-1t", "-t", "docker", "--results", str(tmp_path))
    done = baremark("bench", "--preset", "smoke", *some)
    run = the_run(tmp_path)
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


def _docker() -> list[str]:
    own = Path("/run/baremark/docker.sock")
    return ["docker", *(["--host", f"unix://{own}"] if own.exists() else [])]


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
