"""Reads the JSON report of fio 2.1 to 3.42 (`--output-format=json` or `json+`).

Latencies named `lat` are fio's total ones (submission and completion together), so that
engines can be compared; their percentiles are in the report only with `--lat_percentiles=1`.
What fio gives of percentiles by itself is of completion alone and is named `clat`.

fio 2 states latencies in µs (`lat`) and amounts in KiB, although it calls them `io_bytes`;
fio 3 states them in ns (`lat_ns`) and bytes, with `io_kbytes` beside them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.errors import ReadError
from harness.model.workload import Metric, Sample
from harness.tools import _fio_document as report
from harness.tools._fio_document import TOOL, refuse
from harness.tools._fio_latency import latency
from harness.tools._json import Node
from harness.tools._sample import Labels, sample, table
from harness.tools._text import decode, version_line

PROGRAM = "fio"
VERSION_ARGS = ("--version",)
BUNDLED = True
START_S = 0.43
"""Seconds that a trial takes beyond those asked of it: the mean over native (twice), a container
and an emulated guest (docs/statistics.md, "The core set")."""
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

_SIDES = ("read", "write")
_FIGURES = ("io_bytes", "io_kbytes", "bw_bytes", "bw", "iops", "total_ios")
_KIB = 1024
_MIB = 1024 * 1024
_EILSEQ = 84
"""What fio calls a job's error where a block read was not the block written."""
_BW_BYTES_SINCE = (3, 10)
"""From here on `bw_bytes` is certain to be in the report beside `bw`, which is in KiB/s."""
_LAT_PERCENTILES_SINCE = (3, 11)
"""Before this `lat_percentiles=1` put the total latency's percentiles into completion's block."""
_NUMBERED = re.compile(r"fio-([0-9]{1,4})\.([0-9]{1,4})")
_VERSION = re.compile(r"fio-[0-9]+\.[0-9]+[\w.-]*")


@dataclass(frozen=True, slots=True)
class _Context:
    """What a job's samples need from outside of the direction they are taken from."""

    labels: Labels
    bw_in_kib: bool
    """Whether `bw` is all that the version states; later ones have `bw_bytes` with more digits."""
    clat_is_lat: bool
    """Whether the percentiles in completion's block are those of the total latency."""


def read(stdout: bytes, stderr: bytes) -> tuple[Sample, ...]:
    """For each of `read` and `write` that did I/O: iops (1/s), bw (MiB/s), lat mean (µs).

    Also the p99 of lat and clat (µs), and, where a job synced, sync_lat mean and p99 (µs). What
    the report does not hold, or holds as switched off, is missing. Text before and behind the
    document is skipped. The samples of several jobs carry the label `job`, and `index` where
    jobs share a name; those of several hosts (`--client`) `host`, and `port` where hosts share a
    name. A job alone, as one of group_reporting, carries none.

    ReadError where a job's `error` is set, where verification failed, where nothing was read
    or written, where reads and writes are stated only as one, or where figures contradict.
    """
    found = report.find(stdout)
    jobs = report.jobs(found.document)
    for job, _ in jobs:
        _require_success(job)
    found.require_verified(decode(stderr, TOOL, "stderr"))
    samples = [each for job, labels in jobs for each in _job(job, found.document, labels)]
    if not samples:
        raise _nothing([job for job, _ in jobs])
    return tuple(samples)


def _require_success(job: Node) -> None:
    for error in (job.child("error"), job.get("total_err")):
        if error is not None and error.number() != 0:
            named = job.get("jobname")
            name = f" of job {named.text()!r}" if named else ""
            why = "verification failed" if error.number() == _EILSEQ else "it failed"
            raise refuse(f"{error.place}{name} is {error.value}: {why}")


def _job(job: Node, document: Node, labels: Labels) -> list[Sample]:
    sides = {name: side for name in _SIDES if (side := job.get(name))}
    if not sides and job.get("mixed"):
        raise refuse(
            f"{job.place}.mixed is reads and writes in one (unified_rw_reporting=mixed or 1): how"
            " much of it were reads is not told",
            "run fio with unified_rw_reporting=both, or without it",
        )
    version = _version(document)
    context = _Context(
        labels,
        bw_in_kib=version is None or version < _BW_BYTES_SINCE,
        clat_is_lat=version is not None
        and version < _LAT_PERCENTILES_SINCE
        and _asked_lat_percentiles(job, document),
    )
    samples = [each for name, side in sides.items() for each in _side(side, name, context)]
    sync = job.get("sync")  # fio leaves the total_ios in it at 0
    return samples + (_latency(sync, "lat", "sync", context) if sync else [])


def _version(document: Node) -> tuple[int, int] | None:
    stated = document.get("fio version")
    found = _NUMBERED.match(stated.text()) if stated else None
    return (int(found[1]), int(found[2])) if found else None


def _asked_lat_percentiles(job: Node, document: Node) -> bool:
    """The last one holds where the option, or with --client all global options, stand twice."""
    given: object = None
    for of, key in ((document, "global options"), (job, "job options")):
        options = of.value.get(key) if isinstance(of.value, dict) else None
        if isinstance(options, dict):
            given = options.get("lat_percentiles", given)
    return given not in (None, "0")


