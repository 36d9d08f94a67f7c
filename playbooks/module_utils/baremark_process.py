"""Processes that Baremark started on a machine: found again, and ended with all below them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Collection
from pathlib import Path

MARK = "BAREMARK_DAEMON"
RUN = "BAREMARK_RUN"
"""The folder that a daemon belongs to: a user's targets, made without root, are not root's."""


def start_time(pid: int) -> str | None:
    """When the process began, in clock ticks since boot; with the pid it names one process."""
    stat = _read(pid, "stat")
    if stat is None:
        return None
    fields = stat.rpartition(b")")[2].split()
    return None if fields[0] == b"Z" else fields[19].decode()


def recorded(file: Path) -> int | None:
    """The process of a pid file, if that very process still lives."""
    try:
        pid, began = file.read_text().split()[:2]
    except (OSError, ValueError):
        return None
    return int(pid) if start_time(int(pid)) == began else None


def command(pid: int) -> list[str]:
    return [part.decode(errors="replace") for part in (_read(pid, "cmdline") or b"").split(b"\0")]


def program(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/exe").readlink())
    except OSError:
        return ""


def marked(pid: int, name: str = MARK) -> str | None:
    """As what the process was started by `baremark_daemon`, or by something that was; else None."""
    for entry in (_read(pid, "environ") or b"").split(b"\0"):
        if entry.startswith(f"{name}=".encode()):
            return entry.partition(b"=")[2].decode(errors="replace")
    return None


def nested(pid: int) -> int:
    """How many namespaces of processes lie between this one's and the process's: 1 for what runs
    in a container, 2 for what runs in a container of a machine that is one itself."""
    for line in (_read(pid, "status") or b"").splitlines():
        if line.startswith(b"NSpid:"):
            return len(line.split()) - 2
    return 0


def all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def find(ours: Callable[[int], bool]) -> set[int]:
    """Every process that `ours` holds for, but never this one nor what it was started by."""
    spared = {1, os.getpid()}
    pid = os.getpid()
    while pid > 1:
        pid = _parents().get(pid, 0)
        spared.add(pid)
    return {pid for pid in all_pids() if pid not in spared and ours(pid)}


def end(pids: Collection[int], patience_s: float = 10.0) -> bool:
    """Ask the processes to end, wait, then end by force them and all that they had started."""
    if not pids:
        return False
    whole = {pid: start_time(pid) for pid in with_descendants(pids)}
    _signal(pids, signal.SIGTERM, whole)
    _wait(pids, whole, patience_s)
    rest = [pid for pid in whole if _lives(pid, whole)]
    _signal(rest, signal.SIGTERM, whole)
    _wait(rest, whole, 2.0)
    rest = [pid for pid in whole if _lives(pid, whole)]
    _signal(rest, signal.SIGKILL, whole)
    _wait(rest, whole, 5.0)
    return True


def _read(pid: int, name: str) -> bytes | None:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return None


def _parents() -> dict[int, int]:
    found = {}
    for pid in all_pids():
        stat = _read(pid, "stat")
        if stat is not None:
            found[pid] = int(stat.rpartition(b")")[2].split()[1])
    return found


def with_descendants(pids: Collection[int]) -> set[int]:
    """The processes and all that they started, and these."""
    parents = _parents()
    whole = set(pids)
    while more := {pid for pid, parent in parents.items() if parent in whole} - whole:
        whole |= more
    return whole


def _lives(pid: int, began: dict[int, str | None]) -> bool:
    now = start_time(pid)
    return now is not None and now == began[pid]


def _signal(pids: Collection[int], number: signal.Signals, began: dict[int, str | None]) -> None:
    for pid in pids:
        if _lives(pid, began):
            try:
                os.kill(pid, number)
            except (ProcessLookupError, PermissionError):
                continue  # it has ended, or it is another user's


def _wait(pids: Collection[int], began: dict[int, str | None], limit_s: float) -> None:
    until = time.monotonic() + limit_s
    while time.monotonic() < until and any(_lives(pid, began) for pid in pids):
        time.sleep(0.05)
