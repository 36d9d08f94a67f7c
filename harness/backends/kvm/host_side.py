"""A running guest seen from its host: libvirt's description, QEMU's monitor, QEMU's process.

Where QEMU itself tells something, it is asked, for libvirt's description says what was asked for.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from xml.etree import ElementTree

from harness.backends.kvm import connection
from harness.backends.kvm.connection import Guest
from harness.errors import HarnessError
from harness.model.fingerprint import Observed
from harness.model.target import DECLARED, Endpoint
from harness.remote.session import Session

LIMIT_S = 60.0

_CACHE_MODES = {
    # writeback, direct, no-flush → the name of all three
    (True, False, False): "writeback",
    (True, True, False): "none",
    (False, False, False): "writethrough",
    (False, True, False): "directsync",
    (True, False, True): "unsafe",
}

_PROTOCOLS = frozenset({"file", "host_device"})
"""What QEMU calls a disk whose bytes it hands on as they are, without a layer for a format."""

_PROCESS = """
name=$1 disk=$2
pids=$(pgrep -f -- " -name [g]uest=$name,")
case $pids in *[!0-9]*|"") pids= ;; esac
if [ -n "$pids" ]; then
    echo "process $pids"
    sed -n 's/^Cpus_allowed_list:[[:space:]]*/emulator_cpus /p' "/proc/$pids/status"
    for task in "/proc/$pids/task/"*; do
        read -r word vcpu rest <"$task/comm"
        case $word$vcpu in
        CPU[0-9]*) sed -n "s/^Cpus_allowed_list:[[:space:]]*/vcpu ${vcpu%%/*} /p" "$task/status" ;;
        esac
    done
    if [ -r "/proc/$pids/smaps_rollup" ]; then
        awk '/_Hugetlb:/ {kib += $2} END {print "huge_kib", kib + 0}' "/proc/$pids/smaps_rollup"
    fi
    vhost=no
    for file in "/proc/$pids/fd/"*; do
        case $(readlink "$file") in /dev/vhost-net) vhost=yes ;; esac
    done
    echo "vhost $vhost"
fi
[ -z "$disk" ] || stat -c 'disk_blocks %b %B' "$disk"
exit 0
"""
"""What the one process of a guest shows of itself. QEMU may have been started by another program
(a loader, a script), so it is found by the name that it was given."""


def observe(host: Session, endpoint: Endpoint) -> Observed:
    """Every observation of the domain that `endpoint` names, as text by name."""
    domain = connection.ask(host, endpoint, lambda guest: _described(guest, endpoint))
    script = shlex.join(["sh", "-c", _PROCESS, "sh", endpoint.facts["domain"], domain.file])
    process = _lines(host.check(script, limit_s=LIMIT_S))
    return {
        **domain.observed,
        "thread_cpus": _in_order(process.get("vcpu", ())),
        "emulator_cpus": _only(process.get("emulator_cpus", ())),
        "disk_preallocated": preallocated(domain.disk, process.get("disk_blocks", ())),
        "vhost": _only(process.get("vhost", ())),
        "hugepages": _hugepages(process.get("huge_kib", ()), domain.memory_kib),
        "process": _only(process.get("process", ())),
    }


@dataclass(frozen=True, slots=True)
class _Description:
    """What libvirt and QEMU said: observations, and what the look at the process needs."""

    observed: Observed
    disk: Mapping[str, Any]
    file: str
    memory_kib: str | None


def _described(guest: Guest, endpoint: Endpoint) -> _Description:
    import libvirt_qemu

    domain = ElementTree.fromstring(guest.domain.XMLDesc(0))

    def monitor(command: str, **arguments: str) -> object:
        text = json.dumps({"execute": command, "arguments": arguments})
        answer = libvirt_qemu.qemuMonitorCommand(guest.domain, text, 0)
        said = json.loads(answer)
        if "return" not in said:
            name = guest.domain.name()
            raise HarnessError(f"QEMU's monitor of {name} answers {command} with {answer[:200]}")
        return cast(object, said["return"])

    version = cast(dict[str, dict[str, int]], monitor("query-version"))
    kvm = cast(dict[str, bool], monitor("query-kvm"))
    vcpu = cast(list[dict[str, str]], monitor("query-cpus-fast"))[0]["qom-path"]
    disk = disk_of(cast(list[dict[str, Any]], monitor("query-block")))
    pins = {
        int(pin.get("vcpu", "-1")): pin.get("cpuset", "?")
        for pin in domain.findall("./cputune/vcpupin")
    }
    kib = domain.findtext("./currentMemory")
    source = domain.find("./devices/disk/source")
    machine = type_name(monitor("qom-get", path="/machine", property="type"), "-machine")
    model = None
    if endpoint.facts.get(f"{DECLARED}cpu_mode") == "host-model":
        model = _host_model(guest, domain, machine)
    observed = {
        "release": "{major}.{minor}.{micro}".format(**version["qemu"]),
        "accelerator": "kvm" if kvm["enabled"] is True else "tcg",
        "domain_type": domain.get("type"),
        "machine": machine,
        "cpu_mode": _attribute(domain, "./cpu", "mode"),
        "cpu_model": domain.findtext("./cpu/model"),
        "cpu_type": type_name(monitor("qom-get", path=vcpu, property="type"), "-x86_64-cpu"),
        "host_model": model,
        "vcpus": domain.findtext("./vcpu"),
        "memory_mib": str(int(kib) >> 10) if kib else None,
        "cpus": ",".join(pins[vcpu] for vcpu in sorted(pins)) or None,
        "disk_format": disk_format(disk, _attribute(domain, "./devices/disk/driver", "type")),
        "disk_bus": _attribute(domain, "./devices/disk/target", "bus"),
        "disk_controller": _controller(domain),
        "disk_cache": cache_mode(disk),
        "disk_io": _attribute(domain, "./devices/disk/driver", "io"),
        "network": _attribute(domain, "./devices/interface", "type"),
        "nic_model": _attribute(domain, "./devices/interface/model", "type"),
        "emulator": domain.findtext("./devices/emulator"),
    }
    return _Description(observed, disk, source.get("file", "") if source is not None else "", kib)


def _host_model(guest: Guest, domain: ElementTree.Element, machine: str | None) -> str | None:
    """The processor model that libvirt takes for the machine's own with this QEMU."""
    emulator, kind = domain.findtext("./devices/emulator"), domain.get("type")
    answer = guest.libvirt.getDomainCapabilities(emulator, None, machine, kind, 0)
    return ElementTree.fromstring(answer).findtext("./cpu/mode[@name='host-model']/model")


