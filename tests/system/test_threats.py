"""The threats to a figure, made real: each is found by its check, and only where it is.

Real programs of the real bundle, over a real sshd on loopback.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harness import validity
from harness.backends import docker, kvm
from harness.bundle.archive import Bundle
from harness.errors import HarnessError
from harness.execute.loop import Loop
from harness.execute.runner import Runner
from harness.fingerprint import observe
from harness.inventory.network import PEER_ADDRESS
from harness.ledger import reader, writer
from harness.ledger.writer import Ledger
from harness.model.fingerprint import Settings
from harness.model.run import Manifest, Run
from harness.model.target import Host, Size, Target
from harness.model.trial import TrialStatus
from harness.model.workload import Metric, Resource, Step, Workload
from harness.plan.plan import make, preset
from harness.remote import connect
from harness.validity import Finding
from tests import waiting

from . import ready, sshd

pytestmark = pytest.mark.system

NATIVE = Target("native", "baremetal", "native", Size(1, 256, 2, (0,)), "127.0.0.1")
OTHER = Target("other", "docker", "native", Size(1, 256, 2, (0,)), "127.0.0.1")
CPU = Workload(
    "cpu",
    "cpu",
    1,
    Resource.CPU,
    "sysbench",
    ("cpu", "--threads=1", "--time={seconds}", "run"),
    (Metric("events_per_s", "1/s", "higher"),),
)


@contextmanager
def runners_on(
    server: sshd.Sshd, packed: Bundle, works: dict[Target, str] | None = None
) -> Iterator[dict[str, Runner]]:
    """A runner for each target, all on one server, each with a folder of its own for its files."""
    with ExitStack() as sessions:
        made = {}
        for target, work in (works or {NATIVE: server.endpoint.work}).items():
            runner = ready.runner(server, packed, target)
            runner.endpoint = replace(runner.endpoint, work=work)
            sessions.callback(runner.close)
            made[target.name] = runner
        yield made


def measured(
    folder: Path,
    runners: dict[str, Runner],
    *workloads: Workload,
    blocks: int = 1,
    seconds: float = 2.0,
    idle_wait_s: float = 0.0,
    peers: Sequence[str] = (),
) -> Run:
    """The run, as read back from its ledger."""
    targets = tuple(runner.target for runner in runners.values())
    host = Host("native", targets, True, "127.0.0.1")
    plan = make(host, workloads, preset("smoke"), 1, blocks=blocks)
    plan = replace(plan, seconds={workload.name: seconds for workload in workloads})
    records = []
    for runner in runners.values():
        seen = observe.observe(
            NATIVE, runner.session, runner.session, runner.endpoint, None, host.peer
        )
        records.append(
            replace(
                runner.record,
                fingerprint=replace(seen, vcpus=1, inside={}, settings=Settings()),
            )
        )
    manifest = Manifest(
        schema=writer.SCHEMA,
        run="run",
        created_at="2026-01-01T00:00:00+00:00",
        baremark="0",
        scenario="overhead",
        host="native",
        preset="smoke",
        seed=1,
        plan=plan,
        planned_s=1.0,
        bundle="0" * 64,
        targets=tuple(records),
        missing=(),
        workloads=workloads,
    )
    with Ledger.create(folder, manifest) as record:
        Loop(plan, workloads, runners, record, idle_wait_s=idle_wait_s, peers=peers).run()
        return reader.read_run(record.folder)


def found(run: Run, check: str) -> list[Finding]:
    return [each for each in validity.judge(run)[1] if each.check == check]


@contextmanager
def busy(processes: int, cpu: int | None = None) -> Iterator[list[str]]:
    """Other work on this machine, by real processes; all on one CPU where that is given."""
    started = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)
    ]
    for process in started:
        if cpu is not None:
            os.sched_setaffinity(process.pid, {cpu})
    try:
        yield [str(process.pid) for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()


@pytest.fixture
def runners(own_server: sshd.Sshd, packed: Bundle) -> Iterator[dict[str, Runner]]:
    with runners_on(own_server, packed) as made:
        yield made


def test_work_from_outside_has_a_trial_rejected_as_it_ends(
    runners: dict[str, Runner], tmp_path: Path
) -> None:
    with busy(1):
        run = measured(tmp_path / "runs", runners, CPU)
    for trial in run.trials:
        assert trial.status is TrialStatus.REJECTED
        assert trial.reason is not None
        assert "other work took" in trial.reason
    assert [each.outcome for each in found(run, "foreign_load")] == ["rejected", "rejected"]


def test_a_share_is_of_the_cpus_that_the_program_may_run_on(
    own_server: sshd.Sshd, packed: Bundle, tmp_path: Path
) -> None:
    """Work on other CPUs is not seen at all; work on the program's own counts against it alone."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("there is but one CPU here")
    os.sched_setaffinity(own_server.process.pid, {0})
    with runners_on(own_server, packed) as runners:
        with busy(1, cpu=1):
            apart = measured(tmp_path / "apart", runners, CPU)
        with busy(1, cpu=0):
            together = measured(tmp_path / "together", runners, CPU)
    for trial in (*apart.trials, *together.trials):
        assert trial.cpu is not None
        assert trial.guest_s is not None
        assert trial.cpu.cpus == 1
        # Summed over both CPUs it would be twice the time; a busy machine adds some.
        assert trial.cpu.total_s < 1.5 * trial.guest_s
    assert {trial.status for trial in together.trials} == {TrialStatus.REJECTED}
    for finding in found(together, "foreign_load"):
        # The other process had half of the one CPU, or more where others were there too.
        assert float(finding.figures["share"] or 0) > 0.25


