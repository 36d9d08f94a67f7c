"""Guests of several kinds on one machine, in one inventory and one run: another machine type, disk,
card, processor and release of QEMU each, and one of them made through an address over SSH.

The tests of this module tell one story in order; what one leaves up the next one uses.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import inventory
from harness.errors import HarnessError
from harness.fingerprint import observe
from harness.ledger import folders, reader
from harness.model.run import TargetRecord
from harness.model.target import BackendClass, Endpoint
from tests import waiting

from . import machine, sshd

ROOT = Path(__file__).parents[2]
BAREMARK = Path(sys.executable).with_name("baremark")
PRIVATE = "/run/baremark/libvirt/libvirt-sock"

pytestmark = [
    pytest.mark.system,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="provisioning takes root"),
]

INVENTORY = """\
all:
  vars: {{baremark_vcpus: 1, baremark_memory_mib: 512, baremark_disk_gib: 2, baremark_boot_s: 400}}
baremetal:
  hosts:
    native:
      ansible_connection: local
      ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"
kvm:
  vars: {{baremark_host: native}}
  hosts:
    plain:
      baremark_emulator_release: "7.2"
    other:
      baremark_emulator_release: "10.0"
      baremark_machine: pc
      baremark_disk_format: qcow2
      baremark_disk_bus: sata
      baremark_cache_mode: writeback
      baremark_nic_model: e1000
      baremark_cpu_model: Nehalem
      baremark_emulator_cpus: 0,1
    far:
      baremark_libvirt_uri: "{uri}"
      baremark_disk_format: qcow2
      baremark_disk_preallocated: false
      baremark_disk_bus: scsi
      baremark_nic_model: e1000e
"""

Verb = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The inventory; its last guest is made over a real SSH to the libvirt that `up` starts."""
    if sshd.program() is None:
        pytest.skip("there is no sshd: apt-get install openssh-server")
    folder = tmp_path_factory.mktemp("lab")
    with sshd.running(folder / "sshd") as server:
        at = server.endpoint
        known = folder / "known_hosts"
        known.write_text(f"[{at.address}]:{at.port} {at.host_key}\n")
        socket = PRIVATE if not _has_libvirt() else "/run/libvirt/libvirt-sock"
        (folder / "hosts.yml").write_text(
            INVENTORY.format(
                uri=f"qemu+ssh://{at.user}@{at.address}:{at.port}/system?socket={socket}"
                f"&keyfile={server.folder / 'client'}&known_hosts={known}"
                "&known_hosts_verify=normal"
            )
        )
        yield folder / "hosts.yml"


def _has_libvirt() -> bool:
    """Whether the machine's own libvirt answers: then `up` starts none."""
    asked = ["virsh", "--connect", "qemu:///system", "version"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def baremark(lab: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verb]:
    """Run a verb; at the end of the module everything is down and the machine as it was."""
    before = machine.snapshot()
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(ROOT / ".cache"),
        "XDG_STATE_HOME": str(tmp_path_factory.mktemp("state")),
    }

    def verb(*args: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(BAREMARK), *args],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=waiting.VERB_S,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    yield verb
    purge = [] if "/var/lib/baremark" in str(before["files"]) else ["--purge"]
    environment["XDG_CACHE_HOME"] = environment["XDG_STATE_HOME"]
    verb("down", "-i", str(lab), *purge)
    assert machine.left_behind(before, machine.snapshot(), kept=not purge) == {}
    assert not purge or not Path("/var/lib/baremark").exists()


