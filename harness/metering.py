"""What a host did while a trial ran on it: its own counters, read just before and just after.

Read over the session of the host's native target, so a remote host is read as a local one is;
nothing is read while a program runs. What a kernel does not tell is None.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.model import HostLoad
from harness.session import ConnectionLost, Session

LIMIT_S = 20.0
_HZ = 100
"""Ticks a second in /proc (USER_HZ), 100 on every architecture that the bundle is for."""
_SECTOR_BYTES = 512
"""The unit of /proc/diskstats, whatever the device's own sector is."""
_NO_DISK = re.compile(r"(?:loop|ram|zram|sr|fd)\d")
_CPU = "/sys/devices/system/cpu/cpu"


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters at one moment: ticks by CPU, bytes by block device (read, written), ticks by
    process."""

    cpus: dict[int, list[int]] = field(default_factory=dict)
    disks: dict[str, tuple[int, int]] = field(default_factory=dict)
    processes: dict[str, int] = field(default_factory=dict)
    khz: tuple[int, ...] = ()
    thermal: int | None = None


def read(host: Session, cpus: Sequence[int], processes: Sequence[str]) -> Reading | None:
    """Read the counters of a host; None where it does not answer, or not to its end.

    `processes` are the numbers of the processes there that are targets.
    """
    files = ["/proc/stat", "/proc/diskstats"]
    files += [f"/proc/{process}/stat" for process in processes]
    for cpu in cpus:
        files.append(f"{_CPU}{cpu}/cpufreq/scaling_cur_freq")
        files.append(f"{_CPU}{cpu}/thermal_throttle/core_throttle_count")
    try:
        reply = host.run(shlex.join(["grep", "-sH", "", *files]), limit_s=LIMIT_S)
    except ConnectionLost:
        return None
    if reply.exit_status is None:
        return None
    return parse(reply.stdout.decode(errors="replace"))


def parse(text: str) -> Reading:
    """The counters in lines of `file:content`; what is not there is left out."""
    cpus: dict[int, list[int]] = {}
    disks: dict[str, tuple[int, int]] = {}
    processes: dict[str, int] = {}
    khz: list[int] = []
    thermal: int | None = None
    for line in text.splitlines():
        file, _, content = line.partition(":")
        words = content.split()
        if file == "/proc/stat":
            if words and (found := re.fullmatch(r"cpu(\d+)", words[0])):
                cpus[int(found[1])] = [int(word) for word in words[1:9]]
        elif file == "/proc/diskstats":
            if len(words) >= 10 and not _NO_DISK.match(words[2]):
                disks[words[2]] = (int(words[5]) * _SECTOR_BYTES, int(words[9]) * _SECTOR_BYTES)
        elif file.startswith("/proc/"):
            after = content.rpartition(")")[2].split()
            processes[file.split("/")[2]] = int(after[11]) + int(after[12])
        elif file.endswith("scaling_cur_freq"):
            khz.append(int(content))
        elif file.endswith("core_throttle_count"):
            thermal = (thermal or 0) + int(content)
    return Reading(cpus, disks, processes, tuple(khz), thermal)


def between(
    before: Reading | None,
    after: Reading | None,
    cpus: Sequence[int],
    process: str | None = None,
) -> HostLoad | None:
    """What happened from one reading to the next on `cpus` and in `process`; None where either
    reading is missing."""
    if before is None or after is None:
        return None
    ticks = [0] * 8
    for cpu in cpus:
        if cpu not in before.cpus or cpu not in after.cpus:
            return None
        old, new = before.cpus[cpu], after.cpus[cpu]
        ticks = [t + max(0, b - a) for t, a, b in zip(ticks, old, new, strict=True)]
    user, nice, system, _idle, _iowait, irq, softirq, steal = ticks
    both = before.disks.keys() & after.disks.keys()
    moved = [
        [after.disks[name][side] - before.disks[name][side] for name in both] for side in (0, 1)
    ]
    process_s = None
    if process in before.processes and process in after.processes:
        process_s = (after.processes[process] - before.processes[process]) / _HZ
    return HostLoad(
        total_s=sum(ticks) / _HZ,
        busy_s=(user + nice + system + irq + softirq) / _HZ,
        steal_s=steal / _HZ,
        process_s=process_s,
        read_bytes=float(max(moved[0])) if both else None,
        written_bytes=float(max(moved[1])) if both else None,
        mhz=sum(after.khz) / len(after.khz) / 1000 if after.khz else None,
        thermal=(
            after.thermal - before.thermal
            if before.thermal is not None and after.thermal is not None
            else None
        ),
    )
