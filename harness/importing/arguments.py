"""What an output states of the arguments that its program was given, and whether native's agree.

Two targets that ran other work under one name are no comparison at all, so there is nothing to
overrule: they need two names. What an output does not state is not known to differ.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.errors import UseError
from harness.importing import Found

CHECK = "arguments"

_OF_FIO = (
    *("rw", "readwrite", "bs", "blocksize", "iodepth", "direct", "ioengine", "numjobs"),
    *("rwmixread", "rwmixwrite", "fsync", "fdatasync", "buffered", "rate_iops", "rate"),
)
_OF_IPERF3 = ("protocol", "num_streams", "blksize", "reverse", "bidir", "target_bitrate")
_BEGIN, _END = "Running the test with following options:", "Threads started!"
_PASSING = re.compile(r"(?:Initializing|Random number generator|Extra file open flags|WARNING).*")
"""Lines of sysbench between those two that say nothing of the work."""
_HOGS = re.compile(r"dispatching hogs: (.*)")


def require_native_s(trials: Sequence[Found]) -> None:
    """UseError where two outputs of one workload state other arguments; it names both."""
    first: dict[str, tuple[Found, Mapping[str, str]]] = {}
    for trial in sorted(trials, key=lambda each: each.target is not None):
        if trial.output is None or not trial.samples:
            continue
        mine = stated(trial.tool, trial.output.stdout, trial.output.stderr)
        other, known = first.setdefault(trial.workload, (trial, mine))
        for name in sorted(mine.keys() & known.keys()):
            if mine[name] != known[name]:
                raise UseError(
                    f"{CHECK}: {trial.workload} is not one workload: its {name} is "
                    f"{known[name]} in {other.place} and {mine[name]} in {trial.place}",
                    "give what was run with other arguments another name",
                )


def stated(tool: str, stdout: bytes, stderr: bytes) -> dict[str, str]:
    """The arguments that an output states, by name; empty where it states none."""
    reader = _READERS.get(tool)
    return (
        reader(stdout.decode(errors="replace"), stderr.decode(errors="replace")) if reader else {}
    )


def _fio(stdout: str, _: str) -> dict[str, str]:
    document = _document(stdout)
    listed = document.get("jobs")
    jobs: list[object] = listed if isinstance(listed, list) else []
    found: dict[str, str] = {}
    for at, job in enumerate(jobs):
        given = {**_object(document, "global options"), **_object(job, "job options")}
        prefix = f"jobs[{at}] " if len(jobs) > 1 else ""
        found |= {f"{prefix}{name}": str(given[name]) for name in _OF_FIO if name in given}
    return found


def _iperf3(stdout: str, _: str) -> dict[str, str]:
    start = _object(_object(_document(stdout), "start"), "test_start")
    return {name: str(start[name]) for name in _OF_IPERF3 if name in start}


def _sysbench(stdout: str, _: str) -> dict[str, str]:
    _, begun, rest = stdout.partition(_BEGIN)
    head, started, _ = rest.partition(_END)
    if not begun or not started:
        return {}
    lines = [line.strip() for line in head.splitlines()]
    kept = [line for line in lines if line and not _PASSING.fullmatch(line)]
    return {"options": "; ".join(kept)}


def _stress_ng(stdout: str, stderr: str) -> dict[str, str]:
    found = _HOGS.search(stderr) or _HOGS.search(stdout)
    return {"stressors": found[1].strip()} if found else {}


_READERS: dict[str, Callable[[str, str], dict[str, str]]] = {
    "fio": _fio,
    "iperf3": _iperf3,
    "stress-ng": _stress_ng,
    "sysbench": _sysbench,
}


def _document(text: str) -> dict[str, Any]:
    """The JSON document in a report that was read before; empty where it is text."""
    begin = re.search(r"^\{", text, re.MULTILINE)
    if begin is None:
        return {}
    try:
        document = json.loads(text[begin.start() :])
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _object(of: object, key: str) -> dict[str, Any]:
    found = of.get(key) if isinstance(of, dict) else None
    return found if isinstance(found, dict) else {}
