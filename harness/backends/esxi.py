"""Guests of VMware ESXi. The host side is known as its API told it when they were made.

While ESXi has a machine, no native Linux runs there: the baseline is another machine, and the label
says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.backends import facts_when_made, unlike_firmware
from harness.model.fingerprint import Observed
from harness.model.target import BackendClass, Endpoint, Target
from harness.remote.session import Session

CLASS = BackendClass.TYPE1
PLATFORMS = frozenset({"vmware"})
LEAVES_ROOM = False
FACTS = (
    *("release", "vcpus", "memory_mib", "cpus", "disk_format", "disk_bus", "nic_model"),
    "machine",
)


def observe(host: Session, endpoint: Endpoint) -> Observed:
    """What ESXi's API said of the virtual machine; the machine of `host` is another one."""
    return facts_when_made(endpoint, *FACTS)


def identify(inside: Observed, outside: Observed) -> tuple[BackendClass, str]:
    return CLASS, "esxi, other machine"


def contradictions(
    target: Target, endpoint: Endpoint, inside: Observed, outside: Observed
) -> Sequence[str]:
    found = unlike_firmware(inside, "VMware, Inc.", "VMware")
    if inside.get("hypervisor_bit") != "yes":
        found.append("from inside no hypervisor is seen")
    if outside.get("cpus") is None:
        found.append("ESXi binds it to no CPUs")
    return found


def process(outside: Observed) -> str | None:
    return None
