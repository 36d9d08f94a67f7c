"""The native target: the machine itself, through a private sshd confined to the chosen CPUs."""

from __future__ import annotations

from collections.abc import Sequence

from harness.backends import Observed
from harness.model import BackendClass, Endpoint, Target
from harness.session import Session

CLASS = BackendClass.NATIVE


def observe(host: Session, endpoint: Endpoint) -> Observed:
    """Nothing: the host side of the native target is its inside."""
    return {}


def identify(inside: Observed, outside: Observed) -> tuple[BackendClass, str]:
    return CLASS, "native"


def contradictions(
    target: Target, endpoint: Endpoint, inside: Observed, outside: Observed
) -> Sequence[str]:
    return []


def process(outside: Observed) -> str | None:
    return None
