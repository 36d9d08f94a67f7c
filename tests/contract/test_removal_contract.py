"""What cannot be removed is told: `down` keeps the state, and can be said again.

A daemon that refuses to remove something cannot be had on demand: its client is a script here.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests import waiting
from tests.playing import PLAYBOOKS, module, play, program

REMOVE = """\
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_tasks: %s/tasks/remove.yml
    - ansible.builtin.fail: {msg: "left: {{ baremark_left | join }}"}
      when: baremark_left is defined
"""
SWEEP = """\
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: image, tasks_from: sweep}
"""
DOWN = """\
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: virtualbox, tasks_from: destroy}
    - ansible.builtin.include_role: {name: vmware_workstation, tasks_from: destroy}
    - ansible.builtin.include_role: {name: host, tasks_from: down}
    - ansible.builtin.fail: {msg: "{{ baremark_left | join('; ') }}"}
      when: baremark_left is defined
"""
VIRTUALBOX = """\
#!/bin/sh
case "$*" in
    *"list vms") echo '"odd one" {00000000-0000-0000-0000-000000000001}' ;;
    *"showvminfo "*) echo 'CfgFile="%s"' ;;
    *"getextradata "*) echo 'No value set!' ;;
esac
"""
HEARD = """\
#!%s
import json, sys
from pathlib import Path
Path("%s", "heard").write_text(json.dumps(json.loads(Path(sys.argv[1]).read_text())))
print("{}")
# WANT_JSON
"""
LXC = """\
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: lxc, tasks_from: remove}
"""
DOCKER = """\
#!/bin/sh
case "$*" in
    *" ps "*) echo one two ;;
    *" rm "*two) echo two ;;
    *" rm "*) echo 'the container is stuck' >&2; exit 1 ;;
esac
"""
VIRSH = """\
#!/bin/sh
case "$*" in
    *" list "*) echo baremark-guest baremark-copy ;;
    *" dumpxml "*) echo '<baremark:target xmlns:baremark="urn:baremark:target" name="guest"/>' ;;
    *" destroy baremark-copy") echo 'somebody made this copy' >&2; exit 1 ;;
    *" destroy "*) echo 'the process does not end' >&2; exit 1 ;;
