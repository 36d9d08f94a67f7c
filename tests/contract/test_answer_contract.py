"""A target is up only when its sshd has answered: whether this `up` made it or an earlier one."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_roles_contract import BACKENDS, IMPOSSIBLE, read, tasks_of
from tests.playing import PLAYBOOKS, play, program

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
    *" dumpxml "*) echo urn:baremark:target ;;
    *"showvminfo "*) echo 'VMState="running"' ;;
    *"getextradata "*) echo 'Value: localhost' ;;
esac
"""


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
        baremark_root=str(tmp_path / "root"),
        baremark_run=str(tmp_path / "run"),
        baremark_cache=str(tmp_path / "cache"),
        baremark_image_id="none",
        baremark_host="localhost",
        baremark_vcpus=1,
        baremark_memory_mib=64,
        baremark_disk_gib=1,
        baremark_client_key="ssh-ed25519 AAAA",
        baremark_addresses={"localhost": "198.18.0.11"},
        baremark_bundle_archive="/none",
        baremark_bundle_digest="none",
        kvm_uris=["test:///"],
        virtualbox_enter=str(tmp_path / "enter"),
    )
    assert done.returncode == 2, done.stdout
    assert "it was asked and does not answer" in done.stdout
