"""Backends: one module each, named as its inventory group. The name is the module; no registry.

A backend's module says which class of architecture it is, observes its targets from the host
side, and names what contradicts the declaration. Making and removing targets is the Ansible role
of the same name. The host side is asked over the session of the native target, so a remote host
is observed as a local one is, and the controller needs no right of its own on any daemon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Protocol, cast

from harness.errors import UseError
from harness.inventory.groups import backend_names
from harness.model import BackendClass, Endpoint, Target
from harness.session import Session

Observed = Mapping[str, str | None]
"""Observations as text by name. A name that is missing, or None, was not observable."""


class Backend(Protocol):
    """What the module of a backend offers."""

    CLASS: BackendClass

    def observe(self, host: Session, endpoint: Endpoint) -> Observed:
        """What the host side tells of the target (daemon API, libvirt, /proc).

        `host` is the session of the native target of the same machine. `release` (of the
        hypervisor or engine) and `accelerator` are names that every backend shares.
        """
        ...

    def identify(self, inside: Observed, outside: Observed) -> tuple[BackendClass, str]:
        """The class and the label that tables carry, by what was observed."""
        ...

    def contradictions(
        self, target: Target, endpoint: Endpoint, inside: Observed, outside: Observed
    ) -> Sequence[str]:
        """Each thing observed that cannot be true of this backend."""
        ...

    def process(self, outside: Observed) -> str | None:
        """The number of the one process on the host that is the target (a guest's emulator)."""
        ...


def load(name: str) -> Backend:
    """The backend of that name. Raises `UseError` for an unknown one."""
    if name not in backend_names():
        raise UseError(f"no backend {name!r}", "there are: " + ", ".join(backend_names()))
    return cast(Backend, import_module(f"{__name__}.{name}"))


def told_when_made(endpoint: Endpoint, *names: str) -> Observed:
    """What a hypervisor's own API said of the target when it was made, read back by the role.

    For hypervisors that cannot be asked from the native target's session: they take the machine
    for themselves, and only the controller has the right to ask them.
    """
    return {name: endpoint.facts.get(name) for name in names}


def unlike_firmware(inside: Observed, vendor: str, product: str) -> list[str]:
    """What is not as a guest sees it whose firmware (DMI) names `vendor` and begins its product's
    name with `product`. What cannot be seen is not taken for a match."""
    maker, model = inside.get("dmi_vendor"), inside.get("dmi_product")
    found = []
    if maker != vendor or not (model or "").startswith(product):
        found.append(
            f"from inside its firmware calls it {maker or 'nothing'}, {model or 'nothing'}, "
            f"not {vendor}, {product}…"
        )
    if inside.get("container") not in {None, "none"}:
        found.append(f"from inside it is a container: {inside.get('container')}")
    return found
