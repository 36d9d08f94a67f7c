"""Measuring hosts: the dataset is up to date when it ends, and costs no run its table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness import state
from harness.dataset import dataset
from harness.dataset.store import open_store
from harness.model.target import Endpoint
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
    console: Any = SimpleNamespace(
        step=print, planned=print, trial=print, say=print, ended=lambda run: None
    )
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
