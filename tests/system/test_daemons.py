"""The daemons of real targets, asked through their libraries: by their own sockets, and over SSH as
another machine's are. What they say is what the programs of the command line say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness import backends, state
from harness.backends import _docker_api, _forward
from harness.backends._live import Change, Event, Usage, Watch
from harness.errors import HarnessError
from harness.model.target import Endpoint
from harness.remote import connect, keys
from harness.remote.session import Session
from tests import waiting

from . import sshd

ROOT = Path(__file__).parents[2]
BAREMARK = Path(sys.executable).with_name("baremark")
LIMIT_S = waiting.VERB_S

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="provisioning and the daemons take root"),
]

TARGETS = {
    "boxed": ("docker", {"baremark_storage": "volume"}),
    "guest": ("kvm", {"baremark_cpu_model": "Nehalem"}),
    "system": ("lxc", {}),
}


@dataclass(frozen=True, slots=True)
class Lab:
    """Targets that are up, and the session of the native one."""

    endpoints: dict[str, Endpoint]
    native: Session
    refused: str

    def of(self, name: str) -> Endpoint:
        if name not in self.endpoints:
            pytest.skip(f"{name} is not up here: {self.refused}")
        return self.endpoints[name]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("daemons")
    inventory = folder / "hosts.yml"
    here = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    }
    groups: dict[str, dict[str, object]] = {"baremetal": {"hosts": {"native": here}}}
    for name, (backend, variables) in TARGETS.items():
        groups[backend] = {"hosts": {name: {"baremark_host": "native", **variables}}}
    size = {"baremark_vcpus": 2, "baremark_memory_mib": 512, "baremark_disk_gib": 2}
    inventory.write_text(json.dumps({"all": {"vars": size, "children": groups}}))
    purge = [] if Path("/var/lib/baremark").exists() else ["--purge"]
    kept = str(ROOT / ".cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))

        def verb(word: str, *more: str, cache: str = kept) -> str:
            done = subprocess.run(
                [str(BAREMARK), word, "-i", str(inventory), *more],
                cwd=ROOT,
                env={**os.environ, "XDG_CACHE_HOME": cache},
                timeout=LIMIT_S,
                capture_output=True,
                text=True,
            )
            assert "Traceback" not in done.stderr
            return done.stdout + done.stderr

        try:
            said = verb("up")
            standing = state.read(state.state_folder(inventory), inventory)
            key = keys.load_key(state.state_folder(inventory) / state.KEY)
            endpoints = dict(standing.endpoints)
            with connect.connect("native", endpoints["native"], key) as native:
                yield Lab(endpoints, native, said)
        finally:
            verb("down", *purge, cache=str(folder / "state"))


WAYS = ("by its own socket", "over the session")


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How a daemon is reached. To the second one, no socket is of this machine."""
    if request.param == "over the session":
        monkeypatch.setattr(_forward, "is_here", lambda host, path: False)
    return str(request.param)


def printed(*command: str) -> str:
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=waiting.GUARD_S
    ).stdout


def docker_words(at: Endpoint) -> list[str]:
    return ["docker", "--host", f"unix://{at.facts['socket']}"]


def virsh_words(at: Endpoint) -> list[str]:
    return ["virsh", "--quiet", "--connect", at.facts["uri"]]


def lxc_words(program: str, at: Endpoint) -> list[str]:
    return [program, f"--lxcpath={at.facts['folder']}", f"--name={at.facts['container']}"]


