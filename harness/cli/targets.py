"""`baremark init`, `doctor`, `up`, `down`, `key`, and `setup` for the Makefile: what must be there
before anything is measured, and how it goes away.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from harness.cli import arguments
from harness.cli.options import FIRST, LOCALHOST, InventoryOption, TargetOption
from harness.errors import EXIT_RUN
from harness.model import installed


def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where it is to be.")] = FIRST,
) -> None:
    """Write an inventory to begin with: this machine. Asks nothing and overwrites nothing."""
    from harness.console import Console
    from harness.inventory import first

    first.write(folder)
    console = Console()
    named = "" if folder == FIRST else f" -i {shlex.quote(str(folder))}"
    console.say(f"written: {folder}; its comments say what can be changed")
    console.say(f"what this machine can run: baremark doctor{named}")
    console.say(f"measure it, in minutes: baremark bench{named} --preset smoke")
    console.say(f"examples of all else: {installed.folder('inventories')}")


def doctor(inventory: InventoryOption = LOCALHOST, target: TargetOption = None) -> None:
    """Say for each backend of each host whether it can be used, why not, and what to type."""
    from harness.console import Console
    from harness.provision import lifecycle, rights

    console = Console()
    hosts = arguments.hosts(inventory, target)
    findings = lifecycle.doctor(inventory, hosts, console)
    console.findings(findings)
    if (line := rights.to_install(findings)) is not None:
        print(f"for an administrator to type, {line}")
    if not all(finding.usable for finding in findings):
        raise typer.Exit(EXIT_RUN)


def up(inventory: InventoryOption = LOCALHOST, target: TargetOption = None) -> None:
    """Provision the targets of an inventory. Can be said again at any time."""
    from harness.console import Console
    from harness.workflow import bench as steps

    console = Console()
    hosts = arguments.hosts(inventory, target)
    with steps.locked(inventory, hosts):
        console.stages(2)
        standing, _ = steps.bring_up(inventory, hosts, console)
    console.standing(standing)
    if standing.failed:
        raise typer.Exit(EXIT_RUN)


def down(
    inventory: InventoryOption = LOCALHOST,
    purge: Annotated[
        bool, typer.Option("--purge", help="Remove cached images and bundles as well.")
    ] = False,
) -> None:
    """Remove every target and what a killed run left. Can be said again at any time."""
    from harness import state
    from harness.console import Console
    from harness.provision import lifecycle
    from harness.workflow import bench as steps

    console = Console()
    hosts = arguments.hosts(inventory, None)
    with steps.locked(inventory, hosts):
        lifecycle.down(inventory, hosts, console, purge=purge)
    if purge:
        state.leave()
    console.say("everything is taken down")


def key() -> None:
    """Print the public key that adopted targets must let in (their authorized_keys)."""
    from harness.remote import keys

    print(keys.public_key())


def setup(packages: Annotated[list[str], typer.Argument(help="Debian packages.")]) -> None:
    """Install operating-system packages on this machine (the Makefile calls it)."""
    from harness.console import Console
    from harness.provision import lifecycle

    lifecycle.setup(packages, Console())