@pytest.fixture(scope="module")
def results(baremark: Verb, lab: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bring the guests up and measure a little in each."""
    said = baremark("up", "-i", str(lab)).stderr
    assert "plain is up" in said
    folder = tmp_path_factory.mktemp("results")
    baremark(
        *("run", "-i", str(lab), "--preset", "smoke", "-w", "cpu-sysbench-1t"),
        *("--results", str(folder)),
    )
    return folder


@pytest.fixture(scope="module")
def seen(results: Path) -> dict[str, TargetRecord]:
    manifest = reader.read_manifest(folders.find(results / "runs", "latest"))
    assert not manifest.missing, manifest.missing
    return {record.target.name: record for record in manifest.targets}


def test_every_kind_boots_and_is_what_was_asked_for(seen: dict[str, TargetRecord]) -> None:
    names = ("machine", "disk_format", "disk_preallocated", "disk_bus", "disk_cache", "nic_model")
    found = {
        name: tuple(str(record.fingerprint.outside.get(each)) for each in names)
        for name, record in seen.items()
        if not record.target.native
    }
    assert found["plain"] == ("pc-q35-7.2", "raw", "yes", "virtio", "none", "virtio")
    assert found["other"][0].startswith("pc-i440fx-10.0")
    assert found["other"][1:] == ("qcow2", "yes", "sata", "writeback", "e1000")
    assert found["far"][1:] == ("qcow2", "no", "scsi", "none", "e1000e")
    assert seen["other"].fingerprint.outside["cpu_type"] == "Nehalem"
    assert seen["other"].fingerprint.outside["emulator_cpus"] == "0-1"
    assert seen["plain"].fingerprint.outside["emulator_cpus"] == "0"
    inside = {name: record.fingerprint.inside for name, record in seen.items()}
    assert inside["plain"]["work_device"] == "/dev/vda"
    assert inside["other"]["work_device"] == inside["far"]["work_device"] == "/dev/sda"
    drivers = [inside[name]["nic_driver"] for name in ("plain", "other", "far")]
    assert drivers == ["virtio_net", "e1000", "e1000e"]


def test_two_releases_of_qemu_stand_side_by_side_and_are_labelled(
    seen: dict[str, TargetRecord],
) -> None:
    for name, release in (("plain", "7.2"), ("other", "10.0")):
        guest = seen[name].fingerprint
        assert (guest.release or "").startswith(f"{release}.")
        assert f"/qemu-{release}/" in str(guest.outside["emulator"])
        if guest.accelerator == "tcg":
            assert (guest.backend_class, guest.label) == (BackendClass.EMULATED, "qemu-tcg")
        else:
            assert (guest.backend_class, guest.label) == (BackendClass.TYPE1, "kvm")


def test_the_table_says_in_what_the_guests_differ(
    baremark: Verb, seen: dict[str, TargetRecord], results: Path
) -> None:
    said = baremark("table", "-f", "json", "--results", str(results)).stdout
    table: dict[str, Any] = json.loads(said)
    notes = " ".join(note["text"] for note in table["sections"][0]["notes"])
    assert "far, other and plain, all kvm, differ, in this order, in" in notes
    assert "disk bus (scsi, sata, virtio)" in notes
    assert "nic model (e1000e, e1000, virtio)" in notes
    releases = [str(seen[name].fingerprint.release) for name in ("far", "other", "plain")]
    assert f"release ({', '.join(releases)})" in notes


def test_two_releases_of_one_run_are_compared_in_the_same_blocks(
    baremark: Verb, seen: dict[str, TargetRecord], results: Path
) -> None:
    said = baremark(
        *("compare", "latest:plain", "latest:other", "-f", "json", "--results", str(results))
    ).stdout
    made: dict[str, Any] = json.loads(said)
    assert made["same_blocks"]
    (row,) = [row for row in made["rows"] if row["metric"] == "events_per_s"]
    assert (row["base"], row["candidate"], row["n_base"]) == ("plain", "other", 2)
    assert row["verdict"] == "n too small"
    assert row["ratio"]["low"] is None
    told = {each["what"]: (each["base"], each["candidate"]) for each in made["confounds"]}
    assert told["release"] == tuple(seen[name].fingerprint.release for name in ("plain", "other"))
    assert told["nic model"] == ("virtio", "e1000")


def test_a_guest_of_another_release_or_disk_than_asked_for_is_refused(
    seen: dict[str, TargetRecord],
) -> None:
    """The same observation of a real guest, held against other wishes."""
    record = seen["plain"]
    facts = {"accelerator": record.fingerprint.accelerator or ""}
    at = Endpoint("198.18.0.12", 22, "root", "ssh-ed25519 AAAA", "/w", "/s", facts)
    true = {
        **facts,
        "declared_release": "7.2",
        "declared_disk_format": "raw",
        "declared_disk_bus": "virtio",
    }
    observe.refuse_if_false(record.target, replace(at, facts=true), record.fingerprint)
    for wish, other, said in (
        ("declared_release", "10.0", "release of QEMU: 7.2.*, asked for is 10.0"),
        ("declared_disk_format", "qcow2", "disk format: raw, asked for is qcow2"),
        ("declared_disk_bus", "sata", "from inside the disk is /dev/vda"),
        ("declared_nic_model", "e1000", "from inside the network card's driver is virtio_net"),
        ("declared_hugepages", "yes", "huge pages: no, asked for is yes"),
    ):
        with pytest.raises(HarnessError, match=said):
            observe.refuse_if_false(
                record.target, replace(at, facts={**true, wish: other}), record.fingerprint
            )


def test_a_key_that_is_not_the_pinned_one_and_what_cannot_be_are_told_by_the_doctor(
    baremark: Verb, seen: dict[str, TargetRecord], lab: Path, tmp_path: Path
) -> None:
    """Asked while the guests stand: the address leads to a libvirt that answers."""
    other = tmp_path / "known_hosts"
    pinned = lab.with_name("known_hosts").read_text().split()
    other.write_text(f"{pinned[0]} {_another_key(tmp_path)}\n")
    text = lab.read_text().replace(str(lab.with_name("known_hosts")), str(other))
    text = text.replace("baremark_cpu_model: Nehalem", "baremark_disk_io: native")
    (tmp_path / "hosts.yml").write_text(text)
    assert inventory.load(tmp_path / "hosts.yml")
    said = baremark("doctor", "-i", str(tmp_path / "hosts.yml"), status=1).stdout
    far, other_guest = (
        said.index("\nfar (kvm): not usable"),
        said.index("\nother (kvm): not usable"),
    )
    plain = said.index("\nplain (kvm): usable")
    assert "Host key verification failed" in said[far:other_guest]
    why = "baremark_disk_io: native needs baremark_cache_mode none or directsync"
    assert why in said[other_guest:plain]


def _another_key(folder: Path) -> str:
    made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "another")]
    subprocess.run(made, check=True)
    return " ".join((folder / "another.pub").read_text().split()[:2])


def test_a_release_that_no_suite_has_is_told_with_what_each_of_them_has(tmp_path: Path) -> None:
    files = ROOT / "playbooks" / "roles" / "kvm"
    defaults = yaml.safe_load((files / "defaults" / "main.yml").read_text())
    for folder in ("", str(tmp_path)):  # what doctor asks, and what up does
        done = subprocess.run(
            [
                *("sh", str(files / "files" / "install-qemu"), "1.0", folder),
                *(defaults["baremark_mirror"], defaults["kvm_keyring"], "bookworm", "nosuch"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "has QEMU 1.0: bookworm has 7.2, nosuch does not answer" in done.stderr
        assert [file.name for file in tmp_path.iterdir()] == ([".qemu.lock"] if folder else [])
