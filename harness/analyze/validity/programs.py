"""Programs that say of themselves that they are not native's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.analyze.validity import About, Finding, Outcome
from harness.model import Trial

LIVE = False


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:  # noqa: ARG001
    """Refused where a program's version is another than native's, of those that both state."""
    native = next((record for record in about.targets if record.target.native), None)
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
