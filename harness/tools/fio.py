"""Reads the JSON report of fio 2.1 to 3.41 (`--output-format=json` or `json+`).

Latencies named `lat` are fio's total ones (submission and completion together), so that
engines can be compared; their percentiles are in the report only with `--lat_percentiles=1`.
What fio gives of percentiles by itself is of completion alone and is named `clat`.

fio 2 states latencies in µs (`lat`) and amounts in KiB, although it calls them `io_bytes`;
fio 3 states them in ns (`lat_ns`) and bytes, with `io_kbytes` beside them.
"""

from __future__ import annotations

import re
from collections import Counter

from harness.model.workload import Metric, Sample
from harness.tools._json import Node, read_json
from harness.tools._sample import Labels, sample, table
from harness.tools._text import decode, excerpt, refuse, report, version_line

PROGRAM = "fio"
VERSION_ARGS = ("--version",)
BUNDLED = True
METRICS = table(
    Metric("read_iops", "1/s", "higher"),
    Metric("read_bw_mib_per_s", "MiB/s", "higher"),
    Metric("read_lat_mean_us", "µs", "lower"),
    Metric("read_lat_p99_us", "µs", "lower"),
    Metric("read_clat_p99_us", "µs", "lower"),
    Metric("write_iops", "1/s", "higher"),
    Metric("write_bw_mib_per_s", "MiB/s", "higher"),
    Metric("write_lat_mean_us", "µs", "lower"),
    Metric("write_lat_p99_us", "µs", "lower"),
    Metric("write_clat_p99_us", "µs", "lower"),
    Metric("sync_lat_mean_us", "µs", "lower"),
    Metric("sync_lat_p99_us", "µs", "lower"),
)

_TOOL = "fio"
_KIB = 1024
_MIB = 1024 * 1024
_EILSEQ = 84
"""What fio calls a job's error where a block read was not the block written."""
_BW_BYTES_SINCE = (3, 10)
"""From here on `bw_bytes` is certain to be in the report beside `bw`, which is in KiB/s."""
_REPEATED = frozenset({"0.00"})
"""fio 2 writes this key, with 0, for each unused place of its list of percentiles."""
_P99 = "99.000000"
_PERCENTILES = frozenset(
    f"{p:.6f}" for p in (1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 99.5, 99.9, 99.95, 99.99)
)
"""Those that fio gives unless it is told otherwise."""
_DOCUMENT = re.compile(r"^\{", re.MULTILINE)
_REPORT = re.compile(r'"(?:jobs|fio version)"\s*:')
_VERIFY = re.compile(r"^.*\bverify(?: failed|: bad)\b.*$", re.MULTILINE)
_NUMBERED = re.compile(r"fio-([0-9]{1,4})\.([0-9]{1,4})")
_VERSION = re.compile(r"fio-[0-9]+\.[0-9]+[\w.-]*")


def read(stdout: bytes, stderr: bytes) -> tuple[Sample, ...]:
    """For each of `read` and `write` that did I/O: iops (1/s), bw (MiB/s), lat mean (µs).

    Also the p99 of lat and clat (µs) where the report holds it, and, where a job synced,
    sync_lat mean and p99 (µs). Text before the document is skipped. The samples of several
    jobs carry the label `job`, and `index` where jobs share a name; a job alone, as one of
    group_reporting, carries none.

    ReadError where a job's `error` is set, where verification failed, where nothing was read
    or written, or where a figure is missing or contradicts another.
    """
    text = report(stdout, _TOOL)
    found = _DOCUMENT.search(text)
    start = found.start() if found else 0
    if _REPORT.search(text, 0, start):
        raise refuse(_TOOL, "the text before the document holds another report")
    document = read_json(text, _TOOL, start, _REPEATED)
    jobs = document.child("jobs").items()
    for job in jobs:
        _require_success(job)
    for stream in (text[:start], decode(stderr, _TOOL, "stderr")):
        if failure := _VERIFY.search(stream):
            raise refuse(_TOOL, f"verification failed: {excerpt(failure.group())}")
    if not jobs:
        raise refuse(_TOOL, "jobs has 0 entries")
    numbered = _NUMBERED.match(document.child("fio version").text())
    early = numbered is not None and (int(numbered[1]), int(numbered[2])) < _BW_BYTES_SINCE
    samples = []
    for job, labels in zip(jobs, _labels(jobs), strict=True):
        samples += _side(job.child("read"), "read", labels, early)
        samples += _side(job.child("write"), "write", labels, early)
        samples += _sync(job, labels)
    if not samples:
        which = "jobs[0]" if len(jobs) == 1 else "every job"
        raise refuse(_TOOL, f"{which} neither read nor wrote: nothing was measured")
    return tuple(samples)


def _require_success(job: Node) -> None:
    for error in (job.child("error"), job.get("total_err")):
        if error is not None and error.number() != 0:
            name = job.child("jobname").text()
            why = "verification failed" if error.number() == _EILSEQ else "it failed"
            raise refuse(_TOOL, f"{error.place} of job {name!r} is {error.value}: {why}")


