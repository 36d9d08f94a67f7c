"""KVM guests through libvirt. A guest that QEMU's TCG had to run is `emulated`, never KVM.

What the inventory declares of a guest beyond its size (`kvm_declared` of the role) comes back from
provisioning as facts that begin with `declared_`; each of them is held against what libvirt, QEMU
and the guest itself show.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.backends import EMULATOR, LABEL_TCG
from harness.backends.kvm import declared, host_side
from harness.backends.kvm.life import meter, watch
from harness.model.fingerprint import Observed
from harness.model.target import BackendClass, Endpoint, Target
from harness.remote.session import Session

__all__ = ["CLASS", "contradictions", "identify", "meter", "observe", "process", "watch"]

CLASS = BackendClass.TYPE1
PLATFORMS = frozenset({"kvm", "amazon", "google", EMULATOR})


def observe(host: Session, endpoint: Endpoint) -> Observed:
    """What libvirt, the running QEMU and its process say of the domain."""
    return host_side.observe(host, endpoint)


def identify(inside: Observed, outside: Observed) -> tuple[BackendClass, str]:
    if outside.get("accelerator") == "kvm":
        return CLASS, "kvm"
    return BackendClass.EMULATED, LABEL_TCG


def contradictions(
    target: Target, endpoint: Endpoint, inside: Observed, outside: Observed
) -> Sequence[str]:
    found = []
    accelerator = outside.get("accelerator")
    if accelerator != endpoint.facts.get("accelerator"):
        found.append(
            f"QEMU runs it with {accelerator}, provisioning says "
            f"{endpoint.facts.get('accelerator')}"
        )
    if (accelerator == "kvm") != (outside.get("domain_type") == "kvm"):
        found.append(
            f"libvirt calls it {outside.get('domain_type')}, QEMU runs it with {accelerator}"
        )
    if inside.get("container") not in {None, "none"}:
        found.append(f"from inside it is a container: {inside.get('container')}")
    if inside.get("hypervisor_bit") == "no":
        found.append("from inside no hypervisor is seen")
    if outside.get("cpus") is None:
        found.append("libvirt pins its vCPUs to no CPU")
    return found + list(declared.unlike(endpoint.facts, inside, outside))


def process(outside: Observed) -> str | None:
    return outside.get("process")
