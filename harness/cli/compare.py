"""`baremark compare` and `baremark tag`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import arguments
from harness.cli.options import (
    MEASURING,
    Measuring,
    OutputOption,
    ResultsOption,
    measuring,
)
from harness.cli.output import put
from harness.errors import EXIT_RUN, UseError

if TYPE_CHECKING:
    from harness.report.comparison import Comparison


@measuring("quick")
def compare(
    context: typer.Context,
    base: Annotated[
        str | None, typer.Argument(help="A run, a tag or RUN:TARGET; what is compared with.")
    ] = None,
    candidate: Annotated[
        str | None, typer.Argument(help="A run, a tag or RUN:TARGET; what is judged.")
    ] = None,
    releases: Annotated[
        str | None,
        typer.Option(
            "--releases",
            metavar="qemu=A,B",
            help="Provision these releases on one host and interleave them, A being the base.",
        ),
    ] = None,
    format: Annotated[
        str, typer.Option("--format", "-f", help="terminal, markdown, csv or json.")
    ] = "terminal",
    output: OutputOption = None,
    fail_if_slower: Annotated[
        bool, typer.Option("--fail-if-slower", help="Exit 1 where a headline metric is slower.")
    ] = False,
    *,
    measuring: Measuring,
    results: ResultsOption = Path("results"),
) -> None:
    """Compare two runs or tags, or two releases of a backend in the same blocks.

    The options from -i on are for --releases, which measures.
    """
    from harness.ledger import tags
    from harness.publish import comparison
    from harness.report import compared

    comparison.require(format)
    if releases is not None:
        if base is not None:
            raise UseError(
                "--releases measures anew, so it takes no runs", "leave out BASE and CANDIDATE"
            )
        made = _measured(releases, measuring, results)
    elif base is None or candidate is None:
        raise UseError(
            "two things are compared",
            "baremark compare BASE CANDIDATE, or baremark compare --releases qemu=7.2,10.0",
        )
    elif given := arguments.given(context, MEASURING):
        raise UseError(
            f"{', '.join(given)} cannot be given with runs, which are measured already",
            "leave it out; to measure releases, give --releases; RUN:TARGET chooses a target",
        )
    else:
        arguments.tell_passed_over(results, [base, candidate])
        made = compared.of_selections(tags.select(results, base), tags.select(results, candidate))
    put(comparison.render(made, format), output)
    if fail_if_slower and any(row.headline for row in made.slower):
        raise typer.Exit(EXIT_RUN)


def tag(
    name: Annotated[str, typer.Argument(help="The tag, such as qemu-10.0 or before-update.")],
    runs: Annotated[list[str], typer.Argument(help="Runs by name or path, or latest.")],
    results: ResultsOption = Path("results"),
) -> None:
    """Give a name to runs, for compare; kept in results/tags.yml."""
    from harness.ledger import tags

    arguments.tell_passed_over(results, runs)
    have = tags.add(results, name, runs)
    print(f"{name}: {', '.join(have)}")


def _measured(text: str, measuring: Measuring, results: Path) -> Comparison:
    """Measure releases in the same blocks; all is taken down again."""
    from harness.console import Console
    from harness.provision import releases
    from harness.report import compared
    from harness.workflow import bench as steps

    request = measuring.request()
    wanted = releases.parse(text)
    arguments.writable(results)
    console = Console()
    request = replace(request, releases=str(wanted))
    with releases.beside(measuring.inventory, measuring.target or (), wanted) as made:
        done = steps.run(
            made.inventory, [made.host], request, results, console, needed=made.targets
        )
    for trouble in done.measured.errors:
        console.error(trouble)
    base, *others = made.targets
    return compared.of_targets(done.measured.folders, base, others)
