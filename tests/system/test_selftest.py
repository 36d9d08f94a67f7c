"""Slowdowns of known size, really made: do the intervals hold the truth?"""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from harness.analyze.coverage import Coverage
from harness.bundle.archive import Bundle
from harness.errors import HarnessError
from harness.ledger import reader
from harness.model.target import Host
from harness.model.trial import TrialStatus
from harness.workflow.slowdown import SCENARIO, Place, Repetitions, known_truths

from . import sshd
from .test_threats import NATIVE

pytestmark = pytest.mark.system


def tried(server: sshd.Sshd, bundle: Bundle, asked: Repetitions, runs: Path) -> list[Coverage]:
    os.sched_setaffinity(server.process.pid, NATIVE.size.cpus)
    host = Host("native", (NATIVE,), True, "127.0.0.1")
    place = Place(host, NATIVE, server.endpoint, server.endpoint)
    try:
        folder, found = known_truths(place, server.key, bundle, asked, runs)
    except HarnessError as error:
        if "other work took" in error.message or "was stolen" in error.message:
            pytest.skip(f"this machine is not calm enough: {error.message}")
        raise
    run = reader.read_run(folder)
    assert run.manifest.scenario == SCENARIO
    assert len(run.trials) >= 4 * asked.repetitions * asked.blocks
    bad = {t.reason for t in run.trials if t.status not in {TrialStatus.OK, TrialStatus.REJECTED}}
    assert bad == set()
    rejected = {trial.reason for trial in run.trials if trial.status is TrialStatus.REJECTED}
    if rejected and any(truth.lost for truth in found):
        pytest.skip(f"this machine is not calm enough: {'; '.join(map(str, rejected))}")
    return found


def test_a_known_slowdown_is_found_to_its_size(
    own_server: sshd.Sshd,
    packed: Bundle,
    tmp_path: Path,
) -> None:
    for truth in tried(own_server, packed, Repetitions(2, 6, 1), tmp_path / "runs"):
        print(truth)
        assert 1.15 < truth.truth < 1.3
        assert truth.repetitions == 2
        assert truth.half_width < 0.2
        assert abs(math.log(truth.estimate / truth.truth)) < max(0.05, 2 * truth.half_width)


@pytest.mark.long
def test_the_intervals_hold_the_truth_as_often_as_they_promise(
    own_server: sshd.Sshd,
    packed: Bundle,
    tmp_path: Path,
) -> None:
    for truth in tried(own_server, packed, Repetitions(40, 6, 1), tmp_path / "runs"):
        print(truth)
        assert truth.repetitions >= 35
        assert truth.kept, truth
