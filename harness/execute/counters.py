"""What a host did while a trial ran on it: its own counters, read just before and just after.

Read over the session of the host's native target, so a remote host is read as a local one is;
nothing is read while a program runs. What a kernel does not tell, or tells in a form that is not
known, is None.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from harness.inventory.network import PEER_NETNS
from harness.model.trial import HostLoad
from harness.remote.session import ConnectionLost, Session
from harness.text import sentence

LIMIT_S = 20.0
NAMED, NAMED_SHARE = 3, 0.05
"""How many busy programs are named at most, and from which share of a CPU on."""
_HZ = 100
"""Ticks a second in /proc (USER_HZ), 100 on every architecture that the bundle is for."""
_SECTOR_BYTES = 512
"""The unit of /proc/diskstats, whatever the device's own sector is."""
_NO_DISK = re.compile(r"(?:loop|ram|zram|sr|fd)\d")
_CPU = "/sys/devices/system/cpu/cpu"
_PRESSURE = "/proc/pressure/cpu"
_EVERYBODY, _PROGRAM = "everybody", "program"
_SUM = (
    "cat /proc/[0-9]*/stat 2>/dev/null | awk '{ init += /^1 /; pid = $1; name = $0; "
    'sub(/^[0-9]+ [(]/, "", name); sub(/[)][^)]*$/, "", name); sub(/^.*[)] /, ""); '
    "sum += $12 + $13 + $14 + $15; "
    f'if ($2 != 2 && $12 + $13) print "{_PROGRAM}:" pid, $12 + $13, name }} '
    f'END {{ if (init) print "{_EVERYBODY}:" sum }}\''
)
"""The ticks of each process that is none of the kernel's threads, with its name; of all processes
and of those that they have reaped, where the first one is seen: else others' are hidden."""
_OF_CPU = (
    "cpufreq/cpuinfo_avg_freq",
    "cpufreq/scaling_cur_freq",
    "cpufreq/stats/time_in_state",
    "cpufreq/scaling_governor",
    "thermal_throttle/core_throttle_count",
)


@dataclass(frozen=True, slots=True)
class Process:
    """A process' ticks outside the kernel and in it."""

    user: int
    system: int


@dataclass(frozen=True, slots=True)
class Counters:
    """The counters at one moment: ticks by CPU, bytes by block device (read, written), ticks by
    process, frequencies in kHz by CPU (a mean over some time before, the one just set), ticks at
    each frequency by CPU, governors and counts of heat by CPU, µs of waiting for a CPU, ticks of
    all processes that are or were, name and ticks of each that is, by its number."""

    cpus: dict[int, list[int]] = field(default_factory=dict)
    disks: dict[str, tuple[int, int]] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)
    average_khz: dict[int, int] = field(default_factory=dict)
    current_khz: dict[int, int] = field(default_factory=dict)
    at_khz: dict[int, dict[int, int]] = field(default_factory=dict)
    governors: dict[int, str] = field(default_factory=dict)
    heat: dict[int, int] = field(default_factory=dict)
    pressure_us: int | None = None
    everybody: int | None = None
    programs: dict[str, tuple[str, int]] = field(default_factory=dict)


def read(host: Session, cpus: Sequence[int], processes: Collection[str]) -> Counters | None:
    """Read the counters of a host; None where it does not answer.

    `processes` are the numbers of the processes there that are targets or serve them.
    """
    files = ["/proc/stat", "/proc/diskstats", _PRESSURE]
    files += [f"/proc/{process}/stat" for process in processes]
    files += [f"{_CPU}{cpu}/{name}" for cpu in cpus for name in _OF_CPU]
    try:
        reply = host.run(f"{shlex.join(['grep', '-sH', '', *files])}; {_SUM}", limit_s=LIMIT_S)
    except ConnectionLost:
        return None
    return parse(reply.stdout.decode(errors="replace"))


