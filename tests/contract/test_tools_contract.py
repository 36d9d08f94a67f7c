"""What holds for every tool, found by its folder: real outputs parse, nothing broken does."""

from __future__ import annotations

import string
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import tools
from harness.errors import ReadError
from harness.model import Metric, Sample

OUTPUTS = Path(__file__).parent.parent / "unit" / "outputs"
UNITS_BY_SUFFIX = {
    "_mib_per_s": "MiB/s",
    "_mbit_per_s": "Mbit/s",
    "_ms": "ms",
    "_us": "µs",
    "_iops": "1/s",
    "_per_s": "1/s",
}
TEXT = st.text(alphabet=string.printable, max_size=300).map(str.encode)


def outputs(folder: str) -> list[tuple[str, Path]]:
    """Every standard output below a tool's `folder`, with the tool's name."""
    return [
        (tool, file)
        for tool in tools.names()
        for file in sorted((OUTPUTS / tool / folder).glob("*.out"))
        if file.stem != "version"
    ]


GOOD = [*outputs("."), *outputs("made")]


def kinds(samples: tuple[Sample, ...]) -> set[tuple[str, str, tuple[str, ...]]]:
    """What is measured, in which unit, told apart by which labels."""
    return {(s.metric, s.unit, tuple(key for key, _ in s.labels)) for s in samples}


def streams(file: Path) -> tuple[bytes, bytes]:
    return file.read_bytes(), file.with_suffix(".err").read_bytes()


def read_or_nothing(tool: str, stdout: bytes, stderr: bytes) -> tuple[Sample, ...]:
    """The samples, or none where the output is refused; any other error is a failed test."""
    try:
        return tools.load(tool).read(stdout, stderr)
    except ReadError:
        return ()


@pytest.mark.parametrize("tool", tools.names())
def test_a_tool_names_its_program_and_metrics_with_units(tool: str) -> None:
    module = tools.load(tool)
    assert module.PROGRAM
    assert "/" not in module.PROGRAM
    assert isinstance(module.VERSION_ARGS, tuple)
    assert module.METRICS
    for name, metric in module.METRICS.items():
        assert isinstance(metric, Metric)
        assert metric.name == name
        assert metric.better in ("higher", "lower")
        unit = next((u for suffix, u in UNITS_BY_SUFFIX.items() if name.endswith(suffix)), "1")
        assert metric.unit == unit


@pytest.mark.parametrize("tool", tools.names())
def test_every_tool_has_real_outputs_of_success_failure_and_version(tool: str) -> None:
    assert any(name == tool for name, _ in outputs("."))
    assert any(name == tool for name, _ in outputs("refused"))
    assert tools.load(tool).version(*streams(OUTPUTS / tool / "version.out"))


@pytest.mark.parametrize("tool", tools.names())
def test_nothing_gives_no_number_and_no_version(tool: str) -> None:
    with pytest.raises(ReadError):
        tools.load(tool).read(b"", b"")
    with pytest.raises(ReadError):
        tools.load(tool).version(b"", b"")


@pytest.mark.parametrize(("tool", "file"), GOOD, ids=lambda value: getattr(value, "stem", value))
def test_a_real_output_gives_samples_of_the_tools_metrics(tool: str, file: Path) -> None:
    module = tools.load(tool)
    samples = module.read(*streams(file))
    assert samples
    assert len({(sample.metric, sample.labels) for sample in samples}) == len(samples)
    for sample in samples:
        metric = module.METRICS[sample.metric]
        assert (sample.unit, sample.better) == (metric.unit, metric.better)
        assert sample.value >= 0


@pytest.mark.parametrize(
    ("tool", "file"), outputs("refused"), ids=lambda value: getattr(value, "stem", value)
)
def test_a_real_output_of_a_failure_is_refused(tool: str, file: Path) -> None:
    with pytest.raises(ReadError):
        tools.load(tool).read(*streams(file))


@pytest.mark.parametrize(("tool", "file"), GOOD, ids=lambda value: getattr(value, "stem", value))
def test_a_truncated_output_is_refused_or_gives_the_same_values(tool: str, file: Path) -> None:
    stdout, stderr = streams(file)
    whole = set(tools.load(tool).read(stdout, stderr))
    # Cut to nothing it is another output: some tools print all of it on the other stream.
    for end in range(1, len(stdout)):
        assert set(read_or_nothing(tool, stdout[:end], stderr)) <= whole
    for end in range(len(stderr)):
        assert set(read_or_nothing(tool, stdout, stderr[:end])) <= whole


@pytest.mark.parametrize("tool", tools.names())
@given(stdout=st.binary(max_size=300) | TEXT, stderr=st.binary(max_size=100) | TEXT)
def test_arbitrary_bytes_raise_nothing_but_a_read_error(
    tool: str, stdout: bytes, stderr: bytes
) -> None:
    read_or_nothing(tool, stdout, stderr)
    try:
        line = tools.load(tool).version(stdout, stderr)
    except ReadError:
        return
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize("tool", tools.names())
@given(data=st.data())
def test_a_damaged_output_raises_nothing_but_a_read_error(tool: str, data: st.DataObject) -> None:
    file = data.draw(st.sampled_from([file for name, file in GOOD if name == tool]))
    stdout, stderr = streams(file)
    at = data.draw(st.integers(0, max(0, len(stdout) - 1)))
    length = data.draw(st.integers(0, 3))
    damage = data.draw(st.binary(max_size=3) | TEXT)
    module = tools.load(tool)
    for sample in read_or_nothing(tool, stdout[:at] + damage + stdout[at + length :], stderr):
        metric = module.METRICS[sample.metric]
        assert (sample.unit, sample.better) == (metric.unit, metric.better)


@pytest.mark.parametrize(("tool", "file"), GOOD, ids=lambda value: getattr(value, "stem", value))
def test_a_flipped_bit_changes_no_kind_of_sample(tool: str, file: Path) -> None:
    """Every 11th byte of the output, each time another bit; a changed digit no reader can see."""
    stdout, stderr = streams(file)
    whole = kinds(tools.load(tool).read(stdout, stderr))
    for at in range(0, len(stdout), 11):
        flipped = bytes([stdout[at] ^ (1 << (at // 11) % 8)])
        found = read_or_nothing(tool, stdout[:at] + flipped + stdout[at + 1 :], stderr)
        assert not found or kinds(found) == whole, f"byte {at}: {stdout[at : at + 20]!r}"


HOSTILE = {
    "brackets": b"[" * 1_000_000,
    "lists": b"[" + b"[]," * 300_000 + b"[]]",
    "objects": b'{"jobs": [' + b'{"a":1},' * 100_000 + b"{}]}",
    "keys": b"{" + b",".join(b'"%d":1' % n for n in range(100_000)) + b',"0":1}',
    "numbers": b"[" + b"1.5," * 300_000 + b"1]",
    "spaces": b" " * 1_000_000,
    "lines": b"\n" * 1_000_000 + b"x",
    "words": b"stress-ng: info: [1] " * 50_000,
    "wide": '{"a": "\U0001f600'.encode() + b"a" * 1_000_000 + b'"}',
}


@pytest.mark.parametrize("tool", tools.names())
@pytest.mark.parametrize("name", HOSTILE)
def test_no_input_makes_a_reader_hang_or_swell(tool: str, name: str) -> None:
    data = HOSTILE[name]
    tracemalloc.start()
    try:
        begin = time.monotonic()
        read_or_nothing(tool, data, data)
        assert time.monotonic() - begin < 30
        assert tracemalloc.get_traced_memory()[1] < 10 * len(data)
    finally:
        tracemalloc.stop()
