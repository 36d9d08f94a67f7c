"""What may be done on the controller: all, as root or by sudo, or only what any user may."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from harness import state
from harness.errors import UseError
from harness.inventory.network import LOOPBACK
from harness.model.target import Diagnosis, Host

_SHORT = "/tmp/baremark"  # noqa: S108 - the user's number follows, and its owner is looked at
"""Begins the folder for what takes a short path, which a home's may not be."""


@dataclass(frozen=True, slots=True)
class Rights:
    """Whether there is root, and the user's password for sudo where it takes one."""

    root: bool
    password: str | None = None


@cache
def here() -> Rights:
    """The rights on the controller. A password is asked for once, where somebody can be asked."""
    if os.geteuid() == 0:
        return Rights(root=True)
    if shutil.which("sudo") is None:
        return Rights(root=False)
    # A password that was typed before holds for that terminal and some minutes: Ansible has another
    # terminal, and works longer.
    asked = ["sudo", "-k", "-n", "true"]
    if subprocess.run(asked, capture_output=True, check=False).returncode == 0:
        return Rights(root=True)
    if not sys.stdin.isatty():
        return Rights(root=False)
    password = getpass.getpass("password for sudo (none, to go on without root): ")
    return Rights(bool(password), password or None)


def variables(hosts: Sequence[Host]) -> dict[str, Any]:
    """What the playbooks are told of rights, on the controller and on the machines of `hosts`:
    where the controller's own machine has no root, all is in folders of the user's and on the
    loopback. Raises `UseError` where that machine and others are to be measured at once.
    """
    rootless = not here().root
    mine = [host.name for host in hosts if host.local]
    if not (rootless and mine):
        return {"baremark_rootless": False, "baremark_rootless_here": rootless}
    if others := [host.name for host in hosts if not host.local]:
        raise UseError(
            f"without root this machine ({', '.join(mine)}) and others ({', '.join(others)}) "
            "cannot be measured at once",
            "become root, or choose one of them with -t",
        )
    folder = state.data_folder()
    return {
        "baremark_rootless": True,
        "baremark_rootless_here": True,
        "baremark_root": str(folder),
        "baremark_run": str(folder / "run"),
        "baremark_short_run": f"{_SHORT}-{os.geteuid()}",
        "baremark_bridge_address": LOOPBACK,
        "baremark_peer_address": LOOPBACK,
    }


def to_install(findings: Sequence[Diagnosis]) -> str | None:
    """The one line by which an administrator gives the targets the packages that they lack, where
    only root can install them."""
    packages = sorted({package for finding in findings for package in finding.packages})
    install = "apt-get install --no-install-recommends"
    return f"as root: {install} {' '.join(packages)}" if packages else None
