#!/usr/bin/python
"""Ansible module: a target as a virtual machine of VMware ESXi, through its API.

It runs on the controller and talks to the ESXi host, or to the vCenter that has it. A virtual
machine that does not carry Baremark's mark is never changed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from ansible.module_utils.baremark_esxi import (
    LIMIT_S,
    SPEC,
    Esxi,
    Machine,
    Place,
    mark,
    vim,
    vmodl,
)
from ansible.module_utils.baremark_hypervisor import REACH, given, refusals
from ansible.module_utils.baremark_tls import Refused, context, fetch, send
from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: baremark_esxi
short_description: A target as a virtual machine of VMware ESXi
options:
  state:
    description: Look only; make it anew and start it; or remove every one that is Baremark's.
    choices: [observed, present, absent]
    type: str
    required: true
  address: {description: The API of ESXi or vCenter., type: str, required: true}
  port: {type: int, default: 443}
  user: {type: str, required: true}
  password: {type: str, required: true}
  fingerprint: {description: SHA-256 of the one certificate to trust., type: str}
  ca_file: {description: The authority to trust instead of the system's., type: path}
  name: {description: The virtual machine., type: str}
  host: {description: The ESXi host, where there are several., type: str}
  datastore: {description: The datastore, where there are several., type: str}
  network: {description: The port group that leads to the bench network., type: str}
  machine: {description: "The baseline's name, kept in the annotation.", type: str}
  descriptor: {description: The OVF descriptor., type: str}
  disk: {description: The disk to import (VMDK, streamOptimized)., type: path}
  provisioning: {description: How the datastore keeps the disk., type: str}
  cpus: {description: CPUs of the host to run on., type: list, elements: int}
  memory_mib: {description: Memory that must be there., type: int}
  disk_gib: {description: Room that the datastore must have., type: int}
  spec: {description: Digest of all that it is made from., type: str}
"""

OPTIONS: dict[str, dict[str, Any]] = {
    **REACH,
    "name": {},
    "host": {},
    "datastore": {},
    "network": {},
    "machine": {},
    "descriptor": {},
    "disk": {"type": "path"},
    "provisioning": {},
    "cpus": {"type": "list", "elements": "int"},
    "memory_mib": {"type": "int"},
    "disk_gib": {"type": "int"},
    "spec": {},
}
CONSOLE = "console.log"
LINES = 12


def main() -> None:
    module = AnsibleModule(
        argument_spec=OPTIONS,
        required_if=[
            ("state", "observed", ["name"]),
            ("state", "present", ["name", "descriptor", "disk", "cpus", "spec"]),
        ],
    )
    params = given(module)
    with refusals(module), _faults(), Esxi(params) as esxi:
        if params["state"] == "absent":
            module.exit_json(**_absent(esxi, params))
        if params["state"] == "present":
            _present(esxi, params)
        module.exit_json(changed=params["state"] == "present", **_observed(esxi, params))


@contextmanager
def _faults() -> Iterator[None]:
    """Faults of the API in its own words."""
    if vim is None:
        yield  # `Esxi` says so
        return
    try:
        yield
    except vim.fault.RestrictedVersion as fault:
        raise Refused(
            f"the licence of ESXi forbids it: {fault.msg}",
            "the free licence only lets the API be read: license the host, or adopt a target",
        ) from None
    except vim.fault.NoPermission as fault:
        raise Refused(f"the user may not do that: {fault.privilegeId}") from None
    except vmodl.MethodFault as fault:
        kind = type(fault).__name__.rpartition(".")[2]
        raise Refused(f"ESXi says {kind}: {fault.msg or '(no more)'}") from None


def _observed(esxi: Esxi, params: dict[str, Any]) -> dict[str, Any]:
    """What is there, and in `findings` what hinders the target."""
    place = esxi.place(params["host"], params["datastore"], params["network"])
    findings = list(place.lacking)
    if esxi.free_licence():
        findings.append(
            {
                "why": "the host has the free licence, under which its API can only be read",
                "fix": "license the host, or make the guest by hand and adopt it",
            }
        )
    findings += _room(place, params)
    machine = _named(esxi, params["name"])
    if machine is not None and not machine.ours:
        findings.append(_foreign(machine))
    told: dict[str, Any] = {"findings": findings, "found": machine is not None, "running": False}
    if place.host is not None:
        product = place.host.config.product
        told["release"] = f"{product.version}-{product.build}"
        told["host_cpus"] = place.host.summary.hardware.numCpuThreads
    if machine is not None and machine.ours:
        told |= {"running": machine.running, "spec": machine.spec}
        told |= _details(machine)
        told["console"] = _console(esxi, place, machine)
    return told


