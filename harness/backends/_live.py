"""What a host side tells of a target while it lives: its life-cycle events and what it uses.

Events come as the daemon tells them, with the daemon's own time stamp where it has one. Usage is
what the daemon has counted since the target was started. What a daemon does not tell is None,
never 0.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from harness.errors import HarnessError


class Change(StrEnum):
    """What became of a target."""

    CREATED = "created"
    STARTED = "started"
    PAUSED = "paused"
    RESUMED = "resumed"
    RESTARTED = "restarted"
    STOPPING = "stopping"
    STOPPED = "stopped"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Event:
    """A change in a target's life. `word` is the daemon's own for it.

    `at_s` is when it happened by the host's clock, as the daemon stamped it, in seconds since
    1970; None where it stamps none. `arrived_s` is when it came here, by the controller's clock.
    """

    change: Change
    word: str
    at_s: float | None
    arrived_s: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a target has used since its start, as its host counts.

    `at_s` is the daemon's own time stamp in seconds since 1970, None where it gives none;
    `arrived_s` is when the answer was here, by the controller's clock. `memory_bytes` is what the
    host holds for the target now: the charge of a container's control group, of which
    `memory_cache_bytes` are unused file pages that the kernel can take back; of a guest the
    resident memory of its emulator. Bytes received and sent are as the target sees it. Every
    other number only grows as long as the target lives.
    """

    at_s: float | None = None
    arrived_s: float = field(default_factory=time.time)
    cpu_s: float | None = None
    cpu_user_s: float | None = None
    cpu_system_s: float | None = None
    memory_bytes: int | None = None
    memory_cache_bytes: int | None = None
    block_reads: int | None = None
    block_writes: int | None = None
    block_read_bytes: int | None = None
    block_written_bytes: int | None = None
    net_received_packets: int | None = None
    net_sent_packets: int | None = None
    net_received_bytes: int | None = None
    net_sent_bytes: int | None = None


class Watch:
    """The events of one target from now on, in the order of their arrival."""

    def __init__(self) -> None:
        self._items: queue.SimpleQueue[Event | HarnessError] = queue.SimpleQueue()

    def next(self, limit_s: float) -> Event | None:
        """The next event; None when none came in `limit_s` seconds.

        Raises `HarnessError` once the daemon tells nothing any more.
        """
        try:
            item = self._items.get(timeout=limit_s)
        except queue.Empty:
            return None
        if isinstance(item, HarnessError):
            self._items.put(item)
            raise item
        return item

    def put(self, item: Event | HarnessError) -> None:
        self._items.put(item)

    def follow(self, events: Iterable[Event], ended: HarnessError) -> None:
        """Take events from a thread of its own, and at their end `ended`."""

        def take() -> None:
            try:
                for event in events:
                    self._items.put(event)
            except HarnessError as error:
                self._items.put(error)
            else:
                self._items.put(ended)

        threading.Thread(target=take, daemon=True).start()


def total(numbers: Iterable[int | None]) -> int | None:
    """The sum; None where there are none, or one of them is not known."""
    found = list(numbers)
    known = [number for number in found if number is not None]
    return sum(known) if found and len(known) == len(found) else None
