"""Reads the report of an iperf3 client, JSON (`--json`) or text: TCP and UDP, either direction.

The throughput is what the receiver got, whichever end that was: what the sender handed to
its kernel is not yet a transfer. Of a test in both directions at once (`--bidir`, JSON only) each
gives a value, told apart by the label `direction`; several streams are taken together.
"""

from __future__ import annotations

import re

from harness.model import Metric, Sample
from harness.tools._iperf3_text import summary
from harness.tools._json import Node, read_json
from harness.tools._sample import COUNT, sample, table
from harness.tools._text import excerpt, refuse, report, version_line

PROGRAM = "iperf3"
VERSION_ARGS = ("--version",)
METRICS = table(
    Metric("throughput_mbit_per_s", "Mbit/s", "higher"),
    Metric("retransmits", COUNT, "lower"),
    Metric("jitter_ms", "ms", "lower"),
    Metric("lost_datagrams", COUNT, "lower"),
)

_TOOL = "iperf3"
_BITS_PER_MBIT = 1_000_000
_VERSION = re.compile(r"iperf 3\.[0-9]+[\w.+-]*(?: \(cJSON [\w.]+\))?")
_TEXT = re.compile(r"\A(?:Connecting to host |iperf3: |iperf 3|warning: |\[)")

Labels = tuple[tuple[str, str], ...]


def read(stdout: bytes, stderr: bytes) -> tuple[Sample, ...]:
    """throughput_mbit_per_s (Mbit/s of 10^6, payload received); of TCP, if stated, retransmits;
    of UDP jitter_ms and lost_datagrams.

    ReadError where the report holds an `error`, has no `end`, or where bytes, seconds and rate
    contradict one another.
    """
    if not stdout.strip() and (said := stderr.decode(errors="replace")).startswith("iperf3: "):
        raise refuse(_TOOL, f"it failed: {excerpt(said)}", "is the peer's server running?")
    text = report(stdout, _TOOL)
    if _TEXT.match(text.lstrip()):
        return _of_text(text)
    document = read_json(stdout, _TOOL)
    if error := document.get("error"):
        raise refuse(_TOOL, f"it failed: {excerpt(error.text())}", "is the peer's server running?")
    protocol = document.child("start").child("test_start").child("protocol").text()
    if protocol not in ("TCP", "UDP"):
        raise refuse(_TOOL, f"start.test_start.protocol is {excerpt(protocol)!r}, not TCP or UDP")
    end = document.child("end")
    read_one = _tcp if protocol == "TCP" else _udp
    if end.get("sum_received_bidir_reverse") is None:
        return read_one(end, "", ())
    return (
        *read_one(end, "", (("direction", "forward"),)),
        *read_one(end, "_bidir_reverse", (("direction", "reverse"),)),
    )


def _tcp(end: Node, suffix: str, labels: Labels) -> tuple[Sample, ...]:
    received = end.child(f"sum_received{suffix}")
    rate = _rate(received)
    metric = METRICS["throughput_mbit_per_s"]
    samples = [sample(metric, rate / _BITS_PER_MBIT, _TOOL, received.place, labels)]
    if retransmits := end.child(f"sum_sent{suffix}").get("retransmits"):
        metric = METRICS["retransmits"]
        samples.append(sample(metric, retransmits.number(), _TOOL, retransmits.place, labels))
    return tuple(samples)


def _udp(end: Node, suffix: str, labels: Labels) -> tuple[Sample, ...]:
    """Releases before 3.7 give one sum, whose rate is the sender's and whose losses the
    receiver's."""
    received = end.get(f"sum_received{suffix}")
    both = received or end.child("sum")
    rate, jitter = _rate(both), both.child("jitter_ms")
    lost, packets = both.child("lost_packets"), both.child("packets")
    if packets.number() < 1 or lost.number() >= packets.number():
        raise refuse(_TOOL, f"{lost.place}: no datagram arrived")
    if received is None:
        rate *= 1 - lost.number() / packets.number()
    return (
        sample(METRICS["throughput_mbit_per_s"], rate / _BITS_PER_MBIT, _TOOL, both.place, labels),
        sample(METRICS["jitter_ms"], jitter.number(), _TOOL, jitter.place, labels),
        sample(METRICS["lost_datagrams"], lost.number(), _TOOL, lost.place, labels),
    )


def _rate(total: Node) -> float:
    """Bits a second, checked against the bytes and seconds beside them."""
    rate = total.child("bits_per_second")
    bits = total.child("bytes").number() * 8
    if abs(rate.number() * total.child("seconds").number() - bits) > max(1.0, bits / 100):
        raise refuse(_TOOL, f"{rate.place} contradicts bytes and seconds beside it")
    return rate.number()


def _of_text(text: str) -> tuple[Sample, ...]:
    found = summary(text)
    figures = {
        "throughput_mbit_per_s": found.mbit_per_s,
        "retransmits": found.retransmits,
        "jitter_ms": found.jitter_ms,
        "lost_datagrams": found.lost,
    }
    return tuple(
        sample(METRICS[name], value, _TOOL, f"the summary's {name}")
        for name, value in figures.items()
        if value is not None
    )


def version(stdout: bytes, stderr: bytes) -> str:  # noqa: ARG001
    """Such as `iperf 3.12 (cJSON 1.7.15)`; ReadError where stdout states none.

    The line below it is the machine's uname and is left out.
    """
    return version_line(stdout, _TOOL, _VERSION)
