"""The kvm role on a second machine with real KVM and a libvirt of its own, which systemd runs: huge
pages, the machine's own processor, vhost, and a guest made over `qemu+ssh` with a pinned key.

The machine is a lab host in a box (see labbox.py). Its processor is emulated, so its figures mean
nothing; that it works does. Nothing is made on this machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.ledger import folders, reader
from harness.model.target import BackendClass
from tests import waiting

from . import labbox

ROOT = Path(__file__).parents[2]
BAREMARK = Path(sys.executable).with_name("baremark")

pytestmark = [pytest.mark.system, pytest.mark.long]

INVENTORY = """\
all:
  vars: {{baremark_vcpus: 1, baremark_memory_mib: 512, baremark_disk_gib: 2}}
baremetal:
  hosts:
    box:
      ansible_host: 127.0.0.1
      ansible_port: {port}
      ansible_user: lab
      ansible_python_interpreter: /usr/bin/python3
      ansible_ssh_private_key_file: {key}
      ansible_ssh_common_args: -o UserKnownHostsFile={known} -o StrictHostKeyChecking=yes
      baremark_ssh_forwarded_port: {native_port}
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


def test_real_kvm_with_huge_pages_and_a_guest_by_its_address(tmp_path: Path) -> None:
    if missing := labbox.missing_programs():
        pytest.skip(f"no lab host in a box without {', '.join(missing)}")
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(ROOT / ".cache"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }

    def baremark(*args: str, status: int = 0) -> str:
        done = subprocess.run(
            [str(BAREMARK), args[0], "-i", str(tmp_path / "hosts.yml"), *args[1:]],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=waiting.VERB_S,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    with labbox.lab_box(ROOT / ".cache" / "labbox") as box:
        (tmp_path / "hosts.yml").write_text(
            INVENTORY.format(
                port=box.ssh_port,
                key=box.client_key,
                known=box.known_hosts,
                native_port=box.native_port,
            )
        )
        told = baremark("doctor", status=1)
        assert "baremark_hugepages needs 256 free huge pages of 2048 KiB" in told
        made = box.run("sysctl -w vm.nr_hugepages=300 && grep hugetlbfs /proc/mounts")
        assert made.returncode == 0, made.stdout + made.stderr
        baremark("doctor")
        baremark("up")
        results = tmp_path / "results"
        baremark(
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
        baremark("down")
        assert box.run("virsh list --all --name").stdout.split() == []
        assert box.run("ls /run/baremark /var/lib/baremark/targets").returncode != 0
