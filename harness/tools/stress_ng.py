"""Reads what stress-ng 0.15 reports of one stressor: YAML on stdout, how it ended on stderr.

The YAML (`--metrics --yaml /dev/stdout`) has six digits after the point where the text on
stderr has two, which would be too few for slow stressors. stress-ng writes it by `printf` in
one fixed shape; it is read as that shape, not as YAML at large. It is written for failed
stressors too, so without the words "successful run completed" on stderr no number is taken.
"""

from __future__ import annotations

import re

from harness.model import Metric, Sample
from harness.tools._sample import sample, table
from harness.tools._text import decode, excerpt, number, one, refuse, report, version_line

PROGRAM = "stress-ng"
VERSION_ARGS = ("--version",)
METRICS = table(Metric("bogo_ops_per_s", "1/s", "higher"))

_TOOL = "stress-ng"
_MESSAGE = re.compile(r"^stress-ng: ([a-z]+): +\[[0-9]+\] (.*)$", re.MULTILINE)
_SUCCESS = re.compile(r"successful run completed in [0-9]")
_UNTRUSTED = re.compile(r"untrustworthy|corrupt|premature", re.IGNORECASE)
_STRESSOR = re.compile(r"^ +- stressor: (\S+)$", re.MULTILINE)
_OPS = re.compile(r"^ +bogo-ops: (\S+)$", re.MULTILINE)
_RATE = re.compile(r"^ +bogo-ops-per-second-real-time: (\S+)$", re.MULTILINE)
_VERSION = re.compile(r"stress-ng, version [0-9]+\.[0-9]+[\w.+-]*")


def read(stdout: bytes, stderr: bytes) -> tuple[Sample, ...]:
    """bogo_ops_per_s: operations of all instances per second of real time (1/s).

    ReadError where a stressor failed or was skipped, where there is not exactly one, where it
    completed nothing, or where either stream is incomplete.
    """
    _require_success(decode(stderr, _TOOL, "stderr"))
    text = report(stdout, _TOOL)
    if text.split()[-1] != "...":
        raise refuse(_TOOL, "stdout does not reach '...', the end of the YAML document")
    head, found, body = text.partition("\nmetrics:\n")
    if not head.lstrip().startswith("---") or not found:
        raise refuse(_TOOL, "stdout is not a YAML report with 'metrics'")
    stressor = one(_STRESSOR, body, _TOOL, "'stressor'").group(1)
    where = f"'bogo-ops' of {stressor}"
    if number(one(_OPS, body, _TOOL, where).group(1), _TOOL, where) < 1:
        raise refuse(_TOOL, f"{where} is zero: nothing was measured")
    where = f"'bogo-ops-per-second-real-time' of {stressor}"
    rate = number(one(_RATE, body, _TOOL, where).group(1), _TOOL, where)
    return (sample(METRICS["bogo_ops_per_s"], rate, _TOOL, where),)


def _require_success(stderr: str) -> None:
    messages = _MESSAGE.findall(stderr)
    for severity, message in messages:
        if severity in ("fail", "error") or _UNTRUSTED.search(message):
            raise refuse(_TOOL, f"it failed: {excerpt(message)}")
    if not any(_SUCCESS.match(message) for _, message in messages):
        raise refuse(_TOOL, "stderr does not say 'successful run completed'")


def version(stdout: bytes, stderr: bytes) -> str:  # noqa: ARG001
    """Such as `stress-ng, version 0.15.06`, without the compiler and kernel that follow it.

    The kernel differs between targets, the program does not. ReadError where stdout states none.
    """
    return version_line(stdout, _TOOL, _VERSION)
