"""A pilot: how long a trial of each workload should be on this machine, measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from harness import files
from harness.analyze import components
from harness.analyze.components import PRESET, Length
from harness.errors import UseError
from harness.model.plan import Preset
from harness.model.run import Manifest, Run
from harness.plan import lengths
from harness.plan.lengths import Lengths
from harness.plan.request import Request
from harness.report import runs
from harness.text import aligned

FOLDER = "pilots"
"""Inside the folder of results."""
_LEFT = (0, 1)


def request_of(request: Request, tried: tuple[int, int], blocks: int) -> Request:
    """Each workload of `request` at both lengths in each of `blocks` whole blocks."""
    workloads = tuple(
        variant for each in request.workloads for variant in components.variants(each, tried)
    )
    return replace(
        request,
        preset=Preset(PRESET, blocks, tried[0], blocks),
        workloads=workloads,
        order=(),
        lengths=None,
    )


def estimate(folder: Path) -> tuple[Run, tuple[Length, ...]]:
    """What the pilot in `folder` says, judged again from its ledger. Raises `UseError` where the
    run is none."""
    run = runs.judged(folder)
    if run.manifest.preset != PRESET:
        raise UseError(
            f"the run {run.manifest.run} is no pilot (preset {run.manifest.preset})",
            "name one that baremark pilot made",
        )
    return run, components.lengths(run)


def write(manifest: Manifest, found: Sequence[Length], results: Path) -> Path | None:
    """Write the file for `--seconds-from` below `results`; None where nothing was estimated."""
    seconds = {each.workload: each.seconds for each in found if not each.reason}
    if not seconds:
        return None
    native = next(each for each in manifest.targets if each.target.native)
    made = Lengths(manifest.run, manifest.host, native.fingerprint.cpu_model or "", seconds)
    path = results / FOLDER / f"{manifest.run}.yml"
    files.replace(path, lengths.as_text(made).encode())
    return path


def sentences(run: Run, found: Sequence[Length]) -> Iterator[str]:
    """The table of a pilot, and what must be known of it."""
    manifest = run.manifest
    yield f"{manifest.host}, by the run {manifest.run}:"
    yield from aligned(list(components.rows(found)), _LEFT)
    yield ""
    yield "start: seconds that a trial takes beside those asked of it"
    yield "between, within: deviation of a block's log ratio in %, between trials and"
    yield "  within a trial of one second; best: seconds of least time to a precision, in"
    yield "  9 of 10 cases that so few blocks leave possible; s: chosen; time: expected"
    yield "  to that precision, as a share of that with the shorter length tried"
    told = [each for each in found if not each.reason]
    if any(of.target == components.ITSELF for each in told for of in each.components):
        yield "native against itself: targets may be noisier than native (-t)"
    if undecided := [each.workload for each in told if each.open]:
        yield f"open, either length may be the best (--blocks): {', '.join(undecided)}"
    for each in found:
        if each.reason:
            yield f"{each.workload}: {each.reason}; the preset's seconds stay"
