"""Reads the report of an iperf3 client, 3.0 to 3.22: JSON (`--json`) or text, TCP or UDP.

The throughput is what the receiver got, whichever end that was: what the sender handed to
its kernel is not yet a transfer. Text has three or four digits, JSON has all.
"""

from __future__ import annotations

import re

from harness.model.workload import Metric, Sample
from harness.tools._iperf3_text import Loss, Row, rows
from harness.tools._json import Node, read_json
from harness.tools._sample import COUNT, Labels, sample, table
from harness.tools._text import decode, excerpt, refuse, report, version_line

PROGRAM = "iperf3"
VERSION_ARGS = ("--version",)
BUNDLED = True
METRICS = table(
    Metric("throughput_mbit_per_s", "Mbit/s", "higher"),
    Metric("retransmits", COUNT, "lower"),
    Metric("jitter_ms", "ms", "lower"),
    Metric("lost_packets", COUNT, "lower"),
    Metric("lost_share", COUNT, "lower"),
)

_TOOL = "iperf3"
_BITS_PER_MBIT = 1_000_000
_FAILURE = re.compile(r"^iperf3: (?:error|interrupt)\b.*$", re.MULTILINE)
_HINT = "is the peer's server running?"
_SEND: Labels = (("direction", "send"),)
_RECEIVE: Labels = (("direction", "receive"),)
_NUMBERED = re.compile(r"iperf 3\.([0-9]{1,4})")
_RECEIVED_SINCE = 2
"""From 3.2 on the report of UDP says apart what was received."""
_VERSION = re.compile(r"iperf 3\.[0-9]+[\w.+-]*(?: \(cJSON [\w.]+\))?")


def read(stdout: bytes, stderr: bytes) -> tuple[Sample, ...]:
    """throughput_mbit_per_s (Mbit/s of 10^6, payload received) of all streams together.

    TCP: retransmits, where stated. UDP: jitter_ms (ms), lost_packets and lost_share (of 1).
    A bidirectional test gives all of it twice, labelled `direction`: `send` is from the client.

    ReadError where the report holds an error, is incomplete, is of another protocol, or where
    bytes, seconds and rate contradict one another.
    """
    for stream in (decode(stdout, _TOOL, "stdout"), decode(stderr, _TOOL, "stderr")):
        if failure := _FAILURE.search(stream):
            raise refuse(_TOOL, f"it failed: {excerpt(failure.group())}", _HINT)
    text = report(stdout, _TOOL)
    start = len(text) - len(text.lstrip())
    if text.startswith(("{", "["), start):
        return _from_json(read_json(text, _TOOL, start))
    return _from_text(text)


def _from_json(document: Node) -> tuple[Sample, ...]:
    if error := document.get("error"):
        raise refuse(_TOOL, f"it failed: {excerpt(error.text())}", _HINT)
    start = document.child("start")
    protocol = start.child("test_start").child("protocol").text()
    if protocol not in ("TCP", "UDP"):
        raise refuse(
            _TOOL, f"start.test_start.protocol is {excerpt(protocol)!r}, neither TCP nor UDP"
        )
    end = document.child("end")
    parts: list[tuple[str, Labels]] = [("", ())]
    if _both_ways(start, end):
        parts = [("", _SEND), ("_bidir_reverse", _RECEIVE)]
    received = _NUMBERED.match(start.child("version").text())
    if received is None:
        raise refuse(_TOOL, "start.version is not 'iperf 3' with a number")
    states_received = int(received[1]) >= _RECEIVED_SINCE
    samples: list[Sample] = []
    for suffix, labels in parts:
        if protocol == "TCP":
            samples += _tcp(end, suffix, labels)
        else:
            samples += _udp(end, suffix, labels, states_received)
    return tuple(samples)


def _tcp(end: Node, suffix: str, labels: Labels) -> list[Sample]:
    received = end.child(f"sum_received{suffix}")
    samples = [_throughput(received, 1.0, labels)]
    if retransmits := end.child(f"sum_sent{suffix}").get("retransmits"):
        metric = METRICS["retransmits"]
        samples.append(sample(metric, retransmits.number(), _TOOL, retransmits.place, labels))
    return samples


def _both_ways(start: Node, end: Node) -> bool:
    """Whether the test was bidirectional: stated since 3.7, and to be seen in its end."""
    stated = start.child("test_start").get("bidir")
    seen = isinstance(end.value, dict) and any(key.endswith("_bidir_reverse") for key in end.value)
    if stated is not None and (stated.number() != 0) != seen:
        raise refuse(_TOOL, f"{stated.place} is {stated.value}, which its end contradicts")
    return seen


def _udp(end: Node, suffix: str, labels: Labels, states_received: bool) -> list[Sample]:
    """Before 3.2 there is only `sum`: the rate sent, beside what was lost of it."""
    received = end.child(f"sum_received{suffix}") if states_received else None
    whole = received or end.child(f"sum{suffix}")
    jitter, lost, packets = (
        whole.child(key).number() for key in ("jitter_ms", "lost_packets", "packets")
    )
    loss = Loss(jitter, lost, packets)
    samples = _lost(loss, whole.place, labels)
    arrived = 1.0 if received else 1 - lost / packets
    return [_throughput(whole, arrived, labels), *samples]


def _throughput(whole: Node, arrived: float, labels: Labels) -> Sample:
    rate = whole.child("bits_per_second")
    bits = whole.child("bytes").number() * 8
    if abs(rate.number() * whole.child("seconds").number() - bits) > max(1.0, bits / 100):
        raise refuse(_TOOL, f"{rate.place} contradicts bytes and seconds beside it")
    metric = METRICS["throughput_mbit_per_s"]
    return sample(metric, rate.number() * arrived / _BITS_PER_MBIT, _TOOL, rate.place, labels)


def _lost(loss: Loss, where: str, labels: Labels) -> list[Sample]:
    if not 0 <= loss.lost <= loss.packets or loss.packets == 0:
        raise refuse(_TOOL, f"{where} lost {loss.lost:.0f} of {loss.packets:.0f} packets")
    share = loss.lost / loss.packets
    return [
        sample(METRICS["jitter_ms"], loss.jitter_ms, _TOOL, where, labels, zero=True),
        sample(METRICS["lost_packets"], loss.lost, _TOOL, where, labels),
        sample(METRICS["lost_share"], share, _TOOL, where, labels),
    ]


def _from_text(text: str) -> tuple[Sample, ...]:
    found = rows(text)
    both = len({row.role for row in found}) > 1
    samples: list[Sample] = []
    for row in found:
        labels = (_SEND if row.role == "TX" else _RECEIVE) if both else ()
        if row.end != "sender":
            samples += _received(row, labels)
        elif row.retransmits is not None:
            metric = METRICS["retransmits"]
            samples.append(sample(metric, row.retransmits, _TOOL, row.where, labels))
    return tuple(samples)


def _received(row: Row, labels: Labels) -> list[Sample]:
    lost = _lost(row.loss, row.where, labels) if row.loss else []
    arrived = 1 - row.loss.lost / row.loss.packets if row.loss and not row.end else 1.0
    metric = METRICS["throughput_mbit_per_s"]
    value = row.bits_per_s * arrived / _BITS_PER_MBIT
    return [sample(metric, value, _TOOL, row.where, labels), *lost]


def version(stdout: bytes, stderr: bytes) -> str:  # noqa: ARG001
    """Such as `iperf 3.12 (cJSON 1.7.15)`; ReadError where stdout states none.

    The line below it is the machine's uname and is left out.
    """
    return version_line(stdout, _TOOL, _VERSION)
