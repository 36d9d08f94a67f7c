"""What a machine holds that Baremark could leave behind, as a comparable snapshot."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = {
    "conmon",
    "containerd",
    "containerd-shim-runc-v2",
    "dnsmasq",
    "dockerd",
    "iperf3",
    "libvirtd",
    "VBoxHeadless",
    "VBoxSVC",
    "VBoxXPCOMIPCD",
    "VirtualBoxVM",
    "Xvfb",
    "qemu-system-x86_64",
    "sockperf",
    "virtlogd",
}
CACHE = "/var/lib/baremark"
OURS = ("/run/baremark", CACHE, "baremark-ansible")
OUR_TEMPORARY = ("baremark", "mmdebstrap")
"""In /tmp others come and go while the suite runs; these names are ours."""
STANDING = (
    *("/run/baremark", "/var/lib/baremark/targets"),
    *("/run/netns/bmpeer", "/sys/class/net/bmk0"),
)
"""What is there while targets are up, and goes with the last of them."""
LOCKED = Path("/run/lock" if os.access("/run/lock", os.R_OK) else tempfile.gettempdir())
"""The folder that suites lock against each other."""
PLACES = (
    "/etc/docker",
    "/etc/libvirt",
    "/etc/ssh",
    "/run",
    "/run/sshd",
    "/run/libvirt",
    "/tmp",
    "/var/lib",
    "/var/lib/baremark",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/lib/libvirt",
    "/var/lib/lxc",
    "/var/log/libvirt",
)


def snapshot() -> dict[str, set[str]]:
    """Processes, links, namespaces, mounts, firewall rules, control groups and files, each as a
    set of texts."""
    return {
        "processes": _processes(),
        "links": {link.name for link in Path("/sys/class/net").iterdir()},
        "namespaces": _lines("ip", "netns", "list"),
        "mounts": {line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()},
        "rules": _lines("iptables-save"),
        "forwarding": {Path("/proc/sys/net/ipv4/ip_forward").read_text()},
        "cgroups": {
            str(folder)
            for folder in Path("/sys/fs/cgroup").glob("**/*baremark*")
            if folder.is_dir()
        },
        "files": {
            str(file)
            for place in PLACES
            if Path(place).is_dir()
            for file in Path(place).iterdir()
            if place != "/tmp" or file.name.startswith(OUR_TEMPORARY)
        },
    }


def left_behind(
    before: dict[str, set[str]], after: dict[str, set[str]], kept: bool = False
) -> dict[str, set[str]]:
    """What is there now and was not before, and what is missing; empty when nothing changed.

    With `kept`, what `down` keeps for the next time without `--purge` does not count: where some
    of it was there before, other parts may be new.
    """
    changes = {kind: before[kind] ^ after[kind] for kind in before}
    if kept:
        changes["files"] = {file for file in changes["files"] if not file.startswith(CACHE)}
    return {kind: found for kind, found in changes.items() if found}


def remains() -> set[str]:
    """What stands of Baremark: targets that are up, or what a killed suite left, which told nobody
    of its targets."""
    return {place for place in STANDING if Path(place).exists()}


@contextmanager
def suite(state_home: Path, temporary: Path, at: Path = LOCKED) -> Iterator[str | None]:
    """Be a suite on this machine; the first one to come clears what a killed one left, so that no
    test takes it for its own. Gives what could not be cleared, in words.

    What somebody brought `up` is written down in `state_home` and is not touched, nor is what a
    suite that still runs has up. The lock is on a folder, so that no file stays.
    """
    folder = os.open(at, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            trouble = None
        else:
            trouble = _cleared(state_home, temporary)
        fcntl.flock(folder, fcntl.LOCK_SH)
        yield trouble
    finally:
        os.close(folder)


def _cleared(state_home: Path, temporary: Path) -> str | None:
    if not remains():
        return None
    if up := sorted(state_home.glob("baremark/*/standing.json")):
        return f"targets are up on this machine ({up[0].parent.name}): baremark down first"
    done = subprocess.run(
        [Path(sys.executable).with_name("baremark"), "down"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "XDG_STATE_HOME": str(temporary), "XDG_CACHE_HOME": str(temporary)},
        capture_output=True,
        text=True,
    )
    if left := remains():
        return f"an earlier suite left {', '.join(sorted(left))}, and: {done.stderr}"
    return None


def _processes() -> set[str]:
    """By program, by our paths in the arguments, and each sshd that is no connection's child.

    An sshd writes its title over its arguments, and what remains of them depends on the room
    that its environment gave it: only its program tells what it is.
    """
    found = set()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().decode(errors="replace").split("\0")
            parent = (file.parent / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        line = " ".join(words)
        if _program(file.parent) == "sshd" and _program(Path("/proc", parent)) != "sshd":
            found.add(f"{file.parent.name} sshd")
            continue
        if Path(words[0]).name in PROGRAMS or any(place in line for place in OURS):
            found.add(f"{file.parent.name} {line}")
    return found


def _program(process: Path) -> str:
    """Empty where it cannot be seen: kernel threads, and PID 1 of some sandboxes."""
    try:
        return (process / "exe").readlink().name
    except OSError:
        return ""


def _lines(*command: str) -> set[str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return set()
    return {
        line
        for line in done.stdout.splitlines()
        if line and not line.startswith(("#", ":"))  # counters and dates are no rules
    }
