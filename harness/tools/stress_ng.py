"""Reads what stress-ng reports: YAML on stdout, or the text of `--metrics-brief` and `--metrics`.

The YAML (`--metrics --yaml /dev/stdout`) has six digits after the point where the text has two,
which are too few for slow stressors. stress-ng writes it by `printf` in one fixed shape; it is
read as that shape, not as YAML at large. The text goes to stderr, in old releases to stdout, and
is marked `info`, in new ones `metrc`. Either is printed for failed stressors too, so without the
words "successful run completed" no number is taken. Several stressors give a value each, told
apart by the label `stressor`.
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
_HOGS = re.compile(r"dispatching hogs: (.*)")
_HOG = re.compile(r"[0-9]+ ([^ ,]+)")
_LINE = re.compile(r"(\S+) +([0-9]+) +[0-9.]+ +[0-9.]+ +[0-9.]+ +([0-9.]+) +[0-9.]+(?: +[0-9. ]+)?")
_STRESSOR = re.compile(r"^ +- stressor: (\S+)$", re.MULTILINE)
_OPS = re.compile(r"^ +bogo-ops: (\S+)$", re.MULTILINE)
_RATE = re.compile(r"^ +bogo-ops-per-second-real-time: (\S+)$", re.MULTILINE)
_VERSION = re.compile(r"stress-ng, version [0-9]+\.[0-9]+[\w.+-]*")


def read(stdout: bytes, stderr: bytes) -> tuple[Sample, ...]:
    """bogo_ops_per_s: operations of all instances per second of real time (1/s).

    ReadError where a stressor failed or was skipped, where one that was started is missing,
    where one completed nothing, or where a stream is incomplete.
    """
    said = decode(stderr, _TOOL, "stderr")
    text = decode(stdout, _TOOL, "stdout")
    yaml = text.lstrip().startswith("---")
    messages = _MESSAGE.findall(said if yaml else f"{text}\n{said}")
    if text.strip() and not yaml and not _MESSAGE.match(text.lstrip()):
        raise refuse(_TOOL, "stdout is not a YAML report with 'metrics', nor stress-ng's text")
    if not text.strip() and not messages:
        raise refuse(_TOOL, "stdout is empty")
    _require_success(messages)
    found = _of_yaml(text) if yaml else _of_text(messages)
    started = _started(messages)
    if sorted(found) != started:
        raise refuse(
            _TOOL,
            f"started were {', '.join(started) or 'none'}, "
            f"reported are {', '.join(sorted(found)) or 'none'}",
        )
    samples = []
    for name, (operations, rate) in found.items():
        where = f"'bogo-ops' of {name}"
        if number(operations, _TOOL, where) < 1:
            raise refuse(_TOOL, f"{where} is zero: nothing was measured")
        where = f"'bogo-ops-per-second-real-time' of {name}"
        labels = (("stressor", name),) if len(found) > 1 else ()
        value = number(rate, _TOOL, where)
        samples.append(sample(METRICS["bogo_ops_per_s"], value, _TOOL, where, labels))
    return tuple(samples)


def _of_yaml(text: str) -> dict[str, tuple[str, str]]:
    """Operations and rate of each stressor, as printed."""
    if text.split()[-1] != "...":
        raise refuse(_TOOL, "stdout does not reach '...', the end of the YAML document")
    _, metrics, body = text.partition("\nmetrics:\n")
    if not metrics:
        raise refuse(_TOOL, "stdout is not a YAML report with 'metrics'")
    found: dict[str, tuple[str, str]] = {}
    _, *parts = _STRESSOR.split(body)
    for name, part in zip(parts[::2], parts[1::2], strict=True):
        operations = one(_OPS, part, _TOOL, f"'bogo-ops' of {name}").group(1)
        rate = one(_RATE, part, _TOOL, f"'bogo-ops-per-second-real-time' of {name}").group(1)
        _add(found, name, operations, rate)
    return found


def _of_text(messages: list[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for severity, message in messages:
        line = _LINE.fullmatch(message.rstrip()) if severity in ("info", "metrc") else None
        if line is not None:
            _add(found, *line.groups())
    return found


def _add(found: dict[str, tuple[str, str]], name: str, operations: str, rate: str) -> None:
    if name in found:
        raise refuse(_TOOL, f"{name} is reported twice")
    found[name] = (operations, rate)


def _started(messages: list[tuple[str, str]]) -> list[str]:
    hogs = [hogs.group(1) for _, text in messages if (hogs := _HOGS.fullmatch(text.rstrip()))]
    if len(hogs) != 1:
        raise refuse(_TOOL, "'dispatching hogs' is not said once")
    return sorted(_HOG.findall(hogs[0]))


def _require_success(messages: list[tuple[str, str]]) -> None:
    for severity, message in messages:
        if severity in ("fail", "error") or _UNTRUSTED.search(message):
            raise refuse(_TOOL, f"it failed: {excerpt(message)}")
    if not any(_SUCCESS.match(message) for _, message in messages):
        raise refuse(_TOOL, "stderr does not say 'successful run completed'")


def version(stdout: bytes, stderr: bytes) -> str:  # noqa: ARG001
    """Such as `stress-ng, version 0.15.06`, without the compiler and kernel that follow it.

    The kernel differs between targets, the program does not. ReadError where stdout states none.
    """
    report(stdout, _TOOL)
    return version_line(stdout, _TOOL, _VERSION)
