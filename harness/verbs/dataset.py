"""`baremark dataset …`: the dataset brought up to date, looked at, compacted, shown; old raw
outputs dropped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import EXIT_RUN, UseError
from harness.verbs.options import OutputOption, ResultsOption
from harness.verbs.output import put, require_format, require_place

if TYPE_CHECKING:
    from harness.catalogue import Catalogue, File
    from harness.retention import Retention
    from harness.store import Store

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
    from harness import dataset, ledger
    from harness.console import Console
    from harness.publish import made

    if not (results / "runs").is_dir():
        raise UseError(f"there are no runs in {results}", "give the folder of results: --results")
    store = _store(to, results)
    built = dataset.update(results, store, made.judged, check=check)
    console = Console()
    halves = ledger.without_manifest(results / "runs")
    troubles = [trouble for _, trouble in built.troubles] + list(map(ledger.lacks_manifest, halves))
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
    from harness.dataset import look

    require_format(format, ("text", "json"))
    found = look(_store(dataset, results))
    print(_json(found) if format == "json" else _text(found))


@app.command()
def compact(dataset: DatasetOption = None, results: ResultsOption = Path("results")) -> None:
    """Merge the files of each host and month into one. Can be killed, and said again, any time."""
    from harness import compaction, observed
    from harness.console import Console
    from harness.samples import FORMAT

    console = Console()
    store = _store(dataset, results)
    if not store.entries():
        raise UseError(
            f"there is no dataset in {store.url}", "make one with baremark dataset build"
        )
    for table, format in ((store, FORMAT), (store.within(observed.FOLDER), observed.FORMAT)):
        merged = compaction.compact(
            table,
            format,
            lambda each: console.say(
                f"{each.host} {each.month}: {each.files} files, {_size(each.bytes_before)} → "
                f"{each.name}, {each.runs} runs, {each.rows} rows, {_size(each.bytes_after)}"
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
    from harness import publish, retention
    from harness.publish import stored

    require_place(format, output)
    moment = retention.day("--since", since) if since is not None else None
    made = stored.of_dataset(_store(dataset, results), run or (), host or (), moment)
    put(publish.render(made, format), output)


@app.command()
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

    from harness import retention
    from harness.console import Console

    if not (results / "runs").is_dir():
        raise UseError(f"there are no runs in {results}", "give the folder of results: --results")
    moment = retention.cutoff(keep_days, before, datetime.now(UTC))
    found = retention.plan(results, moment, keep or ())
    print(_going(found))
    console = Console()
    if not yes:
        if found.going:
            console.say("nothing was removed; --yes removes the raw outputs that are to go")
        return
    for raw in found.going:
        retention.drop(raw)
        console.say(f"{raw.folder.name}: {raw.files} raw outputs dropped, {_size(raw.bytes)}")


# ------------------------------------------------------------------ shared steps of the verbs
def _store(url: str | None, results: Path) -> Store:
    from harness.store import open_store

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
    lines = _aligned(rows, left=(0, 5))
    total = sum(file.entry.bytes for file in found.files)
    lines.append(f"{len(found.files)} files, {len(found.holders)} runs, {_size(total)}")
    return "\n".join(lines)


def _going(found: Retention) -> str:
    """What goes and what stays, with the sum of the bytes."""
    rows = [("run", "begun", "files", "bytes", "")]
    for raw in found.going:
        rows.append((raw.folder.name, raw.created_at, str(raw.files), str(raw.bytes), "goes"))
    for kept in found.kept:
        rows.append((kept.folder.name, "", "", "", f"stays: {kept.why}"))
    lines = _aligned(rows, left=(0, 1, 4)) if len(rows) > 1 else []
    lines.append(
        f"raw outputs of {len(found.going)} runs begun before {found.before.isoformat()}: "
        f"{_size(found.bytes)}"
    )
    return "\n".join(lines)


def _aligned(rows: Sequence[tuple[str, ...]], left: Iterable[int]) -> list[str]:
    places = frozenset(left)
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        "  ".join(
            text.ljust(width) if at in places else text.rjust(width)
            for at, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


_UNITS: Mapping[str, int] = {"GiB": 2**30, "MiB": 2**20, "KiB": 2**10}


def _size(number: int) -> str:
    """Bytes as people say them: `1.4 MiB`."""
    for unit, of in _UNITS.items():
        if number >= of:
            return f"{number / of:.1f} {unit}"
    return f"{number} bytes"
