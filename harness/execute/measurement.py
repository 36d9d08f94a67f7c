"""A run, from targets that are up to a closed ledger: each step takes what the last returned.

Hosts are independent of each other: each has its own plan, native baseline and run folder, and
several hosts are measured at the same time, one thread each.
"""

from __future__ import annotations

import getpass
import os
import secrets
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from harness import __version__
from harness.analyze import allocation
from harness.bundle.archive import Bundle
from harness.errors import HarnessError, UseError, refusal
from harness.execute import counters
from harness.execute.loop import Loop
from harness.execute.runner import Runner
from harness.ledger import reader, writer
from harness.ledger.writer import Ledger
from harness.model import facts
from harness.model.plan import Plan
from harness.model.progress import Progress
from harness.model.run import OVER_BUDGET, LeftOut, Manifest, Missing, Run, TargetRecord
from harness.model.target import Endpoint, Host
from harness.model.workload import Workload
from harness.plan import plan
from harness.plan.request import Request, most_blocks, rule_of
from harness.remote.keys import Key

NOT_ASKED_FOR = "baremark up was not asked for it"


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


def foresee(host: Host, request: Request) -> None:
    """Raise `UseError` where `request` holds no plan of `host`, whatever comes up: nothing to
    measure, a cap of blocks that contradicts it, a budget that does not hold one block."""
    made = _planned(host, request, 0, ())
    if made.rule is not None and made.rule.budget_s is not None:
        plan.within(made, request.workloads, made.rule.budget_s)


class Measurement:
    """The runs of several hosts at once; `interrupt` ends them all cleanly."""

    def __init__(self, results: Path, key: Key, progress: Progress) -> None:
        self._runs = results / "runs"
        self._key = key
        self._progress = progress
        self._loops: list[Loop] = []
        self._interrupted = threading.Event()

    def interrupt(self) -> None:
        """Ask every host's loop to end after recording what it has."""
        self._interrupted.set()
        for loop in self._loops:
            loop.interrupt()

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
        with ExitStack() as sessions:
            present, missing = taking_part(host, endpoints, failed)
            runners = self._opened(present, endpoints, packed, request, missing, sessions)
            present = replace(host, targets=tuple(t for t in present.targets if t.name in runners))
            manifest = self._manifest(present, request, packed, runners, missing)
            with Ledger.create(self._runs, manifest) as record:
                self._execute(present, manifest, runners, record, request)
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
        run = reader.read_run(folder)
        manifest = run.manifest
        if manifest.imported is not None:
            raise UseError(f"the run {manifest.run} was imported", "nothing can be added to it")
        at_its_budget = run.ended == "budget" and manifest.plan.rule is not None
        if run.ended in {"complete", "precise"} or at_its_budget:
            raise UseError(
                f"the run {manifest.run} is complete ({run.ended})",
                "nothing is left to do; begin a new run",
            )
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
        with ExitStack() as sessions:
            missing: list[Missing] = []
            runners = self._opened(present, endpoints, packed, request, missing, sessions)
            for lost in missing:
                raise HarnessError(
                    f"{lost.target} cannot take part again: {lost.reason}",
                    "baremark up, then --resume again; or begin a new run",
                )
            for before in manifest.targets:
                _refuse_if_changed(before, runners[before.target.name].record)
            with Ledger.resume(folder) as record:
                self._execute(present, manifest, runners, record, request, run)
            return folder

    def _opened(
        self,
        host: Host,
        endpoints: Mapping[str, Endpoint],
        packed: Bundle,
        request: Request,
        missing: list[Missing],
        sessions: ExitStack,
    ) -> dict[str, Runner]:
        """The runners of those targets that can be made ready, until `sessions` ends; native
        first, for it is asked about the others."""
        runners: dict[str, Runner] = {}
        for target in host.targets:
            try:
                runner = Runner.open(
                    target,
                    host,
                    endpoints[target.name],
                    self._key,
                    packed,
                    request,
                    native=runners.get(host.name),
                    alone=target.native and not host.local,
                    progress=self._progress,
                )
            except HarnessError as error:
                if target.native:
                    raise
                missing.append(Missing(target.name, target.backend, error.message))
                self._progress.step(f"{target.name} does not take part: {error.message}")
            else:
                runners[target.name] = runner
                sessions.callback(runner.close)
        return runners

    def _manifest(
        self,
        host: Host,
        request: Request,
        packed: Bundle,
        runners: Mapping[str, Runner],
        missing: Sequence[Missing],
    ) -> Manifest:
        when = datetime.now(UTC)
        seed = secrets.randbits(32) if request.seed is None else request.seed
        if request.lengths is not None:
            request.lengths.require_machine(runners[host.name].record.fingerprint.cpu_model)
        left_out = _left_out(host, request.workloads, runners)
        made = _planned(host, request, seed, left_out)
        if made.rule is not None and made.rule.budget_s is not None:
            held = plan.within(made, request.workloads, made.rule.budget_s)
            more = _over_budget(made, held)
            left_out += more
            made = _planned(host, request, seed, left_out) if more else made
        return Manifest(
            schema=writer.SCHEMA,
            run=writer.run_id(host.name, when),
            created_at=when.isoformat(timespec="seconds"),
            baremark=__version__,
            scenario=made.scenario,
            host=host.name,
            preset=request.preset.name,
            seed=seed,
            plan=made,
            planned_s=plan.expected_s(made),
            bundle=packed.digest,
            targets=tuple(runner.record for runner in runners.values()),
            missing=tuple(missing),
            workloads=request.workloads,
            accepted=request.accepted,
            left_out=left_out,
            by=_asker(),
            releases=request.releases,
        )

    def _execute(
        self,
        host: Host,
        manifest: Manifest,
        runners: Mapping[str, Runner],
        record: Ledger,
        request: Request,
        before: Run | None = None,
    ) -> None:
        loop = Loop(
            manifest.plan,
            manifest.workloads,
            runners,
            record,
            progress=self._progress,
            limit_slack_s=request.limit_slack_s,
            choose=partial(allocation.choose, manifest),
            hopeless=partial(allocation.hopeless, manifest),
            wait_quiet_s=request.wait_quiet_s,
            accepted=manifest.accepted,
            peers=counters.peers(
                runners[host.name].session,
                runners[host.name].endpoint.facts.get("peer_processes", ""),
            ),
            own=[str(os.getpid())] if host.local else [],
        )
        self._loops.append(loop)
        if self._interrupted.is_set():
            loop.interrupt()
        self._progress.planned(manifest.plan, manifest.planned_s, manifest.run)
        loop.run(*((before.trials, before.allocated) if before else ()))


