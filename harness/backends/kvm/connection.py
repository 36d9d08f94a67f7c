"""The way to a libvirt: its own socket, or a few lines of Perl over the session of its machine.

The binding has no wheels and is an extra of this package, so it is imported where libvirt is
asked, and its absence is told with what to type.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qs, urlsplit

from harness.backends import _forward
from harness.errors import HarnessError
from harness.model import installed
from harness.model.target import Endpoint
from harness.remote.session import Session

if TYPE_CHECKING:
    import libvirt


LIMIT_S = 300.0
"""For all questions of one observation: a QEMU that hangs would let libvirt wait for ever."""

_SOCKETS = ("/run/libvirt/virtqemud-sock", "/run/libvirt/libvirt-sock")
"""Where the machine's own libvirt listens: the one of its QEMU alone, else the one of all."""

_DIAL = r"""
use IO::Socket::UNIX; use IO::Select;
my $there = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "$ARGV[0]: $!\n";
my $open = IO::Select->new(\*STDIN, $there);
while (my @ready = $open->can_read) {
    for my $from (@ready) {
        my $got = sysread $from, my $part, 65536;
        if (!$got) {
            exit if $from == $there;
            $open->remove($from);
            shutdown $there, 1;
            next;
        }
        my $to = $from == $there ? \*STDOUT : $there;
        for (my $done = 0; $done < $got;) {
            $done += syswrite($to, $part, $got - $done, $done) // exit 1;
        }
    }
}
"""
"""Joins a UNIX socket to standard input and output. libvirt's own virt-ssh-helper takes no path
of a socket, and nc need not be there; Perl is on every Debian."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Guest:
    """An open connection and the domain on it that is the target."""

    libvirt: libvirt.virConnect
    domain: libvirt.virDomain


@contextmanager
def connected(host: Session, endpoint: Endpoint) -> Iterator[libvirt.virConnect]:
    """The libvirt of the target. Raises `HarnessError` where it does not answer, or with an
    error."""
    libvirt = binding()
    socket = _socket(host, endpoint.facts["uri"])
    with _forward.reached(host, socket, ["perl", "-e", _DIAL, socket]) as path:
        try:
            connection = libvirt.open(f"qemu+unix:///system?socket={path}")
            try:
                yield connection
            finally:
                with suppress(libvirt.libvirtError):
                    connection.close()
        except libvirt.libvirtError as error:
            raise trouble(host, socket, str(error)) from None


def ask(host: Session, endpoint: Endpoint, question: Callable[[Guest], T]) -> T:
    """The answer to a question about the target's domain, within `LIMIT_S`."""
    answers: list[T] = []
    errors: list[HarnessError] = []

    def put() -> None:
        try:
            with connected(host, endpoint) as connection:
                domain = connection.lookupByName(endpoint.facts["domain"])
                answers.append(question(Guest(connection, domain)))
        except HarnessError as error:
            errors.append(error)

    thread = threading.Thread(target=put, daemon=True)
    thread.start()
    thread.join(LIMIT_S)
    if answers:
        return answers[0]
    if errors:
        raise errors[0]
    if thread.is_alive():
        raise trouble(host, endpoint.facts["uri"], f"no answer in {LIMIT_S:.0f} s")
    raise RuntimeError("a question to libvirt is wrong; the thread's traceback says where")


def trouble(host: Session, where: str, why: str) -> HarnessError:
    return HarnessError(
        f"{host.name}: the libvirt at {where}: {why}",
        "see whether it runs and has the domain; baremark up brings both up",
    )


def binding() -> ModuleType:
    """The module `libvirt`. Raises `HarnessError` where this Python has none."""
    try:
        libvirt = import_module("libvirt")
    except ImportError as error:
        raise HarnessError(
            f"libvirt cannot be asked: this Python has no libvirt-python ({error})",
            "apt-get install libvirt-dev pkg-config gcc python3-dev, then " + installed.more("kvm"),
        ) from None
    libvirt.registerErrorHandler(lambda _, __: None, None)  # errors are raised, not printed
    return libvirt


def _socket(host: Session, uri: str) -> str:
    """Where the libvirt of an address (`qemu:///system?socket=PATH`) listens on its machine."""
    named = parse_qs(urlsplit(uri).query).get("socket")
    if named:
        return named[0]
    there = ["sh", "-c", 'for each; do [ ! -S "$each" ] || echo "$each"; done', "sh", *_SOCKETS]
    found = host.check(there, limit_s=_forward.LIMIT_S).split()
    if not found:
        raise trouble(host, uri, f"there is no socket {' and no '.join(_SOCKETS)}")
    return found[0]
