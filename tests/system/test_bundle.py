"""The bundle: packed alike every time, the same bytes everywhere, refused where they differ."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from harness.bundle import install, pack
from harness.bundle.archive import Bundle, load
from harness.errors import HarnessError
from harness.remote.session import Session
from tests import waiting

from . import sshd, standin

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return standin.make(tmp_path_factory.mktemp("bundle"))


def test_packing_the_same_tree_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    archive = standin.tree(tmp_path)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = pack.pack(archive, tmp_path / "one"), pack.pack(archive, tmp_path / "two")
    assert one.digest == two.digest
    assert one.archive.read_bytes() == two.archive.read_bytes()


def test_a_packed_bundle_is_used_again_and_read_back_equal(tmp_path: Path) -> None:
    archive = standin.tree(tmp_path)
    one = pack.pack(archive, tmp_path)
    stamp = one.archive.stat().st_mtime_ns
    again = pack.pack(archive, tmp_path)
    assert again == one == load(one.archive)
    assert one.archive.stat().st_mtime_ns == stamp


def test_the_name_is_the_digest_of_what_is_in_it(packed: Bundle) -> None:
    listing = "".join(f"{digest}  {name}\n" for name, digest in sorted(packed.files.items()))
    assert packed.digest == hashlib.sha256(listing.encode()).hexdigest()


def test_an_archive_damaged_in_its_listing_is_refused(packed: Bundle, tmp_path: Path) -> None:
    broken = tmp_path / packed.archive.name
    broken.write_bytes(packed.archive.read_bytes()[:300])
    with pytest.raises(HarnessError, match=r"is damaged|not what its name says|holds no"):
        load(broken)


def test_an_archive_cut_short_is_refused_by_the_target_and_leaves_no_bundle(
    opened: Session, packed: Bundle, tmp_path: Path
) -> None:
    broken = tmp_path / packed.archive.name
    broken.write_bytes(packed.archive.read_bytes()[:-2000])
    store = tmp_path / "store"
    with pytest.raises(HarnessError, match=r"ended with \d+"):
        install.push(replace(packed, archive=broken), opened, str(store))
    assert not (store / packed.digest).exists()


def test_its_programs_run_by_its_own_loader_after_the_push(
    opened: Session, server: sshd.Sshd, packed: Bundle
) -> None:
    place = install.push(packed, opened, server.endpoint.store)
    assert place == f"{server.endpoint.store}/{packed.digest}"
    assert (
        opened.check([f"{place}/run", "dash", "-c", "echo it runs"], limit_s=waiting.GUARD_S)
        == "it runs\n"
    )


def test_pushing_again_only_verifies(opened: Session, server: sshd.Sshd, packed: Bundle) -> None:
    place = Path(install.push(packed, opened, server.endpoint.store))
    before = (place / "MANIFEST").stat().st_mtime_ns
    install.push(packed, opened, server.endpoint.store)
    assert (place / "MANIFEST").stat().st_mtime_ns == before
    left = [p.name for p in place.parent.iterdir()]
    assert left == [packed.digest]


@pytest.mark.parametrize("victim", ["bin/sysbench", "lib/libc.so.6", "trial", "MANIFEST"])
def test_one_changed_byte_on_the_target_is_refused_and_named(
    opened: Session, server: sshd.Sshd, packed: Bundle, victim: str
) -> None:
    file = Path(install.push(packed, opened, server.endpoint.store)) / victim
    good = file.read_bytes()
    try:
        bad = bytearray(good)
        bad[-1] ^= 1
        file.write_bytes(bytes(bad))
        with pytest.raises(
            HarnessError, match=rf"\(check: bundle\): {victim} in its bundle has sha256"
        ):
            install.push(packed, opened, server.endpoint.store)
    finally:
        file.write_bytes(good)


def test_a_missing_file_on_the_target_is_refused(
    opened: Session, server: sshd.Sshd, packed: Bundle
) -> None:
    file = Path(install.push(packed, opened, server.endpoint.store)) / "bin/fio"
    good = file.read_bytes()
    try:
        file.unlink()
        with pytest.raises(HarnessError, match="No such file"):
            install.push(packed, opened, server.endpoint.store)
    finally:
        file.write_bytes(good)
        file.chmod(0o755)


def test_a_program_that_is_not_in_the_tree_is_told(tmp_path: Path) -> None:
    import tarfile

    empty = tmp_path / "bundle-tree-empty.tar"
    with tarfile.open(empty, "w"):
        pass
    with pytest.raises(HarnessError, match="has no loader"):
        pack.pack(empty, tmp_path)
    assert not list(tmp_path.glob("unfinished-*"))
