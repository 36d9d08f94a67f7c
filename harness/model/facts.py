"""The facts that may change a target's speed: one list, which everything that compares reads.

Pooling refuses runs that differ in one, resuming refuses a target that does, a comparison tells
all of them, a history is cut where one changes, and the dataset has a column for each. What was
observed and is no fact stands in `NO_FACT` with its reason; a contract test asks of every name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from harness.model.run import TargetRecord

Value = str | int | float | bool | Mapping[str, str] | Mapping[str, bool] | tuple[int, ...]
"""A fact as it was observed. A mapping holds several facts of one kind by their names."""

UNKNOWN = "not observable"
ABOUT = 0.01
"""Two boots of one machine tell of memory within this of each other."""
_SHORT = 80
_NO_DIGITS = str.maketrans("", "", "0123456789")


@dataclass(frozen=True, slots=True)
class Fact:
    """`name` is the column of the dataset, `title` what messages call it, `of` reads it (None: not
    observable). `of_native`: what native is in it matters to the other targets of its host too.
    `pooled`: runs that differ in it are not pooled. `resumed`: a run does not go on on a target
    that differs in it. Numbers that are within `near` of each other, as a share, are the same."""

    name: str
    title: str
    of: Callable[[TargetRecord], Value | None]
    kind: Literal["text", "count", "number", "truth", "map"] = "text"
    of_native: bool = False
    pooled: bool = True
    resumed: bool = True
    near: float = 0.0

    def same(self, one: Value | None, other: Value | None) -> bool:
        """Whether two values of it are one; what was not observed is only like itself."""
        if self.near and isinstance(one, int | float) and isinstance(other, int | float):
            return abs(one - other) <= self.near * max(one, other)
        return one == other


def text(value: object) -> str:
    """A value as messages show it."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {text(value[key])}" for key in sorted(value)) or "none"
    if isinstance(value, tuple | list):
        return ",".join(map(str, value)) or "none"
    return str(value)


def differing_parts(one: str, other: str) -> tuple[str, str]:
    """Of two long texts only the parts that differ; a side that has none is a dash."""
    sign = next((sign for sign in ("; ", " ") if sign in one or sign in other), None)
    if sign is None or len(one) + len(other) <= _SHORT:
        return one, other
    old, new = one.split(sign), other.split(sign)
    gone = sign.join(part for part in old if part not in new)
    come = sign.join(part for part in new if part not in old)
    return (gone or "–", come or "–") if gone or come else (one, other)


def differing(one: TargetRecord, other: TargetRecord) -> Iterator[tuple[Fact, Value, Value]]:
    """Each fact that was observed of both and is not the same."""
    for fact in FACTS:
        before, after = fact.of(one), fact.of(other)
        if before is not None and after is not None and not fact.same(before, after):
            yield fact, before, after


def _given(name: str) -> Callable[[TargetRecord], Value | None]:
    return lambda record: getattr(record.target.size, name)


def _seen(name: str) -> Callable[[TargetRecord], Value | None]:
    return lambda record: getattr(record.fingerprint, name)


def _set(name: str) -> Callable[[TargetRecord], Value | None]:
    return lambda record: getattr(record.fingerprint.settings, name)


def _inside(name: str) -> Callable[[TargetRecord], Value | None]:
    return lambda record: record.fingerprint.inside.get(name)


def _outside(name: str) -> Callable[[TargetRecord], Value | None]:
    return lambda record: record.fingerprint.outside.get(name)


def _number(name: str) -> Callable[[TargetRecord], Value | None]:
    def of(record: TargetRecord) -> int | None:
        told = record.fingerprint.inside.get(name) or ""
        return int(told) if told.isascii() and told.isdigit() else None

    return of


def _device(record: TargetRecord) -> str | None:
    """Loop devices are numbered as they come."""
    told = record.fingerprint.inside.get("work_device")
    return told.translate(_NO_DIGITS) if told and told.startswith("/dev/loop") else told


def _limited_memory(record: TargetRecord) -> int | None:
    """What it may use, where that is less than its kernel has: else it is told once."""
    seen, whole = record.fingerprint.memory_mib, _number("memory_kib")(record)
    limited = seen is not None and (not isinstance(whole, int) or seen < (whole >> 10))
    return seen if limited else None


def _cpu_flags(record: TargetRecord) -> str | None:
    """In the order of the alphabet: kernels differ in theirs."""
    told = record.fingerprint.inside.get("cpu_flags")
    return " ".join(sorted(told.split())) if told else None


