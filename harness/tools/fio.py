"""Reads the JSON report of fio 3 (`--output-format=json`) for one job.

Latencies are fio's total ones (`lat_ns`, submission and completion together), so that engines
can be compared; their percentiles are in the report only with `--lat_percentiles=1`. Several
jobs are refused: their latencies cannot be averaged.
"""

from __future__ import annotations

import re

from harness.model import Metric, Sample
from harness.tools._json import Node, read_json
from harness.tools._sample import sample, table
from harness.tools._text import refuse, version_line

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
_MIB = 1024 * 1024
_NS_PER_US = 1000
_VERSION = re.compile(r"fio-[0-9]+\.[0-9]+[\w.-]*")


def read(stdout: bytes, stderr: bytes) -> tuple[Sample, ...]:  # noqa: ARG001
    """For each of `read` and `write` that did I/O: iops (1/s), bw (MiB/s), lat mean and p99 (µs).

    Where the job synced, sync_lat mean and p99 (µs) too. A p99 is given only where the report
    holds that percentile. ReadError where the job's `error` is set, where there is not exactly
    one job, where it did no I/O, or where a figure is missing or contradicts another.
    """
    document = read_json(stdout, _TOOL)
    jobs = document.child("jobs").items()
    for job in jobs:
        if (error := job.child("error")).number() != 0:
            name = job.child("jobname").text()
            raise refuse(_TOOL, f"{error.place} of job {name!r} is {error.value}: it failed")
    if len(jobs) != 1:
        raise refuse(_TOOL, f"jobs has {len(jobs)} entries, one is needed")
    samples = [*_side(jobs[0], "read"), *_side(jobs[0], "write")]
    if not samples:
        raise refuse(_TOOL, "jobs[0] neither read nor wrote: nothing was measured")
    if sync := jobs[0].get("sync"):
        latency = sync.child("lat_ns")  # fio leaves the total_ios beside it at 0
        if latency.child("N").number() > 0:
            samples += _latency(latency, "sync")
    return tuple(samples)


def _side(job: Node, name: str) -> list[Sample]:
    side = job.child(name)
    total = side.child("total_ios").number()
    if total == 0:
        return []
    iops = side.child("iops")
    runtime_s = side.child("runtime").number() / 1000
    if abs(iops.number() * runtime_s - total) > max(1.0, total / 100):
        raise refuse(_TOOL, f"{iops.place} contradicts total_ios and runtime beside it")
    bandwidth = side.child("bw_bytes")
    return [
        sample(METRICS[f"{name}_iops"], iops.number(), _TOOL, iops.place),
        sample(METRICS[f"{name}_bw_mib_per_s"], bandwidth.number() / _MIB, _TOOL, bandwidth.place),
        *_latency(side.child("lat_ns"), name),
    ]


def _latency(latency: Node, name: str) -> list[Sample]:
    """The mean, and the 99th percentile where it is in the report."""
    mean = latency.child("mean")
    if not latency.child("min").number() <= mean.number() <= latency.child("max").number():
        raise refuse(_TOOL, f"{mean.place} is not between min and max beside it")
    found = [(METRICS[f"{name}_lat_mean_us"], mean)]
    percentiles = latency.get("percentile")
    if percentiles and (p99 := percentiles.get("99.000000")):
        found.append((METRICS[f"{name}_lat_p99_us"], p99))
    return [sample(m, node.number() / _NS_PER_US, _TOOL, node.place) for m, node in found]


def version(stdout: bytes, stderr: bytes) -> str:  # noqa: ARG001
    """Such as `fio-3.33`; ReadError where stdout states none."""
    return version_line(stdout, _TOOL, _VERSION)
