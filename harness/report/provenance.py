"""Where figures come from: the facts of a run, its files' digests, and what the checks came to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness import validity
from harness.errors import HarnessError
from harness.ledger import folders, reader
from harness.model.run import Run
from harness.report.table import RunFacts
from harness.text import duration, sentence
from harness.validity import Judgement

if TYPE_CHECKING:
    from harness.validity import Judgement

_DIGEST = 12


def facts(run: Run) -> RunFacts:
    """Where the figures of a run come from."""
    manifest = run.manifest
    if manifest.imported is not None:
        return RunFacts(
            run=manifest.run,
            created_at=manifest.created_at,
            host=manifest.host,
            scenario=manifest.scenario,
            preset=None,
            seed=None,
            plan=None,
            bundle=None,
            baremark=manifest.baremark,
            planned_s=None,
            used_s=None,
            ended=run.ended,
            trials=len(run.trials),
            planned_trials=None,
            imported=manifest.imported,
        )
    return RunFacts(
        run=manifest.run,
        created_at=manifest.created_at,
        host=manifest.host,
        scenario=manifest.scenario,
        preset=manifest.preset,
        seed=manifest.seed,
        plan=manifest.plan.digest,
        bundle=manifest.bundle,
        baremark=manifest.baremark,
        planned_s=manifest.planned_s,
        used_s=run.used_s,
        ended=run.ended,
        trials=len(run.trials),
        planned_trials=run.planned_trials,
        imported=None,
    )


def provenance(run: RunFacts) -> str:
    """The facts of a run in one line."""
    if run.imported is not None:
        return (
            f"Run {run.run}: imported {run.created_at} from {sentence(run.imported.name)} "
            f"(sha256 {short(run.imported.sha256)}) by baremark {run.baremark}; {run.trials} "
            "trials, made elsewhere."
        )
    used = "not recorded" if run.used_s is None else duration(run.used_s)
    ended = run.ended or "its record just stops"
    return (
        f"Run {run.run}: {run.created_at}, preset {run.preset}, seed {run.seed}, "
        f"plan {short(run.plan or '')}, bundle {short(run.bundle or '')}, "
        f"baremark {run.baremark}; planned {duration(run.planned_s or 0)}, used {used}; {ended}, "
        f"{run.trials} of {run.planned_trials} planned trials made."
    )


def short(digest: str) -> str:
    return digest.rpartition(":")[2][:_DIGEST]


@dataclass(frozen=True, slots=True)
class Provenance:
    """A run, the sha256 of its files by name, and what each check came to for each target."""

    run: Run
    sha256: Mapping[str, str]
    judgements: tuple[Judgement, ...]


def of_run(folder: Path) -> Provenance:
    """What the folder of a run says of it. Raises `HarnessError` where it cannot be read."""
    run = reader.read_run(folder)
    digests = {}
    for name in (folders.MANIFEST, folders.LEDGER):
        try:
            digests[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        except OSError as error:
            raise HarnessError(
                f"cannot read {folder / name}: {error.strerror}", "restore the run from a copy"
            ) from None
    judged, findings = validity.judge(run)
    judgements = validity.of_targets([judged], findings)
    return Provenance(judged, digests, tuple(judgements))
