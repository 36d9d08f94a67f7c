"""What holds for every tool, found by its folder: good outputs parse, nothing broken does."""

from __future__ import annotations

import re
import string
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import tools
from harness.errors import ReadError
from harness.model.workload import Metric, Sample

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


def outputs(*folders: str) -> list[tuple[str, Path]]:
    """Every standard output in a tool's `folders`, with the tool's name."""
    return [
        (tool, file)
        for tool in tools.names()
        for folder in folders
        for file in sorted((OUTPUTS / tool / folder).glob("*.out"))
        if file.stem != "version"
    ]


def ids(value: object) -> str:
    """A parameter's name: the tool, or a file's name with the folder that it is in."""
    if not isinstance(value, Path):
        return str(value)
    return value.stem if value.parent.parent == OUTPUTS else f"{value.parent.name}/{value.stem}"


GOOD = outputs(".", "made")
REFUSED = outputs("refused", "made/refused")
every_good_output = pytest.mark.parametrize(("tool", "file"), GOOD, ids=ids)
every_refused_output = pytest.mark.parametrize(("tool", "file"), REFUSED, ids=ids)


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
    assert bool(module.VERSION_ARGS) == module.BUNDLED
    assert module.METRICS
    for name, metric in module.METRICS.items():
        assert isinstance(metric, Metric)
        assert metric.name == name
        assert metric.better in ("higher", "lower")
        unit = next((u for suffix, u in UNITS_BY_SUFFIX.items() if name.endswith(suffix)), "1")
        assert metric.unit == unit


@pytest.mark.parametrize("tool", tools.names())
def test_every_tool_has_outputs_of_success_failure_and_version(tool: str) -> None:
    """Real ones of every tool in the bundle; of the others made ones at least."""
    module = tools.load(tool)
    folder = OUTPUTS / tool / ("." if module.BUNDLED else "made")
    assert any(file.parent == folder for _, file in GOOD)
    assert any(file.parent == folder / "refused" for _, file in REFUSED)
    assert module.version(*streams(folder / "version.out"))


@pytest.mark.parametrize("tool", tools.names())
def test_nothing_gives_no_number_and_no_version(tool: str) -> None:
    with pytest.raises(ReadError):
        tools.load(tool).read(b"", b"")
    with pytest.raises(ReadError):
        tools.load(tool).version(b"", b"")


@every_good_output
def test_a_good_output_gives_samples_of_the_tools_metrics(tool: str, file: Path) -> None:
    module = tools.load(tool)
    samples = module.read(*streams(file))
    assert samples
    assert len({(sample.metric, sample.labels) for sample in samples}) == len(samples)
    for sample in samples:
        metric = module.METRICS[sample.metric]
        assert (sample.unit, sample.better) == (metric.unit, metric.better)
        assert sample.value >= 0


@every_good_output
def test_a_byte_order_mark_changes_nothing(tool: str, file: Path) -> None:
    stdout, stderr = streams(file)
    read = tools.load(tool).read
    if stdout:
        assert read(b"\xef\xbb\xbf" + stdout, stderr) == read(stdout, stderr)


@every_good_output
def test_another_encoding_is_refused_by_its_name(tool: str, file: Path) -> None:
    stdout, stderr = streams(file)
    for name in ("utf-16", "utf-16-le", "utf-16-be"):
        with pytest.raises(ReadError, match="UTF-16"):
            tools.load(tool).read((stdout or stderr).decode().encode(name), stderr)


@every_good_output
def test_two_reports_in_one_output_are_refused(tool: str, file: Path) -> None:
    stdout, stderr = streams(file)
    with pytest.raises(ReadError):
        tools.load(tool).read(stdout * 2, stderr * 2)


@every_refused_output
def test_an_output_of_a_failure_is_refused(tool: str, file: Path) -> None:
    with pytest.raises(ReadError):
        tools.load(tool).read(*streams(file))


AS_JSON = ("fio", "iperf3")
"""Tools whose report is JSON. A value under a changed key is a missing one: of what is measured
here the sha256 of the whole output is checked before it is read."""


def kinds(samples: tuple[Sample, ...]) -> list[tuple[object, ...]]:
    """All of the samples but their values, the values of their labels and the number of a
    percentile, which the output alone states."""
    return [
        (
            re.sub(r"_p[0-9]+_", "_p_", sample.metric),
            sample.unit,
            sample.better,
            [key for key, _ in sample.labels],
        )
        for sample in samples
    ]


