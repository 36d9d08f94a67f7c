"""Whether two native targets are one machine, by whatever names it is reached.

Measured as two it would be measured twice at the same time, each disturbing the other.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.inventory.connection import in_new_names, written
from harness.inventory.mistakes import Mistakes
from harness.remote import ssh_config

_SSH_PORT = "22"
_HERE = "this machine"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a native target of the inventory is: an address and a port, or the controller itself.

    `key` is the variable that says so, `host_key` the pinned key of an adopted one.
    """

    name: str
    key: str
    address: str
    port: str
    local: bool = False
    host_key: str = ""

    def __str__(self) -> str:
        return "localhost:local" if self.local else f"{self.address}:{self.port}"


def place(name: str, variables: Mapping[str, Any], host_key: str = "") -> Place:
    """Where the native target `name` is. An adopted one has a `host_key`, and is not looked for
    in the user's ssh configuration, as Baremark connects to it by itself."""
    if variables.get("ansible_connection") == "local":
        return Place(name, "ansible_connection", _HERE, _SSH_PORT, local=True)
    said = in_new_names(variables)
    address = str(said.get("ansible_host", name))
    configured = {} if host_key else ssh_config.settings(address)
    return Place(
        name,
        written(variables, "ansible_host"),
        configured.get("hostname", address),
        str(said.get("ansible_port", configured.get("port", _SSH_PORT))),
        host_key=host_key,
    )


def check_machines(places: Sequence[Place], mistakes: Mistakes) -> None:
    """A machine may be native only once: two would share one port, and measure each other."""
    for at, each in enumerate(places):
        for other in places[:at]:
            if each.port == other.port and _addresses(each) & _addresses(other):
                shown = "" if str(each) == str(other) else f" ({other})"
                mistakes.add(
                    each.name,
                    each.key,
                    f"two native targets on one machine and port: {each} is {other.name} "
                    f"too{shown}",
                )
                break
            if each.host_key and each.host_key == other.host_key:
                mistakes.add(
                    each.name,
                    "baremark_host_key",
                    f"two native targets with one host key: {other.name} has it too, so they are "
                    "one machine, or one is a copy of the other; leave one out, or make a copy "
                    "its own key there (ssh-keygen -A, after removing the old one)",
                )
                break


def same_place(address: str) -> str:
    """An address in one spelling: small letters, no dot at the end, one name for the loopback."""
    plain = address.lower().rstrip(".")
    if plain in {"localhost", "ip6-localhost", "ip6-loopback"} or plain.endswith(".localhost"):
        return "127.0.0.1"
    try:
        number = ipaddress.ip_address(plain.strip("[]"))
    except ValueError:
        return plain
    if isinstance(number, ipaddress.IPv6Address):
        number = number.ipv4_mapped or number
    return "127.0.0.1" if number == ipaddress.IPv6Address("::1") else str(number)


def _addresses(each: Place) -> set[str]:
    """All spellings of where a place is; the controller's own addresses count as its machine."""
    if each.local:
        return {_HERE}
    plain = same_place(each.address)
    found = {plain, *_resolved(plain)}
    if each.port == _SSH_PORT and any(_is_mine(address) for address in found):
        found.add(_HERE)
    return found


def _resolved(name: str) -> set[str]:
    """What a name means here; nothing where it means nothing, which connecting will tell."""
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return set()
    return {same_place(str(answer[4][0]).partition("%")[0]) for answer in answers}


def _is_mine(address: str) -> bool:
    """Whether this machine has the address: only its own can be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.bind((address, 0))
    except (OSError, UnicodeError):
        return False
    return True
