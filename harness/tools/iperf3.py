"""Reads the JSON report of an iperf3 client (`--json`) for TCP, in either direction.

The throughput is what the receiver got, whichever end that was: what the sender handed to
its kernel is not yet a transfer. UDP is refused.
"""

from __future__ import annotations

import re

from harness.model import Metric, Sample
from harness.tools._json import read_json
from harness.tools._sample import COUNT, sample, table
from harness.tools._text import excerpt, refuse, version_line

PROGRAM = "iperf3"
VERSION_ARGS = ("--version",)
METRICS = table(
    Metric("throughput_mbit_per_s", "Mbit/s", "higher"),
    Metric("retransmits", COUNT, "lower"),
)

_TOOL = "iperf3"
_BITS_PER_MBIT = 1_000_000
_VERSION = re.compile(r"iperf 3\.[0-9]+[\w.+-]*(?: \(cJSON [\w.]+\))?")


def read(stdout: bytes, stderr: bytes) -> tuple[Sample, ...]:  # noqa: ARG001
    """throughput_mbit_per_s (Mbit/s of 10^6, payload received) and, if stated, retransmits.

    ReadError where the report holds an `error`, has no `end`, is not TCP, or where bytes,
    seconds and rate contradict one another.
    """
    document = read_json(stdout, _TOOL)
    if error := document.get("error"):
        raise refuse(_TOOL, f"it failed: {excerpt(error.text())}", "is the peer's server running?")
    protocol = document.child("start").child("test_start").child("protocol").text()
    if protocol != "TCP":
        raise refuse(_TOOL, f"start.test_start.protocol is {excerpt(protocol)!r}, TCP is needed")
    end = document.child("end")
    received = end.child("sum_received")
    rate = received.child("bits_per_second")
    bits = received.child("bytes").number() * 8
    if abs(rate.number() * received.child("seconds").number() - bits) > max(1.0, bits / 100):
        raise refuse(_TOOL, f"{rate.place} contradicts bytes and seconds beside it")
    metric = METRICS["throughput_mbit_per_s"]
    samples = [sample(metric, rate.number() / _BITS_PER_MBIT, _TOOL, rate.place)]
    if retransmits := end.child("sum_sent").get("retransmits"):
        metric = METRICS["retransmits"]
        samples.append(sample(metric, retransmits.number(), _TOOL, retransmits.place))
    return tuple(samples)


def version(stdout: bytes, stderr: bytes) -> str:  # noqa: ARG001
    """Such as `iperf 3.12 (cJSON 1.7.15)`; ReadError where stdout states none.

    The line below it is the machine's uname and is left out.
    """
    return version_line(stdout, _TOOL, _VERSION)
