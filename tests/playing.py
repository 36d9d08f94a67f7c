"""Ansible roles run by themselves, with scripts in the place of the clients that they call."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import ansible.module_utils  # type: ignore[import-untyped]
import pytest

from harness.provision.variables import BENCH_NETWORK

PLAYBOOKS = Path(__file__).parents[1] / "playbooks"
FOLDER = Path(sys.executable).parent


def play(folder: Path, text: str, **variables: object) -> subprocess.CompletedProcess[str]:
    """Run a playbook; modules in the folder's `library` stand in for Baremark's own."""
    playbook = folder / "play.yml"
    playbook.write_text(text)
    given = {**BENCH_NETWORK, "ansible_python_interpreter": sys.executable, **variables}
    return subprocess.run(
        [
            str(FOLDER / "ansible-playbook"),
            *("-i", "localhost,", "-e", f"@{PLAYBOOKS}/group_vars/all.yml"),
            *("-e", json.dumps(given)),
            str(playbook),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "PATH": f"{folder}:{FOLDER}:{os.environ['PATH']}",
            "ANSIBLE_ROLES_PATH": f"{PLAYBOOKS}/roles",
            "ANSIBLE_LIBRARY": f"{folder}/library:{PLAYBOOKS}/library",
            "ANSIBLE_MODULE_UTILS": f"{PLAYBOOKS}/module_utils",
            "ANSIBLE_FILTER_PLUGINS": f"{PLAYBOOKS}/filter_plugins",
            "ANSIBLE_NOCOLOR": "1",
        },
    )


CALL = """\
import runpy, sys, ansible.module_utils as utils
utils.__path__.append(sys.argv.pop())
runpy.run_path(sys.argv.pop(), run_name="__main__")
"""


def call(name: str, /, **arguments: object) -> dict[str, Any]:
    """What one of Baremark's Ansible modules says, run by itself in a process of its own."""
    done = subprocess.run(
        [
            *(sys.executable, "-c", CALL),
            *(str(PLAYBOOKS / "library" / f"{name}.py"), str(PLAYBOOKS / "module_utils")),
        ],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    assert bool(said.get("failed")) == (done.returncode != 0)
    return said


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def module(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """One of Baremark's Ansible modules, as Python has it: nothing of it is run yet."""
    folders = [*ansible.module_utils.__path__, str(PLAYBOOKS / "module_utils")]
    monkeypatch.setattr(ansible.module_utils, "__path__", folders)
    spec = importlib.util.spec_from_file_location(name, PLAYBOOKS / "library" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded
