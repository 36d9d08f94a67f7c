"""What runs programs on a target: made ready once, and ended or connected anew as need be."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from threading import Event

from harness import backends
from harness.bundle import install, trial_report
from harness.bundle.archive import Bundle
from harness.errors import UseError
from harness.fingerprint import observe
from harness.model.fingerprint import Fingerprint
from harness.model.progress import Progress, Silent
from harness.model.run import TargetRecord
from harness.model.target import Endpoint, Host, Target
from harness.model.workload import Workload
from harness.plan.request import Request
from harness.remote import connect
from harness.remote.keys import Key
from harness.remote.session import ConnectionLost, Reply, Session

FOLDER_LIMIT_S = 30.0
PEER_LIMIT_S = 20.0

ANSWER_S = 15.0
"""How long after the target's own limit the controller waits for the target's reply."""

REMOTE_LOCK = "/run/lock/baremark.lock"
"""The file that a baremark at work on that machine itself holds too (see `state.locked`)."""


class Interrupted(Exception):
    """The user asked for the end; the trial in flight is not recorded."""


@dataclass(slots=True)
class Runner:
    """A target that is ready: its open session, its bundle verified, its fingerprint accepted.

    `connect` makes another session to it, `connection` counts those that `reopen` made.
    """

    record: TargetRecord
    endpoint: Endpoint
    session: Session
    connect: Callable[[], Session]
    bundle: str
    """The bundle's folder on the target."""
    peer: str
    peerless: str = ""
    """Why it runs no network workloads; "" where it does."""
    process: str | None = None
    """The one process on the host that is this target, if there is one."""
    connection: int = 1
    gone: str | None = None
    apart_s: tuple[float, ...] = ()
    unprepared: dict[str, str] = field(default_factory=dict)
    """Files of the workloads that could not be made here, and why."""
    instead: Mapping[str, Workload] = field(default_factory=dict)
    """Workloads that run with other arguments here: a slowdown of known size (the selftest's)."""
    beside: Mapping[str, Callable[[], AbstractContextManager[None]]] = field(default_factory=dict)
    """What happens to a workload's program while it runs here: likewise."""

    @classmethod
    def open(
        cls,
        target: Target,
        host: Host,
        endpoint: Endpoint,
        key: Key,
        packed: Bundle,
        request: Request,
        *,
        native: Runner | None = None,
        alone: bool = False,
        progress: Progress | None = None,
    ) -> Runner:
        """Make a target ready: connect, push and verify the bundle, observe, ask for versions.

        `native` is the runner of its host's native target, None for that one. `alone` holds the
        lock of the target's machine as long as the session lasts. Raises `HarnessError` where
        the target cannot be had or is not what it was declared to be; it is left then.
        """
        progress = progress or Silent()
        progress.step(f"connect to {target.name}")
        through = native.standing if native else None
        anew = partial(connect.to, target, host, endpoint, key, through)
        session = anew()
        try:
            if alone:
                require_alone(session)
            _require_folders(target, session, endpoint)
            progress.step(f"verify the bundle on {target.name}")
            place = install.push(packed, session, endpoint.store)
            progress.step(f"observe {target.name}")
            peer = endpoint.facts.get("peer", host.peer)
            fingerprint = _accepted(target, session, endpoint, peer, place, request, native)
            used = sorted({workload.tool for workload in request.workloads})
            programs = install.versions(session, place, used)
            return cls(
                TargetRecord(target, fingerprint, programs),
                endpoint,
                session,
                anew,
                place,
                peer,
                _peerless(target, session, endpoint, place, peer, request),
                _process(target, fingerprint),
            )
        except BaseException:
            session.close()
            raise

    @property
    def target(self) -> Target:
        return self.record.target

    @property
    def work(self) -> str:
        """The folder for the workloads' files on the target."""
        return self.endpoint.work

    def reopen(self) -> None:
        """A new session in place of the one that was lost. Raises `HarnessError`."""
        self.session.close()
        self.session = self.connect()
        self.connection += 1

    def standing(self) -> Session:
        """The session of a native target for those that are reached through it, made anew where
        it is lost: the loop would only do so when the native target's own turn comes."""
        if not self.session.alive:
            self.reopen()
        return self.session

    def close(self) -> None:
        self.session.close()

    def filled(self, arg: str, seconds: float) -> str:
        """An argument of a workload or a step with its placeholders as they are here."""
        return arg.format(
            seconds=f"{seconds:g}",
            vcpus=self.target.size.vcpus,
            memory_mib=self.target.size.memory_mib,
            peer=self.peer,
            work=self.work,
        )

    def run(self, limit_s: float, program: str, args: Iterable[str], stop: Event) -> Reply:
        """Run a program of the bundle, which the target itself ends after `limit_s`.

        Raises `ConnectionLost`, and `Interrupted` where `stop` was set: the program is ended then.
        """
        trial = [f"{self.bundle}/run", "dash", f"{self.bundle}/trial"]
        command = [*trial, f"{limit_s:g}", self.work, program, *args]
        try:
            reply = self.session.run(command, limit_s=limit_s + ANSWER_S)
        except ConnectionLost:
            if stop.is_set():
                raise Interrupted from None
            raise
        if stop.is_set():
            self.kill(reply)
            raise Interrupted
        return reply

    def stop(self) -> None:
        """Stop waiting for what runs now, from another thread; whoever waits ends it."""
        self.session.interrupt()

    def kill(self, reply: Reply) -> None:
        """End the program that has replied so far: the signal goes to its `timeout`, which passes
        it on to the whole process group."""
        process = trial_report.parse(reply).process
        if process is None or not self.session.alive:
            return
        with contextlib.suppress(ConnectionLost):
            self.session.run(f"kill -TERM {process} && sleep 1; kill -KILL -{process}", limit_s=30)


