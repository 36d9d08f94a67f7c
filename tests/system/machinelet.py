"""A small container made by hand of the kernel's own namespaces, with an sshd in it: somebody
else's, as far as Baremark is concerned.

It has processes, a network and a hostname of its own, its first process says `container=lxc` as
LXC's does, and it is confined to one CPU. Its network leads to its host and no further.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.model.target import Endpoint
from harness.remote import keys

from . import sshd

PROGRAMS = ("ip", "nsenter", "setpriv", "taskset", "unshare")
HOST_SIDE, INSIDE = "198.18.77.1", "198.18.77.2"
"""Set aside for benchmarks (RFC 2544), and not of the bench network that Baremark itself uses."""


@dataclass(frozen=True, slots=True)
class Machinelet:
    endpoint: Endpoint
    folder: Path
    first: int
    """The number of its first process, as its host sees it."""


def missing() -> list[str]:
    """What this machine lacks to make one."""
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    if sshd.program() is None:
        lacking.append("sshd")
    return [*lacking, *(["root"] if os.geteuid() != 0 else [])]


@contextmanager
def running(folder: Path, client: str) -> Iterator[Machinelet]:
    """Start one that lets the public key `client` in; nothing of it is left afterwards."""
    folder.mkdir(parents=True)
    host = keys.make_key(folder / "host")
    (folder / "authorized_keys").write_text(client + "\n")
    (folder / "sshd_config").write_text(
        f"ListenAddress {INSIDE}:22\nHostKey {folder}/host\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nPidFile none\nSetEnv SHLVL=1\n"
        "PermitRootLogin prohibit-password\nPasswordAuthentication no\n"
        "Subsystem sftp internal-sftp\nMaxSessions 50\n"
    )
    name = f"lab{secrets.token_hex(3)}"
    server = sshd.program()
    assert server is not None
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                # It must not outlive a test run that was killed; its links go with it.
                *(
                    "setpriv",
                    "--pdeathsig",
                    "KILL",
                    "unshare",
                    "--net",
                    "--uts",
                    "--ipc",
                    "--pid",
                    "--mount",
                    "--fork",
                ),
                *("--mount-proc", "--kill-child", "taskset", "-c", "0"),
                *("env", "-i", "container=lxc", f"PATH={os.environ['PATH']}"),
                *("sh", "-c", "hostname lab; while ! [ -e $0 ]; do sleep .1; done; exec $1 $2 $3"),
                *(str(folder / "go"), f"{server} -D -e -f {folder / 'sshd_config'}", "", ""),
            ],
            stderr=log,
            start_new_session=True,
        )
    try:
        first = _child(process.pid)
        _wire(name, first)
        (folder / "go").touch()
        sshd.wait_for(process, INSIDE, 22, folder / "log")
        endpoint = Endpoint(INSIDE, 22, "root", host, "", "")
        yield Machinelet(endpoint, folder, first)
    finally:
        sshd.end([*sshd.descendants(process.pid), process.pid])
        process.wait()
        subprocess.run(["ip", "link", "delete", name], capture_output=True, check=False)


def _child(parent: int) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if found := sshd.descendants(parent):
            return found[0]
        time.sleep(0.05)
    raise AssertionError("unshare started nothing")


def _wire(name: str, first: int) -> None:
    """A pair of links: one here, one in it."""
    inside = ["nsenter", f"--net=/proc/{first}/ns/net", "ip"]
    for command in (
        ["ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(first)],
        ["ip", "addr", "add", f"{HOST_SIDE}/30", "dev", name],
        ["ip", "link", "set", name, "up"],
        [*inside, "addr", "add", f"{INSIDE}/30", "dev", "eth0"],
        [*inside, "link", "set", "eth0", "up"],
        [*inside, "link", "set", "lo", "up"],
    ):
        subprocess.run(command, check=True, capture_output=True)
