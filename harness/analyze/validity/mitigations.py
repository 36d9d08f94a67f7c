"""Mitigations of processor faults that are not the same as native's: their cost is confounded
with the backend's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.analyze.validity import About, Finding, Outcome
from harness.model import Trial

LIVE = False
_PREFIX = "mitigation_"


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:  # noqa: ARG001
    """Flagged where both kernels tell of a vulnerability and not the same."""
    native = about.native
    if native is None:
        return
    base = native.fingerprint.inside
    for record in about.targets:
        mine = record.fingerprint.inside
        differing = sorted(
            name
            for name in base.keys() & mine.keys()
            if name.startswith(_PREFIX) and base[name] != mine[name]
        )
        if not differing:
            continue
        told = ", ".join(name.removeprefix(_PREFIX) for name in differing)
        figures = {name: f"{mine[name]} (native: {base[name]})" for name in differing}
        yield Finding(
            check="mitigations",
            outcome=Outcome.FLAGGED,
            target=record.target.name,
            text=f"mitigations differ from native's ({told}): their cost is part of its overhead",
            figures=figures,
        )
