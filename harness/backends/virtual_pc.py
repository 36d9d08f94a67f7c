"""Microsoft Virtual PC, for history: it runs 32-bit guests only, so no target of it can be made."""

from __future__ import annotations

from collections.abc import Sequence

from harness.backends import unlike_firmware
from harness.model.fingerprint import Observed
from harness.model.target import BackendClass, Endpoint, Target
from harness.remote.session import Session

CLASS = BackendClass.TYPE2
PLATFORMS = frozenset({"microsoft"})
NAMES_ITSELF = False
ADOPTABLE = False
WIDE = "x86_64"


def observe(host: Session, endpoint: Endpoint) -> Observed:
    """Nothing: Virtual PC has no host side that can be asked."""
    return {}


def identify(inside: Observed, outside: Observed) -> tuple[BackendClass, str]:
    return CLASS, "virtual_pc"


def contradictions(
    target: Target, endpoint: Endpoint, inside: Observed, outside: Observed
) -> Sequence[str]:
    """Its firmware calls itself as Hyper-V's does; what tells them apart is all that it lacks."""
    found = unlike_firmware(inside, "Microsoft Corporation", "Virtual Machine")
    if inside.get("hypervisor_vendor") is not None:
        found.append(
            f"from inside its hypervisor is {inside['hypervisor_vendor']}'s, not Virtual PC"
        )
    if inside.get("machine") == WIDE:
        found.append(f"from inside it is {WIDE}, and Virtual PC runs 32-bit guests only")
    return found


def process(outside: Observed) -> str | None:
    return None
