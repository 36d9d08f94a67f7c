"""The command line in this process: its own `main`, without what a new process costs, which is
most of what a refusal takes. Where the process itself matters, a test starts one."""

from __future__ import annotations

import contextlib
import io
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import app


def run(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """What `baremark` with these words gives in `folder`: exit status, output and errors."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    before = signal.getsignal(signal.SIGTERM)
    status: object = 0
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["baremark", *words])
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            app.main()
        except SystemExit as end:
            status = end.code
        finally:
            signal.signal(signal.SIGTERM, before)
    said = []
    for stream in (out, err):
        stream.seek(0)
        said.append(stream.read())
    assert status is None or isinstance(status, int)
    return subprocess.CompletedProcess(["baremark", *words], status or 0, *said)
