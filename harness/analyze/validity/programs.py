"""Programs that say of themselves that they are not native's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.analyze.validity import About, Finding, Outcome
from harness.model import TargetRecord, Trial

LIVE = False
SEVERAL = ", "
"""Between the versions of a program of which a target's outputs state more than one."""


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:  # noqa: ARG001
    """Refused where a program's version is another than native's, of those that both state, or
    where a target's own trials were made by several."""
    native = next((record for record in about.targets if record.target.native), None)
    if native is None:
        return
    for record in about.targets:
        for program, version in sorted(record.programs.items()):
            base = native.programs.get(program)
            if SEVERAL in version:
                yield _several(record, program, version)
                continue
            if base in (None, version):
                continue
            yield Finding(
                check="programs",
                outcome=Outcome.REFUSED,
                target=record.target.name,
                text=f"its {program} is {version}, native's {base}: another program was measured",
                figures={program: version, f"native_{program}": base},
                suspect=True,
            )


def _several(record: TargetRecord, program: str, versions: str) -> Finding:
    return Finding(
        check="programs",
        outcome=Outcome.REFUSED,
        target=record.target.name,
        text=f"its trials were made by several versions of {program}: {versions}",
        figures={program: versions},
        suspect=True,
    )
