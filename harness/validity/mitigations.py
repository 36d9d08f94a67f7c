"""Mitigations of processor faults that are not the same as native's: their cost is confounded
with the backend's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.model.run import TargetRecord
from harness.model.trial import Trial
from harness.validity import About, Figures, Finding, Outcome

LIVE = False
UNSEEN = "it or native does not tell of mitigations"


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:
    """Flagged where both kernels tell of a vulnerability and not the same."""
    for record in about.targets:
        mine, base = _both(record, about)
        differing = [name for name in sorted(base.keys() & mine.keys()) if base[name] != mine[name]]
        if not differing:
            continue
        told = ", ".join(differing)
        figures = {
            f"mitigation_{name}": f"{mine[name]} (native: {base[name]})" for name in differing
        }
        yield Finding(
            check="mitigations",
            outcome=Outcome.FLAGGED,
            target=record.target.name,
            text=f"mitigations differ from native's ({told}): their cost is part of its overhead",
            figures=figures,
        )


def figures(
    trials: Sequence[Trial],
    record: TargetRecord,
    about: About,
) -> Figures | None:
    if record.target.native:
        return None
    mine, base = _both(record, about)
    both = len(mine.keys() & base.keys())
    return {"compared": float(both)} if both else {}


def _both(record: TargetRecord, about: About) -> tuple[dict[str, str], dict[str, str]]:
    base = about.native.fingerprint.settings.mitigations if about.native else None
    return dict(record.fingerprint.settings.mitigations or {}), dict(base or {})