def _asker() -> str:
    """Who asks: BAREMARK_BY, or the name of the account; "" where it has none."""
    try:
        return os.environ.get("BAREMARK_BY") or getpass.getuser()
    except (KeyError, OSError):
        return ""


def _left_out(
    host: Host, workloads: Sequence[Workload], runners: Mapping[str, Runner]
) -> tuple[LeftOut, ...]:
    """Network workloads, where a target does not reach the peer; where native does not, there is
    nothing to compare with and no target runs them."""
    native = runners[host.name].peerless
    return tuple(
        LeftOut(workload.name, target.name, native or runners[target.name].peerless)
        for workload in workloads
        if workload.needs_peer
        for target in host.targets
        if native or runners[target.name].peerless
    )


def _planned(host: Host, request: Request, seed: int, left_out: Sequence[LeftOut]) -> Plan:
    return plan.make(
        host,
        request.workloads,
        request.preset,
        seed,
        blocks=most_blocks(request),
        without={(each.workload, each.target) for each in left_out},
        rule=rule_of(request),
        lengths=request.lengths,
    )


def _over_budget(made: Plan, held: Collection[str]) -> tuple[LeftOut, ...]:
    """The cells of the workloads that the budget does not hold."""
    cells = ((each.workload, each.target) for each in made.blocks[0].cells)
    return tuple(
        LeftOut(workload, target, OVER_BUDGET)
        for workload, target in dict.fromkeys(cells)
        if workload not in held
    )


def _refuse_if_changed(before: TargetRecord, after: TargetRecord) -> None:
    """A run may only be continued on what it began on."""
    for fact, old, new in facts.differing(before, after):
        if fact.resumed:
            was, now = facts.differing_parts(facts.text(old), facts.text(new))
            raise refusal(
                "same",
                f"{before.target.name} is no longer what the run began on",
                f"{fact.title} was {was}, is {now}",
                "begin a new run",
            )
