"""What may be done where there is no root, and what an administrator is asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.errors import UseError
from harness.model.target import Diagnosis, Host, Size, Target
from harness.provision import rights


def a_host(name: str, *, local: bool) -> Host:
    native = Target(name, "baremetal", name, Size(1, 256, 2, (0,)))
    return Host(name, (native,), local, "198.18.0.2")


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A user of a machine without sudo."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("shutil.which", lambda name: None)
    rights.here.cache_clear()
    yield
    rights.here.cache_clear()


def test_without_root_all_is_in_the_users_folders_and_on_the_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/home/somebody/data")
    told = rights.variables([a_host("here", local=True)])
    assert told["baremark_rootless"] is True
    assert told["baremark_root"] == "/home/somebody/data/baremark"
    assert told["baremark_bridge_address"] == told["baremark_peer_address"] == "127.0.0.1"


def test_other_machines_need_no_root_here() -> None:
    told = rights.variables([a_host("there", local=False)])
    assert told == {"baremark_rootless": False, "baremark_rootless_here": True}


def test_this_machine_without_root_and_others_with_it_are_not_measured_at_once() -> None:
    with pytest.raises(UseError, match="without root this machine"):
        rights.variables([a_host("here", local=True), a_host("there", local=False)])


def test_what_all_targets_lack_is_one_line_for_an_administrator() -> None:
    findings = [
        Diagnosis("native", "baremetal", False, "", "", ("openssh-server", "zstd")),
        Diagnosis("container", "podman", False, "", "", ("podman", "zstd")),
    ]
    line = rights.to_install(findings)
    assert line is not None
    assert line.startswith("as root: apt-get install")
    assert line.endswith(" openssh-server podman zstd")
    assert rights.to_install([]) is None