def same(tool: str, samples: tuple[Sample, ...], whole: tuple[Sample, ...]) -> bool:
    """Whether they are of the same kinds. sysbench prints 0.00 for latencies under 0.005 ms,
    which are then missing; a digit flipped there is a value like any other. Of JSON some may be
    missing, and nothing may be new."""
    if tool in AS_JSON:
        return not Counter(s.metric for s in samples) - Counter(s.metric for s in whole)
    if tool == "sysbench" and len(samples) == len(whole) + 1:
        samples = tuple(sample for sample in samples if not sample.metric.startswith("latency_p"))
    return kinds(samples) == kinds(whole)


def broken(file: Path, damage: Callable[[bytes], Iterator[bytes]]) -> Iterator[tuple[bytes, bytes]]:
    """Both streams with one of them damaged in each of the ways that `damage` knows."""
    stdout, stderr = streams(file)
    yield from ((each, stderr) for each in damage(stdout))
    yield from ((stdout, each) for each in damage(stderr))


def cuts(data: bytes) -> Iterator[bytes]:
    """`data` cut after every byte near its end and after every few before that."""
    for end in range(len(data)):
        if (len(data) - end < 1000 or end % 7 == 0) and data[:end].rstrip() != data.rstrip():
            yield data[:end]


@every_good_output
def test_a_truncated_output_is_refused(tool: str, file: Path) -> None:
    """Not read as a smaller one. stress-ng alone says everything twice, in two forms: without
    its YAML there still is its table, with fewer digits. What fio prints behind its document may
    lack its end."""
    read = tools.load(tool).read
    whole = read(*streams(file))
    for stdout, stderr in broken(file, cuts):
        samples = read_or_nothing(tool, stdout, stderr)
        if samples and tool == "stress-ng" and b"\n---\n" not in b"\n" + stdout:
            assert kinds(samples) == kinds(whole)
            assert [s.value for s in samples] == pytest.approx([s.value for s in whole], rel=0.01)
        elif samples and tool == "fio":
            assert samples == whole
            assert b"\n}\n" in stdout + b"\n", "cut inside the document"
        else:
            assert samples == (), f"cut to {len(stdout)} and {len(stderr)} bytes"


SMALL = 1500
"""Bytes; up to here every single one is flipped, of larger outputs some."""


def flips(data: bytes) -> Iterator[bytes]:
    """`data` with one byte changed: its lowest bit, its case bit, or to a space or zero."""
    for at in range(0, len(data), 1 if len(data) < SMALL else 37):
        for value in sorted({data[at] ^ 1, data[at] ^ 0x20, 0x20, 0x30} - {data[at]}):
            yield data[:at] + bytes((value,)) + data[at + 1 :]


@every_good_output
def test_a_flipped_byte_is_refused_or_changes_no_more_than_values(tool: str, file: Path) -> None:
    whole = tools.load(tool).read(*streams(file))
    for stdout, stderr in broken(file, flips):
        samples = read_or_nothing(tool, stdout, stderr)
        assert not samples or same(tool, samples, whole)


@given(data=st.data())
@settings(max_examples=300)
def test_any_flip_and_any_cut_of_any_output(data: st.DataObject) -> None:
    tool, file = data.draw(st.sampled_from(GOOD))
    stdout, stderr = streams(file)
    which = data.draw(st.sampled_from([each for each in (0, 1) if (stdout, stderr)[each]]))
    stream = (stdout, stderr)[which]
    at = data.draw(st.integers(0, len(stream) - 1))
    flipped = stream[:at] + bytes((data.draw(st.integers(0, 255)),)) + stream[at + 1 :]
    both = (flipped, stderr) if which == 0 else (stdout, flipped)
    samples = read_or_nothing(tool, *both)
    assert not samples or same(tool, samples, tools.load(tool).read(stdout, stderr))


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


