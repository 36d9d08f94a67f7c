"""What holds for the reports of every reader but fio's, whatever line or member is missing.

A line that is lost changes no value: what does not need it is the same, and an error names what
was lost. How far lines are indented, blank lines, and the layout of JSON change nothing.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import tools
from harness.errors import ReadError
from harness.model.workload import Sample

OUTPUTS = Path(__file__).parent.parent / "outputs"
TOOLS = ("iperf3", "sockperf", "stream", "stress-ng", "sysbench")
GOOD = [
    (tool, file)
    for tool in TOOLS
    for folder in (".", "made")
    for file in sorted((OUTPUTS / tool / folder).glob("*.out"))
    if file.stem != "version"
]
TEXTS = [(tool, file) for tool, file in GOOD if "{" not in file.read_text()]
DOCUMENTS = [(tool, file) for tool, file in GOOD if file.read_text().startswith("{")]
RULE = re.compile(r"(?:- ){5}-|-{5}")


def ids(value: object) -> str:
    return value.stem if isinstance(value, Path) else str(value)


def streams(file: Path) -> tuple[str, str]:
    return file.read_text(), file.with_suffix(".err").read_text()


def read(tool: str, stdout: str, stderr: str) -> tuple[Sample, ...]:
    return tools.load(tool).read(stdout.encode(), stderr.encode())


def outcome(tool: str, stdout: str, stderr: str) -> tuple[set[Sample], str]:
    """The samples, or none and the reader's message."""
    try:
        return set(read(tool, stdout, stderr)), ""
    except ReadError as error:
        return set(), error.message


def names(message: str, line: str) -> bool:
    """Whether `message` names `line`: by a word or a figure of it, or what such a line is."""
    if RULE.search(line):
        return "rule" in message
    line = re.sub(r"\[ +", "[", line)
    words = re.findall(r"[A-Za-z][A-Za-z-]{2,}|[0-9]+[.][0-9]+|\[[0-9]+\]", line)
    return any(word.lower() in message.lower() for word in words or [repr(line.strip())])


def without_line(text: str, at: int) -> tuple[str, str]:
    """`text` without its line of index `at`, and that line."""
    parts = text.splitlines(keepends=True)
    return "".join(parts[:at] + parts[at + 1 :]), parts[at]


@pytest.mark.parametrize(("tool", "file"), TEXTS, ids=ids)
def test_a_lost_line_changes_no_value_or_is_named(tool: str, file: Path) -> None:
    both = streams(file)
    whole = set(read(tool, *both))
    for which in (0, 1):
        for at in range(len(both[which].splitlines())):
            less, lost = without_line(both[which], at)
            left = (less, both[1]) if which == 0 else (both[0], less)
            found, message = outcome(tool, *left)
            assert found <= whole, lost
            assert found or names(message, lost), (lost, message)


def paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The place of every member of every object in a JSON document."""
    if isinstance(value, dict):
        below = [each for key, v in value.items() for each in paths(v, (*path, key))]
        return [(*path, key) for key in value] + below
    if isinstance(value, list):
        return [each for i, v in enumerate(value) for each in paths(v, (*path, i))]
    return []


def parsed(text: str) -> Any:
    """The document; of events, one a line, a list of them."""
    if text.startswith('{"event":'):
        return [json.loads(line) for line in text.splitlines()]
    return json.loads(text)


def printed(document: object, **layout: Any) -> str:
    if isinstance(document, list):
        return "\n".join(map(json.dumps, document))
    return json.dumps(document, **layout)


def without_member(document: str, path: tuple[str | int, ...]) -> str:
    whole = parsed(document)
    place = whole
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return printed(whole, indent="\t")


@pytest.mark.parametrize(("tool", "file"), DOCUMENTS, ids=ids)
def test_a_lost_member_changes_no_value_or_is_named(tool: str, file: Path) -> None:
    stdout, stderr = streams(file)
    whole = set(read(tool, stdout, stderr))
    for path in paths(parsed(stdout)):
        found, message = outcome(tool, without_member(stdout, path), stderr)
        assert found <= whole, path
        assert found or str(path[-1]) in message, (path, message)


@given(data=st.data())
def test_blank_lines_and_a_deeper_indent_change_nothing(data: st.DataObject) -> None:
    tool, file = data.draw(st.sampled_from(TEXTS))
    both = streams(file)
    deeper = data.draw(st.sampled_from(["", " ", "    ", "\t"]))
    laid_out = []
    for text in both:
        parts = [f"{deeper}{line}\n" for line in text.splitlines()]
        blanks = data.draw(st.lists(st.integers(0, len(parts)), max_size=5))
        for at in sorted(blanks, reverse=True):
            parts.insert(at, data.draw(st.sampled_from(["\n", "   \n", "\t\n", "\r\n"])))
        laid_out.append("".join(parts))
    assert read(tool, *laid_out) == read(tool, *both)


@given(data=st.data())
def test_the_order_of_json_members_and_its_layout_change_nothing(data: st.DataObject) -> None:
    tool, file = data.draw(st.sampled_from(DOCUMENTS))
    stdout, stderr = streams(file)

    def mixed(value: object) -> object:
        if isinstance(value, dict):
            keys = data.draw(st.permutations(list(value)))
            return {key: mixed(value[key]) for key in keys}
        return [mixed(each) for each in value] if isinstance(value, list) else value

    indent = data.draw(st.sampled_from([None, 1, 4, "\t"]))
    separators = (",", ":") if indent is None else None
    document = printed(mixed(parsed(stdout)), indent=indent, separators=separators)
    assert set(read(tool, document, stderr)) == set(read(tool, stdout, stderr))


@given(data=st.data())
def test_lines_of_a_shell_around_a_report_change_nothing(data: st.DataObject) -> None:
    tool, file = data.draw(st.sampled_from(TEXTS))
    stdout, stderr = streams(file)
    line = st.sampled_from(
        ["+ mkdir -p /mnt/scratch", "2026-03-02 09:28:50 mount /dev/vdb1 /mnt", "$ ", "real 0m2s"]
    )
    before, behind = ("".join(f"{x}\n" for x in data.draw(st.lists(line))) for _ in range(2))
    if stdout:
        assert read(tool, before + stdout + behind, stderr) == read(tool, stdout, stderr)
    else:
        assert read(tool, stdout, before + stderr + behind) == read(tool, stdout, stderr)
