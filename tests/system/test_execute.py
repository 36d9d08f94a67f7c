"""The loop over a real sshd: whatever a program does, the run goes on and says what happened."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness.bundle.archive import Bundle
from harness.execute.loop import Choose, Loop
from harness.execute.runner import Runner
from harness.ledger import reader, writer
from harness.ledger.writer import Ledger
from harness.model.allocation import Choice
from harness.model.plan import Block, Plan
from harness.model.progress import Progress, Silent
from harness.model.run import Manifest, Run
from harness.model.target import Host, Size, Target
from harness.model.trial import Trial, TrialStatus
from harness.model.workload import Metric, Resource, Step, Workload
from harness.plan.plan import make, preset
from tests import waiting

from . import ready, sshd, standin

pytestmark = pytest.mark.system

OUTPUT = Path(__file__).parents[1] / "unit" / "outputs" / "sysbench"
TARGET = Target("native", "baremetal", "native", Size(1, 256, 2, (0,)), "127.0.0.1")
EVENTS = (Metric("events_per_s", "1/s", "higher"),)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return standin.make(tmp_path_factory.mktemp("bundle"))


def workload(name: str, tool: str, *args: str, prepare: tuple[Step, ...] = ()) -> Workload:
    return Workload(name, name, 1, Resource.CPU, tool, args, EVENTS, prepare)


@pytest.fixture
def runner(server: sshd.Sshd, packed: Bundle) -> Iterator[Runner]:
    made = ready.runner(server, packed, TARGET)
    yield made
    made.close()


Carry = Callable[..., Run]


@pytest.fixture
def carry_out(tmp_path: Path) -> Carry:
    """Carry out one block of some workloads by a runner; the run as read back from its folder."""

    def carry(
        runner: Runner,
        *workloads: Workload,
        slack_s: float = 20.0,
        during: Callable[[Loop], None] = lambda _: None,
        progress: Progress | None = None,
        blocks: int = 1,
        choose: Choose | None = None,
    ) -> Run:
        plan = make(
            Host("native", (TARGET,), True, "127.0.0.1"),
            workloads,
            preset("smoke"),
            1,
            blocks=blocks,
        )
        once = [tuple(cell for cell in block.cells if not cell.control) for block in plan.blocks]
        plan = replace(plan, blocks=tuple(Block(index, cells) for index, cells in enumerate(once)))
        manifest = Manifest(
            schema=writer.SCHEMA,
            run=f"run{len(list(tmp_path.iterdir()))}",
            created_at="2026-01-01T00:00:00+00:00",
            baremark="0",
            scenario="overhead",
            host="native",
            preset="smoke",
            seed=1,
            plan=plan,
            planned_s=1.0,
            bundle="0" * 64,
            targets=(),
            missing=(),
            workloads=workloads,
        )
        with Ledger.create(tmp_path, manifest) as record:
            loop = Loop(
                plan,
                workloads,
                {"native": runner},
                record,
                limit_slack_s=slack_s,
                progress=progress,
                choose=choose,
            )
            during(loop)
            loop.run()
            return reader.read_run(record.folder)

    return carry


class Told(Silent):
    """Remembers of which trials it was told."""

    def __init__(self) -> None:
        self.trials: list[str] = []

    def trial(self, plan: Plan, trial: Trial) -> None:
        self.trials.append(trial.id)


def only(run: Run) -> Trial:
    (trial,) = run.trials
    return trial


def good_output() -> str:
    return str(next(path for path in sorted(OUTPUT.glob("*.out")) if "cpu" in path.name))


def running(text: str) -> bool:
    """Whether any process of this machine has `text` among its arguments."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in file.read_bytes():
                return True
        except OSError:
            continue
    return False


def test_a_good_trial_keeps_sample_clocks_and_raw_output(
    runner: Runner, carry_out: Carry, tmp_path: Path
) -> None:
    run = carry_out(runner, workload("good", "sysbench", good_output()))
    trial = only(run)
    assert trial.status is TrialStatus.OK
    assert [sample.metric for sample in trial.samples] == ["events_per_s"]
    assert trial.guest_s is not None
    assert trial.controller_s is not None
    assert 0 < trial.guest_s < trial.controller_s
    assert reader.read_raw(tmp_path / run.manifest.run, trial) == Path(good_output()).read_bytes()
    assert run.ended == "complete"


def test_only_what_is_chosen_of_a_block_is_run_and_the_last_choice_ends_it(
    runner: Runner, carry_out: Carry
) -> None:
    works = [workload(name, "sysbench", good_output()) for name in ("one", "two")]
    seen: list[tuple[int, int]] = []

    def choose(block: int, trials: Sequence[Trial], spent_s: float) -> Choice:
        seen.append((block, len(trials)))
        return [Choice((0, 1)), Choice((1,)), Choice((), "precise")][block]

    run = carry_out(runner, *works, blocks=5, choose=choose)
    assert run.ended == "precise"
    assert [(trial.block, trial.position) for trial in run.trials] == [(0, 0), (0, 1), (1, 1)]
    assert seen == [(0, 0), (1, 2), (2, 3)]


def test_garbage_is_a_failed_trial_that_says_so(
    runner: Runner, carry_out: Carry, tmp_path: Path
) -> None:
    garbage = tmp_path / "garbage"
    garbage.write_bytes(bytes(range(256)) * 50)
    trial = only(carry_out(runner, workload("garbage", "sysbench", str(garbage))))
    assert trial.status is TrialStatus.FAILED
    assert trial.samples == ()
    assert trial.reason
    assert "sysbench" in trial.reason


