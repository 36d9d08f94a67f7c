"""A real sshd on loopback with a key of its own, for tests that need a target and no more."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.model.target import Endpoint
from harness.remote import keys
from tests import waiting


@dataclass(slots=True)
class Sshd:
    """The running server: where it answers, with which client key, and how to end it."""

    endpoint: Endpoint
    key: keys.Key
    folder: Path
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """End the server and every connection it serves, at once."""
        end([*descendants(self.process.pid), self.process.pid])
        self.process.wait()


def descendants(process: int) -> list[int]:
    """The processes below one: the server makes a new session for each connection."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found = list(children.get(process, []))
    for one in found:
        found += children.get(one, [])
    return found


def end(processes: list[int]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def program() -> str | None:
    return shutil.which("sshd", path="/usr/sbin:/usr/bin:/usr/local/sbin")


def wait_for(process: subprocess.Popen[bytes], address: str, port: int, log: Path) -> None:
    """Return once something listens there; told with its log where the process ends instead."""

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError), socket.create_connection((address, port), 10):
            return True
        return False

    waiting.until(answers, f"sshd at {address}:{port}", log.read_text)


@contextmanager
def running(folder: Path, port: int | None = None, environment: str = "") -> Iterator[Sshd]:
    """Start a server in `folder`; it and all that it started are gone afterwards.

    `environment` (`NAME=value …`) is what its sessions begin with besides.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    client = keys.make_key(folder / "client")
    host = keys.make_key(folder / "host")
    authorized = folder / "authorized_keys"
    authorized.write_text(client + "\n")
    config = folder / "sshd_config"
    config.write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\n"
        f"AuthorizedKeysFile {authorized}\nPidFile none\nUsePAM no\nStrictModes no\n"
        "PermitRootLogin prohibit-password\nPasswordAuthentication no\n"
        f"SetEnv SHLVL=1 {environment}\nSubsystem sftp internal-sftp\nMaxSessions 50\n"
        "AllowTcpForwarding local\n"
    )
    made = None
    separation = Path("/run/sshd")
    if os.geteuid() == 0 and not separation.exists():
        separation.mkdir(mode=0o755)
        made = separation
    server = program()
    assert server is not None
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [server, "-D", "-e", "-f", str(config)], stderr=log, start_new_session=True
        )
    work, store = folder / "work", folder / "store"
    work.mkdir(exist_ok=True)
    store.mkdir(exist_ok=True)
    user = os.environ.get("USER") or "root"
    endpoint = Endpoint("127.0.0.1", port, user, host, str(work), str(store))
    one = Sshd(endpoint, keys.load_key(folder / "client"), folder, process)
    try:
        wait_for(process, "127.0.0.1", port, folder / "log")
        yield one
    finally:
        one.kill()
        if made is not None:
            with contextlib.suppress(OSError):
                made.rmdir()
