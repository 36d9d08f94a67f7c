"""What iperf3's report states of its options: all of them in JSON, some in text.

Congestion control is the system's choice unless -C says otherwise, and neither form tells which,
so it is told and not compared.
"""

from __future__ import annotations

import re
from typing import Any

from harness.importing.stated import Stated, documents, member, plain

_PASSING = frozenset({"interval"})
_OFF = (
    *("omit", "bytes", "blocks", "reverse", "bidir", "tos", "target_bitrate", "fqrate"),
    *("gso", "gro", "sock_bufsize", "mptcp"),
)
_DEFAULTS = plain(dict.fromkeys(_OFF, "0"))
_VERBOSE = re.compile(
    r"^Starting Test: protocol: (?P<protocol>\w+), (?P<num_streams>\d+) streams, "
    r"(?P<blksize>\d+) byte blocks, omitting (?P<omit>\d+) seconds, (?P<duration>\d+) second test",
    re.MULTILINE,
)
_STREAM = re.compile(r"^\[ *\d+\] local \S+ port \d+ connected to ", re.MULTILINE)
_BIDIR, _REVERSE, _UDP = "][TX-C]", "\nReverse mode, remote host ", " Datagrams"


def read(stdout: str, _: str) -> Stated:
    """The options of the one test that the report is of."""
    told: dict[str, dict[str, Any]] = {}
    for document in documents(stdout):
        if start := member(document, "start"):
            return _of_json(start, member(document, "end"))
        # An event of --json-stream.
        told[str(document.get("event"))] = member(document, "data")
    if "start" in told:
        return _of_json(told["start"], told.get("end", {}))
    return _of_text(stdout)


def _of_json(start: dict[str, Any], end: dict[str, Any]) -> Stated:
    test = member(start, "test_start")
    if not test:
        return Stated()
    own = {name: str(value) for name, value in test.items() if name not in _PASSING}
    # Before 3.18 iperf3 states it nowhere but in its sums.
    own.setdefault("bidir", str(int(any("bidir" in name for name in end))))
    own |= {name: str(start[name]) for name in ("sock_bufsize", "tcp_mss") if name in start}
    seen = {name: str(value) for name, value in end.items() if name.endswith("_tcp_congestion")}
    return Stated("JSON", plain(own), _DEFAULTS, seen)


def _of_text(text: str) -> Stated:
    streams = len(_STREAM.findall(text))
    if not streams:
        return Stated()
    bidir = _BIDIR in text
    own = {
        "protocol": "UDP" if _UDP in text else "TCP",
        "num_streams": str(streams // 2 if bidir else streams),
        "bidir": str(int(bidir)),
        "reverse": str(int(_REVERSE in f"\n{text}")),
    }
    verbose = _VERBOSE.search(text)
    own |= verbose.groupdict() if verbose else {}
    form = "text with -V" if verbose else "text"
    return Stated(form, plain(own), _DEFAULTS)