def test_the_work_of_the_peer_is_read(
    own_server: sshd.Sshd, packed: Bundle, tmp_path: Path
) -> None:
    """By a process that works all the time in the place of the peer's server."""
    with busy(1) as peer, runners_on(own_server, packed) as runners:
        run = measured(tmp_path / "runs", runners, CPU, peers=peer)
    for trial in run.trials:
        assert trial.host_load is not None
        assert trial.host_load.peer_s is not None
        assert trial.host_load.peer_s > 0
        assert trial.host_load.pressure_s is not None or not Path("/proc/pressure/cpu").exists()


def test_other_work_beside_a_disk_workload_is_told_and_rejects_nothing(
    own_server: sshd.Sshd, packed: Bundle, tmp_path: Path
) -> None:
    os.sched_setaffinity(own_server.process.pid, {0})
    read = disk("read", "--rw=randread", "--bs=64k", "--direct=0")
    with runners_on(own_server, packed) as runners, busy(1, cpu=0):
        run = measured(tmp_path / "runs", runners, read)
    assert not [t for t in run.trials if "other work" in (t.reason or "")]
    told = found(run, "foreign_load")
    assert {each.trial for each in told} == {trial.id for trial in run.trials}
    assert {each.outcome for each in told} == {"flagged"}


def test_a_host_that_is_busy_before_a_block_is_waited_for_and_told(
    runners: dict[str, Runner], tmp_path: Path
) -> None:
    with busy(os.cpu_count() or 1):
        run = measured(tmp_path / "runs", runners, CPU, seconds=1.0, idle_wait_s=2.0)
    (probe,) = run.probes
    assert probe.waited_s >= 2.0
    assert len(found(run, "busy_host")) == 1
    assert probe.busy > 0.05


def test_a_host_that_falls_idle_is_waited_for_no_longer(
    runners: dict[str, Runner], tmp_path: Path
) -> None:
    with ExitStack() as work:
        work.enter_context(busy(os.cpu_count() or 1))
        rest = work.pop_all()

        def fall_idle() -> None:
            waiting.until(lambda: list(tmp_path.glob("runs/*/ledger.jsonl")), "the run")
            time.sleep(3.0)
            rest.close()

        thread = threading.Thread(target=fall_idle)
        thread.start()
        run = measured(tmp_path / "runs", runners, CPU, seconds=1.0, idle_wait_s=60.0)
        thread.join()
    (probe,) = run.probes
    assert probe.waited_s > 0
    if probe.waited_s >= 60.0:
        pytest.skip("this machine does not fall idle: others work on it")


