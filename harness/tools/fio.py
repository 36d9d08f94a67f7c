"""Reads the JSON report of fio (`--output-format=json` or `json+`), versions 2.1 to 3.

Latencies are fio's total ones (submission and completion together), so that engines can be
compared; fio 2 gives them in µs, fio 3 in ns, and their percentiles are in the report only with
fio 3's `--lat_percentiles=1`. Several jobs give a value each, told apart by the label `job`:
they are never added up or averaged.
"""

from __future__ import annotations

import re
from collections import Counter

from harness.model import Metric, Sample
from harness.tools._json import Node, read_json
from harness.tools._sample import sample, table
from harness.tools._text import excerpt, refuse, version_line

PROGRAM = "fio"
VERSION_ARGS = ("--version",)
METRICS = table(
    Metric("read_iops", "1/s", "higher"),
    Metric("read_bw_mib_per_s", "MiB/s", "higher"),
    Metric("read_lat_mean_us", "µs", "lower"),
    Metric("read_lat_p99_us", "µs", "lower"),
    Metric("write_iops", "1/s", "higher"),
    Metric("write_bw_mib_per_s", "MiB/s", "higher"),
    Metric("write_lat_mean_us", "µs", "lower"),
    Metric("write_lat_p99_us", "µs", "lower"),
    Metric("sync_lat_mean_us", "µs", "lower"),
    Metric("sync_lat_p99_us", "µs", "lower"),
)

_TOOL = "fio"
_KIB = 1024
_MIB = 1024 * 1024
_NS_PER_US = 1000
_VERSION = re.compile(r"fio-[0-9]+\.[0-9]+[\w.-]*")
_STATED = re.compile(r"fio-([23])\.[0-9]+[\w.-]*")
_FAILURE = re.compile(r"^(?:verify: bad|.*: verify failed|crc.*: verify).*$", re.MULTILINE)

Labels = tuple[tuple[str, str], ...]


def read(stdout: bytes, stderr: bytes) -> tuple[Sample, ...]:  # noqa: ARG001
    """For each of `read` and `write` that did I/O: iops (1/s), bw (MiB/s), lat mean and p99 (µs).

    Where a job synced (fio 3), sync_lat mean and p99 (µs) too. A p99 is given only where the
    report holds percentiles of the total latency. ReadError where a job's `error` is set or it
    did no I/O, where there is no job, where blocks did not verify, and where a figure is missing
    or contradicts another.
    """
    document = read_json(stdout, _TOOL)
    stated = document.child("fio version")
    version = _STATED.fullmatch(stated.text())
    if version is None:
        raise refuse(_TOOL, f"{stated.place} is {excerpt(stated.text())!r}, fio 2 or 3 is read")
    jobs = document.child("jobs").items()
    if not jobs:
        raise refuse(_TOOL, "jobs has 0 entries, one is needed")
    names = [job.child("jobname").text() for job in jobs]
    for job, name in zip(jobs, names, strict=True):
        if (error := job.child("error")).number() != 0:
            raise refuse(_TOOL, f"{error.place} of job {name!r} is {error.value}: it failed")
    if failure := _FAILURE.search(stdout.decode("utf-8")):
        raise refuse(_TOOL, f"it failed: {excerpt(failure.group())}")
    samples: list[Sample] = []
    for job, labels in zip(jobs, _labels(names), strict=True):
        found = _job(job, labels, old=version[1] == "2")
        if not found:
            raise refuse(_TOOL, f"{job.place} neither read nor wrote: nothing was measured")
        samples += found
    return tuple(samples)


def _labels(names: list[str]) -> list[Labels]:
    """Nothing for a single job; otherwise its name, and its place where the name is not unique."""
    if len(names) == 1:
        return [()]
    often = Counter(names)
    return [
        (("job", name), *((("index", str(at)),) if often[name] > 1 else ()))
        for at, name in enumerate(names)
    ]


def _job(job: Node, labels: Labels, *, old: bool) -> list[Sample]:
    samples = [*_side(job, "read", labels, old), *_side(job, "write", labels, old)]
    if not old and (sync := job.get("sync")):
        latency = sync.child("lat_ns")  # fio leaves the total_ios beside it at 0
        if latency.child("N").number() > 0:
            samples += _latency(latency, "sync", labels, _NS_PER_US)
        elif latency.child("max").number() > 0:
            raise refuse(_TOOL, f"{latency.place}.N is 0 beside a latency")
    return samples


def _side(job: Node, name: str, labels: Labels, old: bool) -> list[Sample]:
    side = job.child(name)
    moved = side.child("io_bytes").number()
    iops = side.child("iops")
    runtime_s = side.child("runtime").number() / 1000
    total = side.get("total_ios") if old else side.child("total_ios")
    if (moved == 0) != (iops.number() == 0) or (total and (total.number() == 0) != (moved == 0)):
        raise refuse(_TOOL, f"{side.place}: io_bytes, iops and total_ios contradict one another")
    if moved == 0:
        return []
    if total and abs(iops.number() * runtime_s - total.number()) > max(1.0, total.number() / 100):
        raise refuse(_TOOL, f"{iops.place} contradicts total_ios and runtime beside it")
    bandwidth, scale = (side.child("bw"), _KIB) if old else (side.child("bw_bytes"), 1)
    bytes_per_s = bandwidth.number() * scale
    expected = moved * (_KIB if old else 1)
    if abs(bytes_per_s * runtime_s - expected) > max(2 * _KIB * (runtime_s + 1), expected / 50):
        raise refuse(_TOOL, f"{bandwidth.place} contradicts io_bytes and runtime beside it")
    latency = side.child("lat" if old else "lat_ns")
    return [
        sample(METRICS[f"{name}_iops"], iops.number(), _TOOL, iops.place, labels),
        sample(METRICS[f"{name}_bw_mib_per_s"], bytes_per_s / _MIB, _TOOL, bandwidth.place, labels),
        *_latency(latency, name, labels, 1 if old else _NS_PER_US),
    ]


def _latency(latency: Node, name: str, labels: Labels, per_us: int) -> list[Sample]:
    """The mean, and the 99th percentile where it is in the report."""
    mean = latency.child("mean")
    if not latency.child("min").number() <= mean.number() <= latency.child("max").number():
        raise refuse(_TOOL, f"{mean.place} is not between min and max beside it")
    found = [(METRICS[f"{name}_lat_mean_us"], mean)]
    percentiles = latency.get("percentile")
    if percentiles and (p99 := percentiles.get("99.000000")):
        found.append((METRICS[f"{name}_lat_p99_us"], p99))
    return [sample(m, node.number() / per_us, _TOOL, node.place, labels) for m, node in found]


def version(stdout: bytes, stderr: bytes) -> str:  # noqa: ARG001
    """Such as `fio-3.33`; ReadError where stdout states none."""
    return version_line(stdout, _TOOL, _VERSION)
