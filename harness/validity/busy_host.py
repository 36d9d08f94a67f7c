"""Work on the host before a block, when no trial runs: whatever it is, it runs beside them too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.model.run import TargetRecord
from harness.model.trial import Trial
from harness.validity import REJECTED_SHARE, About, Figures, Finding, Outcome

LIVE = False
UNSEEN = "its idle CPUs were not looked at before the blocks"


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:
    """Flagged where over 5 % of the CPUs were busy before a block, after waiting for them."""
    busy = [probe for probe in about.probes if probe.busy > REJECTED_SHARE]
    if not busy or about.native is None:
        return
    worst = max(busy, key=lambda probe: probe.busy)
    yield Finding(
        check="busy_host",
        outcome=Outcome.FLAGGED,
        target=about.native.target.name,
        text=(
            f"before {len(busy)} of {len(about.probes)} blocks the host was not idle; at worst "
            f"{100 * worst.busy:.0f} % of the targets' CPUs were busy after a wait of "
            f"{worst.waited_s:.0f} s"
        ),
        figures={
            "share": worst.busy,
            "waited_s": worst.waited_s,
            "blocks": float(len(busy)),
        },
        severity=worst.busy,
    )


def figures(trials: Sequence[Trial], record: TargetRecord, about: About) -> Figures | None:
    """Of the host, so of native alone."""
    if not record.target.native or not trials:
        return None
    if not about.probes:
        return {}
    worst = max(probe.busy for probe in about.probes)
    return {"probes": float(len(about.probes)), "worst_share": worst}
