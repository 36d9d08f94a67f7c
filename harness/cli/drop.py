"""The verb `baremark dataset drop`: raw outputs go, what was read from them stays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import arguments
from harness.cli.options import ResultsOption
from harness.errors import UseError
from harness.text import aligned, size

if TYPE_CHECKING:
    from harness.ledger.retention import Retention


def drop(
    keep_days: Annotated[
        int | None, typer.Option("--keep-days", metavar="N", help="Keep those of the last N days.")
    ] = None,
    before: Annotated[
        str | None, typer.Option("--before", metavar="DATE", help="Drop those of runs before it.")
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option("--keep", metavar="RUN", help="Keep those of this run.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; else only say what would go.")] = False,
    results: ResultsOption = Path("results"),
) -> None:
    """Drop the raw outputs of old runs. Manifests and ledgers stay, and so every table."""
    from datetime import UTC, datetime

    from harness.console import Console
    from harness.ledger import retention

    if not (results / "runs").is_dir():
        raise UseError(f"there are no runs in {results}", "give the folder of results: --results")
    begun = None if before is None else arguments.moment("--before", before)
    moment = retention.cutoff(keep_days, begun, datetime.now(UTC))
    found = retention.plan(results, moment, keep or ())
    print(_going(found))
    console = Console()
    if not yes:
        if found.going:
            console.say("nothing was removed; --yes removes the raw outputs that are to go")
        return
    for raw in found.going:
        retention.drop(raw)
        console.say(f"{raw.folder.name}: {raw.files} raw outputs dropped, {size(raw.bytes)}")


def _going(found: Retention) -> str:
    """What goes and what stays, with the sum of the bytes."""
    rows = [("run", "begun", "files", "bytes", "")]
    for raw in found.going:
        rows.append((raw.folder.name, raw.created_at, str(raw.files), str(raw.bytes), "goes"))
    for kept in found.kept:
        rows.append((kept.folder.name, "", "", "", f"stays: {kept.why}"))
    lines = aligned(rows, left=(0, 1, 4)) if len(rows) > 1 else []
    lines.append(
        f"raw outputs of {len(found.going)} runs begun before {found.before.isoformat()}: "
        f"{size(found.bytes)}"
    )
    return "\n".join(lines)
