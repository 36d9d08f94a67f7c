"""Playbooks run through ansible-runner: their events as progress, their failures as sentences,
and what a killed one left behind.
"""

from __future__ import annotations

import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.inventory.listing import UTF8
from harness.model import installed
from harness.model.progress import Progress
from harness.provision import rights

PLAYBOOKS = installed.folder("playbooks")

_SCRATCH = "baremark-ansible-"
"""Begins the name of the temporary folder of a playbook's run; the process follows."""

PLAYBOOK_END_S = 10.0
"""How long a playbook that is told to end may take before it is killed."""


@dataclass(frozen=True, slots=True)
class Play:
    """What a playbook run gave: custom statistics, and for each failed host why."""

    stats: Mapping[str, Any]
    failures: Mapping[str, str]


def run(
    playbook: str, inventory: Path | None, variables: Mapping[str, Any], progress: Progress
) -> Play:
    from ansible_runner import interface  # type: ignore[import-untyped]

    events: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    cancelled = False
    stats: dict[str, Any] = {}
    failures: dict[str, str] = {}
    failed: set[str] = set()
    password = rights.here().password

    def enqueue(event: dict[str, Any]) -> bool:
        """Only that: a slow handler makes runner give up (ansible-runner#1343)."""
        events.put(event)
        return False

    with (
        _usual_modes(),
        tempfile.TemporaryDirectory(prefix=f"{_SCRATCH}{os.getpid()}-") as folder,
    ):
        thread, runner = interface.run_async(
            private_data_dir=folder,
            playbook=str(PLAYBOOKS / playbook),
            inventory=str(inventory.resolve()) if inventory else "localhost,",
            extravars=dict(variables),
            envvars=_environment(folder),
            cmdline="--ask-become-pass" if password else None,
            passwords={r"^BECOME password.*:\s*?$": password} if password else None,
            event_handler=enqueue,
            finished_callback=lambda _: events.put(None),
            cancel_callback=lambda: cancelled,
            quiet=True,
        )
        try:
            for event in _until_the_end(events, thread):
                _take(event, stats, failures, failed, progress)
        except KeyboardInterrupt:
            cancelled = True
            raise
        finally:
            thread.join()
            _end_connections(Path(folder) / "ssh")
        if runner.rc != 0 and not failed:
            stdout = Path(runner.config.artifact_dir, "stdout")
            said = stdout.read_text(errors="replace") if stdout.exists() else ""
            last = "\n".join("  " + line for line in said.strip().splitlines()[-8:])
            raise HarnessError(
                f"the playbook {playbook} did not run:\n{last}",
                "mend what Ansible names; see also: ansible-inventory -i INVENTORY --list",
            )
    return Play(stats, {host: failures.get(host, "no reason given") for host in failed})


def _until_the_end(
    events: queue.SimpleQueue[dict[str, Any] | None], thread: threading.Thread
) -> Iterator[dict[str, Any]]:
    """Events as they come; a runner whose thread died of something says of none that it is the
    last."""
    while True:
        alive = thread.is_alive()
        try:
            event = events.get(timeout=1)
        except queue.Empty:
            if not alive:
                return
            continue
        if event is None:
            return
        yield event


@contextmanager
def _usual_modes() -> Iterator[None]:
    """What playbooks make here is of the same modes whatever the user's umask: images are built
    of it, and other users than its maker (a container's, a daemon's) read it."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def _take(
    event: Mapping[str, Any],
    stats: dict[str, Any],
    failures: dict[str, str],
    failed: set[str],
    progress: Progress,
) -> None:
    data = event.get("event_data", {})
    kind = event.get("event")
    if kind == "playbook_on_task_start":
        name = str(data.get("name") or data.get("task") or "")
        progress.step(name.rpartition(" : ")[2])
    elif kind in {"runner_on_failed", "runner_on_unreachable"} and not data.get("ignore_errors"):
        failures[data["host"]] = f"{data.get('task', '?')}: {_reason(data.get('res', {}))}"
    elif kind == "playbook_on_stats":
        stats.update(data.get("artifact_data") or {})
        # The runner itself keeps no event whose handler only enqueues it, so it has no summary.
        failed.update(data.get("failures") or {}, data.get("dark") or {})


def _reason(result: Mapping[str, Any]) -> str:
    """The most telling part of a failed task's result."""
    for item in result.get("results", []):
        if isinstance(item, dict) and (item.get("failed") or item.get("unreachable")):
            return _reason(item)
    parts = [str(result[key]).strip() for key in ("msg", "stderr") if result.get(key)]
    text = ": ".join(dict.fromkeys(parts)) or "no reason given"
    return text if len(text) <= 2000 else text[:1000] + " … " + text[-900:]


def _scratch_of_the_dead() -> list[Path]:
    """The temporary folders of this user's runs that were killed."""
    return [
        folder
        for folder in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*-*")
        if folder.stat().st_uid == os.getuid()
        and not Path("/proc", folder.name.removeprefix(_SCRATCH).partition("-")[0]).exists()
    ]


def end_playbooks_of_the_dead() -> None:
    """End playbooks that outlived their `baremark`: they are sessions of their own, and would
    go on making what is being removed."""
    marks = [f"@{folder}/".encode() for folder in _scratch_of_the_dead()]
    left: set[int] = set()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if any(mark in file.read_bytes() for mark in marks):
                left.add(os.getsid(int(file.parent.name)))
        except (OSError, ValueError):
            continue  # it has just ended
    for number in (signal.SIGTERM, signal.SIGKILL):
        members = _in_sessions(left)
        for process in members:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, number)
        deadline = time.monotonic() + PLAYBOOK_END_S
        while _in_sessions(left) and time.monotonic() < deadline:
            time.sleep(0.1)


def _in_sessions(sessions: set[int]) -> list[int]:
    found = []
    for file in Path("/proc").glob("[0-9]*"):
        try:
            living = (file / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
            if living and os.getsid(int(file.name)) in sessions - {os.getsid(0)}:
                found.append(int(file.name))
        except (OSError, ValueError):
            continue
    return found


def remove_scratch_of_the_dead() -> None:
    for folder in _scratch_of_the_dead():
        _end_connections(folder / "ssh")
        shutil.rmtree(folder, ignore_errors=True)


def _end_connections(folder: Path) -> None:
    """Ansible leaves its SSH connections open for a minute; nothing of ours is left running."""
    for socket in folder.glob("*"):
        subprocess.run(
            ["ssh", "-O", "exit", "-o", f"ControlPath={socket}", "ansible"],
            capture_output=True,
            check=False,
        )


def _environment(folder: str) -> dict[str, str]:
    return {
        **UTF8,
        "ANSIBLE_ROLES_PATH": str(PLAYBOOKS / "roles"),
        "ANSIBLE_LOCAL_TEMP": f"{folder}/local",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": f"{folder}/ssh",
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "ANSIBLE_PIPELINING": "True",
        # The runner turns the check of host keys off unless it is told otherwise. An unknown key is
        # an error and no question: there is nobody to answer it.
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_SSH_ARGS": (
            "-C -o ControlMaster=auto -o ControlPersist=60s -o StrictHostKeyChecking=yes"
        ),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_DEPRECATION_WARNINGS": "False",
        "ANSIBLE_LOCALHOST_WARNING": "False",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
    }
