"""The SSH session: one connection to one target; run, put, and nothing cached.

The host key is pinned: provisioning hands it back over its own trusted channel, and a connection
that shows another key ends before any authentication. Nothing is sent while a command runs: no
keep-alive, no polling, so that waiting costs the target nothing.
"""

from __future__ import annotations

import contextlib
import logging
import shlex
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import paramiko

from harness.errors import HarnessError
from harness.text import shortened

ByteStream = paramiko.Channel
"""Both directions of a connection, or of a program, on the other side of a session."""

CONNECT_TIMEOUT_S = 20.0
OUTPUT_LIMIT_BYTES = 16 * 1024 * 1024
"""More than any program of the bundle prints; what exceeds it is not kept and not believed."""

logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False  # its errors are raised, and told once, here

_CHUNK = 64 * 1024
_PROBE_S = 10.0


class ConnectionLost(HarnessError):
    """The connection ended while it was needed. The target may be gone."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a command.

    `exit_status` is None where none was received: `timed_out` (no end within the limit),
    `overflow` (a stream exceeded the output limit) or `interrupted` (by `interrupt()`) says
    why. `seconds` is the controller's monotonic time from the request to the end of output.
    `arrivals` tells of the standard error how many bytes had arrived by which of those seconds.
    """

    exit_status: int | None
    stdout: bytes
    stderr: bytes
    seconds: float
    timed_out: bool = False
    overflow: bool = False
    interrupted: bool = False
    arrivals: tuple[tuple[int, float], ...] = ()

    def arrived_s(self, offset: int) -> float | None:
        """When the byte at `offset` of the standard error had arrived, in `seconds`."""
        return next((when for size, when in self.arrivals if size > offset), None)


