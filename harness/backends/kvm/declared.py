"""What the inventory declares of a guest against what it is. Pure; what was not seen is no match.

A fact `declared_X` and an observation `X` must be the same text. Only what is told in other words
on the two sides, or by more than one observation, has a rule here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from harness.model.cpus import cpu_list
from harness.model.fingerprint import Observed
from harness.model.target import DECLARED

_TITLES = {
    "disk_preallocated": "preallocated disk",
    "disk_cache": "cache mode",
    "disk_io": "disk I/O",
    "nic_model": "network card",
    "hugepages": "huge pages",
}
"""Names for people where they are not the observation's own."""

_DRIVERS = {"virtio": "virtio_net", "e1000": "e1000", "e1000e": "e1000e"}
"""The guest's driver of each network card."""


def unlike(facts: Mapping[str, str], inside: Observed, outside: Observed) -> Iterator[str]:
    """Each thing that is declared and is otherwise, or could not be seen."""
    declared = {
        name.removeprefix(DECLARED): value
        for name, value in facts.items()
        if name.startswith(DECLARED)
    }
    for name, wanted in declared.items():
        if name not in _NOT_PLAIN and outside.get(name) != wanted:
            yield _text(_TITLES.get(name, name.replace("_", " ")), outside.get(name), wanted)
    for name, rule in _RULES.items():
        if name in declared:
            yield from rule(declared, outside)
    yield from _from_inside(declared, inside)
    if declared.get("disk_bus") == "scsi" and outside.get("disk_controller") != "virtio-scsi":
        yield _text("SCSI controller", outside.get("disk_controller"), "virtio-scsi")


def _text(title: str, seen: str | None, wanted: str) -> str:
    return f"{title}: {'not to be seen' if seen is None else seen}, asked for is {wanted}"


def _machine(declared: Mapping[str, str], outside: Observed) -> Iterator[str]:
    wanted, seen = declared["machine"], outside.get("machine")
    begins = {"q35": "pc-q35-", "pc": "pc-i440fx-"}
    if not (seen or "").startswith(begins.get(wanted, wanted)):
        yield _text("machine type", seen, wanted)


def _release(declared: Mapping[str, str], outside: Observed) -> Iterator[str]:
    wanted, seen = declared["release"], outside.get("release")
    if not f"{seen}.".startswith(f"{wanted}."):
        yield _text("release of QEMU", seen, wanted)


def _processor(declared: Mapping[str, str], outside: Observed) -> Iterator[str]:
    """QEMU's own word for the processor. It may name the version of a model: `Nehalem-v1`."""
    mode, model = declared["cpu_mode"], declared.get("cpu_model")
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


def _threads(declared: Mapping[str, str], outside: Observed) -> Iterator[str]:
    """Where the threads really may run; libvirt's description tells only where they should."""
    wanted, seen = declared["emulator_cpus"], outside.get("emulator_cpus")
    if seen is None or set(cpu_list(seen)) != set(cpu_list(wanted)):
        yield _text("CPUs of QEMU's other threads", seen, wanted)
    threads, pinned = outside.get("thread_cpus"), outside.get("cpus")
    if pinned is not None and threads != pinned:
        yield _text("CPUs of the vCPUs' threads", threads, pinned)


_RULES: Mapping[str, Callable[[Mapping[str, str], Observed], Iterator[str]]] = {
    "machine": _machine,
    "release": _release,
    "cpu_mode": _processor,
    "emulator_cpus": _threads,
}
_NOT_PLAIN = frozenset({*_RULES, "cpu_model"})
"""(A model is looked at with its mode, in QEMU's word for it.)"""


def _from_inside(declared: Mapping[str, str], inside: Observed) -> Iterator[str]:
    """The guest's own view of disk and card, where it shows."""
    card, driver = declared.get("nic_model"), inside.get("nic_driver")
    if card in _DRIVERS and driver is not None and driver != _DRIVERS[card]:
        yield f"from inside the network card's driver is {driver}, asked for is {card}"
    bus, device = declared.get("disk_bus"), inside.get("work_device")
    if bus is not None and device is not None:
        begins = "/dev/vd" if bus == "virtio" else "/dev/sd"
        if not device.startswith(begins):
            yield f"from inside the disk is {device}, asked for is the bus {bus}"
