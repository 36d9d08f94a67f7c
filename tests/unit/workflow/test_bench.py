"""What a measurement refuses before it provisions; its dataset, which costs no run its table."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness import inventory as inventories
from harness import state
from harness.console import Console
from harness.dataset import dataset
from harness.dataset.store import open_store
from harness.errors import HarnessError
from harness.model.target import Diagnosis, Endpoint, Host
from harness.plan import plan
from harness.plan.request import Request
from harness.provision import lifecycle
from harness.remote import keys
from harness.report import runs
from harness.workflow import bench
from tests.dataset.runs import read
from tests.lab import night, save, workloads

RUN = night(0, blocks=3, of=workloads(1))


class Measuring:
    """In place of a measurement: the run of a night is there when it ends."""

    def __init__(self, results: Path, *_: object) -> None:
        self._results = results

    def begin(self, *_: object) -> Path:
        return save(RUN, self._results)

    def interrupt(self) -> None: ...


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setattr(bench, "Measurement", Measuring)
    monkeypatch.setattr(keys, "load_key", lambda *_: None)
    monkeypatch.setattr(state, "state_folder", lambda *_: tmp_path)
    host: Any = SimpleNamespace(name="lab1", native=SimpleNamespace(name="lab1"), targets=())
    up: Mapping[str, Endpoint | None] = {"lab1": None}
    standing: Any = SimpleNamespace(endpoints=up, failed={})
    console = Console()
    monkeypatch.setattr(console, "ended", lambda run: None)
    nothing: Any = None

    def measure() -> bench.Measured:
        results = tmp_path / "results"
        return bench.measure_all(
            tmp_path, [host], standing, nothing, nothing, results, console, None
        )

    return measure


def test_the_dataset_is_up_to_date_when_a_run_has_ended(measured: Any, tmp_path: Path) -> None:
    done = measured()
    assert (done.errors, done.whole) == ((), True)
    source = tmp_path / "results" / "dataset"
    assert read(source).equals(dataset.frame(RUN))
    built = dataset.update(tmp_path / "results", open_store(source), runs.judged)
    assert (built.written, built.kept) == ((), (RUN.manifest.run,))


def test_a_dataset_that_cannot_be_written_costs_no_run_its_table(
    measured: Any, tmp_path: Path
) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "dataset").write_text("a file in its place")
    done = measured()
    assert [folder.name for folder in done.folders] == [RUN.manifest.run]
    (error,) = done.errors
    assert str(tmp_path / "results" / "dataset") in str(error)
    assert runs.read(done.folders).table.sections[0].host == "lab1"


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Host, ...]:
    """An inventory of three targets, on a machine where nothing may be provisioned."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "hosts.yml").write_text(
        "all: {vars: {baremark_vcpus: 1, baremark_memory_mib: 512, baremark_disk_gib: 2}}\n"
        "baremetal: {hosts: {lab1: {ansible_connection: local}}}\n"
        "docker: {hosts: {box: {baremark_host: lab1}}}\n"
        "kvm: {hosts: {guest: {baremark_host: lab1}}}\n"
    )

    def provision(*_: object) -> None:
        pytest.fail("something was provisioned")

    # Another baremark may be at work on this machine.
    monkeypatch.setattr(bench, "locked", lambda *_: nullcontext())
    monkeypatch.setattr(lifecycle, "prepare", provision)
    monkeypatch.setattr(lifecycle, "up", provision)
    monkeypatch.setattr(lifecycle, "down", lambda *_, **__: None)
    return inventories.load(tmp_path / "hosts.yml")


def asked(
    hosts: tuple[Host, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *unusable: str,
    **given: Any,
) -> HarnessError:
    """What `bench.run` refuses with, where the doctor finds the targets `unusable`."""
    needed = given.pop("needed", ())
    findings = [
        Diagnosis(each.name, each.backend, each.name not in unusable, f"no {each.backend}", "")
        for host in hosts
        for each in host.targets
    ]
    monkeypatch.setattr(lifecycle, "doctor", lambda *_: findings)
    request = Request(plan.preset("quick"), tuple(workloads(2)), **given)
    with pytest.raises(HarnessError) as refused:
        bench.run(tmp_path / "hosts.yml", hosts, request, tmp_path, Console(), needed=needed)
    return refused.value


def test_native_alone_is_refused_where_more_was_asked_for(
    hosts: tuple[Host, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = asked(hosts, tmp_path, monkeypatch, "box", "guest")
    assert error.message == "there is nothing to compare native with: box: no docker; guest: no kvm"
    assert "choose it with -t" in error.hint


def test_native_alone_is_measured_where_it_alone_was_asked_for(
    hosts: tuple[Host, ...], tmp_path: Path
) -> None:
    alone = inventories.choose(hosts, ["lab1"])
    bench.require_sides(tmp_path, alone, alone, {})


def test_one_of_two_sides_is_refused(
    hosts: tuple[Host, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = asked(hosts, tmp_path, monkeypatch, "guest", needed=("box", "guest"))
    assert error.message == "there is nothing to compare: guest: no kvm"


def test_a_budget_that_holds_no_block_is_refused(
    hosts: tuple[Host, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = asked(hosts, tmp_path, monkeypatch, budget_s=3.0)
    assert "does not hold one block" in error.message
    error = asked(hosts, tmp_path, monkeypatch, precision=0.01, max_blocks=2)
    assert "--max-blocks 2" in error.message
