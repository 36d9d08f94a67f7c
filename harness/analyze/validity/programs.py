"""Programs that say of themselves that they are not native's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.analyze.validity import About, Figures, Finding, Outcome
from harness.model import TargetRecord, Trial

LIVE = False
UNSEEN = "its programs or native's state no version"


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:  # noqa: ARG001
    """Refused where a program's version is another than native's, of those that both state."""
    native = about.native
    if native is None:
        return
    for record in about.targets:
        for program, version in sorted(record.programs.items()):
            base = native.programs.get(program)
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
    trials: Sequence[Trial],  # noqa: ARG001
    record: TargetRecord,
    about: About,
) -> Figures | None:
    if record.target.native:
        return None
    base = about.native.programs if about.native else {}
    return {name: said for name, said in sorted(record.programs.items()) if name in base}
