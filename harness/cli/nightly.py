"""`baremark nightly`: a whole night with one command, and in the morning only what is real."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import arguments
from harness.cli.options import Measuring, ResultsOption, measuring
from harness.errors import EXIT_INTERRUPTED, HarnessError, UseError


@measuring("nightly")
def nightly(
    measuring: Measuring,
    site: Annotated[
        Path | None, typer.Option("--site", help="Publish the static site into this folder.")
    ] = None,
    confirm: Annotated[
        bool,
        typer.Option(
            help="Compare old and new release interleaved where a release changed something."
        ),
    ] = True,
    summary: Annotated[
        list[Path] | None,
        typer.Option("--summary", help="Write the summary here too: .txt, .md, .json or .xml."),
    ] = None,
    results: ResultsOption = Path("results"),
) -> None:
    """Doctor, up, run, down, analyse and publish. Exit 0: quiet; 1: a regression is confirmed;
    3: partial."""
    from harness import files
    from harness.console import Console
    from harness.publish import formats
    from harness.publish.night import format_of, render
    from harness.publish.site import folder
    from harness.report import night
    from harness.workflow.nightly import Night, run

    for path in summary or ():
        format_of(path)
    console = Console()
    request = measuring.request()
    arguments.writable(results)
    if site is not None:
        folder.require_outside(site, results)
        folder.require_ours(site)
    hosts = measuring.hosts()
    busy = UseError("another night is still at work here", "wait for it to end")
    with files.alone(results / ".nightly.lock", busy):
        plan = Night(measuring.inventory, hosts, request, results, site, confirm)
        made = run(plan, console)
    stem = results / "nights" / f"{made.began:%Y%m%dT%H%M%SZ}"
    print(render(made, "text"), end="")
    status = made.exit_code if made.whole else EXIT_INTERRUPTED
    for path in [*(stem.with_suffix(each) for each in (".md", ".json", ".xml")), *(summary or ())]:
        try:
            formats.write(render(made, format_of(path)), path)
        except HarnessError as error:
            console.error(error)
            status = status or night.EXIT_PARTIAL
    if status:
        raise typer.Exit(status)
