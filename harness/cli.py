"""The verbs: parse, call, print, and nothing else.

Heavy modules are imported inside the verb that needs them, so that `baremark --help` answers at
once. This is the one place where errors end and exit codes are made.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from harness import __version__
from harness.errors import EXIT_INTERRUPTED, EXIT_RUN, HarnessError, Interrupted, UseError
from harness.verbs import asked
from harness.verbs import dataset as dataset_verbs
from harness.verbs import history as histories
from harness.verbs.compare import compare, tag
from harness.verbs.export import export
from harness.verbs.importing import import_
from harness.verbs.nightly import nightly
from harness.verbs.options import (
    LOCALHOST,
    AcceptOption,
    BudgetOption,
    InventoryOption,
    MaxBlocksOption,
    PrecisionOption,
    PresetOption,
    ResultsOption,
    SeedOption,
    TargetOption,
    WorkloadOption,
    WorkloadsOption,
)
from harness.verbs.plot import plot
from harness.verbs.provenance import show, verify
from harness.verbs.publish import publish

if TYPE_CHECKING:
    from harness.bench import Measured
    from harness.console import Console
    from harness.model import Sample
    from harness.selftest import SelfTest


class _Verbs(TyperGroup):
    """Ctrl-C, and a polite kill, end a verb with a message: Typer would say nothing."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted("interrupted", "baremark down removes what is up") from None


app = typer.Typer(
    cls=_Verbs,
    help="Measure what a virtualization architecture costs against the bare metal under it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        print(f"baremark {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    pass


@app.command()
def doctor(inventory: InventoryOption = LOCALHOST, target: TargetOption = None) -> None:
    """Say for each backend of each host whether it can be used, why not, and what to type."""
    from harness import provision

    console = _console()
    hosts = asked.hosts(inventory, target)
    findings = provision.doctor(inventory, hosts, console.step)
    console.findings(findings)
    if not all(finding.usable for finding in findings):
        raise typer.Exit(EXIT_RUN)


@app.command()
def up(inventory: InventoryOption = LOCALHOST, target: TargetOption = None) -> None:
    """Provision the targets of an inventory. Can be said again at any time."""
    from harness import bench as steps

    console = _console()
    hosts = asked.hosts(inventory, target)
    with steps.locked(inventory, hosts):
        standing, _ = steps.bring_up(inventory, hosts, console)
    console.standing(standing)
    if standing.failed:
        raise typer.Exit(EXIT_RUN)


@app.command()
def down(
    inventory: InventoryOption = LOCALHOST,
    purge: Annotated[
        bool, typer.Option("--purge", help="Remove cached images and bundles as well.")
    ] = False,
) -> None:
    """Remove every target and what a killed run left. Can be said again at any time."""
    from harness import bench as steps
    from harness import provision

    console = _console()
    hosts = asked.hosts(inventory, None)
    with steps.locked(inventory, hosts):
        provision.down(inventory, hosts, console.step, purge=purge)
    console.say("everything is taken down")


@app.command()
def key() -> None:
    """Print the public key that adopted targets must let in (their authorized_keys)."""
    from harness import adopt

    print(adopt.public_key())


@app.command()
def run(
    inventory: InventoryOption = LOCALHOST,
    target: TargetOption = None,
    workload: WorkloadOption = None,
    preset: Annotated[
        str | None,
        typer.Option("--preset", help="smoke, quick (default), nightly or publication."),
    ] = None,
    budget: BudgetOption = None,
    precision: PrecisionOption = None,
    max_blocks: MaxBlocksOption = None,
    accept: AcceptOption = None,
    seed: SeedOption = None,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="RUN", help="Go on with this run.")
    ] = None,
    results: ResultsOption = Path("results"),
    workloads: WorkloadsOption = Path("workloads"),
) -> None:
    """Measure on targets that are up; leaves them up. Prints the table."""
    from harness import bench as steps
    from harness import state

    fixed = {
        "--preset": preset,
        "--workload": workload,
        "--target": target,
        "--seed": seed,
        "--precision": precision,
        "--max-blocks": max_blocks,
        "--accept": accept,
    }
    given = [name for name, value in fixed.items() if value]
    if resume is not None and given:
        raise UseError(
            f"{', '.join(given)} cannot be given with --resume: the run's manifest fixed that",
            "leave it out; only --budget and --results go with --resume",
        )
    console = _console()
    request = asked.request(
        workloads,
        workload,
        preset or "quick",
        budget,
        seed,
        precision,
        max_blocks,
        accept or (),
    )
    asked.writable(results)
    hosts = asked.hosts(inventory, target)
    state.read(state.state_folder(inventory), inventory)  # nothing up is told first of all
    with steps.locked(inventory, hosts):
        standing = state.read(state.state_folder(inventory), inventory)
        packed = steps.packed_bundle(standing)
        measured = steps.measure_all(
            inventory, hosts, standing, packed, request, results, console, resume
        )
    _end(measured, results, console)


