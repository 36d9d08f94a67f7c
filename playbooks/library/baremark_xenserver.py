#!/usr/bin/python
"""Ansible module: a target as a virtual machine of XenServer or XCP-ng, through XAPI.

It runs on the controller and talks to the pool's master. What does not carry Baremark's mark in
`other_config` is never changed.
"""

from __future__ import annotations

import time
import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ansible.module_utils.baremark_hypervisor import REACH, given, refusals
from ansible.module_utils.baremark_tls import Refused, context, send
from ansible.module_utils.basic import AnsibleModule

try:
    import XenAPI
except ImportError:
    XenAPI = None

DOCUMENTATION = """
module: baremark_xenserver
short_description: A target as a virtual machine of XenServer or XCP-ng
options:
  state:
    description: Look only; make it anew and start it; or remove every one that is Baremark's.
    choices: [observed, present, absent]
    type: str
    required: true
  address: {description: The pool's master., type: str, required: true}
  port: {type: int, default: 443}
  user: {type: str, required: true}
  password: {type: str, required: true}
  fingerprint: {description: SHA-256 of the one certificate to trust., type: str}
  ca_file: {description: The authority to trust instead of the system's., type: path}
  name: {description: The virtual machine., type: str}
  host: {description: "The host of the pool, where there are several.", type: str}
  storage: {description: "The storage repository, where it is not the pool's own.", type: str}
  network: {description: The network that leads to the bench network., type: str}
  machine: {description: "The baseline's name, kept in the description.", type: str}
  disk: {description: The disk to import (VHD)., type: path}
  vcpus: {description: Virtual CPUs., type: int}
  cpus: {description: CPUs of the host to run on., type: list, elements: int}
  memory_mib: {description: Memory of the guest., type: int}
  disk_gib: {description: Size of the disk., type: int}
  spec: {description: Digest of all that it is made from., type: str}
"""

OPTIONS: dict[str, dict[str, Any]] = {
    **REACH,
    "name": {},
    "host": {},
    "storage": {},
    "network": {},
    "machine": {},
    "disk": {"type": "path"},
    "vcpus": {"type": "int"},
    "cpus": {"type": "list", "elements": "int"},
    "memory_mib": {"type": "int"},
    "disk_gib": {"type": "int"},
    "spec": {},
}
MARK = "baremark.target"
SPEC = "baremark.spec"
TEMPLATE = "Other install media"
NO_REF = "OpaqueRef:NULL"
LIMIT_S = 300


def main() -> None:
    made_of = ["name", "disk", "vcpus", "cpus", "memory_mib", "disk_gib", "spec"]
    module = AnsibleModule(
        argument_spec=OPTIONS,
        required_if=[("state", "observed", ["name"]), ("state", "present", made_of)],
    )
    params = given(module)
    with refusals(module), _logged_in(params) as pool:
        if params["state"] == "absent":
            removed = pool.remove_all(params["host"])
            module.exit_json(changed=bool(removed), removed=removed)
        if params["state"] == "present":
            pool.make(params)
        module.exit_json(changed=params["state"] == "present", **pool.observed(params))


@contextmanager
def _logged_in(params: dict[str, Any]) -> Iterator[Pool]:
    """A session, with XAPI's failures in words."""
    if XenAPI is None:
        raise Refused(
            "the controller's Python has no XenAPI", "it comes with baremark: set that up anew"
        )
    address, port = params["address"], params["port"]
    tls = context(address, port, params["fingerprint"], params["ca_file"])
    session = XenAPI.Session(
        f"https://{address}:{port}", transport=xmlrpc.client.SafeTransport(context=tls)
    )
    try:
        session.login_with_password(params["user"], params["password"], "1.0", "baremark")
    except XenAPI.Failure as failure:
        kind = failure.details[0]
        if kind == "HOST_IS_SLAVE":
            master = failure.details[1]
            raise Refused(
                f"{address} is not its pool's master; that is {master}",
                f"set baremark_hypervisor_address to {master}",
            ) from None
        if kind == "SESSION_AUTHENTICATION_FAILED":
            raise Refused(
                f"{address} does not let {params['user']} in: user or password is wrong",
                "set baremark_hypervisor_user and baremark_hypervisor_password (in a vault)",
            ) from None
        raise Refused(f"{address} refuses the login: {' '.join(failure.details)}") from None
    try:
        yield Pool(session, address, port, tls)
    except XenAPI.Failure as failure:
        raise Refused("XAPI says: " + " ".join(map(str, failure.details))) from None
    finally:
        session.xenapi.session.logout()


