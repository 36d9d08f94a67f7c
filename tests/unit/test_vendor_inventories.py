"""The example inventories of the vendors' hypervisors are read as a user's would be."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import inventory

INVENTORIES = Path(__file__).parents[2] / "inventories"
PAGES = INVENTORIES.parent / "docs" / "backends"


@pytest.mark.parametrize(
    "backend", ["esxi", "hyperv", "virtual_pc", "vmware_workstation", "xenserver"]
)
def test_the_example_of_a_backend_has_a_target_of_it_and_a_page_that_names_it(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = INVENTORIES / f"{backend}.example"
    password = folder / "vault-password.txt"
    if password.exists():
        monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(password))
    (host,) = inventory.load(folder)
    assert [target.backend for target in host.targets] == ["baremetal", backend]
    if backend != "virtual_pc":
        assert f"inventories/{backend}.example" in (PAGES / f"{backend}.md").read_text()
