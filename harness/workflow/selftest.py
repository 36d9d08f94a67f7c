"""The harness judged by itself: does it call equals different, and do its intervals hold a truth?

Native is measured against itself on all workloads; then one target is measured against itself
slowed down by a known amount, again and again. Nothing of it is a figure about a backend.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness import state
from harness.analyze.control import Control
from harness.analyze.coverage import Coverage
from harness.bundle.archive import Bundle
from harness.execute.measurement import Measurement
from harness.ledger import reader
from harness.model.target import Host
from harness.plan.request import Request
from harness.remote import keys
from harness.state import Standing
from harness.workflow.bench import interrupting
from harness.workflow.slowdown import Place, Repetitions, known_truths

if TYPE_CHECKING:
    from harness.console import Console


def run(
    inventory: Path,
    host: Host,
    standing: Standing,
    packed: Bundle,
    request: Request,
    repetitions: int,
    results: Path,
    console: Console,
) -> SelfTest:
    """Native against itself, then the container (native where there is none) against itself
    slowed down."""
    from harness.analyze.control import control
    from harness.report import runs as report_runs  # polars: only where something is computed

    key = keys.load_key(state.state_folder(inventory) / state.KEY)
    measurement = Measurement(results, key, console)
    alone = replace(host, targets=(host.native,))
    with interrupting(measurement, console):
        folder = measurement.begin(alone, standing.endpoints, {}, packed, _whole(request))
    run = reader.read_run(folder)
    if run.ended == "interrupted":
        raise KeyboardInterrupt
    itself = control(report_runs.analysed([run]).frame)
    up = [target for target in host.targets if target.name in standing.endpoints]
    subject = next((target for target in up if not target.native), host.native)
    console.step(f"slow {subject.name} down by known amounts, {repetitions} times")
    asked = Repetitions(repetitions, request.preset.blocks, int(request.preset.seconds))
    place = Place(host, subject, standing.endpoints[subject.name], standing.endpoints[host.name])
    second, found = known_truths(place, key, packed, asked, results / "runs")
    return SelfTest(host.name, subject.name, itself, tuple(found), (folder.name, second.name))


def _whole(request: Request) -> Request:
    """As many blocks as the preset has at least, all whole: how often equals are called different
    must not depend on what was seen of them."""
    preset = request.preset
    if preset.to_precision:
        most = preset.blocks
        preset = replace(preset, to_precision=False, max_blocks=most, budget_s=None)
    return replace(request, preset=preset)


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What the harness is worth on a host: native against itself (None where nothing could be
    compared) and the known truths, with the runs that show it."""

    host: str
    subject: str
    control: Control | None
    truths: tuple[Coverage, ...]
    runs: tuple[str, ...]

    @property
    def holds(self) -> bool:
        trusted = self.control is not None and self.control.trusted
        return trusted and all(each.kept for each in self.truths)


def sentences(found: SelfTest) -> Iterator[str]:
    """The report of a host, a line for each thing tried."""
    yield f"{found.host}, by the runs {' and '.join(found.runs)}:"
    itself = found.control
    if itself is None:
        yield "  native could not be compared with itself: no workload gave enough values"
    else:
        yield (
            f"  native against itself: {itself.differing} of {itself.pairs} headline metrics "
            f"called different at α = {itself.alpha:.2g} "
            f"({100 * itself.differing / itself.pairs:.0f} %, 95 % Wilson interval "
            f"{100 * itself.low:.0f} to {100 * itself.high:.0f} %)"
            + ("" if itself.trusted else ": MORE THAN CHANCE ALLOWS")
        )
    for each in found.truths:
        yield (
            f"  {found.subject}, {each.name}: true slowdown {each.truth:.4f}×, median estimate "
            f"{each.estimate:.4f}×, median half width {100 * each.half_width:.2f} %; "
            f"{each.covered} of {each.repetitions} intervals hold the truth "
            f"({100 * each.covered / each.repetitions:.0f} %, 95 % Wilson interval "
            f"{100 * each.low:.0f} to {100 * each.high:.0f} %; promised {100 * each.level:g} %)"
            + (f"; {each.lost} repetitions had too few blocks" if each.lost else "")
            + ("" if each.kept else ": LESS THAN PROMISED")
        )
    yield ("  holds" if found.holds else "  DOES NOT HOLD: do not trust tables of this machine")


def as_json(found: SelfTest) -> dict[str, object]:
    """The report of a host as plain values."""
    return {
        **asdict(found),
        "truths": [{**asdict(each), "kept": each.kept} for each in found.truths],
        "holds": found.holds,
    }