def _labels(jobs: list[Node]) -> list[Labels]:
    """Of each job, what tells its samples from those of the others."""
    if len(jobs) == 1:
        return [()]
    names = [_name(job) for job in jobs]
    times = Counter(names)
    seen: Counter[str] = Counter()
    labels: list[Labels] = []
    for name in names:
        index = (("index", str(seen[name])),) if times[name] > 1 else ()
        labels.append((("job", name), *index))
        seen[name] += 1
    return labels


def _name(job: Node) -> str:
    name = job.child("jobname").text()
    options = job.get("job options")
    option = options.get("name") if options else None
    if option and option.text() != name:
        raise refuse(_TOOL, f"{option.place} is {excerpt(option.text())!r}, not the jobname")
    return name


def _side(side: Node, name: str, labels: Labels, early: bool) -> list[Sample]:
    """The samples of one direction; none where all its figures are zero."""
    amount, iops, bandwidth = side.child("io_bytes"), side.child("iops"), side.child("bw")
    kib, rate, count = side.get("io_kbytes"), side.get("bw_bytes"), side.get("total_ios")
    figures = (amount, iops, bandwidth, kib, rate, count)
    if not any(figure.number() for figure in figures if figure):
        return []
    for figure in (amount, count):
        if figure and figure.number() == 0:
            raise refuse(_TOOL, f"{figure.place} is zero beside figures that are not")
    if rate is None and not early:
        raise refuse(_TOOL, f"{side.place}.bw_bytes is missing")
    runtime_s = side.child("runtime").number() / 1000
    _require_consistency(iops, count, runtime_s)
    moved_kib = amount.number() / (_KIB if kib else 1)
    bw_kib_per_s = rate.number() / _KIB if rate else bandwidth.number()
    slack = moved_kib / 100 + runtime_s + bw_kib_per_s / 1000
    if abs(bw_kib_per_s * runtime_s - moved_kib) > slack:
        place = (rate or bandwidth).place
        raise refuse(_TOOL, f"{place} contradicts io_bytes and runtime beside it")
    return [
        sample(METRICS[f"{name}_iops"], iops.number(), _TOOL, iops.place, labels),
        sample(
            METRICS[f"{name}_bw_mib_per_s"],
            bw_kib_per_s * _KIB / _MIB,
            _TOOL,
            (rate or bandwidth).place,
            labels,
        ),
        *_latency(side, "lat", name, labels),
        *_latency(side, "clat", name, labels),
    ]


def _require_consistency(iops: Node, count: Node | None, runtime_s: float) -> None:
    """fio before 2.2 cuts iops to an integer and counts no total."""
    if count is None:
        return
    total = count.number()
    cut = runtime_s if isinstance(iops.value, int) else 0.0
    if abs(iops.number() * runtime_s - total) > max(1.0, total / 100) + cut:
        raise refuse(_TOOL, f"{iops.place} contradicts total_ios and runtime beside it")


def _sync(job: Node, labels: Labels) -> list[Sample]:
    sync = job.get("sync")
    if sync is None:
        return []
    latency = sync.child("lat_ns")  # fio leaves the total_ios beside it at 0
    if latency.child("N").number() == 0:
        if latency.child("max").number() != 0:
            raise refuse(_TOOL, f"{latency.place}.N is zero beside figures that are not")
        return []
    return _latency(sync, "lat", "sync", labels)


def _latency(side: Node, kind: str, name: str, labels: Labels) -> list[Sample]:
    """Of `lat` the mean, of `lat` and `clat` the 99th percentile where it is in the report."""
    in_ns = side.get(f"{kind}_ns")
    latency = in_ns or side.child(kind)
    per_us = 1000 if in_ns else 1
    mean, least, most = (latency.child(key) for key in ("mean", "min", "max"))
    if not least.number() <= mean.number() <= most.number() + 1:  # fio cuts min and max
        raise refuse(_TOOL, f"{mean.place} is not between min and max beside it")
    found = [(METRICS[f"{name}_lat_mean_us"], mean)] if kind == "lat" else []
    p99 = _p99(latency)
    if p99:
        if not 0.9 * least.number() - 1 <= p99.number() <= 1.1 * most.number() + 1:
            raise refuse(_TOOL, f"{p99.place} is not between min and max of the latency")
        found.append((METRICS[f"{name}_{kind}_p99_us"], p99))
    return [sample(m, node.number() / per_us, _TOOL, node.place, labels) for m, node in found]


def _p99(latency: Node) -> Node | None:
    percentiles = latency.get("percentile")
    if percentiles is None:
        return None
    value = percentiles.value
    if isinstance(value, dict) and _P99 not in value:
        if value.keys() >= _PERCENTILES - {_P99}:
            raise refuse(_TOOL, f"{percentiles.place} holds fio's usual ones but {_P99}")
        return None
    return percentiles.child(_P99)


def version(stdout: bytes, stderr: bytes) -> str:  # noqa: ARG001
    """Such as `fio-3.33`; ReadError where stdout states none."""
    return version_line(stdout, _TOOL, _VERSION)