esac
"""


@pytest.mark.parametrize(
    ("backend", "client", "text", "said"),
    [
        ("docker", "docker", DOCKER, "the container is stuck"),
        ("kvm", "virsh", VIRSH, "baremark-guest: the process does not end"),
    ],
)
def test_a_target_that_cannot_be_removed_is_told(
    tmp_path: Path, backend: str, client: str, text: str, said: str
) -> None:
    program(tmp_path, client, text)
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(str(tmp_path / "socket"))
        done = play(
            tmp_path,
            REMOVE % PLAYBOOKS,
            machine_backend=backend,
            baremark_root=str(tmp_path / "root"),
            baremark_run=str(tmp_path / "run"),
            baremark_purge=False,
            docker_survey={"paths": {"docker": "docker", "dockerd": None}},
            docker_sockets=[str(tmp_path / "socket")],
            kvm_survey={"paths": {"virsh": "virsh"}},
            kvm_private_socket=str(tmp_path / "socket"),
        )
    assert done.returncode == 2, done.stdout
    assert f"left: {backend}: " in done.stdout
    assert said in done.stdout
    assert "somebody made this copy" not in done.stdout


def test_what_stands_in_baremarks_folders_and_is_not_its_own_is_handed_to_the_sweep_and_told(
    tmp_path: Path,
) -> None:
    """The sweep itself looks at every process of the machine, so another stands in for it here."""
    root, run = tmp_path / "root", tmp_path / "run"
    machine = root / "targets" / "odd" / "machine" / "odd one" / "odd one.vbox"
    other = root / "targets" / "other" / "machine" / "other.vmx"
    enter = root / "virtualbox" / "hardware"
    for folder in (other.parent, enter, tmp_path / "library"):
        folder.mkdir(parents=True)
    other.touch()
    program(enter, "enter", VIRTUALBOX % machine)
    program(tmp_path / "library", "baremark_sweep.py", HEARD % (sys.executable, tmp_path))
    done = play(
        tmp_path,
        DOWN,
        baremark_root=str(root),
        baremark_run=str(run),
        baremark_cache=str(tmp_path / "cache"),
        baremark_purge=False,
    )
    assert done.returncode == 2, done.stdout
    assert f"virtualbox: odd one, {machine}: virtual machines that Baremark did not" in done.stdout
    assert f"vmware_workstation: {other}: virtual machines that Baremark did not" in done.stdout
    heard = json.loads((tmp_path / "heard").read_text())
    assert heard["foreign_daemons"] == ["virtualbox"]
    assert heard["foreign"] == [
        *(f"{root}/virtualbox", f"{root}/cache"),
        *(f"{run}/virtualbox-hardware", f"{run}/virtualbox-interpreter"),
        *(f"{root}/targets/odd", f"{root}/targets/other"),
    ]


def test_the_sweep_keeps_the_folders_and_the_processes_of_what_is_not_baremarks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = module("baremark_sweep", monkeypatch)
    kept = [tmp_path / "targets" / "odd" / "disk", tmp_path / "virtualbox" / "enter"]
    gone = [tmp_path / "targets" / "mine" / "disk", tmp_path / "lxc" / "config", tmp_path / "file"]
    for file in [*kept, *gone]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    foreign = {tmp_path / "targets" / "odd", tmp_path / "virtualbox", tmp_path / "none"}
    removed = sweep._clear(tmp_path, foreign)
    assert removed == [str(tmp_path / name) for name in ("file", "lxc", "targets/mine")]
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == kept
    sweep._clear(tmp_path, set())
    assert not tmp_path.exists()
    for mark, ours in (("virtualbox", False), ("virtualbox-mine", True), (None, False)):
        seen = {"BAREMARK_DAEMON": mark, "BAREMARK_RUN": None}
        monkeypatch.setattr(
            sweep, "marked", lambda pid, name="BAREMARK_DAEMON", seen=seen: seen[name]
        )
        assert sweep._is_ours(os.getpid(), tmp_path, tmp_path, ["virtualbox"]) is ours
        seen["BAREMARK_RUN"] = "/home/somebody/.local/share/baremark/run"
        assert sweep._is_ours(os.getpid(), tmp_path, tmp_path, ["virtualbox"]) is False
    seen = {"BAREMARK_DAEMON": "virtualbox", "BAREMARK_RUN": str(tmp_path)}
    monkeypatch.setattr(sweep, "marked", lambda pid, name="BAREMARK_DAEMON": seen[name])
    assert sweep._is_ours(os.getpid(), tmp_path, tmp_path, []) is True


def test_a_container_whose_name_begins_alike_is_left_alone(tmp_path: Path) -> None:
    program(tmp_path, "lxc-stop", "#!/bin/sh\n")
    groups = tmp_path / "cgroups" / "baremark"
    mine, sibling = groups / "baremark-sys", groups / "baremark-sys-volume"
    for group in (mine, sibling):
        (group / f"lxc.pivot-{group.name}" / "empty").mkdir(parents=True)
        (group / f"lxc.payload.{group.name}").mkdir()
        (tmp_path / "lxc" / group.name).mkdir(parents=True)
    running = {group: subprocess.Popen(["sleep", "600"]) for group in (mine, sibling)}
    for group, process in running.items():
        procs = group / f"lxc.payload.{group.name}" / "cgroup.procs"
        procs.write_text(f"{process.pid}\n")
    try:
        play(
            tmp_path,
            LXC,
            lxc_removed=[mine.name],
            lxc_root=str(tmp_path / "lxc"),
            lxc_cgroups=str(tmp_path / "cgroups"),
        )
        assert running[mine].wait(timeout=waiting.GUARD_S) == -signal.SIGKILL
        assert running[sibling].poll() is None
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    assert not (mine / f"lxc.pivot-{mine.name}").exists()
    assert (sibling / f"lxc.pivot-{sibling.name}" / "empty").exists()
    assert [path.name for path in (tmp_path / "lxc").iterdir()] == [sibling.name]


def test_what_a_killed_build_left_is_removed_and_what_a_build_works_in_is_not(
    tmp_path: Path,
) -> None:
    cache = tmp_path / "cache"
    for name in (".unfinished-killed", "unfinished-long-ago", "unfinished-now", "rootfs"):
        (cache / name / "inside").mkdir(parents=True)
    os.utime(cache / "unfinished-long-ago", (1, 1))
    before = sorted(path.name for path in cache.iterdir())
    lock = (cache / "build.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    # A program that a killed build left running has the lock from it.
    left = subprocess.Popen(["sleep", "600"], pass_fds=[lock.fileno()])
    lock.close()
    try:
        done = play(tmp_path, SWEEP, baremark_cache=str(cache))
        assert done.returncode == 0, done.stdout
        assert sorted(path.name for path in cache.iterdir()) == sorted([*before, "build.lock"])
    finally:
        left.kill()
        left.wait()
    done = play(tmp_path, SWEEP, baremark_cache=str(cache))
    assert done.returncode == 0, done.stdout
    assert sorted(path.name for path in cache.iterdir()) == [
        "build.lock",
        "rootfs",
        "unfinished-now",
    ]


def test_a_cache_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    done = play(tmp_path, SWEEP, baremark_cache=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stdout
    assert not (tmp_path / "cache").exists()
