"""A peer that is a machine of its own, over a network card that leads to nothing else.

The second machine is a box of namespaces: network, mounts and processes of its own, an sshd in it
that Ansible reaches over one virtual wire, and a second wire that is the bench network's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.ledger import folders, reader
from harness.model.trial import TrialStatus
from harness.remote import keys
from tests import waiting

from . import machine, sshd

ROOT = Path(__file__).parents[2]
BAREMARK = Path(sys.executable).with_name("baremark")

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and provisioning take root"),
]

HERE, THERE = "198.51.100.1", "198.51.100.2"
"""RFC 5737 sets 198.51.100.0/24 aside for examples."""
CONTROL, BENCH = "peertest0", "peertest1"
"""The wires, by their names here; in the box they are called the same."""
NAMESPACE = "peertest"
STORE = Path("/var/lib/baremark")

INVENTORY = """\
all:
  vars: {{baremark_vcpus: 1, baremark_memory_mib: 256, baremark_disk_gib: 2}}
baremetal:
  hosts:
    native:
      ansible_connection: local
      ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"
      baremark_peer: far
      baremark_bench_nic: {bench}
peer:
  hosts:
    far:
      ansible_host: {address}
      ansible_user: root
      ansible_python_interpreter: /usr/bin/python3
      ansible_ssh_private_key_file: {key}
      ansible_ssh_common_args: -o UserKnownHostsFile={known} -o StrictHostKeyChecking=yes
      baremark_bench_nic: {bench}
"""

ALONE = """\
all:
  vars: {baremark_vcpus: 1, baremark_memory_mib: 256, baremark_disk_gib: 2}
baremetal:
  hosts:
    native:
      ansible_connection: local
      ansible_python_interpreter: "{{ ansible_playbook_python }}"
"""
"""This machine without the box."""

BOX = """\
set -e
ip link set lo up
for folder in /run /tmp /var/lib/baremark; do
    mkdir -p "$folder"
    mount -t tmpfs -o mode=0755 none "$folder"
done
mkdir -p /run/sshd
exec {sshd} -D -e -f {config}
"""
"""Folders of its own where two machines would have two: what Baremark writes on each."""


@dataclass(frozen=True)
class Box:
    inventory: Path
    inside: tuple[str, ...]
    """Begins a command that runs in the box."""

    def run(self, *command: str) -> str:
        done = subprocess.run([*self.inside, *command], capture_output=True, text=True, check=True)
        return done.stdout


def ip(*args: str) -> None:
    subprocess.run(["ip", *args], check=True)


@contextmanager
def wires() -> Iterator[None]:
    """Two virtual wires from here into a network namespace of the box."""
    folder = Path("/run/netns")
    made = not folder.exists()
    ip("netns", "add", NAMESPACE)
    try:
        for name in (CONTROL, BENCH):
            ip("link", "add", name, "type", "veth", "peer", "name", name, "netns", NAMESPACE)
        ip("address", "add", f"{HERE}/30", "dev", CONTROL)
        ip("link", "set", CONTROL, "up")
        ip("-netns", NAMESPACE, "address", "add", f"{THERE}/30", "dev", CONTROL)
        ip("-netns", NAMESPACE, "link", "set", CONTROL, "up")
        yield
    finally:
        for name in (CONTROL, BENCH):
            subprocess.run(["ip", "link", "delete", name], check=False)
        ip("netns", "delete", NAMESPACE)
        if made:
            subprocess.run(["umount", str(folder)], check=False)
            with suppress(OSError):
                folder.rmdir()


@contextmanager
def server(folder: Path) -> Iterator[Box]:
    """The box's sshd, which is the first process of the box and ends all others with it."""
    client = keys.make_key(folder / "client")
    host = keys.make_key(folder / "host")
    (folder / "authorized").write_text(client + "\n")
    (folder / "known").write_text(f"{THERE} {host}\n")
    (folder / "config").write_text(
        f"ListenAddress {THERE}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        "PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n"
        "PermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n"
    )
    (folder / "hosts.yml").write_text(
        INVENTORY.format(bench=BENCH, address=THERE, key=folder / "client", known=folder / "known")
    )
    program = sshd.program()
    assert program is not None
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *("ip", "netns", "exec", NAMESPACE),
                *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
                *("sh", "-c", BOX.format(sshd=program, config=folder / "config")),
            ],
            stderr=log,
        )
    try:

        def listens() -> bool:
            assert process.poll() is None, (folder / "log").read_text()
            return b"Server listening" in (folder / "log").read_bytes()

        waiting.until(listens, "sshd", (folder / "log").read_text)
        first = str(sshd.descendants(process.pid)[0])
        yield Box(folder / "hosts.yml", ("nsenter", "--target", first, "--net", "--mount"))
    finally:
        sshd.end([*sshd.descendants(process.pid), process.pid])
        process.wait()


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    for program in ("ip", "unshare", "nsenter"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}")
    if sshd.program() is None:
        pytest.skip("there is no sshd: apt-get install openssh-server")
    # Not in /tmp, nor in a clone that lies there: the box has one of its own.
    within = Path("/var/tmp") if ROOT.is_relative_to("/tmp") else ROOT / ".cache"
    folder = within / f"baremark-peer-{os.getpid()}"
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        if not STORE.exists():  # the box covers it with one of its own, so it must be there
            stack.callback(STORE.rmdir)
        stack.enter_context(wires())
        yield stack.enter_context(server(folder))


