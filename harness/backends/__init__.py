"""Backends: one module each, named as its inventory group. The name is the module; no registry.

A backend's module says which class of architecture it is, observes its targets from the host
side, and names what contradicts the declaration. Making and removing targets is the Ansible role
of the same name. The host side is asked over the session of the native target, so a remote host
is observed as a local one is, and the controller needs no right of its own on any daemon. The
library of a daemon (Docker, libvirt) takes that session too, wherever the daemon's socket is not
one that this process may use itself (`_forward`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from harness.errors import UseError
from harness.model.fingerprint import Observed
from harness.model.target import BackendClass, Endpoint, Target
from harness.patterns import modules
from harness.remote.session import Session

if TYPE_CHECKING:
    from harness.backends._live import Usage, Watch

GVISOR = "gvisor"
"""The platform that a sandboxed container shows, whichever engine made it."""
EMULATOR = "qemu"
"""The platform of QEMU without KVM, by its CPUID leaf or by its host."""
LABEL_TCG = "qemu-tcg"
CLOUD = "cloud"
"""A provider's instance. No backend, as nothing of it is made: a target can be adopted by it."""


class Backend(Protocol):
    """What the module of a backend offers.

    Where they are not the rule it also says: `NAMES_ITSELF = False` (its processor does not always
    name it, so the firmware's word alone is enough), `LEAVES_ROOM = False` (no native Linux runs on
    its machine beside it, so the baseline is elsewhere), `ADOPTABLE = False` (the bundle runs in no
    guest of it), `COLLECTIONS` (what its role uses of Ansible beyond ansible.builtin, each with the
    extra of this package that brings it).
    """

    CLASS: BackendClass
    PLATFORMS: frozenset[str]
    """The platforms that are seen inside of its targets; empty for native, which may be any."""

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


class Live(Protocol):
    """What the module of a backend offers besides where its host side tells of a target's life.

    Both look from the host, with nothing inside the target. Types and units are in `_live`.
    """

    def watch(self, host: Session, endpoint: Endpoint) -> AbstractContextManager[Watch]:
        """The life-cycle events of the target from now on, as the daemon tells them."""
        ...

    def meter(self, host: Session, endpoint: Endpoint) -> Usage:
        """What the target has used since its start: CPU time, memory, block and network.

        Raises `HarnessError` where it does not run.
        """
        ...


@dataclass(frozen=True, slots=True)
class Kind:
    """What a backend's module says of every target of it; see `Backend`."""

    backend_class: BackendClass
    platforms: frozenset[str]
    names_itself: bool = True
    leaves_room: bool = True
    adoptable: bool = True


def names() -> tuple[str, ...]:
    """The backends there are, sorted."""
    return modules(__path__)


def load(name: str) -> Backend:
    """The backend of that name. Raises `UseError` for an unknown one."""
    if name not in names():
        raise UseError(f"no backend {name!r}", "there are: " + ", ".join(names()))
    return cast(Backend, import_module(f"{__name__}.{name}"))


def kind(name: str) -> Kind:
    """What every target of the backend `name` is."""
    module = load(name)
    return Kind(
        module.CLASS,
        module.PLATFORMS,
        *(getattr(module, each, True) for each in ("NAMES_ITSELF", "LEAVES_ROOM", "ADOPTABLE")),
    )


def adoptable() -> tuple[str, ...]:
    """The names that a target can be adopted by, sorted: of backends, and of a cloud's instance."""
    return tuple(sorted([CLOUD, *(name for name in names() if kind(name).adoptable)]))


def leaves_room(name: str) -> bool:
    """Whether a native Linux, the baseline, runs on the machine beside what `name` makes."""
    return name == CLOUD or kind(name).leaves_room


def collections(name: str) -> Mapping[str, str]:
    """Ansible's collections that the role of `name` uses, each with the extra that brings it."""
    return getattr(load(name), "COLLECTIONS", {})


def live(name: str) -> Live | None:
    """The same backend where it has events and counters to tell; else None."""
    module = load(name)
    return cast(Live, module) if hasattr(module, "watch") and hasattr(module, "meter") else None


def facts_when_made(endpoint: Endpoint, *names: str) -> Observed:
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
