"""A guest while it lives: libvirt's statistics, and the events of libvirt and of its QEMU."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any

from harness.backends._live import Change, Event, Usage, Watch, total
from harness.backends.kvm import connection
from harness.backends.kvm.connection import Guest
from harness.errors import HarnessError
from harness.model.target import Endpoint
from harness.remote.session import Session

if TYPE_CHECKING:
    from libvirt import virConnect, virDomain


_LIBVIRT = {2: ("STARTED", Change.STARTED), 5: ("STOPPED", Change.STOPPED)}
"""Of libvirt's events (VIR_DOMAIN_EVENT_…), those that QEMU cannot tell. They have no stamp."""

_QEMU = {
    "RESUME": Change.RESUMED,
    "STOP": Change.PAUSED,
    "RESET": Change.RESTARTED,
    "POWERDOWN": Change.STOPPING,
    "SHUTDOWN": Change.STOPPING,
}
"""The events of QEMU's monitor, which QEMU stamps. A guest's first instruction is a RESUME, for
libvirt starts a QEMU halted."""

_loop_lock = threading.Lock()
_loop: threading.Thread | None = None


def meter(host: Session, endpoint: Endpoint) -> Usage:
    """What libvirt has counted for the domain. Raises `HarnessError` if it does not run."""
    return connection.ask(host, endpoint, _usage)


def _usage(guest: Guest) -> Usage:
    libvirt = connection.binding()
    if not guest.domain.isActive():
        raise HarnessError(f"{guest.domain.name()} does not run", "baremark up starts it")
    wanted = (
        libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
        | libvirt.VIR_DOMAIN_STATS_BALLOON
        | libvirt.VIR_DOMAIN_STATS_BLOCK
        | libvirt.VIR_DOMAIN_STATS_INTERFACE
    )
    ((_, stats),) = guest.libvirt.domainListGetStats([guest.domain], wanted)
    return usage(stats)


def usage(stats: Mapping[str, Any]) -> Usage:
    """What `domainListGetStats` tells of one domain; what it leaves out is None."""

    def seconds(name: str) -> float | None:
        return stats[name] / 1e9 if name in stats else None

    def block(name: str) -> int | None:
        return total(stats.get(f"block.{n}.{name}") for n in range(stats.get("block.count", 0)))

    def net(name: str) -> int | None:
        return total(stats.get(f"net.{n}.{name}") for n in range(stats.get("net.count", 0)))

    resident = stats.get("balloon.rss")
    return Usage(
        cpu_s=seconds("cpu.time"),
        cpu_user_s=seconds("cpu.user"),
        cpu_system_s=seconds("cpu.system"),
        memory_bytes=resident * 1024 if resident is not None else None,
        block_reads=block("rd.reqs"),
        block_writes=block("wr.reqs"),
        block_read_bytes=block("rd.bytes"),
        block_written_bytes=block("wr.bytes"),
        net_received_packets=net("rx.pkts"),
        net_sent_packets=net("tx.pkts"),
        net_received_bytes=net("rx.bytes"),
        net_sent_bytes=net("tx.bytes"),
    )


@contextmanager
def watch(host: Session, endpoint: Endpoint) -> Iterator[Watch]:
    """The events of the domain from now on, which need not be there yet."""
    import libvirt_qemu

    libvirt = connection.binding()
    _have_loop(libvirt)
    name, events = endpoint.facts["domain"], Watch()

    def changed(_: virConnect, domain: virDomain, number: int, __: int, ___: None) -> None:
        if domain.name() == name and number in _LIBVIRT:
            word, change = _LIBVIRT[number]
            events.put(Event(change, word, None))

    def monitored(
        _: virConnect, domain: virDomain, word: str, second: int, micros: int, *__: object
    ) -> None:
        if domain.name() == name and word in _QEMU:
            events.put(Event(_QEMU[word], word, second + micros / 1e6))

    def closed(*_: object) -> None:
        events.put(connection.trouble(host, endpoint.facts["uri"], "it tells of no more events"))

    with connection.connected(host, endpoint) as opened:
        opened.registerCloseCallback(closed, None)
        number = opened.domainEventRegisterAny(
            None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, changed, None
        )
        asked = libvirt_qemu.qemuMonitorEventRegister(opened, None, None, monitored, None)
        try:
            yield events
        finally:
            with suppress(libvirt.libvirtError):
                libvirt_qemu.qemuMonitorEventDeregister(opened, asked)
                opened.domainEventDeregisterAny(number)
                opened.unregisterCloseCallback()


def _have_loop(libvirt: ModuleType) -> None:
    """Let libvirt deliver events to this process, from a thread that lasts as long as it does.

    A connection opened before would have none: so this comes first, once.
    """
    global _loop
    with _loop_lock:
        if _loop is None:
            libvirt.virEventRegisterDefaultImpl()
            _loop = threading.Thread(target=_turn, args=(libvirt,), daemon=True)
            _loop.start()


def _turn(libvirt: ModuleType) -> None:
    while True:
        libvirt.virEventRunDefaultImpl()
