"""The suite starts on a machine that a killed suite left as it was when it was killed."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import machine

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="links take root"),
]


@pytest.fixture
def left() -> Iterator[set[str]]:
    """What a killed suite leaves: its bridge, its peer's namespace, its folder."""
    folder = Path("/run/netns")
    made = not folder.exists()
    before = machine.snapshot()
    bridge = ("bmk0", "address", "02:62:6d:00:00:01", "type", "bridge")  # as Baremark marks its own
    subprocess.run(["ip", "link", "add", *bridge], check=True)
    subprocess.run(["ip", "netns", "add", "bmpeer"], check=True)
    Path("/run/baremark").mkdir()
    try:
        yield machine.remains()
    finally:
        subprocess.run(["ip", "link", "delete", "bmk0"], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "delete", "bmpeer"], capture_output=True, check=False)
        if Path("/run/baremark").exists():
            Path("/run/baremark").rmdir()
        if made:
            subprocess.run(["umount", str(folder)], capture_output=True, check=False)
            folder.rmdir()
    assert machine.left_behind(before, machine.snapshot()) == {}


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """A folder to lock in place of the machine's, which the suite of this test holds."""
    folder = tmp_path / "lock"
    folder.mkdir()
    return folder


def test_what_a_killed_suite_left_is_cleared_before_the_first_test(
    left: set[str], tmp_path: Path, lock: Path
) -> None:
    assert left == {"/run/baremark", "/run/netns/bmpeer", "/sys/class/net/bmk0"}
    with machine.suite(tmp_path / "state", tmp_path, lock) as trouble:
        assert trouble is None
        assert machine.remains() == set()


def test_what_a_user_has_up_is_not_touched_and_named(
    left: set[str], tmp_path: Path, lock: Path
) -> None:
    standing = tmp_path / "state" / "baremark" / "lab-12345678" / "standing.json"
    standing.parent.mkdir(parents=True)
    standing.write_text("{}")
    with machine.suite(tmp_path / "state", tmp_path, lock) as said:
        assert said is not None
        assert "lab-12345678" in said
        assert "baremark down first" in said
    assert machine.remains() == left


def test_what_a_running_suite_has_up_is_not_touched(
    left: set[str], tmp_path: Path, lock: Path
) -> None:
    """As two workers of one suite are, or a second suite that came later."""
    first = os.open(lock, os.O_RDONLY)
    fcntl.flock(first, fcntl.LOCK_SH)
    try:
        with machine.suite(tmp_path / "state", tmp_path, lock) as trouble:
            assert trouble is None
            assert machine.remains() == left
    finally:
        os.close(first)
