"""Slowdowns of known size, really made: a target is measured against itself slowed down.

What is found must be what was made. Nothing of it is a figure about a backend.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from harness import __version__, tools
from harness.analyze.allocation import whole
from harness.analyze.coverage import Coverage, coverage, pairs
from harness.bundle.archive import Bundle
from harness.errors import HarnessError
from harness.execute.loop import Loop
from harness.execute.runner import Runner
from harness.ledger import reader, writer
from harness.ledger.writer import Ledger
from harness.model.allocation import Choice
from harness.model.plan import Block, Plan, Preset
from harness.model.progress import Silent
from harness.model.run import Manifest, Run
from harness.model.target import Endpoint, Host, Target
from harness.model.trial import Trial
from harness.model.workload import Metric, Resource, Step, Workload
from harness.plan import plan
from harness.plan.request import Request
from harness.remote.keys import Key
from harness.remote.session import Session

SCENARIO = "selftest"
SLOWED = "+slowed"
SHARE = 0.2
PERIOD_S = 0.02
"""Of each fiftieth of a second the program is stopped for a fifth."""
RATES = (1000, 800)
"""Operations a second that fio is held to."""

_BLOCKED = Workload(
    name="selftest-stopped",
    title="a program that is stopped for a fifth of its time",
    version=1,
    resource=Resource.CPU,
    tool="sysbench",
    args=("cpu", "--threads=1", "--cpu-max-prime=2000", "--time={seconds}", "run"),
    metrics=(Metric("events_per_s", "1/s", "higher"),),
)
_FILE = ("--filename=selftest.dat", "--size=16m", "--ioengine=psync", "--output-format=json")
_RATED = Workload(
    name="selftest-rate",
    title="a disk workload that is held to four fifths of a rate",
    version=1,
    resource=Resource.DISK,
    tool="fio",
    args=(
        *("--name=selftest", *_FILE, "--rw=randread", "--bs=4k", "--time_based"),
        *("--runtime={seconds}", f"--rate_iops={RATES[0]}"),
    ),
    metrics=(Metric("read_iops", "1/s", "higher"),),
    prepare=(Step("selftest.dat", "fio", ("--name=lay-out", *_FILE, "--rw=write", "--bs=1m")),),
)
_WORKLOADS = (_BLOCKED, _RATED)

_Watched = list[tuple[float, float]]
"""For how many seconds a program ran and was watched; of the last trial, until it is taken."""


@dataclass(frozen=True, slots=True)
class Repetitions:
    """How much to measure: `repetitions` of `blocks` blocks, each trial of `seconds`."""

    repetitions: int
    blocks: int
    seconds: int

    @property
    def number(self) -> int:
        """The blocks that count."""
        return self.repetitions * self.blocks

    @property
    def preset(self) -> Preset:
        """With blocks to make up for those in which a trial is rejected: half as many again."""
        most = self.number + max(self.blocks, self.number // 2)
        return Preset(SCENARIO, most, self.seconds, most)


@dataclass(frozen=True, slots=True)
class Place:
    """The target to slow down and where it answers, and where native of its host does."""

    host: Host
    target: Target
    endpoint: Endpoint
    native: Endpoint


def known_truths(
    place: Place, key: Key, packed: Bundle, asked: Repetitions, runs: Path
) -> tuple[Path, list[Coverage]]:
    """Measure a target against itself slowed down by known amounts; the run's folder, and for
    each truth whether the intervals covered it.

    Raises `HarnessError` where the target cannot be measured, or no interval was had.
    """
    plain = replace(place.target, host=place.target.name)
    arms = plain, replace(plain, name=f"{plain.name}{SLOWED}")
    planned = _plan(arms, asked.preset)
    watched: _Watched = []
    with ExitStack() as sessions:
        runner = _opened(place, key, packed, asked, sessions)
        runners = _arms(runner, arms, watched, sessions)
        manifest = _manifest(planned, runners, packed)
        with Ledger.create(runs, manifest) as ledger:
            shares = _Shares(ledger, watched)
            Loop(
                planned,
                _WORKLOADS,
                runners,
                ledger,
                progress=shares,
                choose=lambda block, trials, _: _next(planned, block, trials, asked.number),
                idle_wait_s=0.0,
            ).run()
            run = reader.read_run(ledger.folder)
    truths = {
        _BLOCKED.name: shares.ratios(*runners),
        _RATED.name: {block.index: RATES[0] / RATES[1] for block in planned.blocks},
    }
    return ledger.folder, _covered(run, ledger.folder, truths, asked)


def _plan(arms: tuple[Target, Target], preset: Preset) -> Plan:
    """Both arms in every block, without the control that a plan of overheads has."""
    seed = int(datetime.now(UTC).timestamp())
    made = plan.make(Host(arms[0].name, arms, True, ""), _WORKLOADS, preset, seed)
    blocks = tuple(
        Block(block.index, tuple(cell for cell in block.cells if not cell.control))
        for block in made.blocks
    )
    return replace(made, scenario=SCENARIO, blocks=blocks)


def _opened(
    place: Place, key: Key, packed: Bundle, asked: Repetitions, sessions: ExitStack
) -> Runner:
    """The target made ready, after native of its host, until `sessions` ends."""
    request = Request(asked.preset, _WORKLOADS)
    host, native = place.host, None
    if not place.target.native:
        native = Runner.open(host.native, host, place.native, key, packed, request)
        sessions.callback(native.close)
    runner = Runner.open(place.target, host, place.endpoint, key, packed, request, native=native)
    sessions.callback(runner.close)
    return runner


def _arms(
    runner: Runner, arms: tuple[Target, Target], watched: _Watched, sessions: ExitStack
) -> dict[str, Runner]:
    """The same target twice, by name: as it is, then slowed down."""
    helper = runner.connect()
    sessions.callback(helper.close)
    slower = {_RATED.name: _at_rate(_RATED, RATES[1])}
    made: dict[str, Runner] = {}
    for target, share, instead in ((arms[0], 0.0, {}), (arms[1], SHARE, slower)):
        made[target.name] = replace(
            runner,
            record=replace(runner.record, target=target),
            # The counters are read inside the target, where its number on the host says nothing.
            process=None,
            instead=instead,
            beside={_BLOCKED.name: partial(_watching, helper, _BLOCKED.tool, share, watched)},
        )
        sessions.callback(made[target.name].close)
    return made


def _manifest(planned: Plan, runners: Mapping[str, Runner], packed: Bundle) -> Manifest:
    now = datetime.now(UTC)
    return Manifest(
        schema=writer.SCHEMA,
        run=writer.run_id(f"{planned.host}-{SCENARIO}", now),
        created_at=now.isoformat(timespec="seconds"),
        baremark=__version__,
        scenario=SCENARIO,
        host=planned.host,
        preset=SCENARIO,
        seed=planned.seed,
        plan=planned,
        planned_s=plan.expected_s(planned),
        bundle=packed.digest,
        targets=tuple(runner.record for runner in runners.values()),
        missing=(),
        workloads=_WORKLOADS,
    )


def _next(planned: Plan, block: int, trials: Sequence[Trial], number: int) -> Choice:
    """Blocks in which a trial was rejected are made up for by others, up to half as many again:
    which trials count is decided without looking at what they measured."""
    arms = planned.host, f"{planned.host}{SLOWED}"
    if all(len(pairs(trials, each, arms)) >= number for each in _WORKLOADS):
        return Choice((), "precise")
    return whole(planned, block)


class _Shares(Silent):
    """For which share of its time the program ran in each watched trial; noted in the ledger."""

    def __init__(self, ledger: Ledger, watched: _Watched) -> None:
        self._ledger = ledger
        self._watched = watched
        self._by_trial: dict[tuple[int, str], float] = {}

    def trial(self, plan: Plan, trial: Trial) -> None:  # noqa: ARG002
        if trial.workload != _BLOCKED.name or not self._watched:
            return
        ran_s, watched_s = self._watched.pop()
        self._ledger.note("watched", trial=trial.id, ran_s=ran_s, watched_s=watched_s)
        self._by_trial[trial.block, trial.target] = ran_s / watched_s

    def ratios(self, plain: str, slowed: str) -> dict[int, float]:
        """The share of the one over that of the other, by block; where both are known."""
        both = {
            block: (share, self._by_trial.get((block, slowed)))
            for (block, target), share in self._by_trial.items()
            if target == plain
        }
        return {block: one / other for block, (one, other) in both.items() if one and other}


def _covered(
    run: Run, folder: Path, truths: Mapping[str, Mapping[int, float]], asked: Repetitions
) -> list[Coverage]:
    """For each truth whether the intervals held it. Raises `HarnessError` where none was had."""
    plain, slowed = (record.target.name for record in run.manifest.targets)
    # fio counts whole operations: of so many in a trial, one more or less is no error.
    known_to = {_RATED.name: 2 / (RATES[1] * asked.seconds), _BLOCKED.name: 0.0}
    found = [
        coverage(
            workload.title,
            pairs(run.trials, workload, (plain, slowed)),
            workload,
            truths[workload.name],
            (asked.repetitions, asked.blocks),
            known_to[workload.name],
        )
        for workload in _WORKLOADS
    ]
    kept = [each for each in found if each is not None]
    if len(kept) < len(found):
        reasons = sorted({trial.reason for trial in run.trials if trial.reason})
        raise HarnessError(
            f"no interval was had for a known slowdown of {plain}: "
            + ("; ".join(reasons[:3]) or "too few blocks"),
            "give it at least 6 blocks; see the trials in " + str(folder),
        )
    return kept


def _at_rate(workload: Workload, rate: int) -> Workload:
    args = [arg for arg in workload.args if not arg.startswith("--rate_iops")]
    return replace(workload, args=(*args, f"--rate_iops={rate}"))


@contextmanager
def _watching(helper: Session, tool: str, share: float, watched: _Watched) -> Iterator[None]:
    """Stop a tool's program for a share of the time, while the block below runs it, and keep for
    how long it ran and was watched. Both arms are watched alike: that costs a little.

    The truth is what the kernel says it ran in the one arm against the other, and not 1/(1 − share)
    alone: what others would have taken from it falls partly into the gaps that the stops make.
    """
    script = Path(__file__).with_name("slow.pl").read_bytes()
    printed: list[str] = []

    def watch() -> None:
        reply = helper.run(
            ["perl", "-", tools.load(tool).PROGRAM, f"{share:g}", f"{PERIOD_S:g}"],
            limit_s=300,
            stdin=script,
        )
        printed.append(reply.stdout.decode(errors="replace"))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        watcher.join(30)
    words = printed[0].split() if printed else []
    if len(words) == 2:
        watched.append((float(words[0]), float(words[1])))
