"""Docker containers: one kernel with the host, or gVisor's in user space, observed through the
daemon.

The daemon is believed of what it set up, the inside of what that came to: gVisor says that it is
gVisor, and a kernel shows its own filter of system calls and the kind of its network link.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from harness.backends import GVISOR
from harness.backends._containers import RUNSC, confined, described, label, unlike
from harness.backends._live import Change, Event, Usage, Watch, total
from harness.model.fingerprint import Observed
from harness.model.target import BackendClass, Endpoint, Target
from harness.remote.session import Session

CLASS = BackendClass.OS
PLATFORMS = frozenset({"docker", GVISOR})
RUNTIME = "runc"
LIMIT_S = 60.0
_MODES = {"bridge": "bridge", "macvlan": "macvlan", "host": "host"}
"""By the driver of the network that a container is in."""


def observe(host: Session, endpoint: Endpoint) -> Observed:
    """What the daemon says of the container, its network and itself, boiled down."""
    from harness.backends import _docker_api

    with _docker_api.daemon(host, endpoint.facts["socket"]) as daemon:
        container = daemon.inspect_container(endpoint.facts["container"])
        server = daemon.info()
        network = container["HostConfig"]["NetworkMode"]
        driver = daemon.inspect_network(network)["Driver"]
    runtime = container["HostConfig"]["Runtime"]
    return {
        **described(container, endpoint.work),
        "release": server["ServerVersion"],
        "accelerator": _platform(host, container["State"]["Pid"]) if runtime == RUNSC else None,
        "runtime": runtime,
        "runtime_release": _release(host, endpoint.facts["runtime_program"]),
        "storage_driver": server["Driver"],
        "cgroup_version": server["CgroupVersion"],
        "network_mode": _MODES.get(driver, driver),
        "network": driver,
        "network_name": network,
    }


def _platform(host: Session, process: int) -> str | None:
    """How gVisor takes system calls over (ptrace, systrap, kvm): what its process was told, or
    else what its program does untold."""
    words = host.run(["cat", f"/proc/{process}/cmdline"], limit_s=LIMIT_S).stdout
    told = re.findall(rb"\0--platform=([^\0]+)", words)
    if not told:
        flags = host.run([RUNSC, "flags"], limit_s=LIMIT_S)
        text = flags.stdout + flags.stderr
        told = re.findall(rb"-platform string\n.*\(default \"(\w+)\"\)", text)
    return told[-1].decode(errors="replace") if told else None


def _release(host: Session, program: str) -> str | None:
    """The first line of what the runtime calls itself; None where it does not answer."""
    reply = host.run([program, "--version"], limit_s=LIMIT_S)
    lines = reply.stdout.decode(errors="replace").splitlines()
    return lines[0] if reply.exit_status == 0 and lines else None


_CHANGES = {
    "create": Change.CREATED,
    "start": Change.STARTED,
    "pause": Change.PAUSED,
    "unpause": Change.RESUMED,
    "kill": Change.STOPPING,
    "die": Change.STOPPED,
    "destroy": Change.REMOVED,
}
"""The daemon's words for a container's life. `kill` is any signal that it sends; `stop` and
`restart` only repeat what `die` and `start` have told."""


@contextmanager
def watch(host: Session, endpoint: Endpoint) -> Iterator[Watch]:
    """The events of the container from now on, which need not be there yet."""
    from harness.backends import _docker_api

    path, name = endpoint.facts["socket"], endpoint.facts["container"]
    with _docker_api.daemon(host, path) as daemon:
        # Since the daemon's own now: what happens before it has begun to listen counts too.
        now_s = _docker_api.stamp(daemon.info()["SystemTime"])
        wanted = {"type": "container", "container": name, "event": list(_CHANGES)}
        stream = daemon.events(since=int(now_s), filters=wanted, decode=True)
        events = Watch()
        ended = _docker_api.trouble(host, path, "it tells of no more events")
        events.follow(_since(now_s, stream), ended)
        try:
            yield events
        finally:
            with suppress(OSError):
                stream.close()


def _since(now_s: float, stream: Iterable[Mapping[str, Any]]) -> Iterator[Event]:
    for message in stream:
        word, at_s = message["Action"], message["timeNano"] / 1e9
        if at_s >= now_s:
            yield Event(_CHANGES[word], word, at_s)


def meter(host: Session, endpoint: Endpoint) -> Usage:
    """What the daemon has counted for the container. Raises `HarnessError` if it does not run."""
    from harness.backends import _docker_api

    path, name = endpoint.facts["socket"], endpoint.facts["container"]
    with _docker_api.daemon(host, path) as daemon:
        stats = daemon.stats(name, stream=False, **_once(daemon.api_version))
    if stats["read"].startswith("0001-"):  # Go's zero time: no figures were taken
        raise _docker_api.trouble(host, path, f"{name} does not run")
    return usage(stats, _docker_api.stamp(stats["read"]))


def _once(api: str) -> dict[str, bool]:
    """How to ask for one reading; a daemon before 20.10 takes two, a second apart."""
    return {"one_shot": True} if tuple(map(int, api.split("."))) >= (1, 41) else {}


def usage(stats: Mapping[str, Any], at_s: float | None = None) -> Usage:
    """What an answer of the daemon's statistics tells; what it leaves out is None."""
    cpu = stats["cpu_stats"]["cpu_usage"]
    seconds = {name: value / 1e9 for name, value in cpu.items() if isinstance(value, int)}
    memory = stats["memory_stats"]
    pages = memory.get("stats", {})
    networks = stats.get("networks", {}).values()

    def net(name: str) -> int | None:
        return total(each.get(name) for each in networks)

    return Usage(
        at_s=at_s,
        cpu_s=seconds.get("total_usage"),
        cpu_user_s=seconds.get("usage_in_usermode"),
        cpu_system_s=seconds.get("usage_in_kernelmode"),
        memory_bytes=memory.get("usage"),
        memory_cache_bytes=pages.get("total_inactive_file", pages.get("inactive_file")),
        block_reads=_blocks(stats, "io_serviced_recursive", "read"),
        block_writes=_blocks(stats, "io_serviced_recursive", "write"),
        block_read_bytes=_blocks(stats, "io_service_bytes_recursive", "read"),
        block_written_bytes=_blocks(stats, "io_service_bytes_recursive", "write"),
        net_received_packets=net("rx_packets"),
        net_sent_packets=net("tx_packets"),
        net_received_bytes=net("rx_bytes"),
        net_sent_bytes=net("tx_bytes"),
    )


def _blocks(stats: Mapping[str, Any], table: str, kind: str) -> int | None:
    """A count over all devices. An empty table says nothing: no device was used, or none is
    counted."""
    rows = stats["blkio_stats"].get(table) or ()
    return total(row["value"] for row in rows if row["op"].lower() == kind)


def identify(inside: Observed, outside: Observed) -> tuple[BackendClass, str]:
    sandboxed = inside.get("sandbox") == "gvisor"
    return BackendClass.SANDBOX if sandboxed else CLASS, label("docker", RUNTIME, outside)


def contradictions(
    target: Target, endpoint: Endpoint, inside: Observed, outside: Observed
) -> Sequence[str]:
    found = []
    if inside.get("container") != "docker":
        found.append(f"from inside it is no Docker container but: {inside.get('container')}")
    return [*found, *confined(outside), *unlike(endpoint.facts, inside, outside)]


def process(outside: Observed) -> str | None:
    """None: what runs in a container are processes of the host, and so are gVisor's several."""
    return None
