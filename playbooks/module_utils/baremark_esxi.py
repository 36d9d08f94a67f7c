"""An ESXi host through its API, directly or by its vCenter: the connection, the place for a
virtual machine, and the virtual machines that are there, Baremark's known by their mark.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.baremark_tls import Refused, context

try:
    from pyVim.connect import Disconnect, SmartConnect
    from pyVmomi import vim, vmodl
except ImportError:
    vim = vmodl = None

MARK = "urn:baremark:target"
SPEC = "guestinfo.baremark.spec"
"""The key under which a virtual machine keeps the digest of what it was made from."""
LIMIT_S = 120
SEEN = ("name", "config.annotation", "config.extraConfig", "runtime.host", "runtime.powerState")


def mark(name: str) -> str:
    """How the annotation of Baremark's machine of that name begins. With the name in it a copy that
    somebody makes of one under another name is not Baremark's."""
    return f"{MARK} {name};"


@dataclass
class Place:
    """Where on which host a virtual machine is made. What could not be chosen is None."""

    host: Any
    datacenter: Any
    datastore: Any
    network: Any
    lacking: list[dict[str, str]]


@dataclass
class Machine:
    """A virtual machine that is there; `ours` if it carries Baremark's mark."""

    object: Any
    name: str
    host: str
    running: bool
    ours: bool
    spec: str


class Esxi:
    """A connection that is logged in; it is a context manager."""

    def __init__(self, params: dict[str, Any]) -> None:
        if vim is None:
            raise Refused(
                "the controller's Python has no pyvmomi", "it comes with baremark: set that up anew"
            )
        self.address, self.port = params["address"], params["port"]
        self.tls: ssl.SSLContext = context(
            self.address, self.port, params["fingerprint"], params["ca_file"]
        )
        try:
            self.instance = SmartConnect(
                host=self.address,
                port=self.port,
                user=params["user"],
                pwd=params["password"],
                sslContext=self.tls,
                httpConnectionTimeout=LIMIT_S,
            )
        except vim.fault.InvalidLogin:
            raise Refused(
                f"{self.address} does not let {params['user']} in: user or password is wrong",
                "set baremark_hypervisor_user and baremark_hypervisor_password (in a vault)",
            ) from None
        except vmodl.MethodFault as fault:
            raise Refused(f"{self.address} refuses the login: {fault.msg}") from None
        self.content = self.instance.RetrieveContent()

    def __enter__(self) -> Esxi:
        return self

    def __exit__(self, *_: object) -> None:
        Disconnect(self.instance)

    @property
    def cookie(self) -> str:
        """The session's cookie, for transfers beside the API."""
        return str(self.instance._GetStub().cookie).split(";")[0]

    def hosts(self) -> list[Any]:
        return list(self._view(vim.HostSystem).view)

    def place(self, host: str | None, datastore: str | None, network: str | None) -> Place:
        """The host, datastore and port group of those names; of a kind with one member that one,
        except for the port group, which must be named: it decides where the traffic goes."""
        lacking: list[dict[str, str]] = []

        def choose(kind: str, key: str, wanted: str | None, there: list[Any], alone: bool) -> Any:
            names = {each.name: each for each in there}
            if wanted in names:
                return names[wanted]
            if wanted is None and alone and len(there) == 1:
                return there[0]
            have = ", ".join(sorted(names)) or "none"
            why = f"it has no {kind} {wanted}" if wanted else f"{key} is not set"
            lacking.append({"why": f"{why}; there are: {have}", "fix": f"set {key} to one of them"})
            return None

        chosen = choose("host", "baremark_esxi_host", host, self.hosts(), True)
        if chosen is None:
            return Place(None, None, None, None, lacking)
        datacenter = chosen.parent
        while not isinstance(datacenter, vim.Datacenter):
            datacenter = datacenter.parent
        return Place(
            chosen,
            datacenter,
            choose("datastore", "baremark_datastore", datastore, list(chosen.datastore), True),
            choose("port group", "baremark_port_group", network, list(chosen.network), False),
            lacking,
        )

    def machines(self) -> list[Machine]:
        """Every virtual machine, in one request."""
        view = self._view(vim.VirtualMachine)
        traversal = vmodl.query.PropertyCollector.TraversalSpec(
            name="view", path="view", skip=False, type=vim.view.ContainerView
        )
        asked = vmodl.query.PropertyCollector.FilterSpec(
            objectSet=[
                vmodl.query.PropertyCollector.ObjectSpec(obj=view, skip=True, selectSet=[traversal])
            ],
            propSet=[
                vmodl.query.PropertyCollector.PropertySpec(
                    type=vim.VirtualMachine, pathSet=list(SEEN), all=False
                )
            ],
        )
        hosts = {each._moId: each.name for each in self.hosts()}
        found = []
        for entry in self.content.propertyCollector.RetrieveContents([asked]):
            seen = {prop.name: prop.val for prop in entry.propSet}
            keys = {option.key: option.value for option in seen.get("config.extraConfig") or []}
            at = seen.get("runtime.host")
            found.append(
                Machine(
                    entry.obj,
                    str(seen.get("name", "")),
                    hosts.get(at._moId, "") if at is not None else "",
                    seen.get("runtime.powerState") == "poweredOn",
                    (seen.get("config.annotation") or "").startswith(mark(seen.get("name", ""))),
                    str(keys.get(SPEC, "")),
                )
            )
        return found

    def free_licence(self) -> bool:
        """Whether the host has the licence that only lets its API be read."""
        try:
            licences = self.content.licenseManager.licenses
        except vmodl.MethodFault:
            return False
        return any(str(each.editionKey).startswith("esxBasic") for each in licences)

    def _view(self, kind: Any) -> Any:
        return self.content.viewManager.CreateContainerView(self.content.rootFolder, [kind], True)
