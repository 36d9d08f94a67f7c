"""Reaching the targets of a machine that is not the controller's, over real SSH."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from harness.errors import HarnessError, UseError
from harness.execute.measurement import Measurement, Progress, taking_part
from harness.execute.runner import Ready, Runner, require_alone
from harness.model.fingerprint import Fingerprint
from harness.model.run import TargetRecord
from harness.model.target import BackendClass, Host, Size, Target
from harness.remote import connect, keys

from . import sshd

pytestmark = pytest.mark.system

SIZE = Size(1, 256, 2, (0,))
NATIVE = Target("lab1", "baremetal", "lab1", SIZE, "198.18.0.1")
OTHER = Target("container", "docker", "lab1", SIZE, "198.18.0.11")
SEEN = Fingerprint(*("docker", BackendClass.OS, "docker"), *(None,) * 8, inside={}, outside={})


def test_a_target_is_reached_through_the_session_of_native_that_stands_now(
    server: sshd.Sshd, own_server: sshd.Sshd, tmp_path: Path
) -> None:
    """`server` is the remote machine, `own_server` a target that only it can reach."""
    host = Host("lab1", (NATIVE, OTHER), local=False, peer="")
    silent = Progress(lambda _: None, lambda *_: None, lambda *_: None)
    own_key = keys.load_key(_both_enter(server, own_server, tmp_path))
    measurement = Measurement(tmp_path, own_key, silent)
    native = connect.connect("lab1", server.endpoint, own_key)
    other = connect.connect("container", own_server.endpoint, own_key, through=native)
    seats: dict[str, Runner] = {}
    for target, opened, at in (
        (NATIVE, native, server.endpoint),
        (OTHER, other, own_server.endpoint),
    ):
        one = Ready(TargetRecord(target, SEEN, {}), opened, "", at)
        seats[target.name] = measurement._seat(host, one, seats)
    native.close()
    with pytest.raises(HarnessError):
        other.check("true", limit_s=10)
    again = seats["container"].reopen()
    assert again.check("echo back", limit_s=10) == "back\n"
    assert seats["lab1"].session is not native
    assert (seats["lab1"].connection, seats["lab1"].session.alive) == (2, True)
    again.close()
    seats["lab1"].session.close()


def test_a_target_that_up_was_not_asked_for_is_missing_and_costs_no_other_the_run(
    server: sshd.Sshd,
) -> None:
    failing = Target("guest", "kvm", "lab1", SIZE, "198.18.0.12")
    host = Host("lab1", (NATIVE, OTHER, failing), local=False, peer="")
    present, missing = taking_part(host, {"lab1": server.endpoint}, {"guest": "it did not answer"})
    assert present.targets == (NATIVE,)
    assert {each.target: each.reason for each in missing} == {
        "container": "baremark up was not asked for it",
        "guest": "it did not answer",
    }


def test_a_machine_is_measured_by_one_controller_at_a_time(
    server: sshd.Sshd, tmp_path: Path
) -> None:
    lock = tmp_path / "baremark.lock"
    first = connect.connect("lab1", server.endpoint, server.key)
    with connect.connect("lab1", server.endpoint, server.key) as second:
        require_alone(first, str(lock))
        with pytest.raises(UseError, match="another baremark works on that machine"):
            require_alone(second, str(lock))
        assert first.check("echo still of use", limit_s=10) == "still of use\n"
        first.close()
        deadline = time.monotonic() + 30
        while lock.exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        require_alone(second, str(lock))


def _both_enter(first: sshd.Sshd, second: sshd.Sshd, folder: Path) -> Path:
    """A client key that both servers let in."""
    line = keys.make_key(folder / "key")
    for one in (first, second):
        with (one.folder / "authorized_keys").open("a") as file:
            file.write(line + "\n")
    return folder / "key"