def test_a_docker_daemon_says_what_its_command_line_says(lab: Lab, way: str) -> None:
    at = lab.of("boxed")
    docker = docker_words(at)

    def told(command: Sequence[str], template: str) -> str:
        return printed(*docker, *command, "--format", template).strip()

    container = ["inspect", at.facts["container"]]
    network = told(container, "{{.HostConfig.NetworkMode}}")
    mounts = "{{range .Mounts}}{{if eq .Destination %s}}{{.Type}}{{end}}{{end}}"
    runtime = printed(at.facts["runtime_program"], "--version").splitlines()[0]
    assert backends.load("docker").observe(lab.native, at) == {
        "running": told(container, "{{.State.Running}}"),
        "image": told(container, "{{.Image}}"),
        "cpus": told(container, "{{.HostConfig.CpusetCpus}}"),
        "memory_mib": "512",
        "privileged": told(container, "{{.HostConfig.Privileged}}"),
        "security_options": None,
        "seccomp": "default",
        "storage": told(container, mounts % json.dumps(at.work)),
        "cpu_quota": "none",
        "process": told(container, "{{.State.Pid}}"),
        "release": told(["info"], "{{.ServerVersion}}"),
        "accelerator": None,
        "runtime": told(container, "{{.HostConfig.Runtime}}"),
        "runtime_release": runtime,
        "storage_driver": told(["info"], "{{.Driver}}"),
        "cgroup_version": told(["info"], "{{.CgroupVersion}}"),
        "network_mode": "bridge",
        "network": told(["network", "inspect", network], "{{.Driver}}"),
        "network_name": network,
    }


def test_libvirt_says_what_its_command_line_says(lab: Lab, way: str) -> None:
    at = lab.of("guest")
    virsh, name = virsh_words(at), at.facts["domain"]
    domain = ElementTree.fromstring(printed(*virsh, "dumpxml", name))

    def attribute(path: str, key: str) -> str | None:
        found = domain.find(path)
        return None if found is None else found.get(key)

    said = printed(*virsh, "qemu-monitor-command", name, "--hmp", "info version").split()
    pins = [line.split()[1] for line in printed(*virsh, "vcpupin", name).splitlines() if line]
    block = printed(*virsh, "qemu-monitor-command", name, "--hmp", "info block")
    accelerator = printed(*virsh, "qemu-monitor-command", name, "--hmp", "info kvm")
    seen = backends.load("kvm").observe(lab.native, at)
    told = {
        "release": said[0].partition("Debian")[0].partition("(")[0],
        "accelerator": "kvm" if "enabled" in accelerator else "tcg",
        "domain_type": domain.get("type"),
        "machine": attribute("./os/type", "machine"),
        "cpu_mode": attribute("./cpu", "mode"),
        "cpu_model": domain.findtext("./cpu/model"),
        "cpu_type": "Nehalem",
        "host_model": None,
        "vcpus": printed(*virsh, "vcpucount", name, "--live", "--active").strip(),
        "memory_mib": "512",
        "cpus": ",".join(pins[-2:]),
        "thread_cpus": ",".join(pins[-2:]),
        "disk_format": "raw",
        "disk_preallocated": "yes",
        "disk_bus": attribute("./devices/disk/target", "bus"),
        "disk_controller": None,
        "disk_cache": "none",
        "disk_io": attribute("./devices/disk/driver", "io"),
        "network": attribute("./devices/interface", "type"),
        "nic_model": attribute("./devices/interface/model", "type"),
        "hugepages": "no",
        "emulator": domain.findtext("./devices/emulator"),
        "process": printed("pgrep", "-f", f"guest={name},").split()[0],
    }
    assert {key: seen[key] for key in told} == told
    assert set(seen) - set(told) == {"vhost", "emulator_cpus"}
    assert "Cache mode:       writeback, direct" in block  # the words for none


def test_a_socket_is_this_machines_only_where_it_is_the_same_file(lab: Lab, tmp_path: Path) -> None:
    at = lab.of("boxed")
    assert _forward.is_here(lab.native, at.facts["socket"])
    assert not _forward.is_here(lab.native, "/no/such/socket")