@app.command()
def bench(
    inventory: InventoryOption = LOCALHOST,
    target: TargetOption = None,
    workload: WorkloadOption = None,
    preset: PresetOption = "quick",
    budget: BudgetOption = None,
    precision: PrecisionOption = None,
    max_blocks: MaxBlocksOption = None,
    accept: AcceptOption = None,
    seed: SeedOption = None,
    results: ResultsOption = Path("results"),
    workloads: WorkloadsOption = Path("workloads"),
) -> None:
    """Provision, measure, print and write the table, take everything down again."""
    from harness import bench as steps

    console = _console()
    request = asked.request(
        workloads, workload, preset, budget, seed, precision, max_blocks, accept or ()
    )
    asked.writable(results)
    hosts = asked.hosts(inventory, target)
    done = steps.whole(inventory, hosts, request, results, console)
    _end(done.measured, results, console)
    if done.failed:
        raise typer.Exit(EXIT_RUN)


@app.command()
def table(
    run: Annotated[
        list[str] | None, typer.Argument(help="Runs by name or path; the latest.")
    ] = None,
    format: Annotated[
        str,
        typer.Option("--format", "-f", help="terminal, markdown, csv, json, html, latex or xlsx."),
    ] = "terminal",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file instead.")
    ] = None,
    by: Annotated[
        str, typer.Option("--by", help="target, or architecture: native, type 1, type 2 …")
    ] = "target",
    results: ResultsOption = Path("results"),
) -> None:
    """Print the table of overhead versus native, made from the ledger alone."""
    from dataclasses import replace

    from harness import ledger, publish
    from harness.publish import made as made_of

    if publish.binary(format) and output is None and sys.stdout.isatty():
        raise UseError(f"{format} is no text for a terminal", "write it to a file: -o FILE")
    if by not in {"target", "architecture"}:
        raise UseError(f"--by {by!r} is no order", "choose from: target, architecture")
    found = [ledger.find(results / "runs", name).resolve() for name in run or ["latest"]]
    folders = list(dict.fromkeys(found))
    made = replace(made_of.of_runs(folders, results), by_architecture=by == "architecture")
    content = publish.render(made, format)
    if output is not None:
        publish.write(content, output)
    elif isinstance(content, bytes):
        sys.stdout.buffer.write(content)
    else:
        print(content, end="")


@app.command()
def selftest(
    inventory: InventoryOption = LOCALHOST,
    workload: WorkloadOption = None,
    repetitions: Annotated[
        int, typer.Option("--repetitions", min=1, help="Intervals to make for each known truth.")
    ] = 5,
    blocks: Annotated[int, typer.Option("--blocks", min=6, help="Blocks of each.")] = 6,
    seconds: Annotated[int, typer.Option("--seconds", min=1, help="Of each trial.")] = 1,
    format: Annotated[str, typer.Option("--format", "-f", help="text or json.")] = "text",
    results: ResultsOption = Path("results"),
    workloads: WorkloadsOption = Path("workloads"),
) -> None:
    """Judge the harness: native against itself, and slowdowns of known size."""
    from harness import adopt, provision
    from harness import bench as steps
    from harness import workload as files
    from harness.measure import Request
    from harness.model import Preset

    if format not in {"text", "json"}:
        raise UseError(f"no format {format!r}", "choose from: text, json")
    console = _console()
    chosen = files.choose(files.load_all(workloads), workload or ())
    request = Request(Preset("selftest", blocks, seconds, blocks), chosen)
    asked.writable(results)
    hosts = adopt.provisioned(asked.hosts(inventory, ["baremetal", "docker"]))
    if not hosts:
        raise UseError(f"every target of {inventory} is adopted", "judge the harness elsewhere: -i")
    with steps.locked(inventory, hosts):
        findings = provision.doctor(inventory, hosts, console.step)
        unusable = {finding.target: finding.why for finding in findings if not finding.usable}
        possible = steps.possible(inventory, hosts, unusable)
        try:
            standing, packed = steps.bring_up(inventory, possible, console)
            reports = [
                steps.judge(
                    inventory, host, standing, packed, request, repetitions, results, console
                )
                for host in possible
            ]
        finally:
            console.say("take everything down")
            provision.down(inventory, hosts, console.step, purge=False)
    if not _report(reports, format):
        raise typer.Exit(EXIT_RUN)