def _room(place: Place, params: dict[str, Any]) -> Iterator[dict[str, str]]:
    if place.host is None:
        return
    hardware = place.host.summary.hardware
    beyond = [cpu for cpu in params["cpus"] or [] if cpu >= hardware.numCpuThreads]
    if beyond:
        yield {
            "why": f"the host has no CPU {','.join(map(str, beyond))}",
            "fix": f"set baremark_cpus within 0-{hardware.numCpuThreads - 1}",
        }
    used = place.host.summary.quickStats.overallMemoryUsage or 0
    free = (hardware.memorySize >> 20) - used
    if (params["memory_mib"] or 0) > free:
        yield {
            "why": f"{params['memory_mib']} MiB of memory asked for, {free} MiB are free",
            "fix": "set a smaller baremark_memory_mib for every target of the machine",
        }
    if place.datastore is not None:
        gib = place.datastore.summary.freeSpace >> 30
        if (params["disk_gib"] or 0) > gib:
            yield {
                "why": f"{params['disk_gib']} GiB of disk asked for, {gib} GiB are free in "
                f"{place.datastore.name}",
                "fix": "free some, or set baremark_datastore to another",
            }


def _foreign(machine: Machine) -> dict[str, str]:
    return {
        "why": f"there is a virtual machine {machine.name} that Baremark did not make",
        "fix": f"rename or remove it: vim-cmd vmsvc/getallvms lists it, on {machine.host}",
    }


def _named(esxi: Esxi, name: str) -> Machine | None:
    """The one of that name; a foreign one first, where a vCenter has several."""
    return min((each for each in esxi.machines() if each.name == name), key=_ours, default=None)


def _ours(machine: Machine) -> bool:
    return machine.ours


def _details(machine: Machine) -> dict[str, str]:
    """What the API says that the virtual machine has."""
    config = machine.object.config
    affinity = config.cpuAffinity.affinitySet if config.cpuAffinity else []
    kinds = {vim.vm.device.VirtualSCSIController: "disk_bus", vim.vm.device.VirtualEthernetCard: ""}
    told = {
        "vcpus": str(config.hardware.numCPU),
        "memory_mib": str(config.hardware.memoryMB),
        "cpus": ",".join(map(str, sorted(affinity))),
        "machine_version": str(config.version),
    }
    for device in config.hardware.device:
        name = type(device).__name__.rpartition(".")[2]
        name = name.removeprefix("Virtual").removesuffix("Controller").lower()
        for kind, key in kinds.items():
            if isinstance(device, kind):
                told[key or "nic_model"] = name
        if isinstance(device, vim.vm.device.VirtualDisk):
            thin = getattr(device.backing, "thinProvisioned", None)
            told["disk_format"] = "vmdk thin" if thin else "vmdk"
    return told


def _console(esxi: Esxi, place: Place, machine: Machine) -> str:
    """The last lines of the serial console, which ESXi writes beside the virtual machine."""
    datastore, _, folder = _folder(machine)
    path = f"/folder/{quote(folder)}/{CONSOLE}?" + urlencode(
        {"dcPath": place.datacenter.name if place.datacenter else "", "dsName": datastore}
    )
    said = fetch(esxi.tls, (esxi.address, esxi.port, path), {"Cookie": esxi.cookie}) or b""
    return "\n".join(said.decode(errors="replace").replace("\r", "").splitlines()[-LINES:])


def _folder(machine: Machine) -> tuple[str, str, str]:
    """Datastore and folder of `[datastore] folder/name.vmx`."""
    datastore, space, path = machine.object.config.files.vmPathName.removeprefix("[").partition("]")
    return datastore, space, path.strip().rpartition("/")[0]


def _present(esxi: Esxi, params: dict[str, Any]) -> None:
    place = esxi.place(params["host"], params["datastore"], params["network"])
    if place.lacking:
        raise Refused(
            "; ".join(each["why"] for each in place.lacking), place.lacking[0].get("fix", "")
        )
    there = _named(esxi, params["name"])
    if there is not None:
        if not there.ours:
            finding = _foreign(there)
            raise Refused(finding["why"], finding["fix"])
        _remove(there)
    try:
        made = _import(esxi, place, params)
        _add_console(made, params["name"])
        _wait(made.PowerOnVM_Task())
    except BaseException:
        left = _named(esxi, params["name"])
        if left is not None and left.ours:
            _remove(left)
        raise


