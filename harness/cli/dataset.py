"""`baremark dataset …`: the dataset brought up to date, looked at, compacted, shown; old raw
outputs dropped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import arguments
from harness.cli.options import OutputOption, ResultsOption
from harness.cli.output import put, require_format, require_place
from harness.errors import EXIT_RUN, UseError
from harness.text import aligned, size

if TYPE_CHECKING:
    from harness.dataset.catalogue import Catalogue, File
    from harness.dataset.store import Store


app = typer.Typer(
    help="The dataset: Parquet files made of the ledgers, in a folder or an object store.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

DatasetOption = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        metavar="URL",
        help="A folder, file://, s3://bucket/prefix or gs://…; RESULTS/dataset.",
    ),
]


@app.command()
def build(
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="URL", help="Where to; RESULTS/dataset by default."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Compare the sha256 of every ledger, not its length.")
    ] = False,
    results: ResultsOption = Path("results"),
) -> None:
    """Bring the dataset up to date with the ledgers; each run is judged again."""
    from harness.console import Console
    from harness.dataset import dataset
    from harness.ledger import folders
    from harness.report import runs

    if not (results / "runs").is_dir():
        raise UseError(f"there are no runs in {results}", "give the folder of results: --results")
    store = _store(to, results)
    built = dataset.update(results, store, runs.judged, check=check)
    console = Console()
    halves = folders.without_manifest(results / "runs")
    troubles = [trouble for _, trouble in built.troubles] + list(
        map(folders.lacks_manifest, halves)
    )
    for trouble in troubles:
        console.error(trouble)
    console.say(
        f"{store.url}: {len(built.written)} runs written, {len(built.kept)} were up to date"
        + (f", {len(troubles)} could not be read" if troubles else "")
    )
    if troubles:
        raise typer.Exit(EXIT_RUN)


@app.command()
def ls(
    dataset: DatasetOption = None,
    format: Annotated[str, typer.Option("--format", "-f", help="text or json.")] = "text",
    results: ResultsOption = Path("results"),
) -> None:
    """List the files of the dataset with their runs, rows and version of the format."""
    from harness.dataset.dataset import look

    require_format(format, ("text", "json"))
    found = look(_store(dataset, results))
    print(_json(found) if format == "json" else _text(found))


@app.command()
def compact(dataset: DatasetOption = None, results: ResultsOption = Path("results")) -> None:
    """Merge the files of each host and month into one. Can be killed, and said again, any time."""
    from harness.console import Console
    from harness.dataset import compaction, targets
    from harness.dataset.samples import FORMAT

    console = Console()
    store = _store(dataset, results)
    if not store.entries():
        raise UseError(
            f"there is no dataset in {store.url}", "make one with baremark dataset build"
        )
    for table, format in ((store, FORMAT), (store.within(targets.FOLDER), targets.FORMAT)):
        merged = compaction.compact(
            table,
            format,
            lambda each: console.say(
                f"{each.host} {each.month}: {each.files} files, {size(each.bytes_before)} → "
                f"{each.name}, {each.runs} runs, {each.rows} rows, {size(each.bytes_after)}"
            ),
        )
        if merged:
            many = sum(each.files for each in merged)
            console.say(f"{table.url}: {many} files became {len(merged)}")
        elif table is store:
            console.say(f"{store.url}: there is nothing to merge")


@app.command()
def table(
    run: Annotated[
        list[str] | None, typer.Argument(help="Runs by name; the newest of each host.")
    ] = None,
    dataset: DatasetOption = None,
    host: Annotated[
        list[str] | None, typer.Option("--host", help="Only these hosts: names or patterns.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DATE", help="Only runs begun since then.")
    ] = None,
    format: Annotated[
        str, typer.Option("--format", "-f", help="terminal, markdown, csv, json and so on.")
    ] = "terminal",
    output: OutputOption = None,
    results: ResultsOption = Path("results"),
) -> None:
    """Print the table of a run of each host, made from the dataset alone."""
    from harness.publish import formats
    from harness.report import stored

    require_place(format, output)
    moment = arguments.moment("--since", since) if since is not None else None
    runs = stored.of_dataset(_store(dataset, results), run or (), host or (), moment)
    put(formats.render(runs, format), output)


# ------------------------------------------------------------------ shared steps of the verbs
def _store(url: str | None, results: Path) -> Store:
    from harness.dataset.store import open_store

    return open_store(url if url is not None else results / "dataset")


def _json(found: Catalogue) -> str:
    import json

    files = [
        {
            "name": file.name,
            "bytes": file.entry.bytes,
            "schema_version": file.version,
            "counts": counts,
            "runs": {
                run: None
                if held is None
                else {"host": held.host, "started": held.started, "rows": held.rows}
                for run, held in file.runs.items()
            },
        }
        for file, counts in _files(found)
    ]
    return json.dumps({"files": files}, indent=1, ensure_ascii=False)


def _files(found: Catalogue) -> list[tuple[File, bool]]:
    """The files, each with whether anything is read of it."""
    spare = {file.address for file in found.spare}
    return [(file, file.address not in spare) for file in found.files]


def _text(found: Catalogue) -> str:
    """A line a file and one for all; what a file does not tell is –."""
    rows = [("file", "runs", "rows", "bytes", "version", "")]
    for file, counts in _files(found):
        told = file.described
        rows.append(
            (
                file.name,
                str(len(file.runs)),
                str(sum(held.rows for held in told.values())) if told else "–",
                str(file.entry.bytes),
                str(file.version),
                "" if counts else "merged already; the next compaction removes it",
            )
        )
    lines = aligned(rows, left=(0, 5))
    total = sum(file.entry.bytes for file in found.files)
    lines.append(f"{len(found.files)} files, {len(found.holders)} runs, {size(total)}")
    return "\n".join(lines)
