"""What sockperf's report states: protocol, sockets, how it waits for messages, how it warms up and
ends. The size of messages and their rate stand nowhere in it."""

from __future__ import annotations

import re

from harness.importing.stated import Stated, plain

_ADDRESS = re.compile(r"^\[ *\d+\] IP = \S+ +PORT = +\d+ +# +(\w+)", re.MULTILINE)
_ONE = {
    "waiting": re.compile(r"using (\S+\(\)) to block on socket"),
    "warm-up time": re.compile(r"Warm up time=([\d.]+ \w+)"),
    "end of the test": re.compile(r"Test end \((.*)\)"),
    "warm-up stage": re.compile(r"(Warmup stage)"),
}
_DEFAULTS = plain({"warm-up time": "400 msec"})


def read(stdout: str, _: str) -> Stated:
    """The options of one client's run."""
    protocols = _ADDRESS.findall(stdout)
    if not protocols:
        return Stated()
    own = {"protocol": ", ".join(sorted(set(protocols))), "sockets": str(len(protocols))}
    for name, pattern in _ONE.items():
        if found := pattern.search(stdout):
            own[name] = found[1]
    return Stated("text", plain(own), _DEFAULTS)