def require_alone(native: Session, lock: str = REMOTE_LOCK) -> None:
    """Hold a lock on another machine as long as this session lasts. Raises `UseError`.

    The controller's own locks do not reach there: another controller would measure this one.
    """
    inner = f"echo held; cat >/dev/null; rm -f {lock}"
    answer = native.hold(
        f"flock --nonblock {lock} sh -c {shlex.quote(inner)} || echo taken", limit_s=FOLDER_LIMIT_S
    )
    if answer.strip() != b"held":
        raise UseError(
            f"{native.name}: another baremark works on that machine",
            "wait for it to end; two measurements at once would measure each other",
        )


def _require_folders(target: Target, session: Session, endpoint: Endpoint) -> None:
    """The folders for the bundle and the files are made; of an adopted target they must be there.
    Raises `HarnessError`."""
    if target.adopted:
        connect.require_folders(session, endpoint)
    else:
        session.check(["mkdir", "-p", endpoint.work, endpoint.store], limit_s=FOLDER_LIMIT_S)


def _accepted(
    target: Target,
    session: Session,
    endpoint: Endpoint,
    peer: str,
    place: str,
    request: Request,
    native: Runner | None,
) -> Fingerprint:
    """What the target is, which must be what was declared. Raises `HarnessError`."""
    host = native.session if native else session
    of_native = native.record.fingerprint if native else None
    fingerprint = observe.observe(target, session, host, endpoint, of_native, peer, place)
    observe.refuse_if_false(target, endpoint, fingerprint, request.accepted)
    return fingerprint


def _peerless(
    target: Target, session: Session, endpoint: Endpoint, place: str, peer: str, request: Request
) -> str:
    """Why a target cannot run network workloads: provisioning says so, or an adopted one does not
    reach the peer; "" where it does, or none of them is asked for."""
    if not target.adopted or not any(workload.needs_peer for workload in request.workloads):
        return endpoint.facts.get("peerless", "")
    # iperf3 itself may wait for ever where what it sends is lost: its own limit is the target's.
    ask = [f"{place}/run", "timeout", "--kill-after=2", "10", f"{place}/run", "iperf3"]
    ask += ["-c", peer, "-n", "1", "--connect-timeout", "5000"]
    if session.run(ask, limit_s=PEER_LIMIT_S).exit_status == 0:
        return ""
    return f"{session.name} does not reach the peer {peer} of the network workloads"


def _process(target: Target, fingerprint: Fingerprint) -> str | None:
    """The number of the one process on the host that is this target, if there is one."""
    outside = fingerprint.outside
    if target.adopted:
        return outside.get("process")
    return backends.load(target.backend).process(outside)