def peers(host: Session, told: str = "") -> tuple[str, ...]:
    """The numbers of the peer's servers on a host, as provisioning `told` them where they have no
    namespace of their own; none where it has no peer of its own."""
    if told:
        return tuple(told.split())
    try:
        reply = host.run(["ip", "netns", "pids", PEER_NETNS], limit_s=LIMIT_S)
    except ConnectionLost:
        return ()
    return tuple(word for word in reply.stdout.decode(errors="replace").split() if word.isdigit())


def parse(text: str) -> Counters:
    """The counters in lines of `file:content`; what is not there, or is no number where there
    should be one, is left out."""
    seen = Counters()
    pressure_us: int | None = None
    everybody: int | None = None
    for line in text.splitlines():
        file, _, content = line.partition(":")
        words = content.split()
        if file == "/proc/stat":
            ticks = _numbers(words[1:9])
            if ticks and (found := re.fullmatch(r"cpu(\d+)", words[0])):
                seen.cpus[int(found[1])] = ticks
        elif file == "/proc/diskstats":
            sectors = _numbers([words[5], words[9]]) if len(words) >= 10 else None
            if sectors and not _NO_DISK.match(words[2]):
                seen.disks[words[2]] = (sectors[0] * _SECTOR_BYTES, sectors[1] * _SECTOR_BYTES)
        elif file == _PRESSURE:
            if words[:1] == ["some"] and (found := re.search(r"\btotal=(\d+)", content)):
                pressure_us = int(found[1])
        elif file == _EVERYBODY:
            everybody = int(content) if content.isascii() and content.isdigit() else None
        elif file == _PROGRAM:
            number, _, rest = content.partition(" ")
            used, _, name = rest.partition(" ")
            if used.isascii() and used.isdigit():
                seen.programs[number] = (name, int(used))
        elif file.startswith("/proc/"):
            if ticks := _numbers(content.rpartition(")")[2].split()[11:13]):
                seen.processes[file.split("/")[2]] = Process(*ticks)
        elif found := re.match(rf"{_CPU}(\d+)/(.+)", file):
            _read_cpu(seen, int(found[1]), found[2], words)
    return Counters(
        seen.cpus,
        seen.disks,
        seen.processes,
        seen.average_khz,
        seen.current_khz,
        seen.at_khz,
        seen.governors,
        seen.heat,
        pressure_us,
        everybody,
        seen.programs,
    )


def busiest(
    before: Counters | None, after: Counters | None, own: Collection[str]
) -> tuple[str, ...]:
    """The programs but `own` (numbers of processes) that used `NAMED_SHARE` of a CPU or more from
    one reading to the next, the busiest first: `stress-ng (pid 12, 48 % of a CPU)`. What began or
    ended between the readings is not seen."""
    if before is None or after is None:
        return ()
    passed = [
        sum(ticks) - sum(before.cpus[cpu])
        for cpu, ticks in after.cpus.items()
        if cpu in before.cpus
    ]
    if not passed or max(passed) <= 0:
        return ()
    shares = {
        number: (used - before.programs[number][1]) / max(passed)
        for number, (_, used) in after.programs.items()
        if number in before.programs and number not in own
    }
    busy = sorted(shares.items(), key=lambda each: (-each[1], each[0]))
    return tuple(
        f"{sentence(after.programs[number][0])} (pid {number}, {100 * share:.0f} % of a CPU)"
        for number, share in busy[:NAMED]
        if share >= NAMED_SHARE
    )


def _read_cpu(seen: Counters, cpu: int, name: str, words: Sequence[str]) -> None:
    """One line of a file about one CPU."""
    if name.endswith("scaling_governor"):
        seen.governors[cpu] = " ".join(words)
        return
    numbers = _numbers(words)
    if numbers is None:
        return
    if name.endswith("time_in_state"):
        if len(numbers) == 2:
            seen.at_khz.setdefault(cpu, {})[numbers[0]] = numbers[1]
    elif name.endswith("cpuinfo_avg_freq"):
        seen.average_khz[cpu] = numbers[0]
    elif name.endswith("scaling_cur_freq"):
        seen.current_khz[cpu] = numbers[0]
    elif name.endswith("core_throttle_count"):
        seen.heat[cpu] = numbers[0]


