"""Guests of XenServer or XCP-ng. The host side is known as XAPI told it when they were made.

While XenServer has a machine, its Linux is a guest too (dom0): the baseline is another machine, and
the label says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.backends import facts_when_made, unlike_firmware
from harness.model.fingerprint import Observed
from harness.model.target import BackendClass, Endpoint, Target
from harness.remote.session import Session

CLASS = BackendClass.TYPE1
PLATFORMS = frozenset({"xen"})
LEAVES_ROOM = False
FACTS = ("release", "vcpus", "memory_mib", "cpus", "domain_type")


def observe(host: Session, endpoint: Endpoint) -> Observed:
    """What XAPI said of the virtual machine; the machine of `host` is another one."""
    return facts_when_made(endpoint, *FACTS)


def identify(inside: Observed, outside: Observed) -> tuple[BackendClass, str]:
    return CLASS, "xenserver, other machine"


def contradictions(
    target: Target, endpoint: Endpoint, inside: Observed, outside: Observed
) -> Sequence[str]:
    found = unlike_firmware(inside, "Xen", "HVM domU")
    if inside.get("hypervisor_type") != "xen":
        found.append(f"from inside its hypervisor is {inside.get('hypervisor_type') or 'not seen'}")
    if outside.get("cpus") is None:
        found.append("XAPI binds it to no CPUs")
    return found


def process(outside: Observed) -> str | None:
    return None
