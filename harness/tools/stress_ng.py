"""Reads what stress-ng 0.11 to 0.22 reports: its YAML, or the table it prints for people.

The YAML (`--metrics --yaml /dev/stdout`) has six digits after the point where the table has
two, which would be too few for slow stressors; where both are there the YAML counts.
stress-ng writes it by `printf` in one fixed shape; it is read as that shape, not as YAML at
large. Both are written for failed stressors too, so no number is taken without the words
"successful run completed". Up to 0.18 the program speaks on stderr, later on stdout.
"""

from __future__ import annotations

import re

from harness.model.workload import Metric, Sample
from harness.tools._sample import sample, table
from harness.tools._stress_ng_text import LINE, Told
from harness.tools._text import decode, excerpt, number, one, refuse, version_line

PROGRAM = "stress-ng"
VERSION_ARGS = ("--version",)
BUNDLED = True
METRICS = table(Metric("bogo_ops_per_s", "1/s", "higher"))

_TOOL = "stress-ng"
_HINT = "give the program's standard error too"
_STRESSOR = re.compile(r"^    - stressor: (.*)$", re.MULTILINE)
_OPS = re.compile(r"^      bogo-ops: (\S+)$", re.MULTILINE)
_RATE = re.compile(r"^      bogo-ops-per-second-real-time: (\S+)$", re.MULTILINE)
_WALL = re.compile(r"^      wall-clock-time: (\S+)$", re.MULTILINE)
_VERSION = re.compile(r"stress-ng, version [0-9]+\.[0-9]+[\w.+-]*")


def read(stdout: bytes, stderr: bytes) -> tuple[Sample, ...]:
    """bogo_ops_per_s: operations of all instances per second of real time (1/s).

    Of several stressors each has a sample, labelled `stressor`. ReadError where one failed or
    was skipped, completed nothing or is not reported, or where either stream is incomplete.
    """
    said = decode(stdout, _TOOL, "stdout")
    aside = decode(stderr, _TOOL, "stderr")
    if not said.strip() and not aside.strip():
        raise refuse(_TOOL, "stdout is empty")
    told = Told()
    told.listen(aside)
    told.listen(said)
    document = LINE.sub("", said).strip()
    if told.skipped:
        raise refuse(_TOOL, f"not all of it ran: {told.skipped}")
    if not told.succeeded:
        raise refuse(_TOOL, "neither stream says 'successful run completed'", _HINT)
    if told.hogs is None:
        raise refuse(_TOOL, "neither stream says 'dispatching hogs'", _HINT)
    rates = _from_yaml(document) if document else told.rates
    if not rates:
        raise refuse(_TOOL, "stdout is empty and stderr has no table of metrics", "use --metrics")
    for found in (rates, told.rates):
        if found and set(found) != set(told.hogs):
            raise refuse(
                _TOOL,
                f"it ran {excerpt(', '.join(told.hogs))} and reports {excerpt(', '.join(found))}",
            )
    alone = len(rates) == 1
    return tuple(
        sample(
            METRICS["bogo_ops_per_s"],
            rate,
            _TOOL,
            f"'bogo-ops-per-second-real-time' of {name}",
            () if alone else (("stressor", name),),
        )
        for name, rate in rates.items()
    )


def _from_yaml(text: str) -> dict[str, float]:
    """By stressor, bogo operations a second of real time."""
    if not text.endswith("\n..."):
        raise refuse(_TOOL, "stdout does not reach '...', the end of the YAML document")
    head, found, body = text.partition("\nmetrics:\n")
    if not head.startswith("---\n") or not found or "\n---" in text or "\n...\n" in text:
        raise refuse(_TOOL, "stdout is not one YAML report with 'metrics'")
    rates: dict[str, float] = {}
    block = _STRESSOR.search(body)
    while block:
        following = _STRESSOR.search(body, block.end())
        name = block[1]
        if name in rates:
            raise refuse(_TOOL, f"the stressor {excerpt(name)} occurs twice in stdout")
        rates[name] = _rate(name, body[block.end() : following.start() if following else None])
        block = following
    return rates


def _rate(name: str, block: str) -> float:
    name = excerpt(name)
    where = f"'bogo-ops' of {name}"
    ops = number(one(_OPS, block, _TOOL, where).group(1), _TOOL, where)
    if ops < 1:
        raise refuse(_TOOL, f"{where} is {ops:g}: nothing was measured")
    where = f"'wall-clock-time' of {name}"
    wall_s = number(one(_WALL, block, _TOOL, where).group(1), _TOOL, where)
    where = f"'bogo-ops-per-second-real-time' of {name}"
    rate = number(one(_RATE, block, _TOOL, where).group(1), _TOOL, where)
    if rate < 0:
        raise refuse(_TOOL, f"{where} is {rate}, which cannot be")
    if abs(rate * wall_s - ops) > 1 + ops / 50:
        raise refuse(_TOOL, f"{where} contradicts bogo-ops and wall-clock-time beside it")
    return rate


def version(stdout: bytes, stderr: bytes) -> str:  # noqa: ARG001
    """Such as `stress-ng, version 0.15.06`, without the compiler and kernel that follow it.

    The kernel differs between targets, the program does not. ReadError where stdout states none.
    """
    return version_line(stdout, _TOOL, _VERSION)
