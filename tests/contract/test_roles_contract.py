"""Every role that is a backend keeps the same contract; adding one adds it here by its folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import backends
from harness.model.target import NATIVE_BACKEND
from harness.provision.variables import BENCH_NETWORK

ROOT = Path(__file__).parents[2]
PLAYBOOKS = ROOT / "playbooks"
INVENTORIES = sorted(path.parent for path in ROOT.glob("inventories/*/hosts.yml"))
BACKENDS = sorted(path.parents[1].name for path in PLAYBOOKS.glob("roles/*/tasks/create.yml"))
TASK_FILES = sorted(PLAYBOOKS.glob("roles/*/tasks/*.yml"))
SCRIPTS = sorted(PLAYBOOKS.glob("roles/*/files/*.ps1"))
IMPOSSIBLE = {"virtual_pc"}
"""Roles that are there to say why no target of theirs can be made."""


def read(path: Path) -> Any:
    """A role's YAML with Ansible's own tags as plain values."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!unsafe", lambda _, node: node.value)
    return yaml.load(path.read_text(encoding="utf-8"), Loader)


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    folder = Path(sys.executable).parent
    return subprocess.run(
        [str(folder / program), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "NO_COLOR": "1"},
    )


def tasks_of(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every task, those inside blocks too."""
    found = []
    for item in items:
        found.append(item)
        for part in ("block", "rescue", "always"):
            found += tasks_of(item.get(part, []))
    return found


def test_the_backends_that_the_design_names_first_are_there() -> None:
    assert {"baremetal", "docker", "kvm", "lxc", "podman"} <= set(BACKENDS)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend_can_create_destroy_and_probe(backend: str) -> None:
    tasks = PLAYBOOKS / "roles" / backend / "tasks"
    for verb in ("create", "destroy", "probe"):
        assert (tasks / f"{verb}.yml").is_file(), f"{backend} has no tasks/{verb}.yml"
    assert (PLAYBOOKS / "roles" / backend / "defaults" / "main.yml").is_file()


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != NATIVE_BACKEND])
def test_a_backend_can_prepare_its_machine(backend: str) -> None:
    """The native target's machine is prepared by the host role alone."""
    role = PLAYBOOKS / "roles" / backend
    assert (role / "tasks" / "host.yml").is_file(), f"{backend} has no tasks/host.yml"
    assert "host" in read(role / "meta" / "argument_specs.yml")["argument_specs"]


def test_packages_are_installed_in_one_place_where_no_service_starts_later_either() -> None:
    files = [*TASK_FILES, *PLAYBOOKS.glob("*.yml"), *PLAYBOOKS.glob("tasks/*.yml")]
    installing = [file for file in files if "ansible.builtin.apt:" in file.read_text("utf-8")]
    assert installing == [PLAYBOOKS / "roles" / "packages" / "tasks" / "apt.yml"]


def test_every_finding_of_the_doctor_says_what_to_type() -> None:
    files = [*TASK_FILES, *PLAYBOOKS.glob("*.yml"), *PLAYBOOKS.glob("tasks/*.yml")]
    findings = [file for file in files if "fix:" in file.read_text("utf-8")]
    assert findings
    for file in findings:
        assert not re.search(r"""fix'?: *(""|'') *[,}\n]""", file.read_text("utf-8")), file


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend_has_its_arguments_checked(backend: str) -> None:
    specs = read(PLAYBOOKS / "roles" / backend / "meta" / "argument_specs.yml")["argument_specs"]
    assert {"create", "destroy", "probe"} <= set(specs)
    for verb in ("create", "probe"):
        required = {k for k, v in specs[verb]["options"].items() if v.get("required")}
        assert "baremark_size" in required, f"{backend}'s {verb} does not require the size"


@pytest.mark.parametrize("file", TASK_FILES, ids=lambda file: f"{file.parents[1].name}-{file.stem}")
def test_a_role_uses_no_collection_that_its_backend_does_not_name(file: Path) -> None:
    """What is installed to measure has ansible.builtin alone."""
    role = file.parents[1].name
    named = set(backends.collections(role)) if role in BACKENDS else set()
    modules = [key for task in tasks_of(read(file)) for key in task if key.count(".") == 2]
    assert {key.rpartition(".")[0] for key in modules} <= {"ansible.builtin", *named}


@pytest.mark.parametrize("name", BENCH_NETWORK)
def test_the_bench_network_is_told_to_the_playbooks_which_hold_no_copy(name: str) -> None:
    files = [path for path in PLAYBOOKS.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    texts = [path.read_text(encoding="utf-8") for path in files]
    assert any(re.search(rf"\b{name}\b", text) for text in texts), f"{name} is used by no playbook"
    copy = re.compile(rf"(?<![\w.]){re.escape(BENCH_NETWORK[name])}(?![\w.])")
    assert [file for file, text in zip(files, texts, strict=True) if copy.search(text)] == []


@pytest.mark.parametrize("backend", sorted(IMPOSSIBLE))
def test_a_backend_that_cannot_have_a_target_says_why_wherever_it_is_asked(backend: str) -> None:
    tasks = PLAYBOOKS / "roles" / backend / "tasks"
    for verb in ("host", "create"):
        (task,) = read(tasks / f"{verb}.yml")
        assert set(task) == {"name", "ansible.builtin.fail"}
    (task,) = read(tasks / "probe.yml")
    assert task["ansible.builtin.set_fact"]["baremark_findings"]


@pytest.mark.parametrize("backend", [each for each in BACKENDS if each not in IMPOSSIBLE])
def test_a_backend_hands_back_an_endpoint(backend: str) -> None:
    tasks = tasks_of(read(PLAYBOOKS / "roles" / backend / "tasks" / "create.yml"))
    facts = [
        task["ansible.builtin.set_fact"] for task in tasks if "ansible.builtin.set_fact" in task
    ]
    (endpoint,) = [fact["baremark_endpoint"] for fact in facts if "baremark_endpoint" in fact]
    assert {"address", "port", "user", "host_key", "work", "store"} <= set(endpoint)


@pytest.mark.parametrize(
    "path", TASK_FILES, ids=lambda path: "/".join((path.parent.parent.name, path.name))
)
def test_every_task_says_in_words_what_it_is_for(path: Path) -> None:
    for task in tasks_of(read(path)):
        name = task.get("name", "")
        assert len(name.split()) >= 2, f"a task without a sentence: {task}"
        assert name[0].isupper(), name
        assert not name.endswith("."), name


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_virtual_machine_without_notes_stops_no_script(script: Path) -> None:
    """Notes may be null, and a method of null is an error for every machine that comes after."""
    text = script.read_text(encoding="utf-8")
    assert re.findall(r"[\w$]\.Notes\.\w+", text) == []


@pytest.mark.parametrize("inventory", INVENTORIES, ids=lambda path: path.name)
def test_every_playbook_is_valid_with_every_inventory(inventory: Path) -> None:
    playbooks = sorted(map(str, PLAYBOOKS.glob("*.yml")))
    password = inventory / "vault-password.txt"
    vault = ["--vault-password-file", str(password)] if password.exists() else []
    done = run("ansible-playbook", "-i", str(inventory), "--syntax-check", *vault, *playbooks)
    assert done.returncode == 0, done.stdout + done.stderr
