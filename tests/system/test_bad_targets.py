"""A target that does not answer, is another, or prints garbage: what the command says of it.

The verbs are run as a user runs them. What stands is written down by hand where provisioning
would not have let it come so far; the sshd, the bundle's way to it and all checks are real.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import state
from harness.model.target import Endpoint
from harness.remote import keys
from harness.state import Standing
from tests import waiting

from . import sshd, standin

ROOT = Path(__file__).parents[2]
BAREMARK = Path(sys.executable).with_name("baremark")
pytestmark = pytest.mark.system

provisioning = pytest.mark.skipif(
    os.geteuid() != 0 and not os.environ.get("BAREMARK_TEST_SUDO"),
    reason="provisioning takes root: run as root, or set BAREMARK_TEST_SUDO=1 to let it sudo",
)


def inventory(folder: Path, port: int, known: str = "/dev/null") -> str:
    file = folder / "hosts.yml"
    file.write_text(
        "all:\n  vars: {baremark_vcpus: 1, baremark_memory_mib: 256, baremark_disk_gib: 2}\n"
        f"baremetal:\n  hosts:\n    far:\n      ansible_host: 127.0.0.1\n"
        f"      ansible_port: {port}\n      ansible_ssh_common_args: >-\n"
        f"        -F none -o UserKnownHostsFile={known} -o GlobalKnownHostsFile=/dev/null\n"
        "        -o StrictHostKeyChecking=yes\n"
    )
    return str(file)


def failed(folder: Path, *args: str, cache: Path = ROOT / ".cache") -> str:
    """What a verb says that ends with 1: one error, what to do, and no traceback."""
    done = subprocess.run(
        [str(BAREMARK), *args],
        cwd=ROOT,
        env={
            **os.environ,
            "XDG_CACHE_HOME": str(cache),
            "XDG_STATE_HOME": str(folder / "state"),
        },
        capture_output=True,
        text=True,
        timeout=waiting.VERB_S,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error: ") == 1, done.stderr
    assert "to do: " in done.stderr
    return done.stderr


@provisioning
def test_a_machine_that_cannot_be_reached_is_told_by_bench(tmp_path: Path) -> None:
    where = ("-i", inventory(tmp_path, sshd.free_port()), "--results", str(tmp_path / "results"))
    said = failed(tmp_path, "bench", "--preset", "smoke", *where)
    assert "no machine can be measured: far: the machine cannot be reached" in said
    assert "Connection refused" in said
    assert not list((tmp_path / "results").rglob("ledger.jsonl"))


@provisioning
def test_a_machine_that_cannot_be_reached_is_told_by_up(tmp_path: Path) -> None:
    said = failed(tmp_path, "up", "-i", inventory(tmp_path, sshd.free_port()))
    assert "no native target came up" in said
    assert "far: the machine cannot be reached" in said
    assert f"baremark doctor -i {tmp_path}/hosts.yml" in said


@provisioning
def test_a_machine_that_shows_another_host_key_is_told_by_bench(
    server: sshd.Sshd, tmp_path: Path
) -> None:
    other = keys.make_key(tmp_path / "other")
    known = tmp_path / "known"
    known.write_text(f"[127.0.0.1]:{server.endpoint.port} {other}\n")
    where = ("-i", inventory(tmp_path, server.endpoint.port, str(known)))
    said = failed(tmp_path, "bench", *where, "--results", str(tmp_path / "results"))
    assert "no machine can be measured: far: the machine cannot be reached" in said
    assert "Host key verification failed" in said


def standing(folder: Path, server: sshd.Sshd, host_key: str) -> tuple[str, Path]:
    """An inventory whose only target is said to be up, with a bundle of this machine's programs."""
    where = inventory(folder, server.endpoint.port)
    packed = standin.make(folder / "cache" / "baremark")
    found = server.endpoint
    far = Endpoint(found.address, found.port, found.user, host_key, found.work, found.store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        kept = state.state_folder(Path(where))
    state.write(kept, Standing(packed.digest, {"far": far}, {}))
    shutil.copy(server.folder / "client", kept / state.KEY)
    return where, folder / "cache"


RUN = ("run", "--preset", "smoke", "-w", "cpu-sysbench-1t", "--accept", "size")


def test_a_target_that_shows_another_host_key_is_not_measured(
    server: sshd.Sshd, tmp_path: Path
) -> None:
    where, cache = standing(tmp_path, server, keys.make_key(tmp_path / "other"))
    results = ("--results", str(tmp_path / "results"))
    said = failed(tmp_path, *RUN, "-i", where, *results, cache=cache)
    assert f"wrong host key at 127.0.0.1:{server.endpoint.port}" in said


def test_a_program_that_prints_garbage_for_its_version_is_not_measured(
    server: sshd.Sshd, tmp_path: Path
) -> None:
    where, cache = standing(tmp_path, server, server.endpoint.host_key)
    results = ("--results", str(tmp_path / "results"))
    said = failed(tmp_path, *RUN, "-i", where, *results, cache=cache)
    assert "sysbench" in said
    assert "version" in said
    assert not list((tmp_path / "results").rglob("ledger.jsonl"))
