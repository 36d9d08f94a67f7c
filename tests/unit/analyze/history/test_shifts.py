"""Shifts: found where they are, cut where something known changed, blamed on what moved."""

from __future__ import annotations

import functools
import math
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from harness.analyze.history.history import NIGHT, SERIES, Shift
from harness.analyze.history.series import Table, nights
from harness.analyze.history.shifts import shifts
from harness.dataset import targets
from tests.nightly import FIRST, night

Floats = npt.NDArray[np.float64]
NOISE = 0.01


def by_run(
    series: dict[str, Floats], native: Floats | None = None, host: str = "lab1"
) -> pl.DataFrame:
    """The overhead frame by run: a metric for each of `series`, which hold ln F a night, NaN
    where there was no result."""
    rows = []
    for metric, logs in series.items():
        for number, log in enumerate(logs):
            f = None if math.isnan(log) else math.exp(log)
            base = 1000.0 if native is None else float(native[number])
            rows.append(
                {
                    "host": host, "scenario": "overhead", "target": "kvm", "backend": "kvm",
                    "class": "type1", "label": "kvm", "native": False, "control": False,
                    "nested": False, "imported": False, "elsewhere": False,
                    "adopted": False, "resource": "cpu", "workload": "cpu-one",
                    "workload_version": 1, "metric": metric, "metric_index": 0, "unit": "1/s",
                    "better": "higher", "headline": True, "run": name(number, host), "F": f,
                    "F_low": f and f * 0.99, "F_high": f and f * 1.01, "n": 8 if f else 0,
                    "overhead_percent": f and 100 * (f - 1), "overhead_low": None,
                    "overhead_high": None, "native_value_median": base,
                }
            )  # fmt: skip
    frame = pl.DataFrame(rows, infer_schema_length=None)
    return frame.with_columns(pl.col("overhead_low", "overhead_high").cast(pl.Float64))


@functools.cache
def name(number: int, host: str = "lab1") -> str:
    return night(number, {}, host=host).manifest.run


def facts(count: int, **changes: tuple[int, str, str]) -> pl.DataFrame:
    """What was observed of `count` nights; a change is the first night of the new value, and the
    old and the new one, of the target's fingerprint."""
    frames = []
    for number in range(count):
        seen = {key: new if number >= at else old for key, (at, old, new) in changes.items()}
        frames.append(targets.frame(night(number, {}, {"kvm": seen}).manifest))
    return pl.concat(frames)


def noise(count: int, seed: int) -> Floats:
    return 0.1 + NOISE * np.random.default_rng(seed).standard_normal(count)


def found(series: dict[str, Floats], seen: pl.DataFrame, native: Floats | None = None) -> Table:
    return nights(by_run(series, native), seen)


def day(shift: Shift) -> int:
    return (shift.started - FIRST) // timedelta(days=1)


def test_nights_have_the_agreed_columns_in_the_order_of_series_and_time() -> None:
    made = found({"b": noise(3, 1), "a": noise(3, 2)}, facts(3)).table
    assert made.columns == [*SERIES, *NIGHT]
    assert made["metric"].to_list() == ["a"] * 3 + ["b"] * 3
    assert made["started"].to_list() == [FIRST + timedelta(days=n) for n in range(3)] * 2
    assert made["epoch"].to_list() == [0] * 6
    assert made["native_value"].to_list() == [1000.0] * 6


def test_native_imported_and_what_has_no_native_beside_it_have_no_history() -> None:
    frame = by_run({"a": noise(2, 1)})
    others = [
        frame.with_columns(pl.lit(True).alias(column))
        for column in ("native", "control", "imported", "elsewhere")
    ]
    assert nights(pl.concat([frame, *others]), facts(2)).table.height == 2


def test_an_epoch_begins_where_something_known_changed() -> None:
    seen = facts(6, release=(2, "7.2", "10.0"), kernel=(4, "5", "6"))
    made = found({"a": noise(6, 1)}, seen).table
    assert made["epoch"].to_list() == [0, 0, 1, 1, 2, 2]
    assert made["changed"].to_list() == [
        None, None, "release 7.2 → 10.0", None, "kernel 5 → 6", None,
    ]  # fmt: skip


def test_a_series_that_lacks_the_night_of_a_change_is_cut_at_its_next_one() -> None:
    seen = facts(6, release=(2, "7.2", "10.0"))
    frame = by_run({"a": noise(6, 1)}).filter(~pl.col("run").is_in([name(2), name(3)]))
    made = nights(frame, seen).table
    assert made["epoch"].to_list() == [0, 0, 1, 1]
    assert made["changed"][2] == "release 7.2 → 10.0"


def test_a_night_without_a_result_stays_and_is_no_zero() -> None:
    logs = noise(40, 3)
    logs[[4, 25]] = math.nan
    made = found({"a": logs}, facts(40))
    assert made.table["F"].null_count() == 2
    assert made.table.height == 40
    logs[20:] += 0.1
    (shift,) = shifts(found({"a": logs}, facts(40)))
    assert day(shift) == 20
    assert shift.after == pytest.approx(math.exp(np.nanmean(logs[20:])))