def _side(side: Node, name: str, context: _Context) -> list[Sample]:
    """The samples of one direction; none where all its figures are zero."""
    if _is_idle(side):
        return []
    for key in ("io_bytes", "total_ios"):
        if (figure := side.get(key)) and figure.number() == 0:
            raise refuse(f"{figure.place} is zero beside figures that are not")
    return [
        *_iops(side, METRICS[f"{name}_iops"], context),
        *_bandwidth(side, METRICS[f"{name}_bw_mib_per_s"], context),
        *_latency(side, "lat", name, context),
        *_latency(side, "clat", name, context),
    ]


def _figures(side: Node) -> list[float]:
    return [figure.number() for key in _FIGURES if (figure := side.get(key))]


def _is_idle(side: Node) -> bool:
    """Whether fio states that nothing was done; where it states nothing it may have been."""
    figures = _figures(side)
    return bool(figures) and not any(figures)


def _iops(side: Node, metric: Metric, context: _Context) -> list[Sample]:
    """fio before 2.2 cuts iops to an integer and counts no total."""
    iops, total, runtime_s = side.get("iops"), side.get("total_ios"), _runtime_s(side)
    if iops and total and runtime_s:
        cut = runtime_s if isinstance(iops.value, int) else 0.0
        slack = max(1.0, total.number() / 100) + cut
        if abs(iops.number() * runtime_s - total.number()) > slack:
            raise refuse(f"{iops.place} contradicts total_ios and runtime beside it")
    return _rate(metric, iops, 1, context)


def _bandwidth(side: Node, metric: Metric, context: _Context) -> list[Sample]:
    rate, unit = side.get("bw_bytes"), 1
    if rate is None and context.bw_in_kib:
        rate, unit = side.get("bw"), _KIB
    amount, runtime_s = side.get("io_bytes"), _runtime_s(side)
    if rate and amount and runtime_s:
        moved = rate.number() * unit * runtime_s
        units = (1,) if side.get("io_kbytes") else (_KIB, 1)
        if not any(_is_near(moved, amount.number() * each, runtime_s) for each in units):
            raise refuse(f"{rate.place} contradicts io_bytes and runtime beside it")
    return _rate(metric, rate, unit / _MIB, context)


def _is_near(by_rate: float, moved: float, runtime_s: float) -> bool:
    """Whether two amounts (bytes) agree: to a percent, KiB/s that were cut, and a millisecond."""
    return abs(by_rate - moved) <= moved / 100 + _KIB * runtime_s + by_rate / runtime_s / 1000


def _runtime_s(side: Node) -> float | None:
    """None also where the job took less than the millisecond that fio counts in."""
    runtime = side.get("runtime")
    return runtime.number() / 1000 if runtime and runtime.number() else None


def _rate(metric: Metric, rate: Node | None, unit: float, context: _Context) -> list[Sample]:
    """None of a rate that fio cut to zero: it is not known, but not zero either."""
    if rate is None or rate.number() == 0:
        return []
    return [sample(metric, rate.number() * unit, TOOL, rate.place, context.labels)]


def _latency(side: Node, kind: str, name: str, context: _Context) -> list[Sample]:
    """Of `lat` the mean, of `lat` and `clat` the 99th percentile where it is in the report."""
    found = latency(side, kind, percentiles=kind == "lat" or not context.clat_is_lat)
    if found is None:
        return []
    wanted = [(f"{name}_{kind}_p99_us", found.p99)]
    if kind == "lat":
        wanted.insert(0, (f"{name}_lat_mean_us", found.mean))
    return [
        sample(METRICS[metric], node.number() / found.per_us, TOOL, node.place, context.labels)
        for metric, node in wanted
        if node
    ]


def _nothing(jobs: list[Node]) -> ReadError:
    """Why none of the jobs gives a sample."""
    which = jobs[0].place if len(jobs) == 1 else "every job"
    missing = [f"{job.place}.{name}" for job in jobs for name in _SIDES if not job.get(name)]
    if missing:
        return refuse(f"{missing[0]} is missing, and beside it nothing was read or written")
    for side in (job.child(name) for job in jobs for name in _SIDES):
        if _figures(side) and not _is_idle(side):
            return refuse(
                f"{side.place} holds no rate and no latency above zero (iops, bw_bytes or bw,"
                " lat_ns, clat_ns): they are missing, or it took less than a millisecond"
            )
    trims = [trim for job in jobs if (trim := job.get("trim"))]
    if not all(_is_idle(trim) for trim in trims):
        return refuse(f"{which} only trimmed, of which there is no metric")
    return refuse(f"{which} neither read nor wrote: nothing was measured")


def version(stdout: bytes, stderr: bytes) -> str:  # noqa: ARG001
    """Such as `fio-3.33`; ReadError where stdout states none."""
    return version_line(stdout, TOOL, _VERSION)
