"""What a history looks like in a terminal, and what of it is computed again."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from harness import __version__
from harness.analyze.history.history import NIGHT, History
from harness.analyze.overhead import overhead
from harness.dataset import compaction, dataset
from harness.dataset.samples import FORMAT
from harness.dataset.store import open_store
from harness.errors import UseError
from harness.publish.history import sparkline, verdict
from harness.report import overhead_cache
from harness.report.series import Filter, HistorySeries, choose, parts
from tests.dataset.runs import read
from tests.nightly import FIRST, night
from tests.unit.analyze.history.test_confirmation import shift
from tests.unit.analyze.history.test_shifts import by_run, facts, found, noise

NAME = {"resource": "cpu"}  # within ±1 % is equivalent


def series(factors: Sequence[float | None], begins: Sequence[int] = ()) -> HistorySeries:
    made = found({"a": noise(len(factors), 1)}, facts(len(factors))).table
    nights = made.with_columns(pl.Series("F", factors, dtype=pl.Float64)).select(NIGHT)
    runs = nights["run"].to_list()
    return HistorySeries(NAME, nights, tuple(shift(run=runs[at]) for at in begins))


# ------------------------------------------------------------------ the sparkline
def test_heights_are_on_the_log_scale() -> None:
    eighths = [math.exp(0.1 * step) for step in range(8)]
    assert sparkline(series(eighths)) == "▁▂▃▄▅▆▇█"
    assert sparkline(series(eighths[::-1])) == "█▇▆▅▄▃▂▁"


def test_noise_within_what_is_equivalent_does_not_fill_the_height() -> None:
    drawn = sparkline(series([1.1, 1.101, 1.099, 1.1]))
    assert set(drawn) <= set("▄▅")


def test_a_night_without_a_result_is_a_gap_and_no_zero() -> None:
    assert sparkline(series([1.0, None, 2.0])) == "▁·█"
    assert sparkline(series([None, None])) == "··"


def test_a_shift_is_marked_before_its_night() -> None:
    assert sparkline(series([1.0, 1.0, 2.0, 2.0], begins=[2])) == "▁▁│██"


def test_many_nights_are_drawn_by_their_medians() -> None:
    drawn = sparkline(series([1.0] * 50 + [2.0] * 50), width=10)
    assert drawn == "▁" * 5 + "█" * 5


def test_a_verdict_says_when_how_far_what_moved_what_was_new_and_how_sure() -> None:
    said = verdict(shift(told="no run has both"))
    for expected in (
        "▲ 2026-08-10 +10.0 % [−1.0, +21.0]", "p < 0.0001", "from +10.0 % to +21.0 %",
        "native did not move", "new: release 7.2 → 10.0", "unconfirmed (no run has both)",
    ):  # fmt: skip
        assert expected in said
    assert "the host's own values moved too" in verdict(shift(moved="host", changed=None))
    assert "nothing known was new" in verdict(shift(changed=None, ratio=0.9))


# ------------------------------------------------------------------ what is asked for
def whole() -> History:
    return History(found({"a": noise(3, 1), "b": noise(3, 2)}, facts(3)).table, ())


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("disk-*", ("disk-*", "*")),
        ("disk-*@kvm", ("disk-*", "kvm")),
        ("disk-* × kvm", ("disk-*", "kvm")),
        ("@kvm", ("*", "kvm")),
    ],
)
def test_a_cell_is_a_workload_and_a_target(cell: str, expected: tuple[str, str]) -> None:
    assert parts(cell) == expected


def test_series_are_chosen_by_cell_target_backend_and_workload() -> None:
    for asked in (
        Filter(), Filter("cpu-*"), Filter("cpu-one@k*"), Filter(targets=["kvm"]),
        Filter(workloads=["cpu-*"]), Filter(targets=["k*"]),
    ):  # fmt: skip
        assert [each.name["metric"] for each in choose(whole(), asked)] == ["a", "b"]
    for cell in ("disk-*", "cpu-*@docker", ""):
        with pytest.raises(UseError, match=f"no series matches {re.escape(repr(cell))}") as caught:
            choose(whole(), Filter(cell))
        assert "cpu-one@kvm" in caught.value.hint


def test_one_pattern_of_several_that_matches_nothing_is_refused() -> None:
    with pytest.raises(UseError, match="no target matches 'docker'") as caught:
        choose(whole(), Filter(targets=["k*", "docker"]))
    assert caught.value.hint == "choose from: kvm"
    with pytest.raises(UseError, match=r"no workload matches 'disk-\*'") as caught:
        choose(whole(), Filter(workloads=["cpu-*", "disk-*"]))
    assert caught.value.hint == "choose from: cpu-one"


def test_since_keeps_the_nights_from_that_time_on() -> None:
    first, *_ = choose(whole(), Filter(since=FIRST.replace(day=2)))
    assert first.nights.height == 2


# ------------------------------------------------------------------ what is computed again
def by_night(parts: list[pl.LazyFrame]) -> pl.DataFrame:
    return overhead(parts, by_run=True)


def factor(rows: pl.DataFrame | None, run: str) -> float:
    assert rows is not None
    found = rows.filter(pl.col("run").cast(pl.String) == run, ~pl.col("native"))["F"].to_list()
    assert len(found) == 1
    return float(found[0])


def test_only_new_and_changed_runs_are_computed_again(tmp_path: Path) -> None:
    asked: list[list[str]] = []

    def compute(parts: list[pl.LazyFrame]) -> pl.DataFrame:
        found = pl.concat(parts).select(pl.col("run").cast(pl.String).unique()).collect()
        asked.append(sorted(found["run"]))
        return by_night(parts)

    def kept() -> pl.DataFrame:
        made = overhead_cache.by_run(runs, tmp_path, compute)
        assert made is not None
        return made

    nights = [night(number, {"kvm": 1.1}) for number in range(3)]
    runs = [dataset.write(run, tmp_path).stem for run in nights[:2]]
    first = kept()
    assert kept().equals(first)
    assert asked == [runs]
    runs.append(dataset.write(nights[2], tmp_path).stem)
    assert set(kept()["run"].cast(pl.String)) == set(runs)
    assert asked[1:] == [[runs[2]]]
    dataset.write(night(0, {"kvm": 1.5}), tmp_path)
    assert factor(kept(), runs[0]) == pytest.approx(1.5, rel=0.03)
    assert asked[2:] == [[runs[0]]]
    del runs[1]
    assert set(kept()["run"].cast(pl.String)) == set(runs)
    assert len(asked) == 3
    assert overhead_cache.by_run([], tmp_path, compute) is None


def test_what_a_compaction_merged_is_not_believed_over_the_run_written_since(
    tmp_path: Path,
) -> None:
    """It was killed before it removed anything; then the first night was written anew, and the
    second night's own file went: now the merged file counts, for the second night alone."""
    first, second = (night(number, {"kvm": 1.1}) for number in range(2))
    files = [dataset.write(run, tmp_path) for run in (first, second)]
    runs = [file.stem for file in files]
    copies = [file.read_bytes() for file in files]
    compaction.compact(open_store(tmp_path / "dataset"), FORMAT)
    for file, data in zip(files, copies, strict=True):
        file.write_bytes(data)
    dataset.write(night(0, {"kvm": 1.5}), tmp_path)
    assert factor(overhead_cache.by_run(runs, tmp_path, by_night), runs[0]) > 1.4
    files[1].unlink()
    again = overhead_cache.by_run(runs, tmp_path, by_night)
    assert factor(again, runs[0]) > 1.4
    assert factor(again, runs[1]) == pytest.approx(1.1, rel=0.03)


