"""The command `baremark`: it registers the verbs of `harness.cli`, and errors end here.

This is the one place where an error becomes an exit code. Verbs import what is heavy when they
are called, so that `baremark --help` answers at once.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from contextlib import suppress
from typing import Annotated

import typer
from typer.core import TyperGroup

from harness import __version__
from harness.cli import dataset, drop
from harness.cli.compare import compare, tag
from harness.cli.export import export
from harness.cli.history import acknowledge, history
from harness.cli.importing import import_
from harness.cli.measure import bench, run
from harness.cli.nightly import nightly
from harness.cli.output import take_any_terminal
from harness.cli.parse import parse
from harness.cli.pilot import pilot
from harness.cli.plot import plot
from harness.cli.provenance import show, verify
from harness.cli.publish import publish
from harness.cli.selftest import selftest
from harness.cli.table import table
from harness.cli.targets import doctor, down, init, key, setup, up
from harness.errors import HarnessError, Interrupted


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


app.command()(init)
app.command()(doctor)
app.command()(up)
app.command()(down)
app.command()(key)
app.command()(run)
app.command()(bench)
app.command()(table)
app.command()(selftest)
app.command()(pilot)
app.command()(parse)
app.command(hidden=True)(setup)
app.command()(nightly)
app.command(name="import")(import_)
app.command()(export)
app.command()(compare)
app.command()(tag)
app.command()(show)
app.command()(verify)
dataset.app.command()(drop.drop)
app.add_typer(dataset.app, name="dataset")
app.command()(plot)
app.command()(publish)
app.command()(history)
app.command()(acknowledge)


def main() -> None:
    """Run the command line; the one place where an error becomes an exit code.

    A polite kill ends as Ctrl-C does, so that what is up is taken down. What the operating system
    refuses to write ends with a message too, wherever it happens. Any text can be written, whatever
    the locale of the terminal.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    take_any_terminal()
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
    from harness.console import Console

    Console().error(error)
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
