"""Every backend has a page that names all its variables, and an example that is an inventory."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from harness import inventory
from harness.backends import names as backend_names
from harness.model.target import NATIVE_BACKEND

ROOT = Path(__file__).parents[2]
ROLES = ROOT / "playbooks" / "roles"
BACKENDS = [name for name in backend_names() if name != NATIVE_BACKEND]
SHARED = "container"
"""The role whose variables are those of every backend that uses it."""


def page(backend: str) -> str:
    return (ROOT / "docs" / "backends" / f"{backend}.md").read_text(encoding="utf-8")


def variables(backend: str) -> set[str]:
    """What an inventory may set of a backend's role, and of the one that it shares with others."""
    tasks = (ROLES / backend / "tasks" / "create.yml").read_text(encoding="utf-8")
    roles = [backend, *([SHARED] if f"name: {SHARED}\n" in tasks else [])]
    files = [ROLES / role / "defaults" / "main.yml" for role in roles]
    names = {name for file in files for name in yaml.safe_load(file.read_text(encoding="utf-8"))}
    return {name for name in names if name.startswith("baremark_")}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend_has_an_example_with_a_target_of_it_and_a_page_that_tells_of_both(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = page(backend)
    unnamed = {name for name in variables(backend) if not re.search(rf"`{name}\b", said)}
    assert unnamed == set(), f"docs/backends/{backend}.md does not name them"
    assert f"inventories/{backend}.example" in said
    assert f"(backends/{backend}.md)" in (ROOT / "docs" / "backends.md").read_text("utf-8")

    folder = ROOT / "inventories" / f"{backend}.example"
    password = folder / "vault-password.txt"
    if password.exists():
        monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(password))
    (host,) = inventory.load(folder)
    assert [target.backend for target in host.targets if target.native] == [NATIVE_BACKEND]
    assert {target.backend for target in host.targets if not target.native} == {backend}


def test_the_role_that_containers_share_is_seen_by_the_contract() -> None:
    """Else its variables would be held to no page."""
    assert "baremark_network_mode" in variables("docker") & variables("podman")
