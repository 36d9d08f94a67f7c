"""The file in which a pilot hands on its seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import UseError
from harness.plan import lengths
from harness.plan.lengths import Lengths

MADE = Lengths("20261201T000000Z-lab1", "lab1", "Some CPU: µ", {"cpu-one": 2, "disk-two": 4})


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "pilot.yml"
    file.write_text(lengths.as_text(MADE), encoding="utf-8")
    assert lengths.read(file) == MADE


@pytest.mark.parametrize(
    ("before", "after", "wrong"),
    [
        ("cpu-one: 2", "cpu-one: 1.5", "seconds.cpu-one: input should be a valid integer"),
        ("cpu-one: 2", "cpu-one: 0", "seconds.cpu-one: input should be greater than or equal to 1"),
        ("host: lab1", "", "host: field required"),
        ("host: lab1", "host: lab1\nhosts: 3", "hosts: extra inputs are not permitted"),
        ("host: lab1", "{", "not YAML"),
    ],
)
def test_a_damaged_file_is_refused_with_its_name(
    tmp_path: Path, before: str, after: str, wrong: str
) -> None:
    file = tmp_path / "pilot.yml"
    text = lengths.as_text(MADE)
    assert before in text
    file.write_text(text.replace(before, after), encoding="utf-8")
    with pytest.raises(UseError) as caught:
        lengths.read(file)
    assert str(file) in caught.value.message
    assert wrong in caught.value.message


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UseError, match="No such file"):
        lengths.read(tmp_path / "none.yml")


def test_a_machine_with_another_cpu_is_refused_where_both_are_known() -> None:
    MADE.require_machine(MADE.cpu_model)
    MADE.require_machine(None)
    replace(MADE, cpu_model="").require_machine("Another CPU")
    with pytest.raises(UseError, match="Some CPU: µ, this is a Another CPU"):
        MADE.require_machine("Another CPU")
