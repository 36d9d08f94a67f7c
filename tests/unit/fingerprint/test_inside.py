"""What a machine tells of itself does not depend on the variables of who asks."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

OBSERVE = Path(__file__).parents[3] / "harness" / "fingerprint" / "inside.sh"


@pytest.mark.parametrize(
    "variables",
    [{}, {"OMP_NUM_THREADS": "97"}, {"OMP_THREAD_LIMIT": "1"}, {"LC_ALL": "de_DE.UTF-8"}],
    ids=str,
)
def test_the_number_of_cpus_is_that_of_the_machine(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    done = subprocess.run(
        ["sh", str(OBSERVE), str(tmp_path), "", "192.0.2.1"],
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    seen = dict(line.split("\t", 1) for line in done.stdout.splitlines())
    assert int(seen["vcpus"]) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("unit", ["DF_BLOCK_SIZE", "BLOCK_SIZE"])
def test_free_space_is_told_in_kib_whatever_unit_the_user_likes(tmp_path: Path, unit: str) -> None:
    done = subprocess.run(
        ["sh", str(OBSERVE), str(tmp_path), "", "192.0.2.1"],
        env={"PATH": os.environ["PATH"], unit: "1G"},
        capture_output=True,
        text=True,
        check=True,
    )
    seen = dict(line.split("\t", 1) for line in done.stdout.splitlines())
    found = os.statvfs(tmp_path)
    free_kib = found.f_bavail * found.f_frsize / 1024
    assert 0.5 < int(seen["work_free_kib"]) / free_kib < 2  # others write meanwhile
