"""The file of acknowledgements: read strictly, written safely, and forgotten in time."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from harness.errors import HarnessError, UseError
from harness.report.acknowledgements import NAME, Acknowledgement, append, applied, expired, read
from tests.unit.analyze.history.test_confirmation import shift

TODAY = date(2026, 11, 24)
KNOWN = Acknowledgement(who="Ada", why="a slower disk was built in", until=date(2027, 1, 31))
FILE = """\
# What we know of.
- host: lab1
  workload: disk-*
  since: 2026-08-01
  who: Ada
  why: a slower disk was built in
  until: 2027-01-31
"""


def written(results: Path, text: str) -> Path:
    (results / NAME).write_text(text)
    return results


def test_without_a_file_nothing_is_acknowledged(tmp_path: Path) -> None:
    assert read(tmp_path) == ()
    assert read(written(tmp_path, "# nothing yet\n")) == ()


def test_an_entry_is_read_with_its_dates_and_what_it_does_not_name_is_free(tmp_path: Path) -> None:
    (entry,) = read(written(tmp_path, FILE))
    assert entry == replace(KNOWN, host="lab1", workload="disk-*", since=date(2026, 8, 1))
    assert (entry.target, entry.metric, entry.run) == ("*", "*", None)


@pytest.mark.parametrize(
    ("keys", "matches"),
    [
        ({}, True),
        ({"host": "lab*", "workload": "disk-*", "metric": "latency_*"}, True),
        ({"host": "lab2"}, False),
        ({"target": "docker"}, False),
        ({"workload": "cpu-*"}, False),
        ({"metric": "iops"}, False),
        ({"run": "later"}, True),
        ({"run": "earlier"}, False),
        ({"since": date(2026, 8, 10)}, True),
        ({"since": date(2026, 8, 11)}, False),
    ],
)
def test_what_an_entry_matches(keys: dict[str, object], matches: bool) -> None:
    assert replace(KNOWN, **keys).matches(shift()) is matches  # type: ignore[arg-type]


def test_a_shift_that_is_known_of_says_who_why_and_until_when() -> None:
    for status in ("unconfirmed", "confirmed"):
        (said,) = applied([shift(status=status)], [KNOWN], TODAY)
        assert said.status == "acknowledged"
        assert said.told == "Ada: a slower disk was built in (until 2027-01-31)"


def test_one_that_was_refuted_stays_refuted() -> None:
    about = shift(status="refuted", told="run")
    assert applied([about], [KNOWN], TODAY) == (about,)


def test_it_counts_on_its_last_day_and_no_longer_after_it() -> None:
    last = replace(KNOWN, until=TODAY)
    over = replace(KNOWN, until=date(2026, 11, 23))
    assert applied([shift()], [last], TODAY)[0].status == "acknowledged"
    assert applied([shift()], [over], TODAY)[0].status == "unconfirmed"
    assert expired([last], TODAY) == ()
    (told,) = expired([last, over], TODAY)
    assert told.startswith("acknowledged.yml, entry 2: the acknowledgement of Ada")
    assert "2026-11-23" in told


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("until: 2027-01-31", "until: soon"), "entry 1: until: "),
        (("who: Ada", "who: 7"), "entry 1: who: "),
        (("who: Ada", "who: ' '"), "entry 1: who: "),
        (("  why: a slower disk was built in\n", ""), "entry 1: why: field required"),
        (("host: lab1", "hots: lab1"), "entry 1: hots: extra inputs are not permitted"),
        (("who: Ada", "who: [Ada"), "acknowledged.yml:6: not YAML"),
        (("- host", "host"), "must be a list of entries, is dict"),
    ],
)
def test_a_mistake_is_told_with_file_entry_and_key(
    tmp_path: Path, change: tuple[str, str], expected: str
) -> None:
    text = FILE.replace(*change)
    if change[0] == "- host":
        text = text.replace("\n  ", "\n")
    with pytest.raises(UseError) as caught:
        read(written(tmp_path, text))
    assert NAME in caught.value.message
    assert expected in caught.value.message


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = FILE.replace("who: Ada", "who: 7") + "- who: Ben\n- nonsense\n"
    with pytest.raises(UseError) as caught:
        read(written(tmp_path, text))
    for expected in ("entry 1: who", "entry 2: why", "entry 2: until", "entry 3: "):
        assert expected in caught.value.message


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HarnessError, match=r"cannot read .*acknowledged\.yml"):
        read(tmp_path)


@pytest.mark.parametrize("before", ["", FILE, FILE.rstrip("\n"), "# a remark only\n"])
def test_an_entry_is_added_at_the_end_and_the_rest_stays_as_it_was(
    tmp_path: Path, before: str
) -> None:
    if before:
        written(tmp_path, before)
    known = read(tmp_path)
    new = replace(KNOWN, who="Jürgen", why="it's: #known", run="20260801T010000Z-lab1")
    assert append(tmp_path, new) == tmp_path / NAME
    assert read(tmp_path) == (*known, new)
    assert (tmp_path / NAME).read_text().startswith(before)


@pytest.mark.parametrize(
    "before",
    [
        "[{who: Ada, why: x, until: 2027-01-31}]\n",
        "  - who: Ada\n    why: x\n    until: 2027-01-31\n",
    ],
)
def test_a_list_that_cannot_be_added_to_is_left_as_it_is(tmp_path: Path, before: str) -> None:
    written(tmp_path, before)
    with pytest.raises(UseError, match="cannot add to") as caught:
        append(tmp_path, KNOWN)
    assert "who: Ada" in caught.value.hint
    assert (tmp_path / NAME).read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_nothing_is_added_to_a_file_with_mistakes(tmp_path: Path) -> None:
    text = FILE.replace("who: Ada", "who: 7")
    written(tmp_path, text)
    with pytest.raises(UseError, match="entry 1: who"):
        append(tmp_path, KNOWN)
    assert (tmp_path / NAME).read_text() == text


def test_the_example_in_the_page_is_an_entry(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "history.md").read_text()
    example = page.partition("```yaml\n")[2].partition("```")[0]
    (entry,) = read(written(tmp_path, example))
    assert entry.matches(shift(target="kvm", run="any"))
    assert not entry.matches(shift(target="docker"))