def test_a_daemon_behind_an_ssh_server_is_asked_through_it(
    lab: Lab, server: sshd.Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on another machine; the daemon's own socket stays unused."""
    at = lab.of("boxed")
    monkeypatch.setattr(_forward, "is_here", lambda host, path: False)
    with connect.connect("elsewhere", server.endpoint, server.key) as elsewhere:
        over = backends.load("docker").observe(elsewhere, at)
        assert over == backends.load("docker").observe(lab.native, at)
        logins = (server.folder / "log").read_text().count("Accepted publickey")
        with _docker_api.daemon(elsewhere, at.facts["socket"]) as daemon:
            assert daemon.info()["ServerVersion"] == over["release"]
        assert (server.folder / "log").read_text().count("Accepted publickey") == logins


def test_a_daemon_that_is_not_there_is_told_with_the_words_of_what_asked_it(
    server: sshd.Sshd,
) -> None:
    with connect.connect("elsewhere", server.endpoint, server.key) as elsewhere:
        with (
            pytest.raises(HarnessError, match=r"elsewhere: the Docker daemon at /no/socket: .*\("),
            _docker_api.daemon(elsewhere, "/no/socket"),
        ):
            pass
        facts = {"uri": "qemu:///system?socket=/no/socket", "domain": "none"}
        nowhere = Endpoint("", 0, "", "", "", "", facts)
        words = r"the libvirt at /no/socket: .*\(/no/socket: No such file"
        with pytest.raises(HarnessError, match=words):
            backends.load("kvm").observe(elsewhere, nowhere)


def test_a_target_that_the_daemon_does_not_know_is_told(lab: Lab, way: str) -> None:
    at, guest = lab.of("boxed"), lab.of("guest")
    stranger = Endpoint("", 0, "", "", "", "", {**at.facts, "container": "nobody"})
    with pytest.raises(HarnessError, match="No such container: nobody"):
        backends.load("docker").observe(lab.native, stranger)
    stranger = Endpoint("", 0, "", "", "", "", {**guest.facts, "domain": "nobody"})
    with pytest.raises(HarnessError, match="nobody"):
        backends.load("kvm").observe(lab.native, stranger)


def watched(lab: Lab, name: str, *commands: Sequence[str]) -> tuple[list[Event], float, float]:
    """One event for each command, waited for however long the machine takes, and the clock before
    the first command and after the last."""
    backend = backends.live(TARGETS[name][0])
    assert backend is not None
    with backend.watch(lab.native, lab.of(name)) as events:
        before = time.time()
        for command in commands:
            printed(*command)
        after = time.time()
        found = [event for _ in commands if (event := events.next(waiting.GUARD_S)) is not None]
        return found, before, after


PAUSES: dict[str, Callable[[Endpoint], tuple[list[str], list[str]]]] = {
    "boxed": lambda at: (
        [*docker_words(at), "pause", at.facts["container"]],
        [*docker_words(at), "unpause", at.facts["container"]],
    ),
    "guest": lambda at: (
        [*virsh_words(at), "suspend", at.facts["domain"]],
        [*virsh_words(at), "resume", at.facts["domain"]],
    ),
    "system": lambda at: (lxc_words("lxc-freeze", at), lxc_words("lxc-unfreeze", at)),
}


@pytest.mark.parametrize("name", PAUSES)
def test_a_pause_is_told_as_it_comes_with_the_hosts_time(lab: Lab, way: str, name: str) -> None:
    events, before, after = watched(lab, name, *PAUSES[name](lab.of(name)))
    assert [event.change for event in events] == [Change.PAUSED, Change.RESUMED]
    stamps = [event.at_s for event in events if event.at_s is not None]
    assert before <= stamps[0] <= stamps[1]
    # LXC's events are stamped where they are read, which may be after its program has ended.
    assert stamps[1] <= (after if name != "system" else time.time())
    assert all(event.arrived_s >= stamp for event, stamp in zip(events, stamps, strict=True))


def test_the_stamps_of_a_docker_daemon_are_those_of_its_command_line(lab: Lab) -> None:
    at = lab.of("boxed")
    events, before, _ = watched(lab, "boxed", *PAUSES["boxed"](at))
    since, until = f"{before - 1:.0f}", f"{time.time() + 1:.0f}"
    told = printed(
        *(*docker_words(at), "events", "--since", since, "--until", until),
        *("--filter", f"container={at.facts['container']}", "--format", "{{json .}}"),
    )
    said = [json.loads(line) for line in told.splitlines()]
    stamps = [each["timeNano"] / 1e9 for each in said if each["timeNano"] / 1e9 >= before]
    assert stamps == [event.at_s for event in events]


def test_a_guest_that_is_made_again_is_told_from_its_first_instruction_to_its_end(
    lab: Lab, way: str
) -> None:
    at = lab.of("guest")
    virsh, name = virsh_words(at), at.facts["domain"]
    description = printed(*virsh, "dumpxml", name)
    again = Path(f"/run/baremark/{name}-again.xml")
    again.write_text(description)
    backend = backends.live("kvm")
    assert backend is not None
    try:
        with backend.watch(lab.native, at) as events:
            printed(*virsh, "destroy", name)
            assert until(events, Change.STOPPED).word == "STOPPED"
            before = time.time()
            printed(*virsh, "create", str(again))
            resumed = until(events, Change.RESUMED)
            assert resumed.at_s is not None
            assert before <= resumed.at_s <= time.time()
            assert until(events, Change.STARTED).at_s is None
    finally:
        again.unlink()


def until(events: Watch, change: Change) -> Event:
    """The next event of a kind, waited for; libvirt may tell of others before it."""
    while (event := events.next(waiting.GUARD_S)) is not None:
        if event.change is change:
            return event
    raise AssertionError(f"{change} did not come")


def test_a_watch_that_loses_its_host_says_so(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    at = lab.of("boxed")
    monkeypatch.setattr(_forward, "is_here", lambda host, path: False)
    backend = backends.live("docker")
    assert backend is not None
    key = keys.load_key(next(Path(os.environ["XDG_STATE_HOME"]).glob("baremark/*/id_ed25519")))
    with (
        connect.connect("native", lab.of("native"), key) as lost,
        backend.watch(lost, at) as events,
    ):
        lost.close()
        with pytest.raises(HarnessError, match="it tells of no more events"):
            events.next(waiting.GUARD_S)


def counted(process: str) -> dict[str, float]:
    """What the kernel shows of a container by the number of a process in it, without its daemon."""
    inside = Path("/proc", process)
    card = next(
        line.split(":")[1].split()
        for line in (inside / "net/dev").read_text().splitlines()
        if line.strip().startswith("eth0:")
    )
    paths = {
        controller: path
        for _, controllers, path in (
            line.split(":", 2) for line in (inside / "cgroup").read_text().splitlines()
        )
        for controller in controllers.split(",")
    }
    version1 = Path("/sys/fs/cgroup/cpuacct" + paths.get("cpuacct", ""))
    if "cpuacct" in paths:
        cpu_s = int((version1 / "cpuacct.usage").read_text()) / 1e9
    else:
        stat = Path("/sys/fs/cgroup" + paths[""], "cpu.stat").read_text()
        cpu_s = int(stat.split()[1]) / 1e6
    return {
        "cpu_s": cpu_s,
        "net_received_bytes": int(card[0]),
        "net_received_packets": int(card[1]),
        "net_sent_bytes": int(card[8]),
        "net_sent_packets": int(card[9]),
    }


def domstats(at: Endpoint) -> dict[str, float]:
    """What `virsh domstats` prints of the guest."""
    text = printed(*virsh_words(at), "domstats", at.facts["domain"])
    said = dict(line.strip().split("=", 1) for line in text.splitlines() if "=" in line)
    names = {
        "cpu_user_s": "cpu.user",
        "cpu_system_s": "cpu.system",
        "block_reads": "block.0.rd.reqs",
        "block_writes": "block.0.wr.reqs",
        "block_read_bytes": "block.0.rd.bytes",
        "block_written_bytes": "block.0.wr.bytes",
        "net_received_bytes": "net.0.rx.bytes",
        "net_received_packets": "net.0.rx.pkts",
        "net_sent_bytes": "net.0.tx.bytes",
        "net_sent_packets": "net.0.tx.pkts",
    }
    return {
        ours: int(said[theirs]) / (1e9 if ours.endswith("_s") else 1)
        for ours, theirs in names.items()
    }


def metered(lab: Lab, name: str, counts: Callable[[], dict[str, float]]) -> Usage:
    """Usage that lies, number for number, between what was counted before and after it."""
    backend = backends.live(TARGETS[name][0])
    assert backend is not None
    before = counts()
    used = backend.meter(lab.native, lab.of(name))
    after = counts()
    for field in before:
        assert before[field] <= getattr(used, field) <= after[field], field
    return used


def test_a_container_of_docker_is_metered_as_the_kernel_counts(lab: Lab, way: str) -> None:
    at = lab.of("boxed")
    docker, name = docker_words(at), at.facts["container"]
    written = (
        f"dd if=/dev/zero of={at.work}/written bs=1M count=4 oflag=direct; rm {at.work}/written"
    )
    printed(*docker, "exec", name, "sh", "-c", written)
    process = printed(*docker, "inspect", "--format", "{{.State.Pid}}", name).strip()
    began = time.time()
    used = metered(lab, "boxed", lambda: counted(process))
    assert used.at_s is not None
    assert began <= used.at_s <= used.arrived_s
    assert used.cpu_s is not None
    assert used.cpu_s > 0
    assert used.memory_bytes is not None
    assert 0 < used.memory_bytes <= 512 << 20
    # What was written around every cache is counted where the kernel counts for the group at all.
    assert used.block_written_bytes is None or used.block_written_bytes >= 4 << 20


def test_a_guest_is_metered_as_libvirts_command_line_says(lab: Lab, way: str) -> None:
    at = lab.of("guest")
    used = metered(lab, "guest", lambda: domstats(at))
    assert used.memory_bytes is not None
    assert used.memory_bytes > 1 << 20
    assert used.at_s is None


def test_a_container_of_lxc_is_metered_as_the_kernel_counts(lab: Lab) -> None:
    at = lab.of("system")
    process = printed(*lxc_words("lxc-info", at), "--no-humanize", "--pid").strip()
    # systemd has put that process into a group of its own below the container's.
    used = metered(
        lab, "system", lambda: {k: v for k, v in counted(process).items() if k != "cpu_s"}
    )
    assert used.cpu_s is not None
    assert used.cpu_s > 0
    assert used.memory_bytes is not None
    assert 0 < used.memory_bytes <= 512 << 20


def test_a_container_that_does_not_run_has_no_figures(lab: Lab, way: str) -> None:
    at = lab.of("boxed")
    docker = docker_words(at)
    image = printed(*docker, "inspect", "--format", "{{.Image}}", at.facts["container"]).strip()
    name = "baremark-idle"
    printed(*docker, "create", "--label=baremark=target", "--name", name, image, "true")
    try:
        idle = Endpoint("", 0, "", "", "", "", {**at.facts, "container": name})
        backend = backends.live("docker")
        assert backend is not None
        with pytest.raises(HarnessError, match="baremark-idle does not run"):
            backend.meter(lab.native, idle)
    finally:
        printed(*docker, "rm", "--force", name)
    system = lab.of("system")
    nobody = Endpoint("", 0, "", "", "", "", {**system.facts, "container": "nobody"})
    backend = backends.live("lxc")
    assert backend is not None
    with pytest.raises(HarnessError, match="LXC has no nobody that runs"):
        backend.meter(lab.native, nobody)
