"""What changes the cost of memory behind a target's back: huge pages, page merging, ballooning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.model.fingerprint import Settings
from harness.model.run import TargetRecord
from harness.model.target import BackendClass
from harness.model.trial import Trial
from harness.model.workload import Resource
from harness.validity import About, Figures, Finding, Outcome

LIVE = False
UNSEEN = "its kernel shows no setting of its memory"
_HOST_MEMORY = {BackendClass.NATIVE, BackendClass.OS}
"""The classes whose memory is the programs' own, not a guest's that the host may merge."""


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:
    """For workloads of memory refused, for the others flagged: where huge pages are not set as on
    native, where equal pages are merged (KSM), and where the host can take memory back."""
    memory = sorted(
        workload.name
        for workload in about.workloads.values()
        if workload.resource is Resource.MEMORY
    )
    base = about.native.fingerprint.settings if about.native else None
    for record in about.targets:
        for text, figures in _objections(record, base):
            yield Finding(
                check="memory_settings",
                outcome=Outcome.FLAGGED,
                target=record.target.name,
                text=text,
                figures=figures,
            )
            # What is native's own is what the others are compared with.
            for workload in () if record.target.native else memory:
                yield Finding(
                    check="memory_settings",
                    outcome=Outcome.REFUSED,
                    target=record.target.name,
                    workload=workload,
                    text=text,
                    figures=figures,
                    suspect=True,
                )


def figures(
    trials: Sequence[Trial],
    record: TargetRecord,
    about: About,
) -> Figures | None:
    mine = record.fingerprint.settings
    base = about.native.fingerprint.settings if about.native else Settings()
    return {
        "huge_pages": mine.huge_pages,
        "native_huge_pages": base.huge_pages if mine.huge_pages else None,
        "ksm": _said(mine.ksm),
        "balloon": _said(mine.balloon),
    }


def _objections(record: TargetRecord, base: Settings | None) -> Iterator[tuple[str, Figures]]:
    mine = record.fingerprint.settings
    # Who shares native's kernel has native's settings and native's machine under it.
    own = record.target.native or record.fingerprint.backend_class not in _HOST_MEMORY
    if own and (mine.ksm or (base is not None and base.ksm)):
        where = "" if mine.ksm else " on its host"
        yield (
            f"page merging (KSM) is on{where}: equal pages share memory and are copied on writing",
            {"ksm": _said(mine.ksm), "native_ksm": _said(base.ksm) if base else None},
        )
    if own and mine.balloon:
        yield (
            "it has a memory balloon: its host may take memory back while it works",
            {"balloon": "yes"},
        )
    ours, theirs = mine.huge_pages, base.huge_pages if base else None
    if ours is not None and theirs is not None and ours != theirs:
        yield (
            f"transparent huge pages: {ours}, native's {theirs}",
            {"huge_pages": ours, "native_huge_pages": theirs},
        )


def _said(flag: bool | None) -> str | None:
    return None if flag is None else "yes" if flag else "no"
