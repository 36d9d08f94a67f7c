"""A target is up only when its sshd has answered: whether this `up` made it or an earlier one."""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_roles_contract import BACKENDS, IMPOSSIBLE, read, tasks_of
from tests.playing import PLAYBOOKS, call, play, program

ROLES = PLAYBOOKS / "roles"
WAITING = sorted({*BACKENDS} - {*IMPOSSIBLE, "baremetal"})
"""The native target is an sshd that the role itself sees listening."""
CREATE = """\
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: %s, tasks_from: create}
"""
SILENT = f"""\
#!{sys.executable}
import json
print(json.dumps({{"failed": True, "msg": "it was asked and does not answer"}}))
"""
DOMAINS = f"""\
#!{sys.executable}
import json
print(json.dumps({{"domains": [{{"name": "baremark-localhost", "ended": False, "ours": True}}]}}))
"""
STANDS = """\
#!/bin/sh
case "$*" in
    *" dumpxml "*)
        echo '<baremark:target xmlns:baremark="urn:baremark:target" name="localhost"/>' ;;
    *"showvminfo "*) echo 'VMState="running"' ;;
    *"getextradata "*) echo 'Value: localhost' ;;
esac
"""

VARIABLES: dict[str, Any] = {
    "baremark_image_id": "none",
    "baremark_host": "localhost",
    "baremark_sizes": {"localhost": {"vcpus": 1, "memory_mib": 64, "disk_gib": 1, "cpus": [0]}},
    "baremark_client_key": "ssh-ed25519 AAAA",
    "baremark_addresses": {"localhost": "198.18.0.11"},
    "baremark_bundle_archive": "/none",
    "baremark_bundle_digest": "none",
}
ENDED = """\
#!/bin/sh
case "$*" in
    *" inspect --format="*) echo false ;;
    *" inspect "*) echo '[{"Config": {"Labels": {"baremark.target": "localhost",
        "baremark.spec": "the same"}}, "State": {"Running": true, "Pid": 1}}]' ;;
    *" logs "*) echo 'sshd: no hostkeys available -- exiting.' >&2 ;;
esac
"""


def folders(at: Path) -> dict[str, str]:
    return {f"baremark_{name}": str(at / name) for name in ("root", "run", "cache")}


def tasks_always_run(role: str, name: str) -> Iterator[dict[str, Any]]:
    """Those of a task file, and of what it always includes; what is conditional is left out."""
    for task in read(ROLES / role / "tasks" / f"{name}.yml"):
        if "when" in task:
            continue
        yield from tasks_of([task])
        if included := task.get("ansible.builtin.include_role"):
            yield from tasks_always_run(included["name"], included.get("tasks_from", "main"))
        if file := task.get("ansible.builtin.include_tasks"):
            yield from tasks_always_run(role, file.removesuffix(".yml"))


@pytest.mark.parametrize("backend", WAITING)
def test_no_target_is_up_before_it_has_answered(backend: str) -> None:
    tasks = list(tasks_always_run(backend, "create"))
    (at,) = [number for number, task in enumerate(tasks) if "baremark_answer" in task]
    told = [task for task in tasks[:at] if "baremark_endpoint" in str(task)]
    assert not told


@pytest.mark.parametrize("backend", WAITING)
def test_a_record_of_what_a_guest_was_made_from_is_gone_before_the_guest_is(backend: str) -> None:
    record = "{{ baremark_folder }}/guest.json"
    create = read(ROLES / backend / "tasks" / "create.yml")
    if not any(task.get("ansible.builtin.slurp", {}).get("src") == record for task in create):
        return  # the hypervisor keeps it with the guest
    first = read(ROLES / backend / "tasks" / "make.yml")[0]
    assert first["ansible.builtin.file"] == {"path": record, "state": "absent"}


@pytest.mark.parametrize("backend", ["kvm", "virtualbox", "xen"])
def test_a_guest_that_stands_and_does_not_answer_is_not_up(tmp_path: Path, backend: str) -> None:
    (tmp_path / "library").mkdir()
    program(tmp_path / "library", "baremark_answer.py", SILENT)
    program(tmp_path / "library", "baremark_xen.py", DOMAINS)
    for client in ("virsh", "enter"):
        program(tmp_path, client, STANDS)
    folder = tmp_path / "root" / "targets" / "localhost"
    folder.mkdir(parents=True)
    made = {"spec": "the same", "accelerator": "kvm", "reason": ""}
    (folder / "guest.json").write_text(json.dumps(made))
    done = play(
        tmp_path,
        CREATE % backend,
        **{f"{backend}_spec": "the same", f"{backend}_emulator": sys.executable},
        **VARIABLES,
        **folders(tmp_path),
        kvm_uris=["test:///"],
        virtualbox_enter=str(tmp_path / "enter"),
    )
    assert done.returncode == 2, done.stdout
    assert "it was asked and does not answer" in done.stdout