FACTS: tuple[Fact, ...] = (
    Fact("backend", "backend", _seen("backend"), pooled=False),
    Fact("label", "label", _seen("label"), pooled=False),
    Fact("nested", "nested", _seen("nested"), "truth", pooled=False),
    Fact("adopted", "adopted", lambda record: record.target.adopted, "truth"),
    # what it was given
    Fact("vcpus", "number of vCPUs", _given("vcpus"), "count"),
    Fact("memory_mib", "memory in MiB", _given("memory_mib"), "count"),
    Fact("disk_gib", "disk in GiB", _given("disk_gib"), "count"),
    Fact("cpus", "pinning", _given("cpus")),
    Fact("cpu_limited", "CPU quota set", _set("cpu_limited"), "truth"),
    Fact("cpu_quota", "CPU quota", _set("cpu_quota"), "number"),
    # what runs it
    Fact("release", "release", _seen("release"), of_native=True),
    Fact("accelerator", "accelerator", _seen("accelerator")),
    Fact("machine", "machine type", _outside("machine")),
    Fact("cpu_mode", "CPU mode", _outside("cpu_mode")),
    Fact("cpu_type", "CPU type", _outside("cpu_type")),
    Fact("emulator_cpus", "pinning of the emulator", _outside("emulator_cpus")),
    Fact("backed_by_huge_pages", "memory of huge pages", _outside("hugepages")),
    Fact("runtime", "runtime", _outside("runtime")),
    Fact("runtime_release", "release of the runtime", _outside("runtime_release")),
    Fact("storage_driver", "storage driver", _outside("storage_driver")),
    Fact("cgroup_version", "version of control groups", _outside("cgroup_version")),
    Fact("user", "user", _inside("user"), of_native=True),
    Fact("rootless", "made without root", _outside("rootless")),
    Fact("privileged", "privileged", _outside("privileged")),
    Fact("apparmor", "AppArmor profile", _outside("apparmor")),
    Fact("security_options", "security options", _outside("security_options")),
    Fact("nested_paging", "nested paging", _outside("nested_paging")),
    Fact("large_pages", "large pages", _outside("large_pages")),
    Fact("paravirt_provider", "paravirtual interface", _outside("paravirt_provider")),
    Fact("chipset", "chipset", _outside("chipset")),
    Fact("host_model", "CPU model of the host", _outside("host_model")),
    Fact("seccomp", "filter of system calls", _inside("seccomp")),
    Fact("container", "container", _set("container")),
    # its kernel and system
    Fact("kernel", "kernel", _seen("kernel"), of_native=True),
    Fact("kernel_version", "build of the kernel", _inside("kernel_version"), of_native=True),
    Fact("kernel_arguments", "kernel arguments", _inside("kernel_arguments"), of_native=True),
    Fact("os", "operating system", _inside("os"), of_native=True),
    Fact("mitigations", "mitigation", _set("mitigations"), "map", of_native=True),
    Fact("clocksource", "clock source", _seen("clocksource"), of_native=True),
    Fact("address_space", "random addresses", _inside("randomize_va_space"), of_native=True),
    Fact("pressure", "pressure counted", _set("pressure"), "truth", of_native=True),
    # its processor
    Fact("architecture", "architecture", _inside("machine"), of_native=True),
    Fact("cpu_model", "CPU model", _seen("cpu_model"), of_native=True),
    Fact("cpu_flags", "CPU flags", _cpu_flags, of_native=True),
    Fact("microcode", "microcode", _inside("microcode"), of_native=True),
    Fact("smt", "SMT", _inside("smt"), of_native=True),
    Fact("seen_vcpus", "number of visible vCPUs", _seen("vcpus"), "count"),
    Fact("hypervisor_bit", "hypervisor bit", _set("hypervisor_bit"), "truth", of_native=True),
    Fact("hypervisor_leaves", "hypervisor's CPUID", _inside("hypervisor_leaves"), of_native=True),
    Fact("governor", "governor", _set("governor"), of_native=True),
    Fact("cpufreq_driver", "frequency driver", _inside("cpufreq_driver"), of_native=True),
    Fact("cpufreq_max_khz", "highest frequency", _inside("cpufreq_max_khz"), of_native=True),
    Fact("cpufreq_boost", "boost", _inside("cpufreq_boost"), of_native=True),
    Fact("cpufreq_no_turbo", "no turbo", _inside("cpufreq_no_turbo"), of_native=True),
    # its board and memory
    Fact("dmi_vendor", "maker of the machine", _inside("dmi_vendor"), of_native=True),
    Fact("dmi_product", "product", _inside("dmi_product"), of_native=True),
    Fact("dmi_version", "version of the product", _inside("dmi_version"), of_native=True),
    Fact("dmi_board", "board", _inside("dmi_board"), of_native=True),
    Fact("dmi_bios", "firmware", _inside("dmi_bios"), of_native=True),
    Fact(
        *("memory_kib", "memory of the machine in KiB", _number("memory_kib"), "count"),
        of_native=True,
        near=ABOUT,
    ),
    Fact("usable_memory_mib", "usable memory in MiB", _limited_memory, "count", near=ABOUT),
    Fact("swap_kib", "swap in KiB", _number("swap_kib"), "count", of_native=True, near=ABOUT),
    Fact("hugepages", "huge pages kept", _inside("hugepages"), of_native=True),
    Fact("hugepage_kib", "size of huge pages in KiB", _inside("hugepage_kib"), of_native=True),
    Fact("huge_pages", "huge pages", _set("huge_pages"), of_native=True),
    Fact("ksm", "KSM", _set("ksm"), "truth", of_native=True),
    Fact("balloon", "balloon", _set("balloon"), "truth", of_native=True),
    Fact("numa_nodes", "NUMA nodes", _set("numa_nodes"), of_native=True),
    Fact("memory_nodes", "memory nodes", _set("memory_nodes")),
    # its disk
    Fact("work_device", "disk", _device, of_native=True),
    Fact("work_filesystem", "file system", _inside("work_filesystem"), of_native=True),
    Fact(
        *("work_device_scheduler", "disk scheduler", _inside("work_device_scheduler")),
        of_native=True,
    ),
    Fact(
        *("work_device_rotational", "rotating disk", _inside("work_device_rotational")),
        of_native=True,
    ),
    Fact("work_device_cache", "cache of the disk", _inside("work_device_cache"), of_native=True),
    Fact(
        *("work_device_block", "block of the disk in bytes", _inside("work_device_block")),
        of_native=True,
    ),
    Fact("disk_format", "disk format", _set("disk_format")),
    Fact("disk_cache", "disk cache", _set("disk_cache")),
    Fact("disk_io", "disk I/O", _outside("disk_io")),
    Fact("disk_bus", "disk bus", _outside("disk_bus")),
    Fact("disk_controller", "disk controller", _outside("disk_controller")),
    Fact("disk_preallocated", "disk preallocated", _outside("disk_preallocated")),
    # its network
    Fact("nic_model", "network card", _set("nic_model")),
    Fact("nic_kind", "kind of network link", _inside("nic_kind")),
    Fact("vhost", "vhost", _outside("vhost")),
    Fact("network", "network", _set("network")),
    Fact("route", "route to the peer", _set("route")),
    Fact("mtu", "MTU", _set("mtu"), "count"),
    Fact("offloads", "offload", _set("offloads"), "map"),
)

