"""What the filters of the playbooks tell: a release that is too old, a failure's own words."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.test_roles_contract import read
from tests.playing import PLAYBOOKS

SAID = {
    "docker": ("20.10.24+dfsg1", "1.12.6"),
    "esxi": ("6.5.0-5310538", "6.0.0-3620759"),
    "hyperv": (
        "Microsoft Windows Server 2022 Standard 10.0.20348",
        "Microsoft Windows Server 2012 R2 Standard 6.3.9600",
    ),
    "kvm": ("9.0.0", "7.0.0"),
    "lxc": ("5.0.2", "3.0.4"),
    "podman": ("podman version 4.3.1", "podman version 1.9.3"),
    "virtualbox": ("7.2.22_Debianr175245", "6.1.50r161033"),
    "xen": ("4.17.7", "4.9.4"),
}
"""What each says where its role works, and what one says that is older than the role can take."""


@pytest.mark.parametrize("backend", SAID)
def test_what_is_too_old_is_told_with_why_and_what_to_type(backend: str) -> None:
    role = PLAYBOOKS / "roles" / backend
    least: dict[str, str] = read(role / "defaults" / "main.yml")[f"{backend}_least"]
    new, old = SAID[backend]
    assert too_old()(new, least) == {}
    assert too_old()(least["release"], least) == {}
    finding = too_old()(old, least)
    assert finding["why"].startswith(f"{least['product']} ")
    assert least["why"] in finding["why"]
    assert finding["why"].endswith(f"since {least['release']}")
    assert finding["fix"] == least["fix"]
    assert f"baremark_too_old({backend}_least)" in (role / "tasks" / "probe.yml").read_text()


@pytest.mark.parametrize("said", ["", "error: no release", "7"])
def test_what_says_no_release_is_not_called_too_old(said: str) -> None:
    least = {"product": "P", "release": "8.0", "why": "it does", "fix": "upgrade"}
    assert too_old()(said, least) == {}


def test_releases_are_compared_number_by_number() -> None:
    least = {"product": "P", "release": "4.10", "why": "it does", "fix": "upgrade"}
    assert too_old()("4.9", least)
    assert not too_old()("4.11", least)
    assert not too_old()("10.0.1", least)


def test_a_python_that_does_not_start_is_told_in_its_own_words() -> None:
    """Ansible only says that it found no answer; what was printed is beside it."""
    failed = {
        "msg": "Module result deserialization failed: No start of json char found",
        "module_stderr": "python3.13: command not found\n",
    }
    assert filters().baremark_reason(failed) == "python3.13: command not found"


def too_old() -> Callable[[str, dict[str, str]], dict[str, Any]]:
    found: Callable[[str, dict[str, str]], dict[str, Any]] = filters().baremark_too_old
    return found


def filters() -> Any:
    file = PLAYBOOKS / "filter_plugins" / "baremark.py"
    spec = importlib.util.spec_from_file_location("baremark_filters", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