MIB = 1024 * 1024
HOSTILE = {
    "brackets": b"[" * MIB,
    "empty lists": b'{"jobs": [' + b"[]," * (MIB // 3),
    "empty objects": b'{"jobs": [' + b"{}," * (MIB // 3) + b"{}]}",
    "small objects": b'{"jobs": [' + b'{"a":1},' * (MIB // 8) + b"0]}",
    "numbers": b'{"jobs": [' + b"1.5," * (MIB // 4) + b"0]}",
    "strings": b'{"jobs": [' + b'"ab",' * (MIB // 5) + b"0]}",
    "keys": b'{"jobs": {' + b"".join(b'"%07d":1,' % i for i in range(MIB // 12)) + b'"a":0}}',
    "long keys": b'{"jobs": {'
    + b"".join(b'"%020d":1.5,' % i for i in range(MIB // 26))
    + b'"a":0}}',
    "middling keys": b'{"jobs": {'
    + b"".join(b'"%014d":1.5,' % i for i in range(MIB // 20))
    + b'"a":0}}',
    "longer keys": b'{"jobs": {'
    + b"".join(b'"%040d":1.5,' % i for i in range(MIB // 46))
    + b'"a":0}}',
    "escapes": b'{"jobs": "' + b"\\u1234" * (MIB // 6) + b'"}',
    "one string": b'{"jobs": "' + "ж".encode() * MIB + b'\\n"}',
    "wide characters": b'{"jobs": "' + b"a" * MIB + "\U0001f600".encode() + b'"}',
    "many indented numbers": b'{"jobs": [' + b"       1.5," * (MIB // 11) + b"0]}",
    "many short strings": b'{"jobs": [' + b'"abcdef",' * (MIB // 9) + b"0]}",
    "digits": b'{"jobs": ' + b"9" * MIB + b"}",
    "braces": b"{\n" * (MIB // 2),
    "blank lines": b"\n" * MIB + b"x",
    "blanks": b" " * MIB + b"x",
    "a line of blanks": b"x" + b" " * MIB + b"x",
    "words": b"a b\n" * (MIB // 4),
    "colours": b"\x1b[0" * (MIB // 3),
    "interval lines": b"Threads started!\n" + b"[ 1s ] a\n" * (MIB // 9),
    "unknown lines": b"Threads started!\n" + b"abc\n" * (MIB // 4),
    "messages": b"stress-ng: ab: [1] cd\n" * (MIB // 22),
    "hogs": b"stress-ng: info: [1] dispatching hogs: " + b"1 a, " * (MIB // 5),
    "table": b"stress-ng: info: [1] stressor  bogo ops real time usr time sys time bogo ops/s x\n"
    + b"".join(b"stress-ng: info: [1] a%d 9 1 1 1 9 9\n" % i for i in range(MIB // 38)),
    "stressors": b"---\n\nmetrics:\n" + b"    - stressor: a\n" * (MIB // 18) + b"\n...",
    "rules": b"- - - - - - - - - - - - - - - - - - - - - - - - -\n" * (MIB // 50)
    + b"\niperf Done.\n",
    "streams": b"".join(
        b"[%d] local a port 1 connected to b port 2\n" % (i % 10**6) for i in range(MIB // 45)
    )
    + b"- - - - - - - - - - - - - - - - - - - - - - - - -\nx\niperf Done.",
    "a row of blanks": b"[  5] local a port 1 connected to b port 2\n"
    + b"- " * 12
    + b"-\n[ ID] Interval           Transfer     Bitrate         Retr\n"
    + b"[  5]   0.00-1.00   sec  1.00 GBytes  8.59 Gbits/sec"
    + b" " * MIB
    + b"x\n\niperf Done.\n",
    "a histogram of blanks": b"Threads started!\n 0.1 |" + b" " * MIB + b"x\n",
    "dashes": b"-" * MIB,
    "percentiles": b"sockperf: ---> percentile 99.000 = " + b" " * MIB,
    "kernels": b"Copy: 1 1 1 1\n" * (MIB // 14),
    "carriage returns": b"\r" * MIB + b"x",
}


@pytest.mark.parametrize("tool", tools.names())
@pytest.mark.parametrize("name", HOSTILE)
def test_no_input_takes_long_or_many_times_its_size(tool: str, name: str) -> None:
    """Ten times at most, and half a minute of the processor, which does not count what others do,
    where milliseconds to seconds are usual."""
    hostile = HOSTILE[name]
    begin = time.process_time()
    for streams_ in ((hostile, b""), (b"", hostile)):
        tracemalloc.start()
        try:
            assert read_or_nothing(tool, *streams_) == ()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 10 * len(hostile), f"{peak / len(hostile):.1f} times"
    assert time.process_time() - begin < 30
