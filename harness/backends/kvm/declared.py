"""What was asked of a guest against what it is. Pure; what was not seen is no match."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.model.cpus import cpu_list
from harness.model.fingerprint import Observed

_PLAIN = {
    "disk_format": "disk format",
    "disk_preallocated": "preallocated disk",
    "disk_bus": "disk bus",
    "disk_cache": "cache mode",
    "disk_io": "disk I/O",
    "nic_model": "network card",
    "hugepages": "huge pages",
    "emulator": "emulator",
}
"""Observations that must read as they were asked for, with their names for people."""

_DRIVERS = {"virtio": "virtio_net", "e1000": "e1000", "e1000e": "e1000e"}
"""The guest's driver of each network card."""


def unlike(facts: Mapping[str, str], inside: Observed, outside: Observed) -> Iterator[str]:
    """Each thing that was asked for and is otherwise, or could not be seen."""
    for name, title in _PLAIN.items():
        wanted = facts.get(f"asked_{name}")
        if wanted is not None and outside.get(name) != wanted:
            yield _text(title, outside.get(name), wanted)
    yield from _machine(facts, outside)
    yield from _release(facts, outside)
    yield from _processor(facts, outside)
    yield from _threads(facts, outside)
    yield from _from_inside(facts, inside)
    if facts.get("asked_disk_bus") == "scsi" and outside.get("disk_controller") != "virtio-scsi":
        yield _text("SCSI controller", outside.get("disk_controller"), "virtio-scsi")


def _text(title: str, seen: str | None, wanted: str) -> str:
    return f"{title}: {'not to be seen' if seen is None else seen}, asked for is {wanted}"


def _machine(facts: Mapping[str, str], outside: Observed) -> Iterator[str]:
    wanted, seen = facts.get("asked_machine"), outside.get("machine")
    begins = {"q35": "pc-q35-", "pc": "pc-i440fx-"}
    if wanted is not None and not (seen or "").startswith(begins.get(wanted, wanted)):
        yield _text("machine type", seen, wanted)


def _release(facts: Mapping[str, str], outside: Observed) -> Iterator[str]:
    wanted, seen = facts.get("asked_release"), outside.get("release")
    if wanted is not None and not f"{seen}.".startswith(f"{wanted}."):
        yield _text("release of QEMU", seen, wanted)


def _processor(facts: Mapping[str, str], outside: Observed) -> Iterator[str]:
    """QEMU's own word for the processor. It may name the version of a model: `Nehalem-v1`."""
    mode, model = facts.get("asked_cpu_mode"), facts.get("asked_cpu_model")
    seen = outside.get("cpu_type")
    if mode in {"host-passthrough", "maximum"}:
        wanted = {"host-passthrough": "host", "maximum": "max"}[mode]
        if seen != wanted:
            yield _text("processor", seen, f"{mode} ({wanted})")
    elif mode == "custom" and model is not None and not _is_model(seen, model):
        yield _text("processor", seen, model)
    elif mode == "host-model":
        host_model = outside.get("host_model")
        if host_model is None or not _is_model(seen, host_model):
            yield _text("processor", seen, f"host-model ({host_model})")


def _is_model(seen: str | None, model: str) -> bool:
    """Whether QEMU's type is the model, or a version of it."""
    if seen is None:
        return False
    rest = seen.removeprefix(model)
    return seen.startswith(model) and (rest == "" or (rest[:2] == "-v" and rest[2:].isdigit()))


def _threads(facts: Mapping[str, str], outside: Observed) -> Iterator[str]:
    """Where the threads really may run; libvirt's description tells only where they should."""
    wanted, seen = facts.get("asked_emulator_cpus"), outside.get("emulator_cpus")
    if wanted is None:
        return
    if seen is None or set(cpu_list(seen)) != set(cpu_list(wanted)):
        yield _text("CPUs of QEMU's other threads", seen, wanted)
    threads, pinned = outside.get("thread_cpus"), outside.get("cpus")
    if pinned is not None and threads != pinned:
        yield _text("CPUs of the vCPUs' threads", threads, pinned)


def _from_inside(facts: Mapping[str, str], inside: Observed) -> Iterator[str]:
    """The guest's own view of disk and card, where it shows."""
    card, driver = facts.get("asked_nic_model"), inside.get("nic_driver")
    if card in _DRIVERS and driver is not None and driver != _DRIVERS[card]:
        yield f"from inside the network card's driver is {driver}, asked for is {card}"
    bus, device = facts.get("asked_disk_bus"), inside.get("work_device")
    if bus is not None and device is not None:
        begins = "/dev/vd" if bus == "virtio" else "/dev/sd"
        if not device.startswith(begins):
            yield f"from inside the disk is {device}, asked for is the bus {bus}"
