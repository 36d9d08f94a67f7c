"""The look at the folders of an adopted target: what it finds, and that it changes nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.model.target import Endpoint
from harness.provision import adopted
from harness.remote.connect import MARK


def endpoint(work: Path, store: Path) -> Endpoint:
    return Endpoint("192.0.2.1", 22, "bench", "ssh-ed25519 AAAA", str(work), str(store))


def looked(work: Path, store: Path, mounted: Path | None = None, options: str = "") -> list[str]:
    """What the look says, with a file system mounted for it alone at `mounted`."""
    script = f"set -- {work} {store} {MARK} ''\n{adopted._LOOK}"
    command = ["sh", "-s"]
    if mounted is not None:
        mount = f"mount -t tmpfs -o {options} tmpfs {mounted}; {' '.join(command)}"
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def pairs(lines: list[str]) -> list[tuple[str, str]]:
    return [(what, value) for what, _, value in (line.partition("\t") for line in lines)]


needs_mounts = pytest.mark.skipif(
    os.geteuid() != 0
    or subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0,
    reason="a mount of its own takes root",
)


@needs_mounts
@pytest.mark.parametrize(("on_it", "hindered"), [("work", False), ("store", True), ("both", True)])
def test_only_where_the_bundle_lies_must_programs_start(
    tmp_path: Path, on_it: str, hindered: bool
) -> None:
    (tmp_path / "noexec").mkdir()
    (tmp_path / "plain").mkdir()
    work = tmp_path / ("plain" if on_it == "store" else "noexec") / "a" / "baremark-work"
    store = tmp_path / ("plain" if on_it == "work" else "noexec") / "a" / "baremark-bundle"
    said = looked(work, store, tmp_path / "noexec", "noexec,nosuid")
    found = adopted._in_the_folders(pairs(said), endpoint(work, store))
    assert (found is not None) is hindered
    if found is not None:
        why, fix = found
        assert why == (
            f"programs cannot be started in {store.parent}: {tmp_path}/noexec is mounted noexec"
        )
        assert "baremark_store" in fix
        assert fix.endswith(f"mount -o remount,exec {tmp_path}/noexec")
    assert not (tmp_path / "plain" / "a").exists()


@needs_mounts
def test_the_mount_that_counts_is_the_nearest_one_above_the_folder(tmp_path: Path) -> None:
    (tmp_path / "data" / "inner").mkdir(parents=True)
    inside = tmp_path / "data" / "inner" / "baremark-bundle"
    assert f"noexec\t{inside.parent}" in looked(
        inside, inside, tmp_path / "data" / "inner", "noexec"
    )
    beside = tmp_path / "data" / "baremark-bundle"
    said = looked(beside, beside, tmp_path / "data" / "inner", "noexec")
    assert not [line for line in said if line.startswith("noexec")]


def test_a_file_system_without_modes_is_no_place_for_the_bundle() -> None:
    at = endpoint(Path("/media/work"), Path("/media/store"))
    found = adopted._in_the_folders([("free_mib", "9"), ("modeless", "vfat")], at)
    assert found is not None
    assert "vfat" in found[0]
    with pytest.raises(HarnessError, match=r"theirs: .*vfat"):
        adopted._require("theirs", [("modeless", "vfat")], at)
    assert adopted._in_the_folders([("free_mib", "9"), ("lacks", "df")], at) is None


@needs_mounts
@pytest.mark.parametrize(("options", "starts"), [("exec", True), ("noexec", False)])
def test_up_starts_a_program_to_see_whether_it_may(
    tmp_path: Path, options: str, starts: bool
) -> None:
    mount = (
        f"mount -t tmpfs -o {options} tmpfs {tmp_path} && sh -s; s=$?; ls -A {tmp_path}; exit $s"
    )
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount],
        input=f"set -- {tmp_path}\n{adopted._TRY}",
        capture_output=True,
        text=True,
    )
    assert (done.returncode == 0) is starts
    assert done.stdout == ""