Verb = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def baremark(box: Box, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verb]:
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(ROOT / ".cache"),
        "XDG_STATE_HOME": str(tmp_path_factory.mktemp("state")),
    }
    fresh = not STORE.exists() or not any(STORE.iterdir())
    before = machine.snapshot()

    def verb(name: str, *args: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(BAREMARK), name, "-i", str(box.inventory), *args],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=waiting.VERB_S,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    yield verb
    verb("down")
    if fresh:  # of this machine alone: in the box it is a mount
        alone = tmp_path_factory.mktemp("alone") / "hosts.yml"
        alone.write_text(ALONE)
        keep = {**environment, "XDG_CACHE_HOME": environment["XDG_STATE_HOME"]}
        purge = [str(BAREMARK), "down", "-i", str(alone), "--purge"]
        subprocess.run(purge, cwd=ROOT, env=keep, check=True, timeout=waiting.VERB_S)
        STORE.mkdir(exist_ok=True)
    assert machine.left_behind(before, machine.snapshot(), kept=True) == {}


def test_the_doctor_looks_at_the_peer_too(baremark: Verb, box: Box) -> None:
    assert "native (baremetal): usable" in baremark("doctor").stdout
    text = box.inventory.read_text()
    wrong = text[: text.rindex(BENCH)] + "nothing0\n"
    box.inventory.write_text(wrong)
    try:
        said = " ".join(baremark("doctor", status=1).stdout.split())
    finally:
        box.inventory.write_text(text)
    assert "its peer far: far has no network card nothing0" in said
    assert f"to do: choose baremark_bench_nic of far from: {CONTROL}, {BENCH}" in said


def test_a_peer_of_its_own_is_brought_up_and_up_can_be_said_again(baremark: Verb, box: Box) -> None:
    for _ in range(2):
        assert "native is up" in baremark("up").stderr
        assert "198.18.0.2/24" in box.run("ip", "-br", "address", "show", BENCH)
    assert "native (baremetal): usable" in baremark("doctor").stdout


def test_network_workloads_go_to_the_peer_of_its_own(
    baremark: Verb, box: Box, tmp_path: Path
) -> None:
    def received() -> int:
        return int(box.run("cat", f"/sys/class/net/{BENCH}/statistics/rx_bytes"))

    before = received()
    baremark("run", "--preset", "smoke", "-w", "network-rr", "--results", str(tmp_path))
    run = reader.read_run(folders.find(tmp_path / "runs", "latest"))
    ended = {TrialStatus.OK, TrialStatus.REJECTED}
    assert {trial.reason for trial in run.trials if trial.status not in ended} == set()
    assert received() > before


def test_down_gives_the_cards_back_as_they_were(baremark: Verb, box: Box) -> None:
    baremark("down")
    assert "198.18" not in box.run("ip", "address", "show")
    assert "master" not in subprocess.check_output(["ip", "link", "show", BENCH], text=True)
    assert "baremark" not in box.run("ls", "/run")
