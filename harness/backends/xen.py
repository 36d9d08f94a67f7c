"""Xen guests (PV, PVH, HVM) through dom0's `xl`, and what Xen tells of itself and of dom0.

What a guest is, Xen says twice: to dom0, and to the guest's own kernel, with the domain's UUID on
both sides, so that a target is known to be the very domain that dom0 speaks of. A Xen that is
itself a guest, or that runs on an emulated processor, works all the same; that it is one is seen
in what Xen found of the processor (`hw_caps`) and never in the guest, whose CPUID is Xen's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import HarnessError
from harness.model.fingerprint import Observed
from harness.model.target import BackendClass, Endpoint, Target
from harness.remote.session import Session

CLASS = BackendClass.TYPE1
PLATFORMS = frozenset({"xen"})
LIMIT_S = 120.0
LABEL_DOM0 = "xen-dom0"
TYPES = {"pv": "PV", "pvh": "PVH", "hvm": "HVM"}
"""The types of a guest, as `xl` and as a guest's own kernel write them."""

_ECX_OF_LEAF_1 = 1
_HYPERVISOR_BIT = 31


def observe(host: Session, endpoint: Endpoint) -> Observed:
    """What dom0 says of the domain, and Xen of itself."""
    name = endpoint.facts["domain"]
    answer = host.check(["xl", "list", "--long", name], limit_s=LIMIT_S)
    vcpus = host.check(["xl", "vcpu-list", name], limit_s=LIMIT_S)
    told = hypervisor(host)
    bound = pinning(vcpus, told["machine_cpus"])
    return {**told, "accelerator": None, **domain(name, answer), **bound}


def hypervisor(host: Session) -> dict[str, str | None]:
    """What Xen says of itself and of the processor under it (`xl info`)."""
    told = info(host.check(["xl", "info"], limit_s=LIMIT_S))
    return {
        "release": told.get("xen_version"),
        "hypervisor_bit": hypervisor_bit(told.get("hw_caps")),
        "scheduler": told.get("xen_scheduler"),
        "virt_caps": told.get("virt_caps"),
        "xen_commandline": told.get("xen_commandline"),
        "machine_cpus": told.get("nr_cpus"),
        "machine_memory_mib": told.get("total_memory"),
        "threads_per_core": told.get("threads_per_core"),
    }


def info(text: str) -> Mapping[str, str]:
    """`xl info`: a name and a value a line."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs if value.strip()}


def domain(name: str, text: str) -> dict[str, str | None]:
    """`xl list --long` of one domain. Raises `HarnessError` when it tells of another."""
    try:
        found: list[dict[str, Any]] = json.loads(text)
        (one,) = (each["config"] for each in found if each["config"]["c_info"]["name"] == name)
    except (ValueError, KeyError, TypeError):
        raise HarnessError(
            f"xl does not tell of the domain {name}, but: {text[:200]!r}",
            "baremark down, then baremark up",
        ) from None
    built = one["b_info"]
    disk: dict[str, Any] = next(iter(one.get("disks", [])), {})
    nic: dict[str, Any] = next(iter(one.get("nics", [])), {})
    kib = built.get("target_memkb")
    return {
        "type": one["c_info"].get("type"),
        "uuid": one["c_info"].get("uuid"),
        "vcpus": str(built["max_vcpus"]) if "max_vcpus" in built else None,
        "memory_mib": str(kib >> 10) if kib else None,
        "tsc_mode": built.get("tsc_mode", "default"),
        "disk_format": disk.get("format"),
        "disk_backend": disk.get("backend"),
        "disk_device": disk.get("pdev_path"),
        "nic_model": nic.get("nictype"),
        "bridge": nic.get("bridge"),
    }


def pinning(text: str, machine_cpus: str | None = None) -> dict[str, str | None]:
    """`xl vcpu-list`: the machine's CPUs that the vCPUs are bound to.

    None where any of them may run anywhere; on a machine of one CPU, "all" is that one.
    """
    lines = [line.split() for line in text.splitlines()[1:]]
    bound = [words[-3] for words in lines if len(words) >= 6 and words[-2] == "/"]
    if machine_cpus == "1":
        bound = ["0" if cpus == "all" else cpus for cpus in bound]
    free = not bound or len(bound) != len(lines) or "all" in bound
    return {"cpus": None if free else ",".join(dict.fromkeys(bound))}


def identify(inside: Observed, outside: Observed) -> tuple[BackendClass, str]:
    return CLASS, f"xen-{outside.get('type') or 'guest'}"


def contradictions(
    target: Target, endpoint: Endpoint, inside: Observed, outside: Observed
) -> Sequence[str]:
    found = []
    kind = outside.get("type")
    if kind != endpoint.facts.get("type"):
        found.append(f"Xen runs it as {kind}, provisioning says {endpoint.facts.get('type')}")
    if inside.get("hypervisor_type") != "xen":
        found.append(f"from inside no Xen is seen but: {inside.get('hypervisor_type')}")
    told = inside.get("xen_guest_type")
    if told is not None and told != TYPES.get(str(kind)):
        found.append(f"Xen runs it as {kind}, from inside it is {told}")
    if "control_d" in (inside.get("xen_capabilities") or ""):
        found.append("from inside it is dom0 itself")
    if inside.get("container") not in {None, "none"}:
        found.append(f"from inside it is a container: {inside.get('container')}")
    for name, what in (("uuid", "the domain"), ("release", "the release of Xen")):
        seen, said = inside.get(f"xen_{name}"), outside.get(name)
        if seen is not None and seen != said:
            found.append(f"from inside {what} is {seen}, dom0 says {said}")
    if outside.get("cpus") is None:
        found.append("Xen binds its vCPUs to no CPU of the machine")
    return found


def process(outside: Observed) -> str | None:
    """None: a domain is no process of dom0's, whose counters do not see it at all."""
    return None


def hypervisor_bit(hw_caps: str | None) -> str | None:
    """Whether Xen itself found a hypervisor below it: CPUID leaf 1, ECX, bit 31, which a bare
    processor never sets. `hw_caps` are the words of features that Xen booted with."""
    words = (hw_caps or "").split(":")
    if len(words) <= _ECX_OF_LEAF_1 or not re.fullmatch("[0-9a-f]{8}", words[_ECX_OF_LEAF_1]):
        return None
    return "yes" if int(words[_ECX_OF_LEAF_1], 16) >> _HYPERVISOR_BIT & 1 else "no"
