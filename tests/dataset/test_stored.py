"""The table of a dataset alone has every figure of the run's own, and says what it lacks."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.analyze.overhead import overhead
from harness.dataset import dataset
from harness.dataset.store import open_store
from harness.errors import HarnessError, UseError
from harness.publish import formats
from harness.report import stored
from harness.report.runs import analysed
from tests.dataset.runs import night
from tests.dataset.test_compaction import put
from tests.synthetic import example

RUNS = [night("2026-11-03"), night("2026-11-05"), night("2026-11-04", host="lab2")]


@pytest.mark.parametrize("format", formats.FORMATS)
def test_every_format_shows_it_and_says_what_is_missing(root: str, format: str) -> None:
    put(open_store(root), example())
    content = formats.render(stored.of_dataset(root), format)
    text = content if isinstance(content, str) else unzipped(content)
    assert "Made from the dataset alone" in " ".join(text.split())
    assert "20261101T000000Z-lab1" in text


def unzipped(content: bytes) -> str:
    """What a workbook, which is a zip of XML, holds."""
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        return " ".join(book.read(name).decode() for name in book.namelist())


def test_the_figures_are_those_of_the_run(root: str) -> None:
    run = example()
    put(open_store(root), run)
    own = analysed([run]).table
    alone = stored.of_dataset(root)
    assert alone.runs == ()
    for mine, theirs in zip(alone.sections[0].groups, own.sections[0].groups, strict=True):
        for row, known in zip(mine.rows, theirs.rows, strict=True):
            assert (row.workload, row.metric, row.unit) == (
                known.workload,
                known.metric,
                known.unit,
            )
            for figure, other in zip(row.figures, known.figures, strict=True):
                assert (figure.factor, figure.p, figure.n) == (other.factor, other.p, other.n)
                assert (figure.median, figure.failed) == (other.median, other.failed)


def test_failed_trials_are_counted_where_nobody_knows_why(root: str) -> None:
    """The example's guest times out on one workload, and its container fails twice on another."""
    put(open_store(root), example())
    document = json.loads(formats.render(stored.of_dataset(root), "json"))
    notes = json.dumps(document["sections"][0])
    assert "10 of 10 trials timed out" in notes
    assert "2 of 10 trials failed" in notes
    assert "No space left" not in notes


def test_the_newest_run_of_each_host_is_shown(root: str) -> None:
    put(open_store(root), *RUNS)
    held = stored.held_by(dataset.look(root))
    choose = stored.choose
    assert choose(held, (), (), None) == ("20261105T010000Z-lab1", "20261104T010000Z-lab2")
    assert choose(held, (), ("*2",), None) == ("20261104T010000Z-lab2",)
    assert choose(held, ("20261103T010000Z-lab1",), (), None) == ("20261103T010000Z-lab1",)
    since = datetime(2026, 11, 5, tzinfo=UTC)
    assert choose(held, (), (), since) == ("20261105T010000Z-lab1",)
    assert [section.host for section in stored.of_dataset(root).sections] == ["lab1", "lab2"]


def test_what_is_asked_for_and_not_there_is_said(root: str) -> None:
    put(open_store(root), *RUNS)
    with pytest.raises(UseError, match="does not hold run gone"):
        stored.of_dataset(root, runs=["gone"])
    with pytest.raises(UseError, match="no host matches 'lab9'") as caught:
        stored.of_dataset(root, hosts=["lab1", "lab9"])
    assert caught.value.hint == "choose from: lab1, lab2"
    with pytest.raises(UseError, match="no such run"):
        stored.of_dataset(root, hosts=["lab1"], since=datetime(2027, 1, 1, tzinfo=UTC))
    with pytest.raises(HarnessError, match="does not hold run gone"):
        dataset.read(root, overhead, ["gone"])


def test_runs_of_one_host_are_not_pooled_without_their_manifests(root: str) -> None:
    put(open_store(root), *RUNS)
    both = [run.manifest.run for run in RUNS[:2]]
    with pytest.raises(UseError, match="both of lab1, and whether they may be pooled"):
        stored.of_dataset(root, runs=both)


def test_a_place_without_a_dataset_is_named(root: str, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="there is no dataset file in"):
        stored.of_dataset(root)
