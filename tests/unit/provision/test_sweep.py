"""What a sweep takes for Baremark's own, among the processes of a machine."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"


def _loaded(name: str, file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made


@pytest.fixture
def sweep() -> Iterator[ModuleType]:
    process = "ansible.module_utils.baremark_process"
    _loaded(process, PLAYBOOKS / "module_utils" / "baremark_process.py")
    yield _loaded("baremark_sweep", PLAYBOOKS / "library" / "baremark_sweep.py")
    del sys.modules["baremark_sweep"], sys.modules[process]


@pytest.mark.skipif(os.geteuid() != 0, reason="a namespace of processes takes root")
@pytest.mark.parametrize("apart", [False, True])
def test_a_daemon_of_another_namespace_of_processes_is_another_baremarks(
    sweep: ModuleType, tmp_path: Path, apart: bool
) -> None:
    """As a Baremark has one that measures in a container of this machine."""
    asked = ["sh", "-c", "echo there; exec cat"]
    inside = ["unshare", "--pid", "--fork", "--kill-child"] if apart else []
    with subprocess.Popen(
        [*inside, *asked],
        env={**os.environ, "BAREMARK_DAEMON": "dockerd"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == b"there\n"
        pids = [started.pid]
        if apart:
            tasks = Path(f"/proc/{started.pid}/task/{started.pid}/children")
            pids = [int(pid) for pid in tasks.read_text().split()]
        ours = [sweep._is_ours(pid, tmp_path, tmp_path, []) for pid in pids]
        assert started.stdin is not None
        started.stdin.close()
    assert ours == [not apart]
