"""Words for people: times, sizes, texts cut short, columns."""

from __future__ import annotations

import pytest

from harness.text import aligned, duration, sentence, shortened, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (12.4, "12 s"),
        (59.6, "1 min"),
        (725, "12 min 5 s"),
        (19 * 60, "19 min"),
        (3600, "1 h 0 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_fits_is_not_shortened() -> None:
    assert [shortened("abcdef", longest) for longest in (7, 6, 5)] == ["abcdef", "abcdef", "abcde…"]


def test_a_sentence_is_one_line_without_its_full_stop() -> None:
    assert sentence("It is  gone.\n\x1b[2J") == "It is gone. [2J"
    assert sentence("It is\ngone.") == "It is gone"
    assert sentence("x" * 170) == "x" * 160 + "…"


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (3 * 2**29, "1.5 GiB")],
)
def test_sizes(number: int, text: str) -> None:
    assert size(number) == text


def test_columns_stand_below_each_other_and_no_line_ends_in_a_blank() -> None:
    rows = [("name", "value", ""), ("a", "1", "of it"), ("longer", "123456", "")]
    assert aligned(rows, left=(0, 2)) == [
        "name     value",
        "a            1  of it",
        "longer  123456",
    ]
