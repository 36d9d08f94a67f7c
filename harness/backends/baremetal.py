"""The native target: the machine itself, through a private sshd confined to the chosen CPUs.

On a machine that Xen runs, that is dom0: a guest with rights, labelled so and never as native.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.backends import xen
from harness.model.fingerprint import Observed
from harness.model.target import BackendClass, Endpoint, Target
from harness.remote.session import Session

CLASS = BackendClass.NATIVE
PLATFORMS: frozenset[str] = frozenset()
LIMIT_S = 60.0


def observe(host: Session, endpoint: Endpoint) -> Observed:
    """Nothing, for the host side of the native target is its inside; under dom0 lies Xen."""
    is_dom0 = ["grep", "-qs", "control_d", "/proc/xen/capabilities"]
    if host.run(is_dom0, limit_s=LIMIT_S).exit_status != 0:
        return {}
    vcpus = host.check(["xl", "vcpu-list", "0"], limit_s=LIMIT_S)
    told = xen.hypervisor(host)
    return {**told, "pinned_to": xen.pinning(vcpus, told["machine_cpus"])["cpus"]}


def identify(inside: Observed, outside: Observed) -> tuple[BackendClass, str]:
    if inside.get("hypervisor_type") == "xen" and "control_d" in (
        inside.get("xen_capabilities") or ""
    ):
        return xen.CLASS, xen.LABEL_DOM0
    return CLASS, "native"


def contradictions(
    target: Target, endpoint: Endpoint, inside: Observed, outside: Observed
) -> Sequence[str]:
    return []


def process(outside: Observed) -> str | None:
    return None