class Session:
    """An open connection to a target. Make it with `connect`, end it with `close`.

    `confine` names the CPUs that its commands are held to where the target's sshd is not;
    `patience` is how many times longer than elsewhere its commands may take.
    """

    def __init__(
        self, name: str, transport: paramiko.Transport, confine: str = "", patience: float = 1.0
    ) -> None:
        self.name = name
        self._transport = transport
        self._confine = confine
        self._patience = patience
        self._channel: paramiko.Channel | None = None
        self._held: list[paramiko.Channel] = []
        self._interrupted = threading.Event()

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as this side can tell without asking."""
        return self._transport.is_active()

    def run(
        self,
        command: Sequence[str] | str,
        *,
        limit_s: float,
        stdin: bytes = b"",
        output_limit_bytes: int = OUTPUT_LIMIT_BYTES,
    ) -> Reply:
        """Run a command (a sequence is quoted, a string is the shell's) and wait for its end.

        Waits at most `limit_s` seconds (of a target that was declared slow, that many times
        longer) and keeps at most `output_limit_bytes` of each stream. Raises `ConnectionLost` if
        the connection ends first.
        """
        text = self._confined(command)
        begin = time.monotonic()
        channel = self._open()
        self._channel = channel
        try:
            channel.exec_command(text)
            if stdin:
                channel.sendall(stdin)
            channel.shutdown_write()
            return self._collect(channel, begin, limit_s * self._patience, output_limit_bytes)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self._lost(error) from None
        finally:
            self._channel = None
            _shut(channel)

    def check(self, command: Sequence[str] | str, *, limit_s: float, stdin: bytes = b"") -> str:
        """The standard output of a command that must succeed, as text.

        Raises `HarnessError` with its last lines otherwise.
        """
        reply = self.run(command, limit_s=limit_s, stdin=stdin)
        if reply.exit_status == 0:
            return reply.stdout.decode(errors="replace")
        shown = shortened(command if isinstance(command, str) else shlex.join(command), 200)
        how = (
            f"did not end within {limit_s * self._patience:.0f} s"
            if reply.timed_out
            else "printed more than it may"
            if reply.overflow
            else f"ended with {reply.exit_status}"
        )
        last = last_lines(reply.stderr or reply.stdout)
        raise HarnessError(
            f"{self.name}: {shown} {how}" + (f":\n{last}" if last else ""),
            "look at the target: its console, its disk space, its programs",
        )

    def hold(self, command: Sequence[str] | str, *, limit_s: float) -> bytes:
        """Start a command that lives as long as this session does; its first words.

        It must print at once and then wait for the end of its standard input. Nothing is read
        from it afterwards. Raises `ConnectionLost` if the connection ends first.
        """
        text = command if isinstance(command, str) else shlex.join(command)
        channel = self._open()
        try:
            channel.exec_command(text)
            channel.settimeout(limit_s)
            said = channel.recv(_CHUNK)
        except (paramiko.SSHException, OSError, EOFError) as error:
            _shut(channel)
            raise self._lost(error) from None
        self._held.append(channel)
        return said

    def put(self, local: Path, remote: str) -> None:
        """Copy a local file over SFTP to `remote` (an absolute path in an existing folder)."""
        try:
            with paramiko.SFTPClient.from_transport(self._transport) as sftp:  # type: ignore[union-attr]
                sftp.put(str(local), remote)
        except (paramiko.SSHException, EOFError) as error:
            raise self._lost(error) from None
        except OSError as error:
            raise HarnessError(
                f"{self.name}: cannot write {remote}: {error}",
                "see that the target's disk has room and is writable",
            ) from None

    def answers(self) -> bool:
        """Ask the target something small; False when no answer comes within seconds."""
        try:
            return self.run("true", limit_s=_PROBE_S).exit_status == 0
        except ConnectionLost:
            return False

    def interrupt(self) -> None:
        """End the command that runs now, from another thread: its reply says `interrupted`."""
        self._interrupted.set()
        channel = self._channel
        if channel is not None:
            _shut(channel)

    def tunnel(self, address: str, port: int) -> ByteStream:
        """A byte stream to `address:port` as seen from this target (`direct-tcpip`)."""
        try:
            return self._transport.open_channel(
                "direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=CONNECT_TIMEOUT_S
            )
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self._lost(error) from None

    def stream(self, command: Sequence[str] | str) -> ByteStream:
        """The standard input and output of a command on this target, as they come.

        It lasts until the command ends or the channel is closed. Raises `ConnectionLost`.
        """
        channel = self._open()
        try:
            channel.exec_command(self._confined(command))
        except (paramiko.SSHException, OSError, EOFError) as error:
            _shut(channel)
            raise self._lost(error) from None
        return channel

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _confined(self, command: Sequence[str] | str) -> str:
        """The command as the target's shell gets it, held to the CPUs where need be."""
        text = command if isinstance(command, str) else shlex.join(command)
        if self._confine:
            return shlex.join(["taskset", "-c", self._confine, "sh", "-c", text])
        return text

    def _open(self) -> paramiko.Channel:
        try:
            return self._transport.open_session(timeout=CONNECT_TIMEOUT_S * self._patience)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self._lost(error) from None

    def _collect(self, channel: paramiko.Channel, begin: float, limit_s: float, most: int) -> Reply:
        out, err = _Stream(most), _Stream(most)
        deadline = begin + limit_s
        reader = threading.Thread(
            target=err.fill, args=(channel, channel.recv_stderr, deadline), daemon=True
        )
        reader.start()
        out.fill(channel, channel.recv, deadline)
        reader.join()
        timed_out = out.timed_out or err.timed_out
        overflow = out.overflow or err.overflow
        status: int | None = None
        if not (timed_out or overflow):
            timed_out = not channel.status_event.wait(max(0.0, deadline - time.monotonic()))
            status = channel.exit_status if not timed_out and channel.exit_status != -1 else None
        seconds = time.monotonic() - begin
        interrupted = self._interrupted.is_set()
        if status is None and not (timed_out or overflow or interrupted):
            raise ConnectionLost(
                f"{self.name}: the connection ended before the command did",
                "see whether the target still runs; baremark run --resume goes on where it stopped",
            )
        arrivals = tuple((size, when - begin) for size, when in err.arrivals)
        return Reply(
            status, out.data, err.data, seconds, timed_out, overflow, interrupted, arrivals
        )

    def _lost(self, error: Exception) -> ConnectionLost:
        return ConnectionLost(
            f"{self.name}: the SSH connection is lost: {error or type(error).__name__}",
            "see whether the target still runs; baremark run --resume goes on where it stopped",
        )


class _Stream:
    """Reads one stream of a channel up to a limit of bytes and a deadline."""

    def __init__(self, most: int) -> None:
        self._parts: list[bytes] = []
        self._most = most
        self._size = 0
        self.arrivals: list[tuple[int, float]] = []
        self.timed_out = False
        self.overflow = False

    @property
    def data(self) -> bytes:
        return b"".join(self._parts)

    def fill(
        self, channel: paramiko.Channel, receive: Callable[[int], bytes], deadline: float
    ) -> None:
        while not self.overflow:
            left = deadline - time.monotonic()
            if left <= 0:
                self.timed_out = True
                break
            channel.settimeout(left)
            try:
                part = receive(_CHUNK)
            except TimeoutError:
                self.timed_out = True
                break
            if not part:
                return
            self._size += len(part)
            self.arrivals.append((self._size, time.monotonic()))
            self._parts.append(part)
            self.overflow = self._size > self._most
        _shut(channel)


def _shut(channel: paramiko.Channel) -> None:
    """Close a channel; its connection may be gone already, which is as good."""
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        channel.close()


def last_lines(output: bytes, number: int = 5) -> str:
    """The last lines of a program's output, indented, control characters made visible."""
    text = output[-4096:].decode(errors="replace").strip()
    shown = ["".join(c if c.isprintable() else "�" for c in line) for line in text.splitlines()]
    return "\n".join("  " + line[:300] for line in shown[-number:])
