"""A container of LXC while it lives: what its monitor tells and what the kernel counts for it.

LXC has no daemon to ask and its own figures are few, so both come from a few lines of shell on the
host, beside LXC's programs. libvirt knows nothing of these containers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from harness.backends._live import Change, Event, Usage, Watch, total
from harness.errors import HarnessError
from harness.model.target import Endpoint
from harness.remote.session import ByteStream, Session

LIMIT_S = 60.0

_CHANGES = {
    "RUNNING": Change.STARTED,
    "FROZEN": Change.PAUSED,
    "THAWED": Change.RESUMED,
    "STOPPING": Change.STOPPING,
    "ABORTING": Change.STOPPING,
    "STOPPED": Change.STOPPED,
}
"""LXC's states that a container comes to."""

_WATCH = r"""
{
    lxc-monitor "$@" & monitor=$!
    { cat >/dev/null; kill $monitor; } <&3 >/dev/null 2>&1 &
    for try in $(seq 100); do
        case $(readlink /proc/$monitor/fd/*) in *socket:*) echo ready; break ;; esac
        sleep 0.1
    done
    wait $monitor
} 3<&0 | while read -r line; do printf '%s %s\n' "$(date +%s.%N)" "$line"; done
"""
"""LXC stamps no event, so each is stamped where it is read first: on the host. The monitor listens
once it has a socket. What waits for the end of standard input ends it with the session."""

_METER = r"""
process=$(lxc-info "$@" --no-humanize --pid) && [ -n "$process" ] || exit 3
date '+at %s.%N'
for name in cpuacct.usage cpuacct.stat cpu.stat memory.usage_in_bytes memory.current memory.stat \
    blkio.throttle.io_serviced_recursive blkio.throttle.io_service_bytes_recursive io.stat; do
    said=$(lxc-cgroup "$@" "$name" 2>/dev/null) || continue
    printf '%s\n' "$said" | sed "s|^|$name |"
done
sed -n '3,$s|:| |; 3,$s|^ *|net |p' "/proc/$process/net/dev"
echo "ticks $(getconf CLK_TCK)"
"""
"""The counters of the control group, of version 1 or 2, and of the container's own network."""


@contextmanager
def watch(host: Session, endpoint: Endpoint) -> Iterator[Watch]:
    """The changes of the container's state from now on, which need not be there yet."""
    name = endpoint.facts["container"]
    which = [f"--lxcpath={endpoint.facts['folder']}", f"--name={name}"]
    channel, events = host.stream(["sh", "-c", _WATCH, "sh", *which]), Watch()
    ended = HarnessError(f"{host.name}: lxc-monitor tells no more of {name}", "see if LXC runs")
    try:
        lines = _lines(channel)
        if next(lines, "").split()[1:] != ["ready"]:
            raise HarnessError(f"{host.name}: lxc-monitor does not listen to {name}", ended.hint)
        events.follow(_changes(lines), ended)
        yield events
    finally:
        channel.close()


def _lines(channel: ByteStream) -> Iterator[str]:
    with suppress(OSError), channel.makefile("r") as lines:
        yield from lines


def _changes(lines: Iterable[str]) -> Iterator[Event]:
    """Lines such as `1764518800.123 'baremark-one' changed state to [RUNNING]`.

    LXC may tell a state twice, and calls a container RUNNING once more after it has THAWED.
    """
    before = ""
    for line in lines:
        at, _, sentence = line.partition(" ")
        word = sentence.strip().rpartition("[")[2].removesuffix("]")
        if word in _CHANGES and word != before and (before, word) != ("THAWED", "RUNNING"):
            before = word
            yield Event(_CHANGES[word], word, float(at))


def meter(host: Session, endpoint: Endpoint) -> Usage:
    """What the kernel counts for the container. Raises `HarnessError` if it does not run."""
    name = endpoint.facts["container"]
    command = ["sh", "-c", _METER, "sh", f"--lxcpath={endpoint.facts['folder']}", f"--name={name}"]
    reply = host.run(command, limit_s=LIMIT_S)
    if reply.exit_status != 0:
        raise HarnessError(f"{host.name}: LXC has no {name} that runs", "baremark up starts it")
    return usage(reply.stdout.decode(errors="replace"))


def usage(printed: str) -> Usage:
    """What `_METER` printed, of control groups of either version; what is missing is None."""
    rows: dict[str, list[list[str]]] = {}
    for line in printed.splitlines():
        name, *words = line.split()
        rows.setdefault(name, []).append(words)
    memory = _pairs(rows.get("memory.stat"))
    cards = [each for each in rows.get("net", ()) if each[0] != "lo"]

    def net(column: int) -> int | None:
        return total(int(card[column]) for card in cards)

    reads, writes = _blocks(rows, "blkio.throttle.io_serviced_recursive", "ios")
    read, written = _blocks(rows, "blkio.throttle.io_service_bytes_recursive", "bytes")
    whole, user, system = _cpu_s(rows)
    return Usage(
        at_s=float(rows["at"][0][0]),
        cpu_s=whole,
        cpu_user_s=user,
        cpu_system_s=system,
        memory_bytes=_first(rows.get("memory.current") or rows.get("memory.usage_in_bytes")),
        memory_cache_bytes=memory.get("total_inactive_file", memory.get("inactive_file")),
        block_reads=reads,
        block_writes=writes,
        block_read_bytes=read,
        block_written_bytes=written,
        net_received_packets=net(2),
        net_sent_packets=net(10),
        net_received_bytes=net(1),
        net_sent_bytes=net(9),
    )


Rows = Mapping[str, Sequence[Sequence[str]]]


def _cpu_s(rows: Rows) -> tuple[float | None, float | None, float | None]:
    """Seconds of CPU time: all, in user mode, in the kernel."""
    second = _pairs(rows.get("cpu.stat"))
    if "usage_usec" in second:
        whole, user, system = (second.get(f"{name}_usec") for name in ("usage", "user", "system"))
        return _over(whole, 1e6), _over(user, 1e6), _over(system, 1e6)
    first, ticks = _pairs(rows.get("cpuacct.stat")), int(rows["ticks"][0][0])
    whole = _first(rows.get("cpuacct.usage"))
    return _over(whole, 1e9), _over(first.get("user"), ticks), _over(first.get("system"), ticks)


def _over(count: int | None, per_second: float) -> float | None:
    return None if count is None else count / per_second


def _first(rows: Sequence[Sequence[str]] | None) -> int | None:
    return int(rows[0][0]) if rows and rows[0] else None


def _pairs(rows: Sequence[Sequence[str]] | None) -> dict[str, int]:
    return {row[0]: int(row[1]) for row in rows or () if len(row) == 2 and row[1].isdigit()}


def _blocks(rows: Rows, first: str, second: str) -> tuple[int | None, int | None]:
    """Read and written over all devices, by version 1's table (`8:0 Read 5`) or version 2's words
    (`8:0 rbytes=5 wbytes=7 rios=1 wios=1`).

    A table without a device says nothing: no device was used, or none is counted. A kernel may
    show version 1's total of 0 whatever was read.
    """
    counts = [(row[1], int(row[2])) for row in rows.get(first, ()) if len(row) == 3]
    for row in rows.get("io.stat", ()):
        pairs = [word.partition("=") for word in row[1:]]
        counts += [(name, int(number)) for name, _, number in pairs if number.isdigit()]
    read, written = (
        total(number for kind, number in counts if kind in words)
        for words in (("Read", f"r{second}"), ("Write", f"w{second}"))
    )
    return read, written
