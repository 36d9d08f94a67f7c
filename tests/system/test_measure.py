"""Reaching the targets of a machine that is not the controller's, over real SSH."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from harness.errors import HarnessError, UseError
from harness.execute.measurement import taking_part
from harness.execute.runner import Runner, require_alone
from harness.model.progress import Silent
from harness.model.run import TargetRecord
from harness.model.target import Endpoint, Host, Size, Target
from harness.plan.plan import preset
from harness.plan.request import Request
from harness.remote import connect, keys
from harness.remote.session import Session
from tests import waiting

from . import ready, sshd, standin

pytestmark = pytest.mark.system

SIZE = Size(1, 256, 2, (0,))
NATIVE = Target("lab1", "baremetal", "lab1", SIZE, "198.18.0.1")
OTHER = Target("container", "docker", "lab1", SIZE, "198.18.0.11")


def test_a_target_is_reached_through_the_session_of_native_that_stands_now(
    server: sshd.Sshd, own_server: sshd.Sshd, tmp_path: Path
) -> None:
    """`server` is the remote machine, `own_server` a target that only it can reach."""
    host = Host("lab1", (NATIVE, OTHER), local=False, peer="")
    own_key = keys.load_key(_both_enter(server, own_server, tmp_path))

    def runner(target: Target, at: Endpoint, through: Callable[[], Session] | None) -> Runner:
        anew = partial(connect.to, target, host, at, own_key, through)
        return Runner(TargetRecord(target, ready.UNSEEN, {}), at, anew(), anew, "", host.peer)

    native = runner(NATIVE, server.endpoint, None)
    other = runner(OTHER, own_server.endpoint, native.standing)
    first = native.session
    first.close()
    with pytest.raises(HarnessError):
        other.session.check("true", limit_s=waiting.GUARD_S)
    other.reopen()
    assert other.session.check("echo back", limit_s=waiting.GUARD_S) == "back\n"
    assert native.session is not first
    assert (native.connection, native.session.alive, other.connection) == (2, True, 2)
    other.close()
    native.close()


def test_a_target_is_made_ready_once_and_left_where_it_is_not_what_was_declared(
    server: sshd.Sshd, tmp_path: Path
) -> None:
    """The real steps, with the programs of this machine: none of them is asked for its version."""
    host = Host("lab1", (NATIVE,), local=True, peer="198.18.0.254")
    packed = standin.make(tmp_path / "bundle")
    told = Told()
    request = Request(preset("smoke"), (), accepted=("size",))
    opened = Runner.open(NATIVE, host, server.endpoint, server.key, packed, request, progress=told)
    assert told.steps == ["connect to lab1", "verify the bundle on lab1", "observe lab1"]
    assert opened.record.target == NATIVE
    assert opened.record.fingerprint.kernel == os.uname().release
    assert (opened.record.programs, opened.peerless, opened.connection) == ({}, "", 1)
    assert (opened.work, opened.peer) == (server.endpoint.work, "198.18.0.254")
    listed = opened.session.check(["ls", f"{opened.bundle}/trial"], limit_s=waiting.GUARD_S)
    assert listed.strip() == f"{server.endpoint.store}/{packed.digest}/trial"
    opened.close()
    assert not opened.session.alive
    many = replace(NATIVE, size=replace(SIZE, vcpus=4096))
    with pytest.raises(HarnessError, match="has not the size that the inventory declares"):
        Runner.open(many, host, server.endpoint, server.key, packed, Request(preset("smoke"), ()))


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
        assert first.check("echo still of use", limit_s=waiting.GUARD_S) == "still of use\n"
        first.close()
        waiting.until(lambda: not lock.exists(), "the lock's end")
        require_alone(second, str(lock))


class Told(Silent):
    """Remembers of which steps it was told."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def step(self, text: str) -> None:
        self.steps.append(text)


def _both_enter(first: sshd.Sshd, second: sshd.Sshd, folder: Path) -> Path:
    """A client key that both servers let in."""
    line = keys.make_key(folder / "key")
    for one in (first, second):
        with (one.folder / "authorized_keys").open("a") as file:
            file.write(line + "\n")
    return folder / "key"
