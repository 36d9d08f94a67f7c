"""A daemon's UNIX socket on a host, as a UNIX socket here.

The libraries of Docker and libvirt want a socket of this machine. Where the daemon is this
machine's own and lets this user in, that is its own socket. Otherwise every connection to a
private socket is carried by a command on the host, over the session that stands already: no
second connection is made whose host key somebody would have to pin again.
"""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.errors import HarnessError
from harness.remote.session import ByteStream, Session

LIMIT_S = 20.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_CHUNK = 64 * 1024


@contextmanager
def reached(host: Session, path: str, command: Sequence[str]) -> Iterator[str]:
    """The path here of the socket that the host knows as `path`.

    `command` speaks with that socket by its standard input and output; it runs on the host where
    the socket cannot be used from here. Raises `HarnessError` with its last words when what went
    wrong inside was an error and the command had any.
    """
    if is_here(host, path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="baremark-socket-") as folder:
        forward = _Forward(host, command, Path(folder, "socket"))
        try:
            yield str(forward.path)
        except HarnessError as error:
            raise HarnessError(error.message + forward.last_words(), error.hint) from None
        finally:
            forward.close()


def is_here(host: Session, path: str) -> bool:
    """Whether `path` is one file for the host and for this process, which may use it.

    An address of loopback proves nothing: it may lead into a guest. The same kernel (boot ID) and
    the same file on the same device do.
    """
    ask = ["sh", "-c", f'cat {_BOOT_ID}; stat -L -c "%d %i" "$1"', "sh", path]
    there = host.run(ask, limit_s=LIMIT_S).stdout.decode(errors="replace").split()
    try:
        here = Path(path).stat()
        mine = [*_BOOT_ID.read_text().split(), str(here.st_dev), str(here.st_ino)]
    except OSError:
        return False
    return there == mine and os.access(path, os.R_OK | os.W_OK)


class _Forward:
    """Carries each connection to a socket here by a command of its own on the host."""

    def __init__(self, host: Session, command: Sequence[str], path: Path) -> None:
        self.path = path
        self._host = host
        self._command = command
        self._words: list[str] = []
        self._ends: list[Callable[[], None]] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))  # in a folder that only this user enters
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._ends:
            end()

    def last_words(self) -> str:
        """What the commands said on their standard error, as the end of a message."""
        text = " ".join(" ".join(self._words).split())
        return f" ({text[-300:]})" if text else ""

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            try:
                channel = self._host.stream(self._command)
            except HarnessError as error:
                self._words.append(error.message)
                connection.close()
                continue
            self._ends.append(_ending(connection, channel))
            for pump in (self._outwards, self._inwards):
                threading.Thread(target=pump, args=(connection, channel), daemon=True).start()

    def _outwards(self, connection: socket.socket, channel: ByteStream) -> None:
        with suppress(OSError, EOFError):
            while part := connection.recv(_CHUNK):
                channel.sendall(part)
            channel.shutdown_write()

    def _inwards(self, connection: socket.socket, channel: ByteStream) -> None:
        with suppress(OSError, EOFError):
            while part := channel.recv(_CHUNK):
                connection.sendall(part)
            while said := channel.recv_stderr(_CHUNK):
                self._words.append(said.decode(errors="replace"))
        _ending(connection, channel)()


def _ending(connection: socket.socket, channel: ByteStream) -> Callable[[], None]:
    """Ends both sides of a connection, whoever waits for them; more than once is as good."""

    def end() -> None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
        with suppress(OSError, EOFError):
            channel.close()

    return end
