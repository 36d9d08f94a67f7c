"""A target that is ready to work: how a program is started there, and how it is ended."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from harness.bundle import trial_report
from harness.errors import UseError
from harness.model.run import TargetRecord
from harness.model.target import Endpoint, Target
from harness.model.workload import Workload
from harness.remote.session import ConnectionLost, Reply, Session

FOLDER_LIMIT_S = 30.0
PEER_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Ready:
    """A target with its open session, its bundle verified and its fingerprint accepted."""

    record: TargetRecord
    session: Session
    place: str
    endpoint: Endpoint
    peerless: str = ""
    """Why it runs no network workloads; "" where it does."""


REMOTE_LOCK = "/run/lock/baremark.lock"
"""The file that a baremark at work on that machine itself holds too (see `state.locked`)."""


def require_alone(native: Session, lock: str = REMOTE_LOCK) -> None:
    """Hold a lock on another machine as long as this session lasts. Raises `UseError`.

    The controller's own locks do not reach there: another controller would measure this one.
    """
    inner = f"echo held; cat >/dev/null; rm -f {lock}"
    said = native.hold(
        f"flock --nonblock {lock} sh -c {shlex.quote(inner)} || echo taken", limit_s=FOLDER_LIMIT_S
    )
    if said.strip() != b"held":
        raise UseError(
            f"{native.name}: another baremark works on that machine",
            "wait for it to end; two measurements at once would measure each other",
        )


def standing(native: Runner) -> Session:
    """The session of a native target, made anew where it is lost: the loop would only do so
    when the native target's own turn comes."""
    if not native.session.alive:
        native.session.close()
        native.session = native.reopen()
        native.connection += 1
    return native.session


def peerless(opened: Session, place: str, peer: str) -> str:
    """Why an adopted target cannot run network workloads; "" where it reaches the peer."""
    # iperf3 itself may wait for ever where what it sends is lost: its own limit is the target's.
    ask = [f"{place}/run", "timeout", "--kill-after=2", "10", f"{place}/run", "iperf3"]
    ask += ["-c", peer, "-n", "1", "--connect-timeout", "5000"]
    reply = opened.run(ask, limit_s=PEER_LIMIT_S)
    if reply.exit_status == 0:
        return ""
    return f"{opened.name} does not reach the peer {peer} of the network workloads"


@dataclass(slots=True)
class Runner:
    """A target ready to work: its open session, where its bundle and its files are.

    `reopen` makes a new session after a loss. `connection` counts them.
    """

    target: Target
    session: Session
    bundle: str
    work: str
    peer: str
    reopen: Callable[[], Session]
    connection: int = 1
    gone: str | None = None
    apart_s: tuple[float, ...] = ()
    unprepared: dict[str, str] = field(default_factory=dict)
    """Files of the workloads that could not be made here, and why."""
    process: str | None = None
    """The one process on the host that is this target, if there is one."""
    instead: Mapping[str, Workload] = field(default_factory=dict)
    """Workloads that run with other arguments here: a slowdown of known size (the selftest's)."""
    beside: Mapping[str, Callable[[], AbstractContextManager[None]]] = field(default_factory=dict)
    """What happens to a workload's program while it runs here: likewise."""

    def filled(self, arg: str, seconds: float) -> str:
        """An argument of a workload or a step with its placeholders as they are here."""
        return arg.format(
            seconds=f"{seconds:g}",
            vcpus=self.target.size.vcpus,
            memory_mib=self.target.size.memory_mib,
            peer=self.peer,
            work=self.work,
        )

    def command(self, limit_s: float, program: str, args: Iterable[str]) -> list[str]:
        """What runs a program of the bundle between the marks, and ends it after `limit_s`."""
        trial = [f"{self.bundle}/run", "dash", f"{self.bundle}/trial"]
        return [*trial, f"{limit_s:g}", self.work, program, *args]

    def kill(self, reply: Reply) -> None:
        """End the program that has replied so far: the signal goes to its `timeout`, which passes
        it on to the whole process group."""
        process = trial_report.parse(reply).process
        if process is None:
            return
        with contextlib.suppress(ConnectionLost):
            self.session.run(f"kill -TERM {process} && sleep 1; kill -KILL -{process}", limit_s=30)