def test_a_clock_that_is_really_slowed_has_a_trial_rejected(tmp_path: Path, packed: Bundle) -> None:
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        pytest.skip("no libfaketime: apt-get install libfaketime")
    offset = tmp_path / "offset"
    offset.write_text("+0\n")
    stop = threading.Event()

    def slow() -> None:
        """Ten percent behind, more so every moment."""
        begin = time.monotonic()
        while not stop.wait(0.02):
            aside = offset.with_suffix(".new")
            aside.write_text(f"-{0.1 * (time.monotonic() - begin):.3f}\n")
            aside.replace(offset)

    environment = f"LD_PRELOAD={library} FAKETIME_TIMESTAMP_FILE={offset} FAKETIME_NO_CACHE=1"
    with (
        sshd.running(tmp_path / "sshd", environment=environment) as server,
        runners_on(server, packed) as runners,
    ):
        said = runners["native"].session.check(
            [f"{runners['native'].bundle}/run", "date"], limit_s=waiting.GUARD_S
        )
        assert said, "the bundle's date does not start under libfaketime"
        thread = threading.Thread(target=slow)
        thread.start()
        try:
            run = measured(tmp_path / "runs", runners, CPU, seconds=4.0)
        finally:
            stop.set()
            thread.join()
    for trial in run.trials:
        assert trial.status is TrialStatus.REJECTED
        assert trial.reason is not None
        assert "its clock says" in trial.reason
    assert {each.outcome for each in found(run, "clock")} == {"rejected"}


def disk(name: str, *args: str) -> Workload:
    lay_out = ("--name=lay-out", "--filename=disk.dat", "--size=32m", "--rw=write", "--bs=1m")
    step = Step("disk.dat", "fio", (*lay_out, "--end_fsync=1", "--output-format=json"))
    common = ("--filename=disk.dat", "--size=32m", "--ioengine=psync", "--time_based")
    return Workload(
        name,
        name,
        1,
        Resource.DISK,
        "fio",
        (f"--name={name}", *common, "--runtime={seconds}", "--output-format=json", *args),
        (Metric("read_iops", "1/s", "higher"),),
        (step,),
    )


def test_a_page_cache_posing_as_a_disk_is_found_and_direct_reading_is_not(
    runners: dict[str, Runner], tmp_path: Path
) -> None:
    direct = disk("direct", "--rw=randread", "--bs=64k", "--direct=1")
    cached = disk("cached", "--rw=randread", "--bs=64k", "--direct=0", "--invalidate=0")
    run = measured(tmp_path / "runs", runners, direct, cached)
    by_name = {trial.workload: trial for trial in run.trials}
    if by_name["direct"].status is not TrialStatus.OK:
        pytest.skip(f"the temporary folder takes no direct I/O: {by_name['direct'].reason}")
    load = by_name["direct"].host_load
    if load is None or not load.read_bytes:
        pytest.skip("no block device of this machine shows what the temporary folder reads")
    (finding,) = found(run, "page_cache")
    assert (finding.workload, finding.suspect) == ("cached", True)
    assert finding.text.startswith("cached: ")


def test_a_flush_that_reaches_no_device_is_found(
    own_server: sshd.Sshd, packed: Bundle, tmp_path: Path
) -> None:
    sync = replace(
        disk("sync", "--rw=randwrite", "--bs=4k", "--direct=0", "--fdatasync=1"),
        metrics=(Metric("sync_lat_mean_us", "µs", "lower"),),
    )
    if not Path("/dev/shm").is_dir():
        pytest.skip("there is no /dev/shm: nothing here ignores a flush")
    memory = Path(tempfile.mkdtemp(prefix="baremark-", dir="/dev/shm"))
    try:
        works = {NATIVE: own_server.endpoint.work, OTHER: str(memory)}
        with runners_on(own_server, packed, works) as two:
            run = measured(tmp_path / "runs", two, sync, blocks=6, seconds=1.0)
    finally:
        shutil.rmtree(memory)
    lost = {trial.reason for trial in run.trials if trial.status is TrialStatus.REJECTED}
    findings = found(run, "flush")
    if lost and not findings:
        pytest.skip(f"this machine is not calm enough: {'; '.join(map(str, lost))}")
    (finding,) = findings
    assert (finding.target, finding.suspect) == ("other", True)
    assert "nothing shows that data reached the device" in finding.text


