"""Runs whose date cannot be right are told, a sentence a host."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from harness.report import dates

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def runs(**started: datetime) -> pl.DataFrame:
    rows = [{"host": "lab1", "run": run, "started": when} for run, when in started.items()]
    return pl.DataFrame(rows)


def test_runs_of_a_day_to_come_are_told_once_with_the_first_of_them() -> None:
    found = runs(
        old=datetime(2026, 11, 1, tzinfo=UTC),
        late=datetime(2027, 1, 2, tzinfo=UTC),
        later=datetime(2027, 1, 3, tzinfo=UTC),
    )
    (told,) = dates.to_come(found, NOW)
    assert told.startswith("run late (and 1 more of lab1) is dated 2027-01-02 00:00")
    assert not list(dates.to_come(found, datetime(2028, 1, 1, tzinfo=UTC)))


def test_a_new_run_that_is_dated_before_the_last_one_is_told() -> None:
    found = runs(
        first=datetime(2026, 11, 1, tzinfo=UTC),
        tonight=datetime(2026, 11, 2, tzinfo=UTC),
        last=datetime(2026, 11, 3, tzinfo=UTC),
    )
    (told,) = dates.before_the_last(found, {"tonight"})
    assert "run tonight of lab1 is dated 2026-11-02 00:00, before run last" in told
    assert not list(dates.before_the_last(found, {"last"}))
    assert not list(dates.before_the_last(found, {"tonight", "last"}))


def test_a_first_run_is_before_nothing() -> None:
    assert not list(dates.before_the_last(runs(only=NOW), {"only"}))