def test_a_program_that_prints_nothing_is_a_failed_trial(runner: Runner, carry_out: Carry) -> None:
    trial = only(carry_out(runner, workload("nothing", "sysbench", "/dev/null")))
    assert (trial.status, trial.samples) == (TrialStatus.FAILED, ())
    assert trial.reason


def test_a_program_that_prints_without_end_is_stopped_on_the_target_too(
    runner: Runner, carry_out: Carry
) -> None:
    trial = only(carry_out(runner, workload("endless", "fio", "endless-output-of-the-test")))
    assert trial.status is TrialStatus.FAILED
    assert trial.reason is not None
    assert "printed more than 16 MiB" in trial.reason
    waiting.until(lambda: not running("endless-output-of-the-test"), "its end")


def test_a_failing_program_is_recorded_with_status_and_last_words_and_the_run_goes_on(
    runner: Runner, carry_out: Carry
) -> None:
    run = carry_out(
        runner,
        workload("fails", "iperf3", "/no/such/file"),
        workload("good", "sysbench", good_output()),
    )
    by_name = {trial.workload: trial for trial in run.trials}
    failed = by_name["fails"]
    assert (failed.status, failed.exit_status) == (TrialStatus.FAILED, 2)
    assert failed.reason is not None
    assert "ended with status 2" in failed.reason
    assert "No such file" in failed.reason
    assert by_name["good"].status is TrialStatus.OK


def test_a_hanging_program_is_stopped_at_its_limit_on_the_target(
    runner: Runner, carry_out: Carry
) -> None:
    run = carry_out(
        runner,
        workload("hangs", "stress-ng", "7531.5"),
        workload("good", "sysbench", good_output()),
        slack_s=10.0,
    )
    by_name = {trial.workload: trial for trial in run.trials}
    assert by_name["hangs"].status is TrialStatus.TIMEOUT
    assert by_name["hangs"].samples == ()
    assert by_name["good"].status is TrialStatus.OK
    assert not running("7531.5")


def test_an_interrupt_ends_the_program_on_the_target_and_keeps_what_there_is(
    runner: Runner, carry_out: Carry
) -> None:
    def during(loop: Loop) -> None:
        def interrupt() -> None:
            waiting.until(lambda: running("8642.5"), "the program")
            loop.interrupt()

        threading.Thread(target=interrupt).start()

    run = carry_out(runner, workload("hangs", "stress-ng", "8642.5"), during=during)
    assert run.ended == "interrupted"
    assert run.trials == ()
    waiting.until(lambda: not running("8642.5"), "its end")


def test_a_lost_connection_is_one_lost_trial_and_a_new_connection(
    tmp_path: Path, packed: Bundle, carry_out: Carry
) -> None:
    with sshd.running(tmp_path / "sshd") as server:
        runner = ready.runner(server, packed, TARGET)
        victims = sshd.descendants(server.process.pid)

        def end() -> None:
            waiting.until(lambda: running("6.4205"), "the program")
            sshd.end(victims)

        threading.Thread(target=end).start()
        told = Told()
        run = carry_out(
            runner,
            workload("long", "stress-ng", "6.4205"),
            workload("good", "sysbench", good_output()),
            workload("longer", "stress-ng", "1.5"),
            progress=told,
        )
        runner.session.close()
    lost = [trial for trial in run.trials if trial.status is TrialStatus.LOST]
    assert len(lost) == 1
    assert lost[0].reason
    after = run.trials[run.trials.index(lost[0]) + 1 :]
    assert all(trial.connection == 2 for trial in after)
    assert told.trials == [trial.id for trial in run.trials]
    assert run.ended == "complete"


def test_a_target_that_is_gone_loses_its_trials_and_not_the_run(
    tmp_path: Path, packed: Bundle, carry_out: Carry
) -> None:
    with sshd.running(tmp_path / "sshd") as server:
        runner = ready.runner(server, packed, TARGET)
        server.kill()
        run = carry_out(
            runner,
            workload("one", "sysbench", good_output()),
            workload("two", "sysbench", good_output()),
        )
    assert [trial.status for trial in run.trials] == [TrialStatus.LOST, TrialStatus.LOST]
    assert run.trials[1].reason is not None
    assert "the target is gone" in run.trials[1].reason
    assert run.ended == "complete"


def test_a_file_that_cannot_be_prepared_fails_its_workloads_with_that_reason(
    runner: Runner, carry_out: Carry
) -> None:
    step = Step("never.dat", "iperf3", ("/no/such/file",))
    trial = only(carry_out(runner, workload("late", "sysbench", good_output(), prepare=(step,))))
    assert trial.status is TrialStatus.FAILED
    assert trial.reason is not None
    assert "never.dat could not be made" in trial.reason


def test_a_file_is_made_once_and_again_when_its_step_was_edited(
    runner: Runner, carry_out: Carry
) -> None:
    file = Path(runner.work) / "made.dat"

    def made(second: int) -> float:
        step = Step("made.dat", "sockperf", (f"--date=@{second}", "{work}/made.dat"))
        run = carry_out(runner, workload("filed", "sysbench", good_output(), prepare=(step,)))
        assert only(run).status is not TrialStatus.FAILED, only(run).reason
        return file.stat().st_mtime

    assert made(1) == 1
    os.utime(file, (5, 5))
    assert made(1) == 5
    assert made(2) == 2
    assert made(1) == 1
