"""The harness judged by itself: does it call equals different, and do its intervals hold a truth?

Native is measured against itself on all workloads; then one target is measured against itself
slowed down by a known amount, again and again. Nothing of it is a figure about a backend.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness import __version__, state, tools
from harness.analyze.control import Control
from harness.analyze.coverage import Coverage, coverage, pairs
from harness.bundle import install
from harness.bundle.archive import Bundle
from harness.errors import HarnessError
from harness.execute.loop import Loop
from harness.execute.measurement import Measurement, Progress
from harness.execute.runner import Runner
from harness.fingerprint import observe
from harness.ledger import reader, writer
from harness.ledger.writer import Ledger
from harness.model.plan import Block, Preset
from harness.model.run import Manifest, TargetRecord
from harness.model.target import Endpoint, Host, Target
from harness.model.trial import Trial
from harness.model.workload import Metric, Resource, Step, Workload
from harness.plan import plan
from harness.plan.request import Request
from harness.remote import connect, keys
from harness.remote.keys import Key
from harness.remote.session import Session
from harness.state import Standing
from harness.workflow.bench import interrupting

if TYPE_CHECKING:
    from harness.console import Console


def run(
    inventory: Path,
    host: Host,
    standing: Standing,
    packed: Bundle,
    request: Request,
    repetitions: int,
    results: Path,
    console: Console,
) -> SelfTest:
    """Native against itself, then the container (native where there is none) against itself
    slowed down."""
    from harness.analyze.control import control
    from harness.report import runs as report_runs  # polars: only where something is computed

    key = keys.load_key(state.state_folder(inventory) / state.KEY)
    measurement = Measurement(results, key, Progress(console.step, console.planned, console.trial))
    alone = replace(host, targets=(host.native,))
    with interrupting(measurement, console):
        folder = measurement.begin(alone, standing.endpoints, {}, packed, request)
    run = reader.read_run(folder)
    if run.ended == "interrupted":
        raise KeyboardInterrupt
    itself = control(report_runs.analysed([run]).frame)
    up = [target for target in host.targets if target.name in standing.endpoints]
    subject = next((target for target in up if not target.native), host.native)
    console.step(f"slow {subject.name} down by known amounts, {repetitions} times")
    asked = Repetitions(repetitions, request.preset.blocks, int(request.preset.seconds))
    place = Place(host, subject, standing.endpoints[subject.name], standing.endpoints[host.name])
    second, found = known_truths(place, key, packed, asked, results / "runs")
    return SelfTest(host.name, subject.name, itself, tuple(found), (folder.name, second.name))


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


@dataclass(frozen=True, slots=True)
class Repetitions:
    """How much to measure: `repetitions` of `blocks` blocks, each trial of `seconds`."""

    repetitions: int
    blocks: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Place:
    """The target to slow down, where it answers, and native of its host (None if it is that)."""

    host: Host
    target: Target
    endpoint: Endpoint
    native: Endpoint


def known_truths(
    place: Place,
    key: Key,
    packed: Bundle,
    asked: Repetitions,
    runs: Path,
    on_trial: Callable[[Trial], None] = lambda _: None,
) -> tuple[Path, list[Coverage]]:
    """Measure a target against itself slowed down by known amounts; the run's folder, and for
    each truth whether the intervals covered it.

    Raises `HarnessError` where the target cannot be measured, or no interval was had.
    """
    workloads = (_BLOCKED, _RATED)
    plain = replace(place.target, host=place.target.name)
    slowed = replace(plain, name=f"{plain.name}{SLOWED}")
    number = asked.repetitions * asked.blocks
    most = number + max(asked.blocks, number // 2)
    preset = Preset(SCENARIO, most, asked.seconds, most)
    seed = int(datetime.now(UTC).timestamp())
    planned = plan.make(Host(plain.name, (plain, slowed), True, ""), workloads, preset, seed)
    blocks = tuple(
        Block(block.index, tuple(cell for cell in block.cells if not cell.control))
        for block in planned.blocks
    )
    planned = replace(planned, scenario=SCENARIO, blocks=blocks)
    with ExitStack() as open_sessions:

        def opened(name: str, at: Endpoint, through: Session | None = None) -> Session:
            made = connect.connect(name, at, key, through=through)
            open_sessions.callback(made.close)
            return made

        host = opened(place.host.name, place.native)
        through = None if place.host.local or place.target.native else host
        first = opened(plain.name, place.endpoint, through)
        helper = opened(plain.name, place.endpoint, through)
        first.check(["mkdir", "-p", place.endpoint.work, place.endpoint.store], limit_s=30)
        where = install.push(packed, first, place.endpoint.store)
        seen = observe.observe(place.target, first, host, place.endpoint, None)
        observe.refuse_if_false(place.target, place.endpoint, seen)
        programs = install.versions(first, where, sorted({each.tool for each in workloads}))
        watched: list[tuple[float, float]] = []
        seat = Runner(
            plain,
            first,
            where,
            place.endpoint.work,
            "",
            lambda: connect.connect(plain.name, place.endpoint, key, through=through),
            beside={_BLOCKED.name: lambda: _watching(helper, _BLOCKED.tool, 0.0, watched)},
        )
        slow = replace(
            seat,
            target=slowed,
            instead={_RATED.name: _at_rate(_RATED, RATES[1])},
            beside={_BLOCKED.name: lambda: _watching(helper, _BLOCKED.tool, SHARE, watched)},
        )
        now = datetime.now(UTC)
        manifest = Manifest(
            schema=writer.SCHEMA,
            run=writer.run_id(f"{plain.name}-{SCENARIO}", now),
            created_at=now.isoformat(timespec="seconds"),
            baremark=__version__,
            scenario=SCENARIO,
            host=plain.name,
            preset=SCENARIO,
            seed=seed,
            plan=planned,
            planned_s=plan.expected_s(planned),
            bundle=packed.digest,
            targets=tuple(TargetRecord(each, seen, programs) for each in (plain, slowed)),
            missing=(),
            workloads=workloads,
        )
        truths: dict[str, dict[int, float]] = {
            _BLOCKED.name: {},
            _RATED.name: {block.index: RATES[0] / RATES[1] for block in blocks},
        }
        arms = (plain.name, slowed.name)

        def enough(_: int, trials: Sequence[Trial]) -> bool:
            """Blocks in which a trial was rejected are made up for by others, up to half as
            many again: which trials count is decided without looking at what they measured."""
            return all(len(pairs(trials, each, arms)) >= number for each in workloads)

        with Ledger.create(runs, manifest) as record:
            shares: dict[tuple[int, str], float] = {}

            def done(trial: Trial) -> None:
                if trial.workload == _BLOCKED.name and watched:
                    ran_s, watched_s = watched.pop()
                    record.note("watched", trial=trial.id, ran_s=ran_s, watched_s=watched_s)
                    shares[trial.block, trial.target] = ran_s / watched_s
                    both = [shares.get((trial.block, arm)) for arm in arms]
                    if both[0] and both[1]:
                        truths[_BLOCKED.name][trial.block] = both[0] / both[1]
                on_trial(trial)

            Loop(
                planned,
                workloads,
                {plain.name: seat, slowed.name: slow},
                record,
                on_trial=done,
                enough=enough,
                idle_wait_s=0.0,
            ).run()
            run = reader.read_run(record.folder)
    # fio counts whole operations: of so many in a trial, one more or less is no error.
    known_to = {_RATED.name: 2 / (RATES[1] * asked.seconds), _BLOCKED.name: 0.0}
    found = [
        coverage(
            workload.title,
            pairs(run.trials, workload, arms),
            workload,
            truths[workload.name],
            (asked.repetitions, asked.blocks),
            known_to[workload.name],
        )
        for workload in workloads
    ]
    kept = [each for each in found if each is not None]
    if len(kept) < len(found):
        reasons = sorted({trial.reason for trial in run.trials if trial.reason})
        raise HarnessError(
            f"no interval was had for a known slowdown of {plain.name}: "
            + ("; ".join(reasons[:3]) or "too few blocks"),
            "give it at least 6 blocks; see the trials in " + str(record.folder),
        )
    return record.folder, kept


def _at_rate(workload: Workload, rate: int) -> Workload:
    args = [arg for arg in workload.args if not arg.startswith("--rate_iops")]
    return replace(workload, args=(*args, f"--rate_iops={rate}"))


@contextmanager
def _watching(
    helper: Session, tool: str, share: float, watched: list[tuple[float, float]]
) -> Iterator[None]:
    """Stop a tool's program for a share of the time, while the block below runs it, and keep for
    how long it ran and was watched. Both arms are watched alike: that costs a little.

    The truth is what the kernel says it ran in the one arm against the other, and not 1/(1 − share)
    alone: what others would have taken from it falls partly into the gaps that the stops make.
    """
    script = Path(__file__).with_name("slow.pl").read_bytes()
    said: list[str] = []

    def watch() -> None:
        reply = helper.run(
            ["perl", "-", tools.load(tool).PROGRAM, f"{share:g}", f"{PERIOD_S:g}"],
            limit_s=300,
            stdin=script,
        )
        said.append(reply.stdout.decode(errors="replace"))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        watcher.join(30)
    words = said[0].split() if said else []
    if len(words) == 2:
        watched.append((float(words[0]), float(words[1])))


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What the harness is worth on a host: native against itself (None where nothing could be
    compared) and the known truths, with the runs that show it."""

    host: str
    subject: str
    control: Control | None
    truths: tuple[Coverage, ...]
    runs: tuple[str, ...]

    @property
    def holds(self) -> bool:
        trusted = self.control is not None and self.control.trusted
        return trusted and all(each.kept for each in self.truths)


