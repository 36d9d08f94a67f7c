"""A target ready to work: how a program is started there, and how it is ended."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from harness import marks
from harness.model import Target, Workload
from harness.session import ConnectionLost, Reply, Session


@dataclass(slots=True)
class Seat:
    """A target ready to work: its open session, where its bundle and its files are.

    `reopen` makes a new session after a loss. `connection` counts them.
    """

    target: Target
    session: Session
    bundle: str
    work: str
    peer: str
    reopen: Callable[[], Session]
    connection: int = 1
    gone: str | None = None
    apart_s: tuple[float, ...] = ()
    unprepared: dict[str, str] = field(default_factory=dict)
    """Files of the workloads that could not be made here, and why."""
    process: str | None = None
    """The one process on the host that is this target, if there is one."""
    instead: Mapping[str, Workload] = field(default_factory=dict)
    """Workloads that run with other arguments here: a slowdown of known size (the selftest's)."""
    beside: Mapping[str, Callable[[], AbstractContextManager[None]]] = field(default_factory=dict)
    """What happens to a workload's program while it runs here: likewise."""

    def filled(self, arg: str, seconds: float) -> str:
        """An argument of a workload or a step with its placeholders as they are here."""
        return arg.format(
            seconds=f"{seconds:g}",
            vcpus=self.target.size.vcpus,
            memory_mib=self.target.size.memory_mib,
            peer=self.peer,
            work=self.work,
        )

    def command(self, limit_s: float, program: str, args: Iterable[str]) -> list[str]:
        """What runs a program of the bundle between the marks, and ends it after `limit_s`."""
        trial = [f"{self.bundle}/run", "dash", f"{self.bundle}/trial"]
        return [*trial, f"{limit_s:g}", self.work, program, *args]

    def kill(self, reply: Reply) -> None:
        """End the program that has replied so far: the signal goes to its `timeout`, which passes
        it on to the whole process group."""
        process = marks.read(reply).process
        if process is None:
            return
        with contextlib.suppress(ConnectionLost):
            self.session.run(f"kill -TERM {process} && sleep 1; kill -KILL -{process}", limit_s=30)