def test_a_guest_is_declared_as_it_runs_and_not_as_it_was_first_thought_of(tmp_path: Path) -> None:
    """The processor by default hangs on whether KVM runs the guest."""
    (tmp_path / "library").mkdir()
    answers = SILENT.replace('"failed": True', '"changed": False')
    program(tmp_path / "library", "baremark_answer.py", answers)
    program(tmp_path, "virsh", STANDS)
    folder = tmp_path / "root" / "targets" / "localhost"
    folder.mkdir(parents=True)
    made = {"spec": "the same", "accelerator": "kvm", "reason": ""}
    (folder / "guest.json").write_text(json.dumps(made))
    told = "    - ansible.builtin.copy:\n        content: '{{ baremark_endpoint | to_json }}'\n"
    done = play(
        tmp_path,
        f"{CREATE % 'kvm'}{told}        dest: {tmp_path}/endpoint.json\n",
        **VARIABLES,
        **folders(tmp_path),
        kvm_spec="the same",
        kvm_emulator=sys.executable,
        kvm_uris=["test:///"],
        baremark_disk_bus="scsi",
    )
    assert done.returncode == 0, done.stdout
    endpoint = json.loads((tmp_path / "endpoint.json").read_text())
    assert (endpoint["accelerator"], endpoint["declared"]["cpu_mode"]) == (
        "kvm",
        "host-passthrough",
    )
    assert endpoint["declared"]["disk_bus"] == "scsi"
    assert endpoint["declared"]["emulator_cpus"] == "0"


def test_a_container_that_ended_is_told_as_ended_with_what_it_said(
    closed: int, tmp_path: Path
) -> None:
    program(tmp_path, "docker", ENDED)
    done = play(
        tmp_path,
        CREATE % "docker",
        **VARIABLES,
        **folders(tmp_path),
        docker_socket=str(tmp_path / "socket"),
        container_spec="the same",
        container_address="127.0.0.1",
        container_port=closed,
        baremark_start_s=600,
    )
    assert done.returncode == 2, done.stdout
    assert "baremark-localhost: ended before it answered; its last lines (docker " in done.stdout
    assert "sshd: no hostkeys available" in done.stdout


@pytest.mark.parametrize("backend", WAITING)
def test_who_waits_for_a_guest_with_a_console_tells_what_stands_there(backend: str) -> None:
    role = ROLES / backend
    (console,) = re.findall(
        r"^(\w+_console):", (role / "defaults" / "main.yml").read_text(), re.MULTILINE
    ) or [None]
    files = [read(path) for path in sorted(role.glob("tasks/*.yml"))]
    waits = [
        task["baremark_answer"]
        for file in files
        for task in tasks_of(file)
        if "baremark_answer" in task
    ]
    assert {wait.get("console") for wait in waits} <= {console and f"{{{{ {console} }}}}"}


def wait_for(port: int, limit_s: int, **more: object) -> dict[str, Any]:
    """What the module says."""
    asked = {"name": "guest", "address": "127.0.0.1", "port": port, "limit_s": limit_s}
    return call("baremark_answer", **asked, **more)


@pytest.fixture
def closed() -> Iterator[int]:
    """A port that nobody listens on, and nobody else gets while the test runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_who_does_not_answer_is_told_with_the_last_lines_of_its_console(
    closed: int, tmp_path: Path
) -> None:
    console = tmp_path / "console.log"
    console.write_bytes(b"".join(b"line %d\r\n" % number for number in range(40)) + b"\xff end\n")
    said = wait_for(closed, 1, console=str(console))
    head, *lines = said["msg"].splitlines()
    assert head == f"guest: did not answer SSH within 1 s; its last lines ({console}):"
    assert lines == [*(f"line {number}" for number in range(29, 40)), "\ufffd end"]
    said = wait_for(closed, 0, console=str(tmp_path / "none"))
    assert said["msg"] == "guest: did not answer SSH within 0 s"


def test_who_has_ended_is_not_waited_for(closed: int, tmp_path: Path) -> None:
    console = tmp_path / "console.log"
    console.write_text("Kernel panic\n")
    log = tmp_path / "qemu.log"
    log.write_text("qemu: terminating\n")
    logs = [str(log), str(tmp_path / "none")]
    said = wait_for(closed, 600, console=str(console), logs=logs, alive=["false"])
    assert said["msg"] == (
        f"guest: ended before it answered; its last lines ({console}):\nKernel panic"
        f"; its last lines ({log}):\nqemu: terminating"
    )


def test_a_kernel_that_does_not_greet_ends_the_wait_and_one_that_does_is_waited_for(
    closed: int, tmp_path: Path
) -> None:
    console = tmp_path / "console.log"
    greeting = {"console": str(console), "greeting": "Linux version", "greeting_limit_s": 0}
    said = wait_for(closed, 600, **greeting)
    assert said["msg"] == "guest: no kernel greeted on its console within 0 s"
    console.write_text("[    0.000000] Linux version 6.1.0\n")
    said = wait_for(closed, 1, **greeting)
    assert said["msg"].startswith("guest: did not answer SSH within 1 s; its last lines (")


def test_only_what_speaks_ssh_is_an_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            for words in (b"HTTP", b"SSH-2.0-made\r\n"):
                connection, _ = server.accept()
                with connection:
                    connection.sendall(words)

        thread = threading.Thread(target=answer)
        thread.start()
        said = wait_for(server.getsockname()[1], 600, alive=["false"])
        thread.join()
    assert not said.get("failed"), said
    assert not said["changed"]
    assert said["waited_s"] >= 0
