"""One execution of a workload on a target, as the ledger keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from harness.model.plan import CONTROL
from harness.model.workload import Sample


class TrialStatus(StrEnum):
    """How a trial ended. Only `ok` carries samples; the others are data too, never a zero."""

    OK = "ok"
    FAILED = "failed"
    TIMEOUT = "timeout"
    LOST = "lost"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class CpuTime:
    """What a target's CPUs did during a trial, in seconds summed over them (/proc/stat).

    `busy_s` excludes idle, waiting and stolen time; `own_s` is the CPU time of the program and
    of the two readings of the clock around it. `user_s` and `own_user_s` are the parts of the two
    outside the kernel, whose own threads have no such time: what is another's of it is no work of
    the kernel for the program.
    """

    total_s: float
    busy_s: float
    steal_s: float
    own_s: float
    throttled: int | None = None
    """Periods in which the CPU quota of the target's control group stopped it."""
    cpus: int | None = None
    """How many CPUs are summed over: those that the program may run on."""
    user_s: float | None = None
    own_user_s: float | None = None


@dataclass(frozen=True, slots=True)
class HostLoad:
    """What a target's host did during a trial, read on the host just before and after it.

    Times in seconds summed over the CPUs that the target is pinned to (/proc/stat); `process_s`
    is the CPU time of the one process that is the target (a guest's emulator), `user_s` and
    `process_user_s` the parts of the two outside the kernel. `peer_s` is the CPU time of the
    peer's server that worked most, and `peer_user_s` such a part of all of them, where the peer is
    on this host. `pressure_s` is how long any task of the whole host waited for a CPU
    (/proc/pressure/cpu, `some`). `others_s` is the CPU time of all processes of the host but the
    target's, wherever they ran: /proc/stat is sampled at each tick, this is counted.
    `read_bytes` and `written_bytes` are those of the block device
    that moved most. `mhz` is the mean frequency of the target's CPUs at the end, `mhz_mean` that
    over the whole trial, `governor` what chooses it, `thermal` how often heat slowed them.
    None: not observable.
    """

    total_s: float
    busy_s: float
    steal_s: float
    process_s: float | None = None
    read_bytes: float | None = None
    written_bytes: float | None = None
    mhz: float | None = None
    thermal: int | None = None
    user_s: float | None = None
    process_user_s: float | None = None
    peer_s: float | None = None
    peer_user_s: float | None = None
    pressure_s: float | None = None
    mhz_mean: float | None = None
    governor: str | None = None
    others_s: float | None = None


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """How long the marks of programs that do nothing took by the controller's clock beyond the
    target's, in seconds: the median, and the range."""

    offset_s: float
    jitter_s: float

    @classmethod
    def of(cls, seen_s: Sequence[float]) -> ClockOffset | None:
        """None where no such program could be timed."""
        return cls(median(seen_s), max(seen_s) - min(seen_s)) if seen_s else None


@dataclass(frozen=True, slots=True)
class Trial:
    """One execution of a cell in a block, as the ledger keeps it.

    `controller_s` is the controller's monotonic time from the call to the reply, `guest_s` the
    target's own time around the program, `span_s` the controller's between the arrivals of the
    marks before and after it; None where it never answered. `raw` and `raw_sha256`
    name the stored output. `reason` says in one sentence why a trial is not `ok`.
    """

    id: str
    scenario: str
    host: str
    block: int
    position: int
    workload: str
    target: str
    status: TrialStatus
    started_at: str
    controller_s: float | None
    guest_s: float | None
    exit_status: int | None
    samples: tuple[Sample, ...]
    raw: str | None
    raw_sha256: str | None
    reason: str | None
    connection: int = 1
    """Counts the connections of this target in this run; a reconnection shows as 2."""
    span_s: float | None = None
    cpu: CpuTime | None = None
    """None where the target does not tell."""
    control: bool = False
    """Whether this is native's second trial in the block (see `Cell`)."""
    host_load: HostLoad | None = None
    claimed_mib_per_s: tuple[float, float] | None = None
    """What a disk workload says that it read and wrote; None where it says nothing of it."""
    apart: ClockOffset | None = None
    """How far the clocks of controller and target were apart when this session began."""

    @property
    def arm(self) -> str:
        """The name under which its samples are compared: the target's, or its control's."""
        return f"{self.target}{CONTROL}" if self.control else self.target
