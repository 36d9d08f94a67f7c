"""An inventory of two machines: this one, and a second one reached over SSH as a user with sudo.

The second machine is a lab host in a box (see labbox.py): systemd as PID 1, real KVM. Its
processor is emulated, so its figures mean nothing; that it works does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.ledger import folders, reader
from harness.model.target import BackendClass
from harness.model.trial import TrialStatus

from . import labbox, labs, machine, verbs
from .labimage import SUDOER

pytestmark = [
    pytest.mark.system,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="provisioning this machine takes root"),
]

INVENTORY = """\
all:
  vars: {{baremark_vcpus: 1, baremark_memory_mib: 1024, baremark_disk_gib: 2}}
baremetal:
  hosts:
    native:
      ansible_connection: local
      ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"
    box: {box}
docker:
  hosts:
    container: {{baremark_host: native}}
kvm:
  hosts:
    box-guest:
      baremark_host: box
      # The box's processor is emulated: what takes seconds elsewhere takes minutes in it.
      baremark_kvm_proof_s: 180
      baremark_boot_s: 600
"""


@pytest.fixture(scope="module")
def box(boot: Callable[[labs.Lab], labbox.LabBox]) -> labbox.LabBox:
    return boot(labs.KVM)


def test_the_box_is_a_kvm_host_whose_key_was_known_before_it_booted(box: labbox.LabBox) -> None:
    kvm = box.run("test -c /dev/kvm && cat /sys/module/kvm_amd/parameters/npt")
    assert (kvm.returncode, kvm.stdout.strip()) == (0, "Y")
    libvirt = box.run("sudo virsh -c qemu:///system version --daemon", user=SUDOER)
    assert libvirt.returncode == 0, libvirt.stderr
    assert "Running against daemon: " in libvirt.stdout
    # Each of these logins already pinned it; this is what sshd itself shows.
    shown = box.run("ssh-keyscan localhost 2>/dev/null")
    assert shown.stdout.split("\n") == [f"localhost {box.host_key}", ""]


def inventory_of(box: labbox.LabBox, folder: Path) -> Path:
    inventory = folder / "hosts.yml"
    inventory.write_text(INVENTORY.format(box=box.as_host()))
    return inventory


def test_the_doctor_looks_into_a_second_machine_and_changes_nothing(
    box: labbox.LabBox, environment: dict[str, str], tmp_path: Path
) -> None:
    """The part of a lab's way over SSH and sudo that takes no minutes."""
    there = box.run(THERE).stdout
    inventory = str(inventory_of(box, tmp_path))
    done = verbs.call(environment, "doctor", "-i", inventory, "-t", "box-guest")
    assert "box (baremetal): usable" in done.stdout
    assert "box-guest (kvm): usable" in done.stdout
    assert "/dev/kvm is there; whether it works is proven when the guest boots" in done.stdout
    assert box.run(THERE).stdout == there


def test_two_machines_are_provisioned_measured_and_cleared_with_real_kvm_on_the_second(
    box: labbox.LabBox, environment: dict[str, str], tmp_path: Path
) -> None:
    here = machine.snapshot()
    there = box.run(THERE).stdout
    results = tmp_path / "results"

    where = ("-i", str(inventory_of(box, tmp_path)))
    some = ("-w", "cpu-sysbench-1t", "-w", "network-rr")
    verbs.call(environment, "bench", *where, *some, "--preset", "smoke", "--results", str(results))

    runs = [reader.read_run(folder) for folder in folders.runs_in(results / "runs")]
    assert sorted(run.manifest.host for run in runs) == ["box", "native"]
    for run in runs:
        assert run.ended == "complete"
        ended = {TrialStatus.OK, TrialStatus.REJECTED}
        assert {trial.reason for trial in run.trials if trial.status not in ended} == set()
    (remote,) = (run for run in runs if run.manifest.host == "box")
    (guest,) = (r.fingerprint for r in remote.manifest.targets if r.target.name == "box-guest")
    assert (guest.accelerator, guest.label) == ("kvm", "kvm")
    assert guest.backend_class is BackendClass.TYPE1
    assert guest.clocksource == "kvm-clock"
    assert guest.nested is True

    table: dict[str, Any] = json.loads(
        verbs.call(
            environment,
            *("table", "-f", "json", "--results", str(results)),
            *(run.manifest.run for run in runs),
        ).stdout
    )
    assert {section["host"] for section in table["sections"]} == {"box", "native"}
    assert box.run(THERE).stdout == there
    assert machine.left_behind(here, machine.snapshot(), kept=True) == {}
    verbs.call(environment, "down", *where)


THERE = """
ip -br link | awk '{print $1}'; ip netns list; virsh -q -c qemu:///system list --all
ls /run/baremark /var/lib/baremark/targets /run/sshd 2>&1
ps -e -o comm= | grep -E '^(qemu-system|iperf3|sockperf)' || echo none
"""
