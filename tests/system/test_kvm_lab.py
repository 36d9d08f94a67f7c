"""The kvm role on a second machine with real KVM and a libvirt of its own, which systemd runs: huge
pages, the machine's own processor, vhost, and a guest made over `qemu+ssh` with a pinned key.

The machine is a lab host in a box (see labbox.py). Its processor is emulated, so its figures mean
nothing; that it works does. Nothing is made on this machine.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.ledger import folders, reader
from harness.model.target import BackendClass

from . import labbox, labs, verbs

pytestmark = [pytest.mark.system, pytest.mark.long]

INVENTORY = """\
all:
  vars: {{baremark_vcpus: 1, baremark_memory_mib: 512, baremark_disk_gib: 2}}
baremetal:
  hosts:
    box: {box}
kvm:
  # The box's processor is emulated: what takes seconds elsewhere takes minutes in it.
  vars: {{baremark_host: box, baremark_kvm_proof_s: 300, baremark_boot_s: 900}}
  hosts:
    huge:
      baremark_hugepages: true
      baremark_emulator_cpus: 1
    by-address:
      baremark_libvirt_uri: "qemu+ssh://root@127.0.0.1:{port}/system?keyfile={key}\
&known_hosts={known}&known_hosts_verify=normal"
      baremark_nic_model: e1000e
"""


@pytest.fixture(scope="module")
def box(boot: Callable[[labs.Lab], labbox.LabBox]) -> labbox.LabBox:
    return boot(labs.KVM)


def test_real_kvm_with_huge_pages_and_a_guest_by_its_address(
    box: labbox.LabBox, environment: dict[str, str], tmp_path: Path
) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(
        INVENTORY.format(
            box=box.as_host(), port=box.ssh_port, key=box.client_key, known=box.known_hosts
        )
    )

    def on_it(verb: str, *args: str, status: int = 0) -> str:
        done = verbs.call(environment, verb, "-i", str(inventory), *args, status=status)
        return done.stdout + done.stderr

    told = on_it("doctor", status=1)
    assert "baremark_hugepages needs 256 free huge pages of 2048 KiB" in told
    made = box.run("sysctl -w vm.nr_hugepages=300 && grep hugetlbfs /proc/mounts")
    assert made.returncode == 0, made.stdout + made.stderr
    on_it("doctor")
    on_it("up")
    results = tmp_path / "results"
    on_it(
        *("run", "--preset", "smoke", "-w", "cpu-sysbench-1t", "--results", str(results)),
    )
    manifest = reader.read_manifest(folders.find(results / "runs", "latest"))
    assert not manifest.missing, manifest.missing
    seen = {record.target.name: record.fingerprint for record in manifest.targets}
    for name in ("huge", "by-address"):
        guest = seen[name]
        assert (guest.accelerator, guest.label) == ("kvm", "kvm")
        assert guest.backend_class is BackendClass.TYPE1
        assert guest.outside["cpu_type"] == "host"
    assert seen["huge"].outside["hugepages"] == "yes"
    assert seen["huge"].outside["emulator_cpus"] == "1"
    assert seen["huge"].outside["vhost"] == "yes"
    assert seen["by-address"].outside["hugepages"] == "no"
    assert seen["by-address"].inside["nic_driver"] == "e1000e"
    assert "baremark-by-address" in box.run("virsh list --name").stdout
    on_it("down")
    assert box.run("virsh list --all --name").stdout.split() == []
    assert box.run("ls /run/baremark /var/lib/baremark/targets").returncode != 0
