#!/usr/bin/python
"""Ansible module: the bench bridge of a machine, and the peer that it leads to.

The peer is a network namespace of the same machine, or, over a network card that becomes a port of
the bridge, another machine. A card is given back as it was found.


The links are made with a hardware address whose first bytes say whose they are, so that even a half
made one is known; nothing without it is ever changed.
"""

from __future__ import annotations

import json
import secrets
import shutil
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: baremark_network
short_description: The bench bridge of a machine, and the peer that it leads to
options:
  state:
    type: str
    choices: [present, peer, absent]
    description: This machine has the bridge; is the peer of another; has nothing of both.
    default: present
  nic:
    description: Network card that leads to the other machine.
    type: str
  run:
    description: Folder for what must be remembered to put everything back.
    type: path
    required: true
  bridge: {type: str, required: true}
  address: {description: "The machine's address, with prefix.", type: str, required: true}
  netns: {type: str, required: true}
  link: {description: "The peer's link as the bridge sees it.", type: str, required: true}
  peer: {description: "The peer's address, with prefix.", type: str, required: true}
"""

MAC_PREFIX = "02:62:6d"
"""Locally administered; the rest is chance, for several machines may share one wire."""
COMMENT = "baremark bench bridge"
NETNS_FOLDER = Path("/run/netns")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Network:
    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.changed = False
        self.bridge: str = module.params["bridge"]
        self.netns: str = module.params["netns"]
        self.mark = Path(module.params["run"]) / "made-netns-folder"
        self.lent = Path(module.params["run"]) / "lent-nic"

    def look(self, *args: str) -> list[dict[str, Any]]:
        status, out, _ = self.module.run_command(["ip", "-details", "-json", *args])
        found: list[dict[str, Any]] = json.loads(out) if status == 0 and out.strip() else []
        return [entry for entry in found if entry]

    def do(self, *argv: str) -> None:
        self.changed = True
        self.module.run_command(list(argv), check_rc=True)

    def ours(self) -> bool | None:
        """Whether the bridge is Baremark's; None where there is none of that name."""
        found = self.look("link", "show", "dev", self.bridge)
        return _is_ours(found[0]) if found else None

    def present(self) -> None:
        params = self.module.params
        if self.ours() is False:
            self.module.fail_json(
                msg=f"there is a link {self.bridge} that Baremark did not make",
                hint=f"rename or remove it: ip link delete {self.bridge}",
            )
        if self.ours() is None:
            self.do("ip", "link", "add", self.bridge, "address", _mac(), "type", "bridge")
        if not any(
            f"{a['local']}/{a['prefixlen']}" == params["address"]
            for a in self.addresses(self.bridge)
        ):
            self.do("ip", "address", "add", params["address"], "dev", self.bridge)
        self.up(self.bridge)
        self.forward(wanted=True)
        if params["nic"] is not None:
            self.lend(params["nic"])
            if self.link(params["nic"]).get("master") != self.bridge:
                self.do("ip", "link", "set", params["nic"], "master", self.bridge)
        else:
            self.make_peer()

    def peer(self) -> None:
        """Be the other end: the peer's address on the card."""
        nic, address = self.module.params["nic"], self.module.params["peer"]
        self.lend(nic)
        if not any(f"{a['local']}/{a['prefixlen']}" == address for a in self.addresses(nic)):
            self.do("ip", "address", "add", address, "dev", nic)

    def lend(self, nic: str) -> None:
        """Take the card, which nobody may use, remembering whether it was up; set it up."""
        link = self.link(nic)
        if self.lent.exists() and self.lent.read_text().split()[0] == nic:
            return self.up(nic)
        used = [a["local"] for a in self.addresses(nic) if a["family"] == "inet"]
        if link.get("master") or used:
            self.module.fail_json(
                msg=f"the network card {nic} is in use ({link.get('master') or used[0]})",
                hint="baremark_bench_nic must be a card with no address and no bridge",
            )
        self.lent.parent.mkdir(parents=True, exist_ok=True)
        self.lent.write_text(f"{nic} {'up' if 'UP' in link['flags'] else 'down'}\n")
        return self.up(nic)

    def give_back(self) -> None:
        if not self.lent.exists():
            return
        nic, state = self.lent.read_text().split()
        if self.look("link", "show", "dev", nic):
            if self.link(nic).get("master") == self.bridge:
                self.do("ip", "link", "set", nic, "nomaster")
            for address in self.addresses(nic):
                if f"{address['local']}/{address['prefixlen']}" == self.module.params["peer"]:
                    self.do("ip", "address", "delete", self.module.params["peer"], "dev", nic)
            if state == "down":
                self.do("ip", "link", "set", nic, "down")
        self.lent.unlink()

    def link(self, name: str) -> dict[str, Any]:
        found = self.look("link", "show", "dev", name)
        if not found:
            self.module.fail_json(msg=f"there is no network card {name}", hint="ip link")
        return found[0]

    def addresses(self, name: str) -> list[dict[str, Any]]:
        return [a for link in self.look("addr", "show", "dev", name) for a in link["addr_info"]]

    def make_peer(self) -> None:
        params = self.module.params
        if not (NETNS_FOLDER / self.netns).exists():
            if not NETNS_FOLDER.exists():
                self.mark.parent.mkdir(parents=True, exist_ok=True)
                self.mark.touch()
            self.do("ip", "netns", "add", self.netns)
        if not self.look("link", "show", "dev", params["link"]):
            self.do(
                *("ip", "link", "add", params["link"], "address", _mac(), "type", "veth"),
                *("peer", "name", "eth0", "address", _mac(), "netns", self.netns),
            )
        if self.look("link", "show", "dev", params["link"])[0].get("master") != self.bridge:
            self.do("ip", "link", "set", params["link"], "master", self.bridge)
        self.up(params["link"])
        inside = self.look("-netns", self.netns, "addr", "show", "dev", "eth0")
        if not any(a["local"] in params["peer"] for link in inside for a in link["addr_info"]):
            self.do("ip", "-netns", self.netns, "address", "add", params["peer"], "dev", "eth0")
        self.up("eth0", "-netns", self.netns)
        self.up("lo", "-netns", self.netns)

    def up(self, link: str, *where: str) -> None:
        if "UP" not in self.look(*where, "link", "show", "dev", link)[0]["flags"]:
            self.do("ip", *where, "link", "set", link, "up")

    def forward(self, wanted: bool) -> None:
        """Let a firewall that drops or sorts pass what stays on the bench bridge.

        Docker makes it see bridged packets as soon as it starts, which may be later than this.
        """
        iptables = shutil.which("iptables", path=PATH)
        if iptables is None:
            return
        rule = [
            *("FORWARD", "-i", self.bridge, "-o", self.bridge),
            *("-m", "comment", "--comment", COMMENT, "-j", "ACCEPT"),
        ]
        status, rules, _ = self.module.run_command([iptables, "-w", "-S", "FORWARD"])
        if status != 0:
            return
        there = COMMENT in rules
        drops = "-P FORWARD ACCEPT" not in rules or len(rules.splitlines()) > 1 + there
        if wanted and not there and drops:
            self.do(iptables, "-w", "-I", *rule)
        while not wanted and there:
            self.do(iptables, "-w", "-D", *rule)
            there = COMMENT in self.module.run_command([iptables, "-w", "-S", "FORWARD"])[1]

    def absent(self) -> None:
        self.give_back()
        ours = self.ours()
        named = (NETNS_FOLDER / self.netns).exists()
        if named and self.is_our_netns():
            self.do("ip", "netns", "delete", self.netns)
        for link in self.look("link", "show"):
            if _is_ours(link) and link["ifname"] != self.bridge:
                self.module.run_command(["ip", "link", "delete", link["ifname"]])
                self.changed = True
        self.forward(wanted=False)
        if ours:
            self.do("ip", "link", "delete", self.bridge)
        if self.mark.exists() and NETNS_FOLDER.exists() and not any(NETNS_FOLDER.iterdir()):
            while self.module.run_command(["umount", str(NETNS_FOLDER)])[0] == 0:
                pass
            NETNS_FOLDER.rmdir()
            self.changed = True
        if self.mark.exists():
            self.mark.unlink()

    def is_our_netns(self) -> bool:
        """A namespace of our name that holds nothing of another is ours, half made or whole."""
        inside = self.look("-netns", self.netns, "addr", "show")
        foreign = [
            a["local"]
            for link in inside
            if link["ifname"] != "lo"
            for a in link["addr_info"]
            if a["family"] == "inet" and a["local"] not in self.module.params["peer"]
        ]
        return not foreign


def _mac() -> str:
    return ":".join([MAC_PREFIX, *(f"{byte:02x}" for byte in secrets.token_bytes(3))])


def _is_ours(link: dict[str, Any]) -> bool:
    return str(link.get("address", "")).startswith(MAC_PREFIX)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {
                "type": "str",
                "choices": ["present", "peer", "absent"],
                "default": "present",
            },
            "nic": {"type": "str"},
            "run": {"type": "path", "required": True},
            "bridge": {"type": "str", "required": True},
            "address": {"type": "str", "required": True},
            "netns": {"type": "str", "required": True},
            "link": {"type": "str", "required": True},
            "peer": {"type": "str", "required": True},
        },
        required_if=[("state", "peer", ["nic"])],
    )
    module.run_command_environ_update = {"PATH": PATH, "LC_ALL": "C.UTF-8"}
    network = Network(module)
    if shutil.which("ip", path=PATH) is None:
        module.exit_json(changed=False)
    getattr(network, module.params["state"])()
    module.exit_json(changed=network.changed)


if __name__ == "__main__":
    main()
