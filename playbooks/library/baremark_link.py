#!/usr/bin/python
"""Ansible module: a container's link to the bench bridge, for engines that do not make it.

Links that it makes on the machine have the hardware address by which baremark_network knows its
own, so whatever is left of them is removed with the bridge; a link in a container goes with the
container.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: baremark_link
short_description: A container's link to the bench bridge
options:
  pid:
    description: A process in the container; without one, only the parent of macvlan links is made.
    type: int
  kind:
    description: >-
      How it is linked: by a pair of virtual links to the bridge, by a macvlan link on a parent, or
      by the link that it has, which only gets the address.
    type: str
    choices: [veth, macvlan, address]
    required: true
  to: {description: "The bridge, or the parent of the macvlan link.", type: str, required: true}
  address: {description: "Address of the container, with prefix.", type: str}
  parent_port:
    description: Make the parent as a pair whose other end, of this name, is a port of the bridge.
    type: str
  bridge: {description: The bridge that the parent leads to., type: str}
"""

LINK = "eth0"
MAC_PREFIX = "02:62:6d"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Link:
    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.changed = False

    def look(self, *argv: str) -> list[dict[str, Any]]:
        status, out, _ = self.module.run_command(list(argv))
        found: list[dict[str, Any]] = json.loads(out) if status == 0 and out.strip() else []
        return found

    def do(self, *argv: str) -> None:
        self.changed = True
        self.module.run_command(list(argv), check_rc=True)

    def parent(self, name: str, port: str, bridge: str) -> None:
        """The pair of links that macvlan links hang on."""
        if not self.look("ip", "-json", "link", "show", "dev", name):
            self.do(
                *("ip", "link", "add", name, "address", _mac(), "type", "veth"),
                *("peer", "name", port, "address", _mac()),
            )
            self.do("ip", "link", "set", port, "master", bridge, "up")
            self.do("ip", "link", "set", name, "up")

    def container(self, pid: int, kind: str, to: str, address: str) -> None:
        inside = ("nsenter", f"--net=/proc/{pid}/ns/net", "ip")
        there = [link for link in self.look(*inside, "-json", "address") if link.get("ifname")]
        mine = [link for link in there if link["ifname"] == LINK]
        if not mine and kind != "address":
            outer = f"bmc{pid}"
            if kind == "veth":
                self.do(
                    *("ip", "link", "add", outer, "address", _mac(), "type", "veth"),
                    *("peer", "name", LINK, "address", _mac(), "netns", str(pid)),
                )
                self.do("ip", "link", "set", outer, "master", to, "up")
            else:
                self.do(
                    *("ip", "link", "add", outer, "link", to, "address", _mac()),
                    *("type", "macvlan", "mode", "bridge"),
                )
                self.do("ip", "link", "set", outer, "netns", str(pid), "name", LINK)
        had = [
            f"{a['local']}/{a['prefixlen']}"
            for link in mine
            for a in link["addr_info"]
            if a["family"] == "inet"
        ]
        if had != [address]:
            self.do(*inside, "-4", "address", "flush", "dev", LINK)
            self.do(*inside, "address", "add", address, "dev", LINK)
            self.do(*inside, "link", "set", LINK, "up")
            self.do(*inside, "link", "set", "lo", "up")


def _mac() -> str:
    return ":".join([MAC_PREFIX, *(f"{byte:02x}" for byte in secrets.token_bytes(3))])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "pid": {"type": "int"},
            "kind": {"type": "str", "choices": ["veth", "macvlan", "address"], "required": True},
            "to": {"type": "str", "required": True},
            "address": {"type": "str"},
            "parent_port": {"type": "str"},
            "bridge": {"type": "str"},
        },
        required_together=[("pid", "address"), ("parent_port", "bridge")],
        required_one_of=[("pid", "parent_port")],
    )
    module.run_command_environ_update = {"PATH": PATH, "LC_ALL": "C.UTF-8"}
    params = module.params
    link = Link(module)
    if params["parent_port"] is not None:
        link.parent(params["to"], params["parent_port"], params["bridge"])
    if params["pid"] is not None:
        link.container(params["pid"], params["kind"], params["to"], params["address"])
    module.exit_json(changed=link.changed)


if __name__ == "__main__":
    main()