def _lines(text: str) -> dict[str, list[str]]:
    """`name value` lines as the values of each name."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        found.setdefault(name, []).append(value)
    return found


def _in_order(vcpus: Sequence[str]) -> str | None:
    """The CPUs of each vCPU's thread, in the order of the vCPUs."""
    pairs = sorted((int(number), cpus) for number, cpus in (each.split() for each in vcpus))
    return ",".join(cpus for _, cpus in pairs) or None


def _only(values: Sequence[str]) -> str | None:
    return values[0] if len(values) == 1 and values[0] else None


def _attribute(domain: ElementTree.Element, path: str, name: str) -> str | None:
    found = domain.find(path)
    return found.get(name) if found is not None else None


def type_name(said: object, ending: str) -> str | None:
    """The name of an object's type in QEMU, without what all its kind end with."""
    return said.removesuffix(ending) if isinstance(said, str) else None


def _controller(domain: ElementTree.Element) -> str | None:
    """The model of the controller that the disk hangs on, where it hangs on one."""
    bus = _attribute(domain, "./devices/disk/target", "bus")
    index = _attribute(domain, "./devices/disk/address", "controller")
    for each in domain.findall("./devices/controller"):
        if each.get("type") == bus and each.get("index") == index:
            return each.get("model")
    return None


def disk_of(blocks: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """What QEMU has inserted as the one disk of the guest."""
    inserted = [each["inserted"] for each in blocks if "inserted" in each]
    return inserted[0] if len(inserted) == 1 else {}


def disk_format(disk: Mapping[str, Any], described: str | None) -> str | None:
    """The format by QEMU's word. From libvirt 11 on a raw disk has no layer for its format, and
    QEMU names the protocol's driver alone: then it is raw if libvirt's description says so too."""
    driver = disk.get("drv")
    return "raw" if driver in _PROTOCOLS and described == "raw" else driver


def cache_mode(disk: Mapping[str, Any]) -> str | None:
    said = disk.get("cache")
    if not isinstance(said, dict):
        return None
    return _CACHE_MODES.get((said["writeback"], said["direct"], said["no-flush"]))


def preallocated(disk: Mapping[str, Any], blocks: Sequence[str]) -> str | None:
    """Whether the file takes as much room as the disk is large."""
    size, taken = disk.get("image", {}).get("virtual-size"), _only(blocks)
    if size is None or taken is None:
        return None
    number, each = taken.split()
    return "yes" if int(number) * int(each) >= int(size) else "no"


def _hugepages(huge_kib: Sequence[str], kib: str | None) -> str | None:
    """Whether the process maps huge pages for all the guest's memory, for none, or for some."""
    huge = _only(huge_kib)
    if huge is None or kib is None:
        return None
    if int(huge) == 0:
        return "no"
    return "yes" if int(huge) >= int(kib) else f"only {int(huge) >> 10} MiB"
