"""Guests of Microsoft Hyper-V. The host side is known as it was told when they were made.

The system on a machine with Hyper-V is Windows, itself a guest of it (the root partition): the
baseline is another machine, and the label says so. Hyper-V pins no vCPU to a CPU.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.backends import facts_when_made, unlike_firmware
from harness.model.fingerprint import Observed
from harness.model.target import BackendClass, Endpoint, Target
from harness.remote.session import Session

CLASS = BackendClass.TYPE1
PLATFORMS = frozenset({"microsoft"})
LEAVES_ROOM = False
COLLECTIONS = {"ansible.windows": "windows"}
FACTS = ("release", "vcpus", "memory_mib", "generation", "machine", "disk_format")


def observe(host: Session, endpoint: Endpoint) -> Observed:
    """What Hyper-V's PowerShell said of the virtual machine; that of `host` is another machine."""
    return facts_when_made(endpoint, *FACTS)


def identify(inside: Observed, outside: Observed) -> tuple[BackendClass, str]:
    return CLASS, "hyperv, other machine"


def contradictions(
    target: Target, endpoint: Endpoint, inside: Observed, outside: Observed
) -> Sequence[str]:
    found = unlike_firmware(inside, "Microsoft Corporation", "Virtual Machine")
    if inside.get("hypervisor_vendor") not in {None, "Microsoft"}:
        found.append(f"from inside its hypervisor is {inside.get('hypervisor_vendor')}'s")
    if inside.get("hypervisor_bit") != "yes":
        found.append("from inside no hypervisor is seen")
    return found


def process(outside: Observed) -> str | None:
    return None
