"""JSON of any writing is read; what would take many times its size in memory is not."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from harness.errors import ReadError
from harness.tools import iperf3
from harness.tools._json import read_json

OUTPUTS = Path(__file__).parent.parent / "outputs"
LARGE = 200_000
BULK = {
    "empty arrays": '{"a": [' + "[]," * LARGE,
    "empty objects": '{"a": [' + "{}," * LARGE,
    "small objects": '{"a": [' + '{"a":{}},' * LARGE + "0]}",
    "objects in objects": '{"a": {' + '"a":{},' * LARGE + '"b": {}}}',
    "one object": "{" + ",".join(f'"{i}":1' for i in range(LARGE)) + "}",
    "numbers": '{"a": [' + "1.5," * LARGE + "0]}",
    "arrays behind an object": '{"a": [{"b": 1},' + "[]," * LARGE,
    "arrays behind an array": '{"a": [{"b": 1}],"c":[' + "[]," * LARGE,
}


@pytest.mark.parametrize("name", BULK)
def test_bulk_that_no_report_has_is_refused_before_it_takes_memory(name: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ReadError, match="more values in one place than any report"):
            read_json(BULK[name], "fio")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < len(BULK[name])


@pytest.mark.parametrize("blanks", [("", "\t"), (" ", ""), ("", "")])
def test_an_hour_of_iperf3_is_read_in_any_writing(blanks: tuple[str, str]) -> None:
    stdout = (OUTPUTS / "iperf3" / "network-tcp-send.out").read_text()
    document = json.loads(stdout)
    document["intervals"] *= 1 + 3600 // len(document["intervals"])
    text = json.dumps(document, separators=(f",{blanks[0]}", f":{blanks[1]}"))
    assert len(text) > 64 * 1024
    assert iperf3.read(text.encode(), b"") == iperf3.read(stdout.encode(), b"")


def test_a_key_twice_matters_only_where_it_is_asked_for_and_says_two_things() -> None:
    node = read_json('{"a": 1, "b": 2, "a": 1, "b": 3}', "fio")
    assert node.child("a").number() == 1
    with pytest.raises(ReadError, match="fio: b stands there with two values"):
        node.get("b")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{"a": 1} x', "line 1 column 10: Extra data"),
        ('{"a": 1,\n "b" 2}', "line 2 column 6"),
        ('{"a": nan,\n "b" 2}', "line 2 column 6"),
        ('{"a": [1, 2', "line 1 column 12"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(text: str, where: str) -> None:
    with pytest.raises(ReadError, match=where):
        read_json(text, "fio")
