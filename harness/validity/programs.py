"""Programs that say of themselves that they are not native's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.model.run import TargetRecord
from harness.model.trial import Trial
from harness.validity import About, Figures, Finding, Outcome

LIVE = False
UNSEEN = "its programs or native's state no version"
SEVERAL = "\n"
"""Between the versions of a program of which a target's outputs state more than one. No program's
own line holds it: commas they do."""


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:
    """Refused where a program's version is another than native's, of those that both state, or
    where a target's own trials were made by several."""
    native = about.native
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


def figures(
    trials: Sequence[Trial],
    record: TargetRecord,
    about: About,
) -> Figures | None:
    if record.target.native:
        return None
    base = about.native.programs if about.native else {}
    return {name: said for name, said in sorted(record.programs.items()) if name in base}


def _several(record: TargetRecord, program: str, versions: str) -> Finding:
    told = versions.replace(SEVERAL, ", ")
    return Finding(
        check="programs",
        outcome=Outcome.REFUSED,
        target=record.target.name,
        text=f"its trials were made by several versions of {program}: {told}",
        figures={program: told},
        suspect=True,
    )