def _numbers(words: Sequence[str]) -> list[int] | None:
    """`words` as numbers; None where there are none, or one of them is not one."""
    if not words or not all(word.isascii() and word.isdigit() for word in words):
        return None
    return [int(word) for word in words]


def difference(
    before: Counters | None,
    after: Counters | None,
    cpus: Sequence[int],
    process: str | None = None,
    peers: Collection[str] = (),
) -> HostLoad | None:
    """What happened from one reading to the next on `cpus`, in `process` and in `peers`; None
    where either reading is missing."""
    if before is None or after is None:
        return None
    ticks = [0] * 8
    for cpu in cpus:
        old, new = before.cpus.get(cpu, []), after.cpus.get(cpu, [])
        if len(old) != len(ticks) or len(new) != len(ticks):
            return None
        ticks = [t + max(0, b - a) for t, a, b in zip(ticks, old, new, strict=True)]
    user, nice, system, _idle, _iowait, irq, softirq, steal = ticks
    both = before.disks.keys() & after.disks.keys()
    moved = [
        [after.disks[name][side] - before.disks[name][side] for name in both] for side in (0, 1)
    ]
    used = {
        number: Process(
            after.processes[number].user - before.processes[number].user,
            after.processes[number].system - before.processes[number].system,
        )
        for number in before.processes.keys() & after.processes.keys()
    }
    own = used.get(process) if process is not None else None
    served = [used[number] for number in peers if number in used]
    waited_us = _difference(before.pressure_us, after.pressure_us)
    everybody = _difference(before.everybody, after.everybody)
    others = None
    if own is not None and everybody is not None:
        others = max(0, everybody - own.user - own.system) / _HZ
    return HostLoad(
        total_s=sum(ticks) / _HZ,
        busy_s=(user + nice + system + irq + softirq) / _HZ,
        steal_s=steal / _HZ,
        process_s=None if own is None else (own.user + own.system) / _HZ,
        read_bytes=float(max(moved[0])) if both else None,
        written_bytes=float(max(moved[1])) if both else None,
        mhz=_mhz(after, cpus),
        thermal=_difference(_sum(before.heat, cpus), _sum(after.heat, cpus)),
        user_s=(user + nice) / _HZ,
        process_user_s=None if own is None else own.user / _HZ,
        peer_s=max((each.user + each.system) / _HZ for each in served) if served else None,
        peer_user_s=sum(each.user for each in served) / _HZ if served else None,
        pressure_s=None if waited_us is None else waited_us / 1e6,
        mhz_mean=_mhz_mean(before, after, cpus),
        governor=_governor(before, after, cpus),
        others_s=others,
    )


def _difference(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def _sum(by_cpu: Mapping[int, int], cpus: Sequence[int]) -> int | None:
    """None where not each of `cpus` tells."""
    return sum(by_cpu[cpu] for cpu in cpus) if all(cpu in by_cpu for cpu in cpus) else None


def _mhz(seen: Counters, cpus: Sequence[int]) -> float | None:
    """The mean frequency of `cpus` at the end: by the processor's own count over the last moments
    where the kernel tells that, else the frequency that was set."""
    for khz in (seen.average_khz, seen.current_khz):
        if (total := _sum(khz, cpus)) and cpus:
            return total / len(cpus) / 1000
    return None


def _mhz_mean(before: Counters, after: Counters, cpus: Sequence[int]) -> float | None:
    """The mean frequency of `cpus` over the whole time, if the kernel counts the time at each."""
    weighted = ticks = 0
    for cpu in cpus:
        if cpu not in before.at_khz or cpu not in after.at_khz:
            return None
        for khz, count in after.at_khz[cpu].items():
            spent = max(0, count - before.at_khz[cpu].get(khz, 0))
            weighted += khz * spent
            ticks += spent
    return weighted / ticks / 1000 if ticks else None


def _governor(before: Counters, after: Counters, cpus: Sequence[int]) -> str | None:
    """What chose the frequency of `cpus`; all names where it is not the same one."""
    names = {seen.governors.get(cpu) for seen in (before, after) for cpu in cpus}
    known = sorted(name for name in names if name)
    return ", ".join(known) if known and None not in names else None
