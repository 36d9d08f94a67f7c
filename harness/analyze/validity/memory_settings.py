"""What changes the cost of memory behind a target's back: huge pages, page merging, ballooning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.analyze.validity import About, Finding, Outcome
from harness.model import Trial

LIVE = False
_NAMES = {"transparent_hugepage": "transparent huge pages"}


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:  # noqa: ARG001
    """Flagged where a setting differs from native's, where page merging (KSM) is on, and where
    the host can take memory back by a balloon."""
    native = about.native
    for record in about.targets:
        inside = record.fingerprint.inside
        name = record.target.name
        if inside.get("ksm") not in {None, "0"}:
            yield Finding(
                check="memory_settings",
                outcome=Outcome.FLAGGED,
                target=name,
                text="page merging (KSM) is on: equal pages share memory and are copied on writing",
                figures={"ksm": inside.get("ksm")},
            )
        if inside.get("balloon") == "yes":
            yield Finding(
                check="memory_settings",
                outcome=Outcome.FLAGGED,
                target=name,
                text="it has a memory balloon: its host may take memory back while it works",
                figures={"balloon": "yes"},
            )
        if native is None:
            continue
        base = native.fingerprint.inside
        for key, told in _NAMES.items():
            ours, theirs = inside.get(key), base.get(key)
            if ours is not None and theirs is not None and ours != theirs:
                yield Finding(
                    check="memory_settings",
                    outcome=Outcome.FLAGGED,
                    target=name,
                    text=f"{told}: {ours}, native's {theirs}",
                    figures={key: ours, f"native_{key}": theirs},
                )
