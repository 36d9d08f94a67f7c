"""The verbs of `baremark`, as a user types them, on this machine's own targets."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from harness.ledger import folders
from tests import waiting

from . import machine

ROOT = Path(__file__).parents[2]
BAREMARK = Path(sys.executable).with_name("baremark")

Verb = Callable[..., subprocess.CompletedProcess[str]]

needs_root = [
    pytest.mark.system,
    pytest.mark.skipif(
        os.geteuid() != 0 and not os.environ.get("BAREMARK_TEST_SUDO"),
        reason="provisioning takes root: run as root, or set BAREMARK_TEST_SUDO=1 to let it sudo",
    ),
]


@contextmanager
def verbs(environment: dict[str, str]) -> Iterator[Verb]:
    """Run a verb; at the end everything is down and the machine as it was."""
    before = machine.snapshot()

    try:
        yield partial(call, environment)
    finally:
        purge = [] if machine.CACHE in before["files"] else ["--purge"]
        keep = {**environment, "XDG_CACHE_HOME": environment["XDG_STATE_HOME"]}
        done = _run(("down", *purge), keep)
    assert done.returncode == 0, done.stderr
    left = machine.left_behind(before, machine.snapshot(), kept=not purge)
    assert not left, f"another machine than before: {left}"


def call(
    environment: dict[str, str], *args: str, status: int | None = 0
) -> subprocess.CompletedProcess[str]:
    """Run a verb, and require that it ends with `status`."""
    done = _run(args, environment)
    assert status is None or done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def begun(environment: dict[str, str], *args: str) -> subprocess.Popen[str]:
    """A verb that the test ends while it works, in a session of its own."""
    return subprocess.Popen(
        [str(BAREMARK), *args],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def latest(results: Path) -> Path:
    """The folder of the latest run."""
    return folders.find(results / "runs", "latest")


def _run(args: tuple[str, ...], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BAREMARK), *args],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=waiting.VERB_S,
    )
