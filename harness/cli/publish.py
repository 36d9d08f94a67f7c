"""`baremark publish`: the static site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import ResultsOption


def publish(
    site: Annotated[Path, typer.Argument(help="The site's folder: new, empty, or a site.")],
    raw: Annotated[
        bool, typer.Option("--raw", help="Copy every raw output, ledger and manifest into it.")
    ] = False,
    results: ResultsOption = Path("results"),
) -> None:
    """Make a static site of all runs: tables, charts, history. Opens from file://, offline."""
    from harness.console import Console
    from harness.publish import site as sites

    console = Console()
    made = sites.build(results, site, copy_raw=raw)
    for each in made.unread:
        console.warn(f"not read: {each.name}: {each.message}")
    if made.no_history is not None:
        console.warn(f"without history: {made.no_history}")
    runs = f"{made.runs} run{'' if made.runs == 1 else 's'}"
    console.say(f"written: {site / 'index.html'} ({runs}, {made.size / 1e6:.1f} MB)")
