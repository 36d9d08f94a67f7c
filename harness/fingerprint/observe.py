"""The fingerprint: what a target really is, seen from inside and from its host.

Ansible says what should be; this module observes what is, stores it, and refuses a target that
is not what it was declared to be. What could not be seen is None, never "no".
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from harness import backends
from harness.errors import refusal
from harness.fingerprint import host_process, platform, settings
from harness.model.fingerprint import Fingerprint, Observed
from harness.model.target import Endpoint, Target
from harness.remote.session import Session
from harness.validity import size

OBSERVE_LIMIT_S = 120.0


def observe(
    target: Target,
    session: Session,
    host: Session,
    endpoint: Endpoint,
    native: Fingerprint | None,
    peer: str,
    place: str = "",
) -> Fingerprint:
    """Observe a target from inside and from its host's side.

    `host` is the session of the native target and `native` its fingerprint (None for itself):
    where the host is a guest, so is everything on it. `peer` is the address that network workloads
    talk to, to which the way is looked up. `place` is the bundle's folder on the
    target ("" where it has none yet: then its CPUID leaves are not read). Raises `HarnessError`
    when the target cannot be observed.
    """
    inside = look_inside(session, endpoint.work, peer, place)
    if target.adopted:
        outside: Observed = host_process.observe(target, session, host, endpoint)
        backend_class, label = platform.adopted(
            target.backend, inside, outside, elsewhere=target.elsewhere
        )
    else:
        backend = backends.load(target.backend)
        outside = backend.observe(host, endpoint)
        backend_class, label = backend.identify(inside, outside)
    nested = _is_guest(inside, outside) if native is None else native.nested
    if target.elsewhere:
        nested = None
    return Fingerprint(
        backend=target.backend,
        backend_class=backend_class,
        label=label,
        nested=nested,
        release=outside.get("release"),
        accelerator=outside.get("accelerator"),
        kernel=inside.get("kernel"),
        cpu_model=inside.get("cpu_model"),
        vcpus=int(inside["vcpus"]) if inside.get("vcpus", "").isdigit() else None,
        memory_mib=memory_mib(inside),
        clocksource=inside.get("clocksource"),
        inside=inside,
        outside=outside,
        settings=settings.read(inside, outside),
    )


def look_inside(session: Session, work: str, peer: str, place: str = "") -> dict[str, str]:
    """What a target tells of itself from inside, by name."""
    script = Path(__file__).with_name("inside.sh").read_bytes()
    command = ["sh", "-s", "--", work, place, peer]
    printed = session.check(command, limit_s=OBSERVE_LIMIT_S, stdin=script)
    inside = dict(line.split("\t", 1) for line in printed.splitlines() if "\t" in line)
    registers = [inside.pop(name) for name in sorted(inside) if name.startswith("cpuid_")]
    if registers:
        inside["hypervisor_leaves"] = platform.leaves("\n".join(registers))
    return inside


def refuse_if_false(
    target: Target, endpoint: Endpoint, fingerprint: Fingerprint, accepted: Collection[str] = ()
) -> None:
    """Raise `HarnessError` when the target is not what the inventory declares it to be.

    `accepted` may hold `size`: then a target of another size takes part, and the table says so.
    """
    inside, outside = fingerprint.inside, fingerprint.outside
    found = list(platform.contradictions(target.backend, target.adopted, inside, outside))
    if not target.adopted:
        found += backends.load(target.backend).contradictions(target, endpoint, inside, outside)
    unlike = [each.text for each in size.objections(target, fingerprint)]
    if unlike and not found and "size" not in accepted:
        raise refusal(
            "size",
            f"{target.name} has not the size that the inventory declares",
            "; ".join(unlike),
            "mend the inventory" if target.adopted else "baremark down, then baremark up",
            "or measure it as it is with --accept size, which marks the table",
        )
    if found:
        raise refusal(
            "label",
            f"{target.name} is not the {target.backend} target that the inventory declares",
            "; ".join(found),
            "put it into the inventory group of what it really is"
            if target.adopted
            else "baremark down, then baremark up; if it says so again, mend the inventory",
        )


def memory_mib(inside: Observed) -> int | None:
    """What the target may use: all that its kernel has, or less where a cgroup limits it."""
    kib, limit = inside.get("memory_kib"), inside.get("cgroup_memory_max")
    if kib is None or not kib.isdigit():
        return None
    whole = int(kib) >> 10
    return min(whole, int(limit) >> 20) if limit is not None and limit.isdigit() else whole


def _is_guest(inside: Observed, outside: Observed) -> bool | None:
    """Whether the machine is itself a guest or a container; None where it does not show.

    Where a hypervisor runs the native target (Xen's dom0), the machine is what that one sees.
    """
    bit = (outside if "hypervisor_bit" in outside else inside).get("hypervisor_bit")
    if inside.get("container") not in {None, "none"} or bit == "yes":
        return True
    bare = bit == "no" and inside.get("container") == "none"
    return False if bare else None
