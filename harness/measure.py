"""A run, from targets that are up to a closed ledger: each step takes what the last returned.

Hosts are independent of each other: each has its own plan, native baseline and run folder, and
several hosts are measured at the same time, one thread each.
"""

from __future__ import annotations

import getpass
import os
import secrets
import shlex
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from harness import (
    __version__,
    adopt,
    backends,
    bundle,
    fingerprint,
    ledger,
    metering,
    plan,
    session,
)
from harness.analyze.stopping import LEAST_BLOCKS, PRECISION, too_wide
from harness.bundle import Bundle
from harness.errors import HarnessError, UseError, refusal
from harness.execute import LIMIT_SLACK_S, Execution
from harness.ledger import Ledger
from harness.model import Endpoint, Fingerprint, Host, Plan, Preset, Target, Workload
from harness.record import LeftOut, Manifest, Missing, TargetRecord, Trial
from harness.seat import Seat
from harness.session import Key, Session

NOT_ASKED_FOR = "baremark up was not asked for it"
FOLDER_LIMIT_S = 30.0
PEER_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Request:
    """What to measure: on all hosts alike."""

    preset: Preset
    workloads: tuple[Workload, ...]
    seed: int | None = None
    budget_s: float | None = None
    precision: float | None = None
    """δ for every resource in place of the preset's own; asks for precision of any preset."""
    max_blocks: int | None = None
    accepted: tuple[str, ...] = ()
    """Checks whose objections count for nothing (`--accept`)."""
    releases: str = ""
    """The releases that the targets stand for, as `--releases` names them."""
    limit_slack_s: float = LIMIT_SLACK_S


@dataclass(frozen=True, slots=True)
class Announce:
    """Whom to tell: a step begun, a plan about to start (with its seconds), a trial done."""

    step: Callable[[str], None]
    planned: Callable[[Plan, float, str], None]
    trial: Callable[[Plan, Trial], None]


@dataclass(frozen=True, slots=True)
class _Ready:
    """A target with its open session, its bundle verified and its fingerprint accepted."""

    record: TargetRecord
    session: Session
    place: str
    endpoint: Endpoint
    peerless: str = ""
    """Why it runs no network workloads; "" where it does."""


def taking_part(
    host: Host, endpoints: Mapping[str, Endpoint], failed: Mapping[str, str]
) -> tuple[Host, list[Missing]]:
    """The host with those of its targets that are up, and why the others are not."""
    up = tuple(target for target in host.targets if target.name in endpoints)
    missing = [
        Missing(target.name, target.backend, failed.get(target.name, NOT_ASKED_FOR))
        for target in host.targets
        if target.name not in endpoints
    ]
    return replace(host, targets=up), missing