def sentences(found: SelfTest) -> Iterator[str]:
    """The report of a host, a line for each thing tried."""
    yield f"{found.host}, by the runs {' and '.join(found.runs)}:"
    itself = found.control
    if itself is None:
        yield "  native could not be compared with itself: no workload gave enough values"
    else:
        yield (
            f"  native against itself: {itself.differing} of {itself.pairs} headline metrics "
            f"called different at α = {itself.alpha:.2g} "
            f"({100 * itself.differing / itself.pairs:.0f} %, 95 % Wilson interval "
            f"{100 * itself.low:.0f} to {100 * itself.high:.0f} %)"
            + ("" if itself.trusted else ": MORE THAN CHANCE ALLOWS")
        )
    for each in found.truths:
        yield (
            f"  {found.subject}, {each.name}: true slowdown {each.truth:.4f}×, median estimate "
            f"{each.estimate:.4f}×, median half width {100 * each.half_width:.2f} %; "
            f"{each.covered} of {each.repetitions} intervals hold the truth "
            f"({100 * each.covered / each.repetitions:.0f} %, 95 % Wilson interval "
            f"{100 * each.low:.0f} to {100 * each.high:.0f} %; promised {100 * each.level:g} %)"
            + (f"; {each.lost} repetitions had too few blocks" if each.lost else "")
            + ("" if each.kept else ": LESS THAN PROMISED")
        )
    yield ("  holds" if found.holds else "  DOES NOT HOLD: do not trust tables of this machine")


def as_json(found: SelfTest) -> dict[str, object]:
    """The report of a host as plain values."""
    return {
        **asdict(found),
        "truths": [{**asdict(each), "kept": each.kept} for each in found.truths],
        "holds": found.holds,
    }
