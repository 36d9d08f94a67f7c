"""A runner on a server of the tests, of which nothing is observed: for what a loop does with it."""

from __future__ import annotations

from functools import partial

from harness.bundle import install
from harness.bundle.archive import Bundle
from harness.execute.runner import Runner
from harness.model.fingerprint import Fingerprint
from harness.model.run import TargetRecord
from harness.model.target import BackendClass, Target
from harness.remote import connect

from . import sshd

UNSEEN = Fingerprint(*("baremetal", BackendClass.NATIVE, "baremetal"), *(None,) * 8)


def runner(server: sshd.Sshd, packed: Bundle, target: Target) -> Runner:
    """The runner, its bundle verified; end it with `close`."""
    anew = partial(connect.connect, target.name, server.endpoint, server.key)
    session = anew()
    place = install.push(packed, session, server.endpoint.store)
    record = TargetRecord(target, UNSEEN, {})
    return Runner(record, server.endpoint, session, anew, place, "127.0.0.1")