class Pool:
    """What a session can do for a target."""

    def __init__(self, session: Any, address: str, port: int, tls: Any) -> None:
        self._session, self._address, self._port, self._tls = session, address, port, tls
        self._api = session.xenapi

    def observed(self, params: dict[str, Any]) -> dict[str, Any]:
        """What is there, and in `findings` what hinders the target."""
        findings, place = self._place(params)
        told: dict[str, Any] = {"found": False, "running": False}
        host, storage = place["host"], place["storage"]
        if host is not None:
            brand = self._api.host.get_software_version(host)
            told["release"] = f"{brand.get('product_brand', '?')} {brand.get('product_version')}"
            findings += self._room(host, storage, params)
        for ref, record in self._named(params["name"]):
            told["found"] = True
            if not _ours(record):
                findings.append(_foreign(record))
                continue
            told["running"] = record["power_state"] == "Running"
            told["spec"] = record["other_config"].get(SPEC, "")
            told |= {
                "vcpus": str(record["VCPUs_max"]),
                "memory_mib": str(int(record["memory_static_max"]) >> 20),
                "cpus": record["VCPUs_params"].get("mask", ""),
                "domain_type": record.get("domain_type", "hvm"),
                "uuid": self._api.VM.get_uuid(ref),
            }
        return {"findings": findings, **told}

    def make(self, params: dict[str, Any]) -> None:
        """Import the disk and start a virtual machine on it; one of ours is replaced."""
        findings, place = self._place(params)
        if findings:
            raise Refused("; ".join(each["why"] for each in findings), findings[0]["fix"])
        for ref, record in self._named(params["name"]):
            if not _ours(record):
                finding = _foreign(record)
                raise Refused(finding["why"], finding["fix"])
            self._remove(ref, record)
        mark = {MARK: params["name"], SPEC: params["spec"]}
        disk = None
        try:
            disk = self._import(place["storage"], params, mark)
            machine = self._create(place["host"], params, mark)
            self._attach(machine, disk, place["network"])
            self._api.VM.start_on(machine, place["host"], False, False)
        except BaseException:
            for ref, record in self._named(params["name"]):
                if _ours(record):
                    self._remove(ref, record)
            self._remove_disks(params["name"])
            raise

    def remove_all(self, host: str | None) -> list[str]:
        """Remove everything that carries the mark: on the named host of the pool, or on all."""
        wanted = None
        if host is not None:
            named = self._api.host.get_by_name_label(host)
            if not named:
                raise Refused(f"the pool has no host {host}", "mend baremark_xen_host")
            wanted = named[0]
        removed = []
        for ref, record in self._api.VM.get_all_records().items():
            if _ours(record) and (
                wanted is None or wanted in {record["affinity"], record["resident_on"]}
            ):
                self._remove(ref, record)
                removed.append(record["name_label"])
        if wanted is None:
            self._remove_disks(None)
        return removed

    def _place(self, params: dict[str, Any]) -> tuple[list[dict[str, str]], dict[str, Any]]:
        """Host, storage repository and network by their names, and what cannot be chosen."""
        api, findings = self._api, []
        place: dict[str, Any] = {}

        def choose(kind: str, key: str, wanted: str | None, there: Any, alone: Any) -> None:
            names = {record["name_label"]: ref for ref, record in there.items()}
            place[kind] = names.get(wanted) if wanted else alone
            if place[kind] is None:
                have = ", ".join(sorted(names)) or "none"
                why = f"the pool has no {kind} {wanted}" if wanted else f"{key} is not set"
                fix = f"set {key} to one of them"
                findings.append({"why": f"{why}; there are: {have}", "fix": fix})

        hosts = api.host.get_all_records()
        only = next(iter(hosts)) if len(hosts) == 1 else None
        choose("host", "baremark_xen_host", params["host"], hosts, only)
        storage = api.pool.get_default_SR(api.pool.get_all()[0])
        storages = api.SR.get_all_records()
        default = storage if storage in storages else None
        choose("storage", "baremark_storage", params["storage"], storages, default)
        networks = api.network.get_all_records()
        choose("network", "baremark_network", params["network"], networks, None)
        return findings, place

    def _room(self, host: str, storage: str | None, params: dict[str, Any]) -> list[dict[str, str]]:
        findings = []
        count = int(self._api.host.get_cpu_info(host)["cpu_count"])
        beyond = [str(cpu) for cpu in params["cpus"] or [] if cpu >= count]
        if beyond:
            why = f"the host has no CPU {','.join(beyond)}"
            findings.append({"why": why, "fix": f"set baremark_cpus within 0-{count - 1}"})
        free = int(self._api.host.compute_free_memory(host)) >> 20
        if (params["memory_mib"] or 0) > free:
            why = f"{params['memory_mib']} MiB of memory asked for, {free} MiB are free"
            fix = "set a smaller baremark_memory_mib for every target of the machine"
            findings.append({"why": why, "fix": fix})
        if storage is not None:
            record = self._api.SR.get_record(storage)
            gib = (int(record["physical_size"]) - int(record["physical_utilisation"])) >> 30
            if (params["disk_gib"] or 0) > gib:
                why = f"{params['disk_gib']} GiB of disk asked for, {gib} GiB are free"
                fix = "free some, or set baremark_storage to another"
                findings.append({"why": f"{why} in {record['name_label']}", "fix": fix})
        return findings

    def _named(self, name: str) -> list[tuple[str, dict[str, Any]]]:
        refs = self._api.VM.get_by_name_label(name)
        return [(ref, self._api.VM.get_record(ref)) for ref in refs]

    def _import(self, storage: str, params: dict[str, Any], mark: dict[str, str]) -> str:
        disk: str = self._api.VDI.create(
            {
                "name_label": params["name"],
                "name_description": "the common image of Baremark",
                "SR": storage,
                "virtual_size": str(params["disk_gib"] << 30),
                "type": "user",
                "sharable": False,
                "read_only": False,
                "other_config": mark,
                "xenstore_data": {},
                "sm_config": {},
                "tags": [],
            }
        )
        task = self._api.task.create("baremark", f"import the disk of {params['name']}")
        try:
            query = {"session_id": self._session.handle, "task_id": task, "vdi": disk}
            path = "/import_raw_vdi?" + urlencode({**query, "format": "vhd"})
            headers = {"Content-Type": "application/octet-stream"}
            at = (self._address, self._port, path)
            send(self._tls, "PUT", at, Path(params["disk"]), headers, lambda _: None)
            deadline = time.monotonic() + LIMIT_S
            while (status := self._api.task.get_status(task)) == "pending":
                if time.monotonic() > deadline:
                    raise Refused(f"the import of the disk does not end within {LIMIT_S} s")
                time.sleep(0.5)
            if status != "success":
                said = " ".join(map(str, self._api.task.get_error_info(task)))
                raise Refused(f"the import of the disk failed: {status} {said}")
        finally:
            self._api.task.destroy(task)
        return disk

    def _create(self, host: str, params: dict[str, Any], mark: dict[str, str]) -> str:
        """The template's record with what differs, so that the mark is there from the first."""
        templates = self._api.VM.get_by_name_label(TEMPLATE)
        if not templates:
            raise Refused(f"the pool has no template {TEMPLATE!r}")
        memory = str(params["memory_mib"] << 20)
        created: str = self._api.VM.create(
            {
                **self._api.VM.get_record(templates[0]),
                "name_label": params["name"],
                "name_description": f"A target of Baremark; its baseline is {params['machine']}",
                "is_a_template": False,
                "affinity": host,
                "VCPUs_max": str(params["vcpus"]),
                "VCPUs_at_startup": str(params["vcpus"]),
                "VCPUs_params": {"mask": ",".join(map(str, params["cpus"]))},
                **{
                    f"memory_{kind}": memory
                    for kind in ("static_max", "dynamic_max", "dynamic_min", "static_min")
                },
                "HVM_boot_policy": "BIOS order",
                "HVM_boot_params": {"order": "c", "firmware": "bios"},
                "actions_after_crash": "destroy",
                "other_config": mark,
            }
        )
        return created

    def _attach(self, machine: str, disk: str, network: str) -> None:
        quality = {"qos_algorithm_type": "", "qos_algorithm_params": {}, "other_config": {}}
        kind = {"userdevice": "0", "bootable": True, "mode": "RW", "type": "Disk", "empty": False}
        self._api.VBD.create({"VM": machine, "VDI": disk, **kind, "unpluggable": False, **quality})
        card = {"device": "0", "network": network, "MAC": "", "MTU": "1500"}
        self._api.VIF.create({"VM": machine, **card, **quality})

    def _remove(self, ref: str, record: dict[str, Any]) -> None:
        """A virtual machine of ours with its disks that carry the mark too."""
        if record["power_state"] != "Halted":
            self._api.VM.hard_shutdown(ref)
        disks = [self._api.VBD.get_VDI(each) for each in record["VBDs"]]
        marked = [
            disk for disk in disks if disk != NO_REF and _ours(self._api.VDI.get_record(disk))
        ]
        self._api.VM.destroy(ref)
        for disk in marked:
            self._api.VDI.destroy(disk)

    def _remove_disks(self, name: str | None) -> None:
        """Disks of ours that no virtual machine has: what an import that was cut off left."""
        for ref, record in self._api.VDI.get_all_records().items():
            if _ours(record) and not record["VBDs"] and name in {None, record["name_label"]}:
                self._api.VDI.destroy(ref)


def _ours(record: dict[str, Any]) -> bool:
    """Whether a machine or a disk carries the mark with its own name: a copy that somebody made of
    one under another name is not Baremark's."""
    ours: bool = record["other_config"].get(MARK) == record["name_label"]
    return ours and not record.get("is_a_template", False)


def _foreign(record: dict[str, Any]) -> dict[str, str]:
    name = record["name_label"]
    return {
        "why": f"there is a virtual machine {name} that Baremark did not make",
        "fix": f"rename it: xe vm-param-set uuid={record['uuid']} name-label=another-name",
    }


if __name__ == "__main__":
    main()
