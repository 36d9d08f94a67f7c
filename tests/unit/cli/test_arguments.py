"""What is typed of a share, a day and a moment, and what of that is none."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.cli import arguments
from harness.errors import UseError


@pytest.mark.parametrize(("text", "value"), [("10%", 0.1), ("0%", 0.0), ("250 %", 2.5)])
def test_a_share(text: str, value: float) -> None:
    assert arguments.share("--x", text, "10%") == pytest.approx(value)


@pytest.mark.parametrize("text", ["10", "-1%", "few%", "nan%", "inf%", "%"])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(UseError, match=f"--x '{text}' is no share") as error:
        arguments.share("--x", text, "0% or 10%")
    assert error.value.hint == "write it as 0% or 10%"


@pytest.mark.parametrize("text", ["0%", "100%", "nan%"])
def test_a_proper_share_is_neither_nothing_nor_all(text: str) -> None:
    assert arguments.share("--x", "1%", "1%", proper=True) == pytest.approx(0.01)
    with pytest.raises(UseError, match="is no share"):
        arguments.share("--x", text, "1%", proper=True)


def test_a_day_and_a_moment() -> None:
    assert arguments.day("--x", "2026-11-24") == date(2026, 11, 24)
    assert arguments.moment("--x", "2026-11-24") == datetime(2026, 11, 24, tzinfo=UTC)
    assert arguments.moment("--x", "2026-11-24T02:00+02:00") == datetime(
        2026, 11, 24, 2, tzinfo=timezone(timedelta(hours=2))
    )


@pytest.mark.parametrize("text", ["yesterday", "2026-02-30", ""])
def test_what_is_no_date(text: str) -> None:
    for read in (arguments.day, arguments.moment):
        with pytest.raises(UseError, match=f"--x '{text}' is no date") as error:
            read("--x", text)
        assert error.value.hint == "write it as 2026-11-24"


def test_a_folder_of_results_without_room_or_rights_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments.writable(tmp_path / "results")
    (tmp_path / "file").write_text("")
    with pytest.raises(UseError, match=r"cannot write to .*: Not a directory"):
        arguments.writable(tmp_path / "file" / "results")
    small = SimpleNamespace(free=5 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: small)
    with pytest.raises(UseError, match=r"5 MiB are free where .* is, a run may need 64"):
        arguments.writable(tmp_path / "results")