def test_a_change_that_nobody_knows_of_is_found_in_its_night() -> None:
    logs = noise(60, 4)
    logs[33:] += 0.08
    (shift,) = shifts(found({"a": logs}, facts(60)))
    assert (day(shift), shift.run) == (33, name(33))
    assert shift.changed is None
    assert shift.releases is None
    assert shift.before == pytest.approx(math.exp(logs[:33].mean()))
    assert shift.ratio == pytest.approx(math.exp(logs[33:].mean() - logs[:33].mean()))
    assert shift.low < math.exp(0.08) < shift.high
    assert (shift.moved, shift.status) == ("backend", "unconfirmed")
    assert shift.p < 1e-6


def test_several_changes_of_one_series_are_all_found_latest_first() -> None:
    logs = noise(120, 5)
    logs[40:] += 0.08
    logs[80:] -= 0.12
    found_ = shifts(found({"a": logs}, facts(120)))
    assert [day(shift) for shift in found_] == [80, 40]
    assert [shift.ratio > 1 for shift in found_] == [False, True]


def test_noise_alone_is_no_shift() -> None:
    """Ten series in five histories: by Benjamini & Hochberg one history in twenty is wrong."""
    wrong = sum(
        bool(shifts(found({str(n): noise(60, 100 * seed + n) for n in range(10)}, facts(60))))
        for seed in range(5)
    )
    assert wrong <= 2  # a chance of one in 900 at most


def test_a_change_at_a_known_night_needs_few_nights_and_says_what_was_new() -> None:
    logs = noise(24, 6)
    logs[20:] += 0.08
    (shift,) = shifts(found({"a": logs}, facts(24, release=(20, "7.2", "10.0"))))
    assert day(shift) == 20
    assert shift.changed == "release 7.2 → 10.0"
    assert shift.releases == ("7.2", "10.0")


def test_a_known_night_without_a_change_of_level_is_no_shift() -> None:
    assert shifts(found({"a": noise(60, 7)}, facts(60, kernel=(30, "5", "6")))) == ()


def test_two_changes_in_two_nights_do_not_hide_a_shift() -> None:
    """The epoch between them is too short to be compared with anything."""
    logs = noise(60, 8)
    logs[30:] += 0.08
    seen = facts(60, kernel=(30, "5", "6"), release=(31, "7.2", "10.0"))
    (shift,) = (each for each in shifts(found({"a": logs}, seen)) if each.changed)
    assert day(shift) == 31
    assert shift.changed == "release 7.2 → 10.0; kernel 5 → 6"


def test_where_native_moved_too_it_was_the_host() -> None:
    logs = noise(60, 9)
    logs[30:] += 0.08
    still = 1000 * np.exp(NOISE * np.random.default_rng(1).standard_normal(60))
    moved = still * np.where(np.arange(60) < 31, 1.0, 0.9)
    (backend,) = shifts(found({"a": logs}, facts(60), still))
    (host,) = shifts(found({"a": logs}, facts(60), moved))
    assert (backend.moved, host.moved) == ("backend", "host")
    long_ago = still * np.where(np.arange(60) < 10, 0.999, 1.0)
    (other,) = shifts(found({"a": logs}, facts(60), long_ago))
    assert other.moved == "backend"


def test_a_shift_in_a_young_epoch_is_found_among_many_series() -> None:
    """A kernel every 24 nights, and the last one 16 nights old: a shift of 3.5 deviations a week
    ago, which by those 16 nights alone could not be told from the chance of sixty series."""
    kernels = [{"kvm": {"kernel": f"6.1.{number // 24}"}} for number in range(136)]
    seen = pl.concat(
        targets.frame(night(number, {}, kernel).manifest) for number, kernel in enumerate(kernels)
    )
    right = alarms = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        series = {f"m{number:02}": NOISE * rng.standard_normal(136) for number in range(60)}
        series["m30"][129:] += 3.5 * NOISE
        told = shifts(found(series, seen))
        right += [day(shift) for shift in told if shift.metric == "m30"][:1] == [129]
        alarms += sum(shift.metric != "m30" for shift in told)
    assert right >= 8
    assert alarms <= 10


def test_what_other_nights_and_hosts_showed_does_not_change_what_a_night_says() -> None:
    logs = noise(40, 10)
    logs[20:] += 0.08
    alone = shifts(found({"a": logs}, facts(40)))
    frames = [by_run({"a": logs}), by_run({"a": noise(40, 11)}, host="lab2")]
    other = pl.concat([
        targets.frame(night(n, {}, host="lab2").manifest) for n in range(40)
    ])  # fmt: skip
    together = shifts(nights(pl.concat(frames), pl.concat([facts(40), other])))
    assert together == alone


@pytest.mark.parametrize("count", [0, 1, 2, 5, 11])
def test_a_young_history_has_no_shifts(count: int) -> None:
    logs = noise(count, 12)
    logs[count // 2 :] += 0.5
    seen = facts(max(count, 1))
    frame = by_run({"a": logs}) if count else by_run({"a": noise(1, 1)}).clear()
    assert shifts(nights(frame, seen)) == ()


def test_a_series_whose_nights_gave_nothing_has_no_shift() -> None:
    assert shifts(found({"a": np.full(40, math.nan)}, facts(40))) == ()
