"""The options that verbs share: one name, one meaning, one sentence of help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

LOCALHOST = Path("inventories/localhost")

InventoryOption = Annotated[
    Path, typer.Option("-i", "--inventory", help="Ansible inventory: a file or a folder.")
]
TargetOption = Annotated[
    list[str] | None,
    typer.Option("-t", "--target", help="Only these targets: names, patterns or backends."),
]
WorkloadOption = Annotated[
    list[str] | None,
    typer.Option("-w", "--workload", help="Only these workloads: names or patterns (disk-*)."),
]
ResultsOption = Annotated[Path, typer.Option("--results", help="Folder of results.")]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write to this file instead.")
]
WorkloadsOption = Annotated[Path, typer.Option("--workloads", help="Folder of workload files.")]
PresetOption = Annotated[
    str, typer.Option("--preset", help="smoke, quick, nightly or publication.")
]
BudgetOption = Annotated[
    str | None, typer.Option("--budget", help="Most time to measure for: 90s, 10m, 2h.")
]
PrecisionOption = Annotated[
    str | None,
    typer.Option(
        "--precision", help="End when every headline interval is within ± this: 1%, 0.5%."
    ),
]
MaxBlocksOption = Annotated[
    int | None, typer.Option("--max-blocks", min=1, help="Measure no more blocks than this.")
]
AcceptOption = Annotated[
    list[str] | None,
    typer.Option("--accept", metavar="CHECK", help="Overrule a check; the table is marked."),
]
SeedOption = Annotated[
    int | None, typer.Option("--seed", min=0, help="Seed of the random order (recorded).")
]