class Measurement:
    """The runs of several hosts at once; `interrupt` ends them all cleanly."""

    def __init__(self, results: Path, key: Key, announce: Announce) -> None:
        self._runs = results / "runs"
        self._key = key
        self._announce = announce
        self._executions: list[Execution] = []
        self._interrupted = threading.Event()

    def interrupt(self) -> None:
        """Ask every host's loop to end after recording what it has."""
        self._interrupted.set()
        for execution in self._executions:
            execution.interrupt()

    def begin(
        self,
        host: Host,
        endpoints: Mapping[str, Endpoint],
        failed: Mapping[str, str],
        packed: Bundle,
        request: Request,
    ) -> Path:
        """Measure one host by a new plan; the folder of its run, closed.

        Raises `HarnessError` when its native target cannot take part; other targets that
        cannot are recorded as missing.
        """
        with ExitStack() as open_sessions:
            present, missing = taking_part(host, endpoints, failed)
            ready = self._ready(present, endpoints, packed, request, missing, open_sessions)
            present = replace(host, targets=tuple(t for t in present.targets if t.name in ready))
            manifest = self._manifest(present, request, packed, ready, missing)
            with Ledger.create(self._runs, manifest) as record:
                self._execute(present, manifest, ready, record, request, ())
            return record.folder

    def resume(
        self,
        folder: Path,
        host: Host,
        endpoints: Mapping[str, Endpoint],
        packed: Bundle,
        request: Request,
    ) -> Path:
        """Do what is left of a run, on the same targets. Raises `HarnessError` if they differ."""
        run = ledger.read_run(folder)
        manifest = run.manifest
        if manifest.imported is not None:
            raise UseError(f"the run {manifest.run} was imported", "nothing can be added to it")
        if run.ended in {"complete", "precise"}:
            raise UseError(f"the run {manifest.run} is complete", "nothing is left to do")
        present = replace(host, targets=tuple(record.target for record in manifest.targets))
        absent = [target.name for target in present.targets if target.name not in endpoints]
        if absent:
            raise UseError(
                f"the run {manifest.run} also needs {', '.join(absent)}, which is not up",
                "baremark up",
            )
        if packed.digest != manifest.bundle:
            raise refusal(
                "bundle",
                f"the run {manifest.run} would go on with different programs",
                f"it ran bundle {manifest.bundle[:12]}…, the targets now carry "
                f"{packed.digest[:12]}…",
                "begin a new run",
            )
        request = replace(request, workloads=manifest.workloads, accepted=manifest.accepted)
        with ExitStack() as open_sessions:
            missing: list[Missing] = []
            ready = self._ready(present, endpoints, packed, request, missing, open_sessions)
            for lost in missing:
                raise HarnessError(
                    f"{lost.target} cannot take part again: {lost.reason}",
                    "baremark up, then --resume again; or begin a new run",
                )
            for before in manifest.targets:
                _refuse_if_changed(before, ready[before.target.name].record)
            with Ledger.resume(folder) as record:
                self._execute(present, manifest, ready, record, request, run.trials)
            return folder

    def _ready(
        self,
        host: Host,
        endpoints: Mapping[str, Endpoint],
        packed: Bundle,
        request: Request,
        missing: list[Missing],
        open_sessions: ExitStack,
    ) -> dict[str, _Ready]:
        """Connect, push and verify the bundle, observe; native first, for it is asked about
        the others."""
        ready: dict[str, _Ready] = {}
        for target in host.targets:
            try:
                ready[target.name] = self._one_ready(
                    target, host, endpoints[target.name], packed, request, ready, open_sessions
                )
            except HarnessError as error:
                if target.native:
                    raise
                missing.append(Missing(target.name, target.backend, error.message))
                self._announce.step(f"{target.name} does not take part: {error.message}")
        return ready

    def _one_ready(
        self,
        target: Target,
        host: Host,
        endpoint: Endpoint,
        packed: Bundle,
        request: Request,
        ready: Mapping[str, _Ready],
        open_sessions: ExitStack,
    ) -> _Ready:
        native = ready.get(host.name)
        self._announce.step(f"connect to {target.name}")
        opened = self._connect(target, host, endpoint, native.session if native else None)
        open_sessions.callback(opened.close)
        if target.native and not host.local:
            require_alone(opened)
        if target.adopted:
            adopt.require_folders(opened, endpoint)
        else:
            opened.check(["mkdir", "-p", endpoint.work, endpoint.store], limit_s=FOLDER_LIMIT_S)
        self._announce.step(f"verify the bundle on {target.name}")
        place = bundle.push(packed, opened, endpoint.store)
        self._announce.step(f"observe {target.name}")
        seen = fingerprint.observe(
            target,
            opened,
            native.session if native else opened,
            endpoint,
            native.record.fingerprint if native else None,
            place,
        )
        fingerprint.refuse_if_false(target, endpoint, seen, request.accepted)
        used = sorted({workload.tool for workload in request.workloads})
        said = bundle.versions(opened, place, used)
        peerless = ""
        if target.adopted and any(workload.needs_peer for workload in request.workloads):
            peerless = _peerless(opened, place, host.peer)
        return _Ready(TargetRecord(target, seen, said), opened, place, endpoint, peerless)

    def _connect(
        self, target: Target, host: Host, endpoint: Endpoint, native: Session | None
    ) -> Session:
        """An adopted target is reached as its inventory says; others of another machine through
        the session of its native target."""
        if target.adopted:
            return adopt.connect(target.name, endpoint)
        through = None if host.local or target.native else native
        return session.connect(target.name, endpoint, self._key, through=through)

    def _manifest(
        self,
        host: Host,
        request: Request,
        packed: Bundle,
        ready: Mapping[str, _Ready],
        missing: Sequence[Missing],
    ) -> Manifest:
        when = datetime.now(UTC)
        seed = secrets.randbits(32) if request.seed is None else request.seed
        precision, least = _precision(request)
        most = _most_blocks(request, least)
        left_out = _left_out(host, request.workloads, ready)
        without = {(each.workload, each.target) for each in left_out}
        asked = (host, request.workloads, request.preset, seed)
        made = plan.make(*asked, blocks=most, without=without)
        if request.budget_s is not None:
            blocks = plan.blocks_within(made, request.budget_s)
            made = plan.make(*asked, blocks=blocks, without=without)
        return Manifest(
            schema=ledger.SCHEMA,
            run=ledger.run_id(host.name, when),
            created_at=when.isoformat(timespec="seconds"),
            baremark=__version__,
            scenario=made.scenario,
            host=host.name,
            preset=request.preset.name,
            seed=seed,
            plan=made,
            planned_s=plan.expected_s(made),
            bundle=packed.digest,
            targets=tuple(one.record for one in ready.values()),
            missing=tuple(missing),
            workloads=request.workloads,
            precision=precision,
            least_blocks=least,
            accepted=request.accepted,
            left_out=left_out,
            by=_asker(),
            releases=request.releases,
        )

    def _execute(
        self,
        host: Host,
        manifest: Manifest,
        ready: Mapping[str, _Ready],
        record: Ledger,
        request: Request,
        before: Sequence[Trial],
    ) -> None:
        seats: dict[str, Seat] = {}
        for name, one in ready.items():
            seats[name] = self._seat(host, one, seats)
        execution = Execution(
            manifest.plan,
            manifest.workloads,
            seats,
            record,
            on_trial=lambda trial: self._announce.trial(manifest.plan, trial),
            limit_slack_s=request.limit_slack_s,
            enough=lambda blocks, trials: _enough(manifest, blocks, trials),
            accepted=manifest.accepted,
            peers=metering.peers(ready[host.name].session),
        )
        self._executions.append(execution)
        if self._interrupted.is_set():
            execution.interrupt()
        self._announce.planned(manifest.plan, manifest.planned_s, manifest.run)
        execution.run(before, request.budget_s)

    def _seat(self, host: Host, one: _Ready, seats: Mapping[str, Seat]) -> Seat:
        """The seat of a target. A target on another machine is reached through the session of
        that machine's native target: the one that stands then, not the one that stood first."""
        target, outside = one.record.target, one.record.fingerprint.outside

        def reopen() -> Session:
            direct = host.local or target.native or target.adopted
            native = None if direct else _standing(seats[host.name])
            return self._connect(target, host, one.endpoint, native)

        return Seat(
            target=target,
            session=one.session,
            bundle=one.place,
            work=one.endpoint.work,
            peer=host.peer,
            reopen=reopen,
            process=(
                outside.get("process")
                if target.adopted
                else backends.load(target.backend).process(outside)
            ),
        )


