"""Whatever Baremark starts and does not come up: its own last words are in the message, and where
all of them stand. Each fails for real here."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.remote import keys
from tests.playing import call, play, program

from . import sshd
from .verbs import Verb, needs_root

pytestmark = needs_root

ROLE = """\
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: %s, tasks_from: daemon}
"""


def require(*programs: str) -> None:
    for name in programs:
        if shutil.which(name) is None:
            pytest.skip(f"there is no {name}")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    """The folder of pid files and logs; what it says still runs at the end is ended."""
    folder = tmp_path / "run"
    yield folder
    for file in folder.glob("*.pid"):
        call("baremark_daemon", name=file.stem, run=str(folder), state="stopped")
    made = folder / "made-folders"
    for each in made.read_text().split() if made.exists() else []:
        shutil.rmtree(each)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def serve(folder: Path, run: Path, port: int, text: str) -> str:
    """What is said of an sshd, as the role starts it, with this configuration."""
    config = folder / "config"
    config.write_text(text)
    argv = [str(sshd.program()), "-De", "-f", str(config)]
    asked = {"name": "sshd", "run": str(run), "argv": argv, "needs": ["/run/sshd"]}
    return str(call("baremark_daemon", **asked, ready_port=port)["msg"])


def test_an_sshd_whose_port_is_taken_is_told_though_something_listens_there(
    tmp_path: Path, run: Path, taken: int
) -> None:
    keys.make_key(tmp_path / "host")
    said = serve(
        tmp_path, run, taken, f"ListenAddress 127.0.0.1:{taken}\nHostKey {tmp_path}/host\n"
    )
    assert said.startswith(f"sshd ended before it answered; its last lines ({run}/sshd.log):\n")
    assert f"Bind to port {taken} on 127.0.0.1 failed: Address already in use" in said


def test_an_sshd_with_a_broken_configuration_is_told(tmp_path: Path, run: Path) -> None:
    said = serve(tmp_path, run, 1, "NoSuchOption yes\n")
    assert "Bad configuration option: NoSuchOption" in said


def test_what_runs_and_never_answers_is_told_with_what_it_said(run: Path) -> None:
    argv = ["/bin/sh", "-c", "echo waiting for my disk; exec sleep 600"]
    asked = {"name": "slow", "run": str(run), "argv": argv, "limit_s": 3}
    said = call("baremark_daemon", **asked, ready_port=1)
    assert said["msg"] == (
        "slow runs, but within 3 s did not listen on port 1; "
        f"its last lines ({run}/slow.log):\nwaiting for my disk"
    )
    said = call(
        "baremark_daemon", **asked, ready_command=["sh", "-c", "echo no such socket >&2; exit 1"]
    )
    assert "sh had no answer from it: no such socket; its last lines" in said["msg"]
    assert not list(run.glob("*.pid"))


def test_what_ends_without_a_word_is_told_with_the_place_of_its_log(run: Path) -> None:
    said = call("baremark_daemon", name="mute", run=str(run), argv=["/bin/true"], ready_port=1)
    assert said["msg"] == (
        f"mute ended before it answered; it said nothing (its log is {run}/mute.log)"
    )


def test_a_pid_file_of_a_killed_daemon_is_no_hindrance(run: Path) -> None:
    """Its number may be another process's by now; that of the program itself is left to it."""
    run.mkdir()
    stale, own = run / "stale", run / "own"
    stale.write_text(f"{os.getpid()}\n")
    own.write_text(f"{os.getpid()}\n")
    own_name = Path("/proc/self/exe").readlink().name
    said = call(
        "baremark_daemon",
        name="sleeper",
        run=str(run),
        argv=["/bin/sleep", "600"],
        pid_files={"dockerd": str(stale), own_name: str(own)},
        ready_command=["/bin/true"],
    )
    assert said.get("changed"), said
    assert (stale.exists(), own.exists()) == (False, True)


def test_a_dockerd_that_listens_and_then_gives_up_is_told(tmp_path: Path, run: Path) -> None:
    """It makes its socket long before it knows that it cannot work."""
    require("dockerd", "docker")
    done = play(
        tmp_path,
        ROLE % "docker",
        **{f"baremark_{name}": str(tmp_path / name) for name in ("root", "run", "cache")},
        docker_survey={
            "paths": {"docker": shutil.which("docker"), "dockerd": shutil.which("dockerd")}
        },
        docker_sockets=["/none"],
        docker_socket="",
        docker_runtime_options=["--storage-driver=nonsense"],
    )
    assert done.returncode == 2, done.stdout
    assert f"dockerd ended before it answered; its last lines ({run}/dockerd.log):" in done.stdout
    last = (run / "dockerd.log").read_text().splitlines()[-1]
    assert last in done.stdout
    # A machine that is busy enough has its containerd give up first.
    assert "driver not supported" in last or "containerd" in last


def test_a_libvirtd_with_a_broken_configuration_is_told(tmp_path: Path, run: Path) -> None:
    require("libvirtd", "virsh")
    program(
        tmp_path, "libvirtd", f"#!/bin/sh\nexec {shutil.which('libvirtd')} --config {tmp_path}/x\n"
    )
    (tmp_path / "x").write_text("max_clients = many\n")
    done = play(
        tmp_path,
        ROLE % "kvm",
        **{f"baremark_{name}": str(tmp_path / name) for name in ("root", "run", "cache")},
        packages_survey={"paths": {"libvirtd": str(tmp_path / "libvirtd")}},
    )
    assert done.returncode == 2, done.stdout
    assert f"libvirtd ended before it answered; its last lines ({run}/libvirtd.log):" in done.stdout
    assert f"{tmp_path}/x:1" in done.stdout


QEMU = """\
#!/bin/sh
case "$*" in
    *baremark-guest*) exec {qemu} -no-such-option ;;
    *) exec {qemu} "$@" ;;
esac
"""
LXC = """\
#!/bin/sh
exec {program} "$@" --define lxc.no.such.key=1
"""


def test_targets_that_do_not_start_are_told_with_what_their_programs_said(
    baremark: Verb, environment: dict[str, str], tmp_path: Path
) -> None:
    """A QEMU and an LXC that get an option which they do not know, through wrappers."""
    require("qemu-system-x86_64", "libvirtd", "lxc-start")
    program(tmp_path, "qemu", QEMU.format(qemu=shutil.which("qemu-system-x86_64")))
    program(tmp_path, "lxc-start", LXC.format(program=shutil.which("lxc-start")))
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    guest = {"baremark_host": "native", "baremark_emulator": str(tmp_path / "qemu")}
    groups = {
        "baremetal": {"hosts": {"native": here}},
        "kvm": {"hosts": {"guest": guest}},
        "lxc": {"hosts": {"system": {"baremark_host": "native"}}},
    }
    size = {"baremark_vcpus": 1, "baremark_memory_mib": 256, "baremark_disk_gib": 2}
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(json.dumps({"all": {"vars": size, "children": groups}}))
    before = environment.get("PATH", os.defpath)
    environment["PATH"] = f"{tmp_path}:{before}"
    try:
        said = baremark("up", "-i", str(inventory), status=None).stderr
    finally:
        environment["PATH"] = before
        baremark("down", "-i", str(inventory))
    assert "-no-such-option: invalid option" in said
    assert "/qemu/baremark-guest.log" in said
    assert "lxc.no.such.key" in said
    assert "its log is /var/lib/baremark/lxc/baremark-system/log" in said
