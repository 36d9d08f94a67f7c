"""Which version of a program an output states of itself, and whether native's is the same."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.errors import UseError
from harness.importing import ImportedTrial
from harness.validity.programs import SEVERAL

CHECK = "programs"

_MOST = 65_536
"""A report begins with its version."""
_STATED = {
    "fio": re.compile(rb'"fio version"\s*:\s*"([^"]+)"'),
    "iperf3": re.compile(rb'(?:"version"\s*:\s*"|\A)(iperf 3[^"\s]*)'),
    "sockperf": re.compile(rb"== version #(\S+) =="),
    "stress-ng": re.compile(rb"stress-ng-version:\s*'?([^\s']+)"),
    "sysbench": re.compile(rb"\A(sysbench [0-9][\w.+-]*)"),
}


def stated(tool: str, stdout: bytes) -> str | None:
    """The version that an output of `tool` states; None where it states none."""
    pattern = _STATED.get(tool)
    found = pattern.search(stdout[:_MOST]) if pattern else None
    return found.group(1).decode(errors="replace") if found else None


def by_target(
    trials: Sequence[ImportedTrial], accepted: Sequence[str]
) -> dict[str | None, dict[str, str]]:
    """For each target (None is native) its tools with their versions, where they are stated.

    UseError where a target's is not native's, or not one throughout, unless that is accepted.
    """
    seen: dict[str | None, dict[str, dict[str, str]]] = {}
    for trial in trials:
        if trial.output and trial.output.program:
            of_tool = seen.setdefault(trial.target, {}).setdefault(trial.tool, {})
            of_tool.setdefault(trial.output.program, trial.place)
    for target, tools in sorted(seen.items(), key=lambda each: each[0] is not None):
        for tool, versions in tools.items():
            if CHECK in accepted:
                continue
            if len(versions) > 1:
                raise _refusal(f"{target or 'native'} ran several versions of {tool}", versions)
            both = seen.get(None, {}).get(tool, {}) | versions
            if len(both) > 1:
                raise _refusal(f"{target} did not run native's {tool}", both)
    return {
        target: {tool: SEVERAL.join(sorted(versions)) for tool, versions in tools.items()}
        for target, tools in seen.items()
    }


def _refusal(what: str, places: dict[str, str]) -> UseError:
    """`places` has a file for each version."""
    told = ", ".join(f"{version} ({place})" for version, place in places.items())
    return UseError(
        f"{CHECK}: {what}: {told}",
        f"measure again with one version, or say --accept {CHECK}: the table tells it",
    )
