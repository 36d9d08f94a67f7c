"""The text that iperf3 prints without `--json`: its summary, three digits a figure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.tools._text import excerpt, number, refuse

_TOOL = "iperf3"
_FAILURE = re.compile(r"^iperf3: (?:error|interrupt).*$", re.MULTILINE)
_SUMMARY = re.compile(
    r"^\[( *[0-9]+|SUM)\] +[0-9.]+-[0-9.]+ +sec +[0-9.]+ [KMGT]?Bytes +([0-9.]+) ([KMGT]?)bits/sec"
    r"(.*?) +(sender|receiver) *$",
    re.MULTILINE,
)
_DATAGRAMS = re.compile(r" +([0-9.]+) ms +([0-9]+)/([0-9]+) \(.*\)")
_RETRANSMITS = re.compile(r" +([0-9]+)")
_BITS = {"": 1e-6, "K": 1e-3, "M": 1.0, "G": 1e3, "T": 1e6}
"""Mbit for one of each unit."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What the receiver got, in Mbit/s; the sender's retransmits where they are counted (TCP);
    jitter in ms and datagrams lost (UDP)."""

    mbit_per_s: float
    retransmits: float | None
    jitter_ms: float | None
    lost: float | None


def summary(text: str) -> Summary:
    """The summary of a whole report of one direction; of all streams where there are several.

    ReadError where it says that it failed, does not reach `iperf Done.`, or is of both
    directions at once.
    """
    if failure := _FAILURE.search(text):
        raise refuse(_TOOL, f"it failed: {excerpt(failure.group())}")
    if text.rstrip().rpartition("\n")[2] != "iperf Done.":
        raise refuse(_TOOL, "stdout does not reach 'iperf Done.', the last line")
    if "[TX-" in text or "[RX-" in text:
        raise refuse(_TOOL, "the text of both directions at once is not read", "run it with --json")
    found = [match.groups() for match in _SUMMARY.finditer(text)]
    lines = {end: [each for each in found if each[4] == end] for end in ("sender", "receiver")}
    chosen = []
    for end, of_end in lines.items():
        if len(of_end) > 1:
            of_end = [each for each in of_end if each[0] == "SUM"]
        if len(of_end) != 1:
            raise refuse(_TOOL, f"there is not one summary of the {end}")
        chosen.append(of_end[0])
    sender, receiver = chosen
    rate = number(receiver[1], _TOOL, "the receiver's bitrate") * _BITS[receiver[2]]
    if datagrams := _DATAGRAMS.fullmatch(receiver[3]):
        jitter = number(datagrams.group(1), _TOOL, "the receiver's jitter")
        return Summary(rate, None, jitter, number(datagrams.group(2), _TOOL, "datagrams lost"))
    if receiver[3].strip() or ("Lost/Total" in text):
        raise refuse(_TOOL, f"the receiver's summary ends with {excerpt(receiver[3])!r}")
    counted = _RETRANSMITS.fullmatch(sender[3])
    if bool(counted) != (text.count(" Retr") == 2) or (sender[3].strip() and not counted):
        raise refuse(_TOOL, "the sender's retransmits do not fit the heading 'Retr'")
    retransmits = number(counted.group(1), _TOOL, "retransmits") if counted else None
    return Summary(rate, retransmits, None, None)