def test_a_run_that_has_no_overhead_any_more_is_not_told_by_what_was_kept(tmp_path: Path) -> None:
    run = dataset.write(night(0, {"kvm": 1.1}), tmp_path).stem
    assert overhead_cache.by_run([run], tmp_path, by_night) is not None
    dataset.write(night(0, {"kvm": 1.1}, native=2.0), tmp_path)
    assert overhead_cache.by_run([run], tmp_path, lambda _: None) is None


@pytest.mark.parametrize("how", ["torn", "version"])
def test_what_was_kept_by_another_version_or_is_torn_is_not_used(tmp_path: Path, how: str) -> None:
    runs = [dataset.write(night(0, {"kvm": 1.1}), tmp_path).stem]
    calls = 0

    def compute(parts: list[pl.LazyFrame]) -> pl.DataFrame:
        nonlocal calls
        calls += 1
        return by_night(parts)

    overhead_cache.by_run(runs, tmp_path, compute)
    path = tmp_path / "dataset" / "overhead" / "by_run.parquet"
    if how == "torn":
        path.write_bytes(path.read_bytes()[:100])
    else:
        metadata = pl.read_parquet_metadata(path)
        assert metadata["signature"].endswith(__version__)
        other = {"signature": "0 0 0.0.0", "runs": metadata["runs"]}
        pl.read_parquet(path).write_parquet(path, metadata=other)
    overhead_cache.by_run(runs, tmp_path, compute)
    assert calls == 2


def test_what_is_kept_is_no_file_of_the_dataset(tmp_path: Path) -> None:
    runs = [dataset.write(night(0, {"kvm": 1.1}), tmp_path).stem]
    overhead_cache.by_run(runs, tmp_path, by_night)
    assert read(tmp_path / "dataset").height == 16


def test_the_frame_by_run_has_what_is_kept() -> None:
    assert set(overhead_cache._COLUMNS) <= set(by_run({"a": noise(1, 1)}).columns)
