"""Where an inventory host answers, in the words that Ansible takes: today's and the old ones.

`ansible_ssh_host` and its like are other names of `ansible_host` and its like, deprecated since
Ansible 2.0 and still read by its ssh connection.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import Any

OLD_NAMES = {
    "ansible_host": "ansible_ssh_host",
    "ansible_port": "ansible_ssh_port",
    "ansible_user": "ansible_ssh_user",
    "ansible_private_key_file": "ansible_ssh_private_key_file",
}
"""Ansible's variables of a connection, each with its old name."""

_ARGUMENTS = ("ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args")
_LEADS = {
    "proxyjump", "proxycommand", "hostname", "port", "user", "identityfile", "bindinterface",
}  # fmt: skip
"""Options of ssh that change where a connection goes, or as whom."""
_FLAGS = {"J": "proxyjump", "W": "proxycommand", "p": "port", "l": "user", "i": "identityfile"}
_FLAGS |= {"F": "a configuration file"}
_OTHERS_WITH_VALUE = "BbcDEeILmOPQRSw"

Mistake = Callable[[str, str, str], None]
"""Takes a mistake: the inventory host, the key, and what is wrong with it."""


def written(variables: Mapping[str, Any], key: str) -> str:
    """The name under which the inventory sets `key`: the old one where only that stands."""
    old = OLD_NAMES.get(key, key)
    return old if key not in variables and old in variables else key


def in_new_names(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The variables with today's names set wherever an old one is."""
    return {
        **variables,
        **{new: variables[written(variables, new)] for new in OLD_NAMES
           if written(variables, new) in variables},
    }  # fmt: skip


def check_names_agree(name: str, variables: Mapping[str, Any], mistake: Mistake) -> None:
    """Two names of one thing with two values: which counts is not to be guessed."""
    for new, old in OLD_NAMES.items():
        if new in variables and old in variables and str(variables[new]) != str(variables[old]):
            mistake(
                name,
                old,
                f"is another name of {new} and says {variables[old]!r}, where {new} says "
                f"{variables[new]!r}; leave {old} out",
            )


def check_direct(name: str, variables: Mapping[str, Any], adopted: bool, mistake: Mistake) -> None:
    """Baremark's sessions go straight to the address: what leads elsewhere is refused by name."""
    if not adopted and ("baremark_ssh_address" in variables):
        return
    instead = (
        "set ansible_host and ansible_port"
        if adopted
        else "set baremark_ssh_address and baremark_ssh_forwarded_port"
    )
    for key in _ARGUMENTS:
        leads = sorted(set(_leads(str(variables.get(key) or ""))))
        if leads:
            mistake(
                name,
                key,
                f"is not used by Baremark's own SSH sessions, and has {', '.join(leads)} "
                f"(is {variables[key]!r}). Give an address that is reached directly: behind a "
                f"jump host forward a port (ssh -N -L 2222:{name}:22 JUMP-HOST) and {instead} "
                "to it; port, user and key have variables of their own",
            )


def _leads(arguments: str) -> Iterator[str]:
    """The options among ssh's arguments that change where it goes, each by its name."""
    if "{{" in arguments or "{%" in arguments:
        yield "a template, which is not read"
    try:
        words = shlex.split(arguments)
    except ValueError:
        yield "quotes that do not close"
        return
    left = iter(words)
    for word in left:
        if not word.startswith("-") or word == "-":
            continue
        for at, letter in enumerate(word[1:], 2):
            if letter != "o" and letter not in _FLAGS and letter not in _OTHERS_WITH_VALUE:
                continue  # a flag without a value
            value = word[at:] or next(left, "")
            if letter == "o":
                yield from _option(value)
            elif letter in _FLAGS and not _is_none(value):
                yield f"-{letter} ({_FLAGS[letter]})"
            break


def _option(text: str) -> Iterator[str]:
    """`ProxyJump=host`, `ProxyJump host` or `ProxyJump = host`."""
    name, _, value = text.strip().replace("=", " ", 1).partition(" ")
    if name.lower() in _LEADS and not _is_none(value):
        yield name


def _is_none(value: str) -> bool:
    return value.strip().lower() == "none"
