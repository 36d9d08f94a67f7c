"""Reads the report of an iperf3 client, 3.0 to 3.22: JSON (`--json`, `--json-stream`) or text.

The throughput is what the receiver got, whichever end that was: what the sender handed to
its kernel is not yet a transfer. Text has three or four digits, JSON has all.

`-V`, `-T`, `--timestamps` and `--get-server-output` change the text, not what is read. A run
that was interrupted is refused: its report says of the receiver that it got nothing.
"""

from __future__ import annotations

import re

from harness.errors import ReadError
from harness.model.workload import Metric, Sample
from harness.tools._iperf3_text import Loss, Row, rows
from harness.tools._json import Node, first_json, read_json
from harness.tools._sample import COUNT, Labels, sample, table
from harness.tools._text import decode, excerpt, line_number, refuse, report, version_line

PROGRAM = "iperf3"
VERSION_ARGS = ("--version",)
BUNDLED = True
START_S = 0.1
"""Seconds that a trial takes beyond those asked of it: the mean over native (twice), a container
and an emulated guest (docs/statistics.md, "The core set")."""
METRICS = table(
    Metric("throughput_mbit_per_s", "Mbit/s", "higher"),
    Metric("retransmits", COUNT, "lower"),
    Metric("jitter_ms", "ms", "lower"),
    Metric("lost_packets", COUNT, "lower"),
    Metric("lost_share", COUNT, "lower"),
)

_TOOL = "iperf3"
_BITS_PER_MBIT = 1_000_000
_FAILURE = re.compile(
    r"^(?:.{0,200}[ \t])?iperf3: ((?:error|interrupt|parameter error)\b.*)$", re.MULTILINE
)
_UNREACHED = re.compile(r"unable to (?:connect|send|receive)|refused|busy|No route|timed out")
_DOCUMENT = re.compile(r"^[ \t]*\{", re.MULTILINE)
_READ_EVENTS = frozenset({"start", "end", "error"})
"""Of `--json-stream`; those of the intervals between are passed over."""
_NO_MORE_LINES = 20
"""What may stand before the JSON: with `-V` a line or two, with a shell's lines some more."""
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
            raise _failed(failure[1])
    text = report(stdout, _TOOL)
    start = _document(text)
    if start is None:
        return _from_text(text)
    start = text.index("{", start)
    if not _is_event(first_json(text, _TOOL, start)[0]):
        return _from_json(read_json(text, _TOOL, start))
    return _from_json(_of_events(text, start))


def _of_events(text: str, start: int) -> Node:
    """What `--json-stream` printed, an event a line, as the document that `--json` prints of the
    same: beginning and end, without the intervals between. With its full output that document
    follows, which says the same once more."""
    told: dict[str, object] = {}
    at = start
    while text.startswith("{", at):
        where = line_number(text, at)
        document, at = first_json(text, _TOOL, at)
        at += len(text[at:]) - len(text[at:].lstrip())
        if not _is_event(document):
            break
        name = document.child("event").text()
        if name in told:
            raise refuse(_TOOL, f"stdout line {where} is a second event {name!r}")
        if name in _READ_EVENTS:
            told[name] = document.child("data").value
    if text[at:]:
        where = line_number(text, at)
        raise refuse(_TOOL, f"stdout line {where} is no event: {excerpt(text[at:])}")
    return Node(_TOOL, "", told)


def _is_event(document: Node) -> bool:
    return any(document.get(key) is not None for key in ("event", "data"))


def _document(text: str) -> int | None:
    """Where the JSON begins; None in a report for people."""
    found = _DOCUMENT.search(text)
    if found is None:
        return None
    before = text[: found.start()]
    if "Connecting to host " in before or before.count("\n") > _NO_MORE_LINES:
        return None
    return found.start()


def _failed(reason: str) -> ReadError:
    """The error of a run that said itself that it failed, with the hint that fits."""
    reason = excerpt(reason)
    if "client has terminated" in reason or reason.startswith("interrupt"):
        return refuse(_TOOL, f"it was interrupted: {reason}", "let it run to its end")
    if "server has terminated" in reason:
        return refuse(_TOOL, f"it failed: {reason}", "let the server run until the client ends")
    hint = "is the peer's server running?" if _UNREACHED.search(reason) else ""
    return refuse(_TOOL, f"it failed: {reason}", hint)


def _from_json(document: Node) -> tuple[Sample, ...]:
    if error := document.get("error"):
        raise _failed(error.text())
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
    sent = end.child(f"sum_sent{suffix}")
    if retransmits := sent.get("retransmits"):
        metric = METRICS["retransmits"]
        samples.append(sample(metric, retransmits.number(), _TOOL, retransmits.place, labels))
    elif any(_retransmits_of(stream) for stream in _streams(end)):
        raise refuse(_TOOL, f"{sent.place}.retransmits is missing, which its streams have")
    return samples


def _streams(end: Node) -> list[Node]:
    listed = end.get("streams")
    return listed.items() if listed else []


def _retransmits_of(stream: Node) -> Node | None:
    sender = stream.get("sender")
    return sender.get("retransmits") if sender else None


def _both_ways(start: Node, end: Node) -> bool:
    """Whether the test was bidirectional: stated since 3.7, and to be seen in its end."""
    stated = start.child("test_start").get("bidir")
    members = end.value if isinstance(end.value, dict) else {}
    seen = any(str(key).endswith("_bidir_reverse") for key in members)
    if stated is not None and (stated.number() != 0) != seen:
        which = "is one" if seen else "is none"
        raise refuse(
            _TOOL, f"{stated.place} is {stated.value}, but the end {which} of both directions"
        )
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