GIVEN = frozenset({"vcpus", "memory_mib", "disk_gib", "cpus"})
"""The facts that a plan gave a target; of an imported run nothing is known of them."""

NO_FACT: Mapping[str, str] = {
    # of a fingerprint
    "backend_class": "follows from the backend and what was observed; in the key of each row",
    "inside": "its names are asked one by one",
    "outside": "its names are asked one by one",
    "settings": "its fields are asked one by one",
    # from the host
    "cgroup_manager": "who makes the control groups, not what they limit",
    "domain_type": "told by accelerator",
    "emulator": "a path; its release is told",
    "firmware": "told by dmi_bios",
    "image": "a digest; what of it matters is told by kernel and os",
    "network_bridge": "a name",
    "network_mode": "told by network",
    "network_name": "a name",
    "pinned_to": "told by the pinning",
    "process": "a number that changes with each start",
    "recompiled": "a number of a start",
    "running": "it was up",
    "state": "it was up",
    "storage": "told by storage_driver and work_filesystem",
    "thread_cpus": "told by the pinning",
    # from inside
    "capabilities": "what it may do, not how fast",
    "cgroup_cpu_max": "told by cpu_quota",
    "cgroup_cpuset": "told by the pinning",
    "cgroup_memory_max": "told by usable_memory_mib",
    "cpus_allowed": "told by the pinning, and its number by seen_vcpus",
    "cpus_online": "told by seen_vcpus",
    "detect_virt": "told by container and hypervisor_leaves",
    "hypervisor_type": "told by the label",
    "hypervisor_vendor": "told by hypervisor_leaves",
    "init": "the name of the first process",
    "mems_allowed": "told by memory_nodes",
    "nic": "a name",
    "nic_driver": "told by nic_model",
    "nic_mtu": "told by mtu",
    "nic_offloads": "told by offloads",
    "peer_route": "told by route",
    "perf_event_paranoid": "no workload counts events",
    "proc_xen": "told by the label",
    "sandbox": "told by the label",
    "transparent_hugepage": "told by huge_pages",
    "work_free_kib": "changes by itself from night to night",
    "xen_capabilities": "told by the label",
    "xen_guest_type": "told by the label",
    "xen_release": "told by release",
    "xen_uuid": "a name",
    "randomize_va_space": "told by address_space",
}
"""What a fingerprint holds besides, and why nothing is compared by it. (Its `memory_mib` is told by
`memory_kib`, and by `usable_memory_mib` where it is less.)"""