def test_a_target_with_fewer_cpus_than_declared_is_refused(
    own_server: sshd.Sshd, tmp_path: Path
) -> None:
    two = replace(NATIVE, size=Size(2, 256, 2, (0, 1)))
    os.sched_setaffinity(own_server.process.pid, {0})
    with connect.connect("native", own_server.endpoint, own_server.key) as opened:
        seen = observe.observe(two, opened, opened, own_server.endpoint, None, PEER_ADDRESS)
    assert seen.vcpus == 1
    with pytest.raises(HarnessError, match="it has 1 vCPUs, declared are 2"):
        observe.refuse_if_false(two, own_server.endpoint, seen)
    observe.refuse_if_false(two, own_server.endpoint, seen, ["size"])


def test_a_target_that_says_it_is_something_else_is_refused(server: sshd.Sshd) -> None:
    """A container that is declared as a guest, or a machine that is declared as a container."""
    with connect.connect("native", server.endpoint, server.key) as opened:
        seen = observe.observe(NATIVE, opened, opened, server.endpoint, None, PEER_ADDRESS)
    if seen.inside.get("container") == "none":
        daemon = {"running": "true", "cpus": "0", "memory_mib": "256"}
        (lie,) = docker.contradictions(OTHER, server.endpoint, seen.inside, daemon)
        assert "from inside it is no Docker container" in lie
    else:
        at = replace(server.endpoint, facts={"accelerator": "tcg"})
        libvirt = {"accelerator": "tcg", "domain_type": "qemu", "cpus": "0", "memory_mib": "256"}
        (lie,) = kvm.contradictions(OTHER, at, seen.inside, libvirt)
        assert "from inside it is a container" in lie


@contextmanager
def quota(process: int, share: float) -> Iterator[None]:
    """A control group with a CPU quota, with a process and what it starts in it."""
    old = Path("/sys/fs/cgroup/cpu")
    unified = Path("/sys/fs/cgroup/cgroup.controllers")
    group = (old if old.is_dir() else unified.parent) / f"baremark-test-{process}"
    period = 100_000
    try:
        group.mkdir()
        if old.is_dir():
            (group / "cpu.cfs_period_us").write_text(str(period))
            (group / "cpu.cfs_quota_us").write_text(str(int(share * period)))
        else:
            (group / "cpu.max").write_text(f"{int(share * period)} {period}")
        (group / "cgroup.procs").write_text(str(process))
    except OSError as error:
        with contextlib.suppress(OSError):
            group.rmdir()
        pytest.skip(f"no control group with a CPU quota can be made here: {error}")
    try:
        yield
    finally:
        for one in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (group.parent / "cgroup.procs").write_text(one)
        group.rmdir()


def test_a_cpu_quota_that_stops_the_program_is_told(
    own_server: sshd.Sshd, packed: Bundle, tmp_path: Path
) -> None:
    with quota(own_server.process.pid, 0.2), runners_on(own_server, packed) as runners:
        run = measured(tmp_path / "runs", runners, CPU)
    told = found(run, "throttling")
    if len(told) < len(run.trials) and os.getloadavg()[0] > 2 * (os.cpu_count() or 1):
        pytest.skip("others leave the program less than its quota on this machine")
    assert len(told) == len(run.trials)
    for finding in told:
        assert finding.outcome == "flagged"
        periods = finding.figures["throttled_periods"]
        assert isinstance(periods, float)
        assert periods > 0


def test_a_calm_machine_has_nothing_against_it(runners: dict[str, Runner], tmp_path: Path) -> None:
    run = measured(tmp_path / "runs", runners, CPU, blocks=2)
    (first, *_) = run.trials
    assert first.cpu is not None
    assert first.host_load is not None
    if any(trial.status is TrialStatus.REJECTED for trial in run.trials):
        pytest.skip("this machine is not calm: " + str(run.trials))
    quiet = {"clock", "page_cache", "throttling", "size", "flush", "frequency"}
    assert [each for each in validity.judge(run)[1] if each.check in quiet] == []