def _asker() -> str:
    """Who asks: BAREMARK_BY, or the name of the account; "" where it has none."""
    try:
        return os.environ.get("BAREMARK_BY") or getpass.getuser()
    except (KeyError, OSError):
        return ""


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


def _standing(native: Seat) -> Session:
    """The session of a native target, made anew where it is lost: the loop would only do so
    when the native target's own turn comes."""
    if not native.session.alive:
        native.session.close()
        native.session = native.reopen()
        native.connection += 1
    return native.session


def _peerless(opened: Session, place: str, peer: str) -> str:
    """Why an adopted target cannot run network workloads; "" where it reaches the peer."""
    # iperf3 itself may wait for ever where what it sends is lost: its own limit is the target's.
    ask = [f"{place}/run", "timeout", "--kill-after=2", "10", f"{place}/run", "iperf3"]
    ask += ["-c", peer, "-n", "1", "--connect-timeout", "5000"]
    reply = opened.run(ask, limit_s=PEER_LIMIT_S)
    if reply.exit_status == 0:
        return ""
    return f"{opened.name} does not reach the peer {peer} of the network workloads"


def _left_out(
    host: Host, workloads: Sequence[Workload], ready: Mapping[str, _Ready]
) -> tuple[LeftOut, ...]:
    """Network workloads, where a target does not reach the peer; where native does not, there is
    nothing to compare with and no target runs them."""
    native = ready[host.name].peerless
    return tuple(
        LeftOut(workload.name, target.name, native or ready[target.name].peerless)
        for workload in workloads
        if workload.needs_peer
        for target in host.targets
        if native or ready[target.name].peerless
    )


def _precision(request: Request) -> tuple[dict[str, float], int]:
    """δ by resource and the least number of blocks; nothing where no precision is asked for."""
    if request.precision is None and not request.preset.to_precision:
        return {}, 0
    wanted = {str(resource): request.precision or own for resource, own in PRECISION.items()}
    least = request.preset.blocks if request.preset.to_precision else LEAST_BLOCKS
    return wanted, least


def _most_blocks(request: Request, least: int) -> int:
    """The cap: of the preset, of a run to a precision, or a lower one of the user's.

    `least` is the number of blocks before which no precision is looked for, 0 where none is
    asked for. Raises `UseError` for a cap under it.
    """
    most = request.preset.max_blocks if least == 0 else plan.MAX_BLOCKS
    if request.max_blocks is None:
        return most
    if request.max_blocks < least:
        raise UseError(
            f"--max-blocks {request.max_blocks} is under the {least} blocks before which no "
            "precision is looked for",
            f"give at least {least}, or ask for no precision",
        )
    return request.max_blocks if least else min(most, request.max_blocks)


def _enough(manifest: Manifest, blocks: int, trials: Sequence[Trial]) -> bool:
    """Whether a run that measures to a precision has it."""
    if not manifest.precision or blocks < manifest.least_blocks:
        return False
    elsewhere = {record.target.name for record in manifest.targets if record.target.elsewhere}
    compared = [trial for trial in trials if trial.target not in elsewhere]
    return not too_wide(compared, manifest.workloads, manifest.host, manifest.precision)


_SAME = ("backend", "label", "release", "accelerator", "kernel", "cpu_model", "vcpus")


def _refuse_if_changed(before: TargetRecord, after: TargetRecord) -> None:
    """A run may only be continued on what it began on."""
    was: Fingerprint = before.fingerprint
    for name in _SAME:
        old, new = getattr(was, name), getattr(after.fingerprint, name)
        if old != new:
            raise refusal(
                "same",
                f"{before.target.name} is no longer what the run began on",
                f"{name} was {old}, is {new}",
                "begin a new run",
            )
