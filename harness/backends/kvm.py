"""KVM guests through libvirt. A guest that QEMU's TCG had to run is `emulated`, never KVM."""

from __future__ import annotations

import json
from collections.abc import Sequence
from xml.etree import ElementTree

from harness.backends import Observed
from harness.errors import HarnessError
from harness.model import BackendClass, Endpoint, Target
from harness.session import Session

CLASS = BackendClass.TYPE1
LIMIT_S = 60.0
LABEL_TCG = "qemu-tcg"


def observe(host: Session, endpoint: Endpoint) -> Observed:
    """What libvirt and the running QEMU say of the domain."""
    virsh = ["virsh", "--connect", endpoint.facts["uri"]]
    name = endpoint.facts["domain"]
    domain = ElementTree.fromstring(host.check([*virsh, "dumpxml", name], limit_s=LIMIT_S))

    def monitor(command: str) -> dict[str, object]:
        text = json.dumps({"execute": command})
        answer = host.check([*virsh, "qemu-monitor-command", name, text], limit_s=LIMIT_S)
        said = json.loads(answer).get("return")
        if not isinstance(said, dict):
            raise HarnessError(f"QEMU's monitor of {name} answers {command} with {answer[:200]}")
        return said

    version = monitor("query-version")["qemu"]
    kvm = monitor("query-kvm")
    if not isinstance(version, dict):
        raise HarnessError(f"QEMU's monitor of {name} does not say its version")
    disk = domain.find("./devices/disk/driver")
    card = domain.find("./devices/interface")
    nic = domain.find("./devices/interface/model")
    cpu = domain.find("./cpu")
    machine = domain.find("./os/type")
    pins = {
        pin.get("vcpu", "?"): pin.get("cpuset", "?") for pin in domain.findall("./cputune/vcpupin")
    }
    kib = domain.findtext("./currentMemory")
    running = host.run(["pgrep", "-f", f"^[^ ]+ -name guest={name},"], limit_s=LIMIT_S)
    return {
        "release": "{major}.{minor}.{micro}".format(**version),
        "accelerator": "kvm" if kvm["enabled"] is True else "tcg",
        "domain_type": domain.get("type"),
        "machine": machine.get("machine") if machine is not None else None,
        "cpu_mode": cpu.get("mode") if cpu is not None else None,
        "vcpus": domain.findtext("./vcpu"),
        "memory_mib": str(int(kib) >> 10) if kib else None,
        "cpus": ",".join(pins[vcpu] for vcpu in sorted(pins)) or None,
        "disk_format": disk.get("type") if disk is not None else None,
        "disk_cache": disk.get("cache") if disk is not None else None,
        "disk_io": disk.get("io") if disk is not None else None,
        "nic_model": nic.get("type") if nic is not None else None,
        "network": card.get("type") if card is not None else None,
        "emulator": domain.findtext("./devices/emulator"),
        "process": _only(running.stdout.decode(errors="replace").split()),
    }


def _only(numbers: Sequence[str]) -> str | None:
    return numbers[0] if len(numbers) == 1 and numbers[0].isdigit() else None


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
    return found


def process(outside: Observed) -> str | None:
    return outside.get("process")