@app.command()
def parse(
    tool: Annotated[str, typer.Argument(help="The tool: fio, iperf3, stress-ng and so on.")],
    file: Annotated[Path, typer.Argument(help="What the tool printed on standard output.")],
    stderr: Annotated[
        Path | None, typer.Option("--stderr", help="What it printed on standard error.")
    ] = None,
    format: Annotated[str, typer.Option("--format", "-f", help="table or json.")] = "table",
) -> None:
    """Print the samples in the output of a tool, or why there are none to be had."""
    from harness import tools

    if format not in {"table", "json"}:
        raise UseError(f"no format {format!r}", "choose from: table, json")
    reader = tools.load(tool)
    samples = reader.read(_bytes(file), _bytes(stderr) if stderr is not None else b"")
    print(_samples_json(samples) if format == "json" else _samples_table(samples))


@app.command(hidden=True)
def setup(packages: Annotated[list[str], typer.Argument(help="Debian packages.")]) -> None:
    """Install operating-system packages on this machine (the Makefile calls it)."""
    from harness import provision

    provision.setup(packages, _console().step)


app.command()(nightly)
app.command(name="import")(import_)
app.command()(export)
app.command()(compare)
app.command()(tag)
app.command()(show)
app.command()(verify)
app.add_typer(dataset_verbs.app, name="dataset")
app.command()(plot)
app.command()(publish)
app.command()(histories.history)
app.command()(histories.acknowledge)


# ------------------------------------------------------------------ shared steps of the verbs
def _console() -> Console:
    from harness.console import Console

    return Console()


def _samples_json(samples: Sequence[Sample]) -> str:
    import json
    from dataclasses import asdict

    rows = [{**asdict(each), "labels": dict(each.labels)} for each in samples]
    return json.dumps(rows, indent=1, ensure_ascii=False)


def _samples_table(samples: Sequence[Sample]) -> str:
    """One line a sample under a heading, the columns aligned, labels as `key=value`."""
    rows = [("metric", "value", "unit", "better", "labels")]
    for each in samples:
        labels = " ".join(f"{key}={value}" for key, value in each.labels)
        rows.append((each.metric, f"{each.value:.12g}", each.unit, each.better, labels))
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        f"{name:<{wide[0]}}  {value:>{wide[1]}}  {unit:<{wide[2]}}  {better:<{wide[3]}}  {labels}"
        for name, value, unit, better, labels in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UseError(f"cannot read {file}: {error.strerror}", "name a file") from None


def _report(reports: Sequence[SelfTest], format: str) -> bool:
    """Print what the selftest found; whether all of it holds."""
    import json

    from harness.selftest import as_json, sentences

    if format == "json":
        print(json.dumps([as_json(each) for each in reports], indent=1, ensure_ascii=False))
    else:
        for each in reports:
            print("\n".join(sentences(each)))
    return all(each.holds for each in reports)


def _show(folders: Sequence[Path], results: Path, console: Console) -> None:
    """Print the table and write it as Markdown and CSV."""
    from harness import publish
    from harness.publish import made as made_of

    made = made_of.of_runs(folders, results)
    print(publish.render(made, "terminal"), end="")
    name = publish.name_of([folder.name for folder in folders])
    for format, ending in (("markdown", "md"), ("csv", "csv")):
        path = results / "published" / f"{name}.{ending}"
        publish.write(publish.render(made, format), path)
        console.say(f"written: {path}")


def _end(measured: Measured, results: Path, console: Console) -> None:
    """Show the table; an interrupted run that is too short for one is told so and kept. Then
    tell of the hosts that were not measured."""
    try:
        _show(measured.folders, results, console)
    except HarnessError as error:
        if measured.whole:
            raise
        console.warn(f"interrupted before there was a table: {error.message}")
    for trouble in measured.errors:
        console.error(trouble)
    if not measured.whole:
        raise typer.Exit(EXIT_INTERRUPTED)
    if measured.errors:
        raise typer.Exit(EXIT_RUN)


def main() -> None:
    """Run the command line; the one place where an error becomes an exit code.

    A polite kill ends as Ctrl-C does, so that what is up is taken down. What the operating system
    refuses to write ends with a message too, wherever it happens.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except HarnessError as error:
        _fail(error)
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        what = f"{error.filename}" if error.filename else "the output"
        _fail(
            HarnessError(
                f"cannot write {what}: {error.strerror}",
                "make room or make it writable; XDG_STATE_HOME, XDG_CACHE_HOME and TMPDIR choose "
                "other folders, --results that of the results",
            )
        )


_REFUSALS = frozenset(
    {errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC, errno.EPERM, errno.EROFS}
)
"""What the operating system says where something cannot be written."""


def _fail(error: HarnessError) -> None:
    _console().error(error)
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
