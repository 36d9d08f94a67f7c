"""Reads what stress-ng 0.11 to 0.22 reports: its YAML, or the table it prints for people.

The YAML (`--metrics --yaml /dev/stdout`) has six digits after the point where the table has
two, which would be too few for slow stressors; where both are there the YAML counts. Both are
written for failed stressors too, so no number is taken without the words "successful run
completed". Up to 0.18 the program speaks on stderr, later on stdout. Lines of a shell and of
other programs around the report are passed over. `--log-brief`, `--timestamp`, `--sn`, `--perf`,
`--tz`, `--times` and `-v` change nothing of what is read.
"""

from __future__ import annotations

import re

from harness.model.workload import Metric, Sample
from harness.tools._sample import sample, table
from harness.tools._stress_ng_text import LogText, is_brief
from harness.tools._stress_ng_yaml import Rate
from harness.tools._text import decode, excerpt, refuse, version_line
from harness.tools._trace import note

PROGRAM = "stress-ng"
VERSION_ARGS = ("--version",)
BUNDLED = True
START_S = 0.11
"""Seconds that a trial takes beyond those asked of it: the mean over native (twice), a container
and an emulated guest (docs/statistics.md, "The core set")."""
METRICS = table(Metric("bogo_ops_per_s", "1/s", "higher"))

_TOOL = "stress-ng"
_OTHER_STREAM = "give the program's standard error too"
_CUT = "the output is cut, or the run was killed: run it again"
_EARLY = 0.9
"""A run of less than this share of the time that it was set to is told."""
_VERSION = re.compile(r"stress-ng, version [0-9]+\.[0-9]+[\w.+-]*")


def read(stdout: bytes, stderr: bytes) -> tuple[Sample, ...]:
    """bogo_ops_per_s: operations of all instances per second of real time (1/s).

    Of several stressors each has a sample, labelled `stressor`. ReadError where one failed or
    was skipped, completed nothing or is not reported, or where either stream is incomplete.

    A run that was interrupted (SIGINT) and one that reached its number of operations
    (`--cpu-ops`) print the same: success, before the time that was set. Their rate is one of the
    time that they ran, and stands, with a note.
    """
    said = decode(stdout, _TOOL, "stdout")
    aside = decode(stderr, _TOOL, "stderr")
    if not said.strip() and not aside.strip():
        raise refuse(_TOOL, "stdout is empty")
    told = LogText(is_brief(said, aside))
    told.listen(aside, "stderr")
    told.listen(said, "stdout")
    _require_whole(told, _CUT if aside.strip() else _OTHER_STREAM)
    in_yaml = told.document.begun > 0
    rates = told.document.rates if in_yaml else told.rates
    _require_hogs(told)
    _note_early(told, rates)
    names = "'bogo-ops-per-second-real-time' of {} in the YAML" if in_yaml else (
        "'bogo ops/s (real time)' of {} in the table"
    )  # fmt: skip
    alone = len(rates) == 1
    metric = METRICS["bogo_ops_per_s"]
    return tuple(
        sample(
            metric, rate.per_s, _TOOL, names.format(name), () if alone else (("stressor", name),)
        )
        for name, rate in rates.items()
    )


def _require_whole(told: LogText, hint: str) -> None:
    """ReadError where the output does not say that all went well, or has no figures."""
    lacks_metrics = told.document.begun and "metrics" not in told.document.sections
    if told.skipped:
        raise refuse(_TOOL, f"not all of it ran: {told.skipped}")
    if lacks_metrics and told.hogs is None and not told.succeeded:
        raise refuse(
            _TOOL,
            "the YAML has no 'metrics', and nothing says how the run ended",
            "run it with --metrics, and without --quiet (-q), which leaves both out",
        )
    if not told.succeeded:
        raise refuse(_TOOL, "neither stream says 'successful run completed'", hint)
    if told.hogs is None:
        raise refuse(_TOOL, "neither stream says 'dispatching hogs'", hint)
    if lacks_metrics:
        raise refuse(_TOOL, "the YAML has no 'metrics'", "run it with --metrics")
    if not told.document.begun and not told.rates:
        raise refuse(
            _TOOL,
            "there is neither a YAML report nor a table of metrics, which begins with 'stressor"
            " bogo ops real time'",
            "run it with --metrics",
        )


def _require_hogs(told: LogText) -> None:
    """ReadError where YAML or table are not of the stressors that were started."""
    hogs = told.hogs or ()
    for place, found in (("the YAML", told.document.rates), ("the table", told.rates)):
        whole = bool(found) or (place == "the YAML" and told.document.begun > 0)
        if whole and set(found) != set(hogs):
            raise refuse(
                _TOOL,
                f"it ran {excerpt(', '.join(hogs))} and {place} reports"
                f" {excerpt(', '.join(found)) or 'nothing'}",
            )


def _note_early(told: LogText, rates: dict[str, Rate]) -> None:
    for name, rate in rates.items():
        if told.set_s is not None and rate.real_s < _EARLY * told.set_s:
            note(
                f"{name} ran {rate.real_s:g} s of the {told.set_s:g} s that it was set to: it was"
                f" interrupted, or reached a number of operations (--{name}-ops)"
            )


def version(stdout: bytes, stderr: bytes) -> str:  # noqa: ARG001
    """Such as `stress-ng, version 0.15.06`, without the compiler and kernel that follow it.

    The kernel differs between targets, the program does not. ReadError where stdout states none.
    """
    return version_line(stdout, _TOOL, _VERSION)
