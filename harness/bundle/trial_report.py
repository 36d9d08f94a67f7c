"""What the bundle's `trial` adds to a program's standard error: the marks, read back.

Nothing is believed that is not there: what a target did not tell is None.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.model.trial import CpuTime
from harness.remote.session import Reply

_BEGIN = re.compile(rb"baremark begin (\d+) (\d+)\n")
_END = re.compile(rb"baremark end (\d+) (\d+)\n")
_THROTTLED = re.compile(rb"baremark throttled (\S+) (\S+)\n")
_STAT = re.compile(
    rb"baremark stat((?: cpu\d+(?: \d+)+)*) to((?: cpu\d+(?: \d+)+)*)\n"
    rb"(?:[\dms. ]+\n(\d+)m([\d.]+)s (\d+)m([\d.]+)s\n)?"
)
"""The lines of /proc/stat for the CPUs that the program may run on, before and after, and what the
shell's children used (user, system)."""
_CPU = re.compile(rb"cpu(\d+)((?: \d+)+)")
_SHA256 = re.compile(rb"([0-9a-f]{64})  -\n\Z")
_HZ = 100
"""Ticks a second in /proc/stat: USER_HZ, 100 on every architecture that the bundle is for."""


@dataclass(frozen=True, slots=True)
class TrialReport:
    """`process` is the one to stop the program by, `status` the program's exit status, `guest_s`
    the target's own time around it and `span_s` the controller's between the arrivals of the
    marks, both in seconds; `sha256` that of the output as the target had it. `stderr` is what
    the program itself printed there."""

    process: int | None
    status: int | None
    guest_s: float | None
    span_s: float | None
    cpu: CpuTime | None
    sha256: str | None
    stderr: bytes


def parse(reply: Reply) -> TrialReport:
    """The marks in a reply's standard error."""
    said = reply.stderr
    begin = _BEGIN.search(said)
    end = next(reversed(list(_END.finditer(said))), None)
    guest_s = span_s = None
    if begin is not None and end is not None:
        guest_s = (int(end[1]) - int(begin[2])) / 1e9
        first, last = reply.arrived_s(begin.start()), reply.arrived_s(end.start())
        span_s = None if first is None or last is None else last - first
    plain, digest = strip(said)
    return TrialReport(
        process=int(begin[1]) if begin is not None else None,
        status=int(end[2]) if end is not None else None,
        guest_s=guest_s,
        span_s=span_s,
        cpu=cpu_time(said),
        sha256=digest,
        stderr=plain,
    )


def strip(said: bytes) -> tuple[bytes, str | None]:
    """A standard error without its marks, and the sha256 of the standard output that is in them;
    None where it has none."""
    digest = _SHA256.search(said) if _END.search(said) is not None else None
    plain = said if digest is None else said[: digest.start()]
    for mark in (_BEGIN, _END, _THROTTLED, _STAT):
        plain = mark.sub(b"", plain)
    return plain, digest[1].decode() if digest is not None else None


def cpu_time(said: bytes) -> CpuTime | None:
    """What /proc/stat, the shell and the control group told of the CPUs; None where the first
    two did not."""
    found = _STAT.search(said)
    if found is None or not (found[1] and found[2] and found[3]):
        return None
    before, after = (
        {cpu: [int(word) for word in counts.split()[:8]] for cpu, counts in _CPU.findall(found[i])}
        for i in (1, 2)
    )
    if before.keys() != after.keys() or any(
        len(each) != 8 for each in (*before.values(), *after.values())
    ):
        return None
    if not any(any(each) for each in after.values()):
        return None  # a kernel in user space (gVisor) has the file, and nothing but zeros in it
    ticks = [
        sum(max(0, after[cpu][at] - before[cpu][at]) for cpu in before) / _HZ for at in range(8)
    ]
    user, nice, system, _idle, _iowait, irq, softirq, steal = ticks
    own_user_s = 60 * int(found[3]) + float(found[4])
    own_s = own_user_s + 60 * int(found[5]) + float(found[6])
    return CpuTime(
        total_s=round(sum(ticks), 3),
        busy_s=round(user + nice + system + irq + softirq, 3),
        steal_s=round(steal, 3),
        own_s=round(own_s, 3),
        throttled=_throttled(said),
        cpus=len(before),
        user_s=round(user + nice, 3),
        own_user_s=round(own_user_s, 3),
    )


def _throttled(said: bytes) -> int | None:
    found = _THROTTLED.search(said)
    if found is None or not (found[1].isdigit() and found[2].isdigit()):
        return None
    return max(0, int(found[2]) - int(found[1]))
