"""What came of a trial's program: samples, or one sentence that says why there are none.

Judged by the reply alone. Whether what was measured is to be believed is another question, which
`harness.validity` answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from harness import tools
from harness.bundle import trial_report
from harness.bundle.trial_report import TrialReport
from harness.errors import ReadError
from harness.model.trial import TrialStatus
from harness.model.workload import Resource, Sample, Workload
from harness.remote.session import Reply, last_lines

_LIMIT_STATUSES = frozenset({124, 137})
"""What `timeout` ends with when it had to end the program; 137 is a kill by others too, by the
kernel that ran out of memory for one, and then it comes before the limit."""


@dataclass(frozen=True, slots=True)
class TrialResult:
    status: TrialStatus
    reply: Reply | None = None
    exit_status: int | None = None
    samples: tuple[Sample, ...] = ()
    reason: str | None = None
    claimed: tuple[float, float] | None = None


def of_reply(reply: Reply, workload: Workload, limit_s: float) -> TrialResult:
    """What a reply says: samples, or in one sentence why there are none."""
    found = trial_report.parse(reply)
    status = found.status
    if found.process is None or status is None:
        said = last_lines(found.stderr or reply.stdout).strip() or "nothing"
        return TrialResult(
            TrialStatus.FAILED,
            reply,
            exit_status=reply.exit_status,
            reason=f"the program could not be started; the target says: {said}",
        )
    ended_by_limit = found.guest_s is None or found.guest_s >= limit_s
    if status in _LIMIT_STATUSES and ended_by_limit:
        return TrialResult(
            TrialStatus.TIMEOUT,
            reply,
            status,
            reason=f"no end within {limit_s:.0f} s; stopped on the target",
        )
    if status != 0:
        said = last_lines(found.stderr or reply.stdout).strip() or "nothing"
        how = "was killed (status 137)" if status == 137 else f"ended with status {status}"
        return TrialResult(
            TrialStatus.FAILED,
            reply,
            status,
            reason=f"{workload.tool} {how}: {said}",
        )
    try:
        samples = _samples(reply, found, workload)
        return TrialResult(
            TrialStatus.OK,
            reply,
            status,
            tools.taken(samples, workload),
            claimed=_claimed(samples) if workload.resource is Resource.DISK else None,
        )
    except ReadError as error:
        return TrialResult(TrialStatus.FAILED, reply, status, reason=error.message)


def _samples(reply: Reply, found: TrialReport, workload: Workload) -> tuple[Sample, ...]:
    """All that the output holds. Raises `ReadError`, also where it is not what the target had."""
    arrived = hashlib.sha256(reply.stdout).hexdigest()
    if found.sha256 != arrived:
        raise ReadError(
            f"what arrived is not what {workload.tool} printed: sha256 {arrived[:12]}… here, "
            f"{(found.sha256 or 'not told')[:12]} on the target"
        )
    return tools.load(workload.tool).read(reply.stdout, found.stderr)


def _claimed(samples: Sequence[Sample]) -> tuple[float, float] | None:
    """MiB/s read and written, by what the output says; None where it says nothing of either."""
    rates = [
        [sample.value for sample in samples if sample.metric == f"{side}_bw_mib_per_s"]
        for side in ("read", "write")
    ]
    return (sum(rates[0]), sum(rates[1])) if any(rates) else None