def _import(esxi: Esxi, place: Place, params: dict[str, Any]) -> Any:
    """Import descriptor and disk as one virtual machine that carries the mark from the first."""
    pool = place.host.parent.resourcePool
    asked = vim.OvfManager.CreateImportSpecParams(
        entityName=params["name"],
        diskProvisioning=params["provisioning"],
        networkMapping=[vim.OvfManager.NetworkMapping(name="bench", network=place.network)],
    )
    result = esxi.content.ovfManager.CreateImportSpec(
        params["descriptor"], pool, place.datastore, asked
    )
    if result.error:
        raise Refused("ESXi does not accept it: " + "; ".join(each.msg for each in result.error))
    config = result.importSpec.configSpec
    config.annotation = f"{mark(params['name'])} its baseline is {params['machine']}"
    config.extraConfig = [
        *(config.extraConfig or []),
        vim.option.OptionValue(key=SPEC, value=params["spec"]),
    ]
    config.firmware = "bios"
    config.cpuAffinity = vim.vm.AffinityInfo(affinitySet=params["cpus"])
    lease = pool.ImportVApp(result.importSpec, place.datacenter.vmFolder, place.host)
    try:
        _wait_for(lambda: lease.state not in {"initializing"}, "the import does not start")
        if lease.state != "ready":
            raise Refused(f"ESXi refuses the import: {lease.error.msg if lease.error else '?'}")
        (disk,) = [each for each in lease.info.deviceUrl if each.disk]
        _upload(esxi, disk, Path(params["disk"]), lease)
        made = lease.info.entity
        lease.HttpNfcLeaseComplete()
    except BaseException:
        lease.HttpNfcLeaseAbort()
        raise
    return made


def _upload(esxi: Esxi, device: Any, disk: Path, lease: Any) -> None:
    """Send the disk to where the lease says: this connection's server, or the ESXi host that a
    vCenter names together with its certificate's thumbprint."""
    url = urlsplit(device.url)
    # A URL of ESXi itself has "*" for its own address.
    elsewhere = url.hostname not in {None, "*", esxi.address}
    address = str(url.hostname) if elsewhere else esxi.address
    port = (url.port or 443) if elsewhere else esxi.port
    tls = context(address, port, device.sslThumbprint) if elsewhere else esxi.tls
    headers = {"Content-Type": "application/x-vnd.vmware-streamVmdk", "Cookie": esxi.cookie}
    send(tls, "POST", (address, port, url.path), disk, headers, lease.HttpNfcLeaseProgress)


def _add_console(made: Any, name: str) -> None:
    """A serial port that ends in a file beside the virtual machine."""
    found = Machine(made, name, "", False, True, "")
    datastore, _, folder = _folder(found)
    at = f"[{datastore}] {folder}/{CONSOLE}" if folder else f"[{datastore}] {CONSOLE}"
    port = vim.vm.device.VirtualSerialPort(
        key=-100,
        yieldOnPoll=True,
        backing=vim.vm.device.VirtualSerialPort.FileBackingInfo(fileName=at),
        connectable=vim.vm.device.VirtualDevice.ConnectInfo(
            connected=True, startConnected=True, allowGuestControl=False
        ),
    )
    change = vim.vm.device.VirtualDeviceSpec(operation="add", device=port)
    _wait(made.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[change])))


def _absent(esxi: Esxi, params: dict[str, Any]) -> dict[str, Any]:
    """Remove every virtual machine that carries the mark, on the named host or on all."""
    removed = []
    for machine in esxi.machines():
        if machine.ours and params["host"] in {None, machine.host}:
            _remove(machine)
            removed.append(machine.name)
    return {"changed": bool(removed), "removed": removed}


def _remove(machine: Machine) -> None:
    if machine.running:
        _wait(machine.object.PowerOffVM_Task())
    _wait(machine.object.Destroy_Task())


def _wait(task: Any) -> None:
    _wait_for(lambda: task.info.state in {"success", "error"}, "a task of ESXi does not end")
    if task.info.state == "error":
        raise task.info.error


def _wait_for(done: Any, otherwise: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not done():
        if time.monotonic() > deadline:
            raise Refused(f"{otherwise} within {LIMIT_S} s")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
