"""Xen: guests in a lab host that Debian's Xen runs, reached over SSH as a user with sudo.

The processor of that machine is emulated, so its figures mean nothing; that a real Xen makes, shows
and removes real PV and PVH guests does.
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

from . import labbox, labs, verbs
from .labimage import SUDOER

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="building the image takes root"),
]

INVENTORY = """\
all:
  vars: {{baremark_vcpus: 1, baremark_memory_mib: 512, baremark_disk_gib: 2, baremark_boot_s: 600}}
baremetal:
  hosts:
    dom0: {box}
xen:
  hosts:
    para:
      baremark_host: dom0
      baremark_xen_type: pv
    paravh:
      baremark_host: dom0
      baremark_xen_type: pvh
      # QEMU reports an intercepted RDTSCP as another instruction; left alone, it is none.
      baremark_xen_tsc_mode: native
    taken:
      baremark_host: dom0
      baremark_xen_type: pv
"""

FOREIGN = """\
cat >/root/foreign.cfg <<END
name = "baremark-taken"
type = "pv"
memory = 128
vcpus = 1
kernel = "$(ls /boot/vmlinuz-*)"
END
xl create -e -p /root/foreign.cfg
"""
"""A domain of another's under a name that Baremark would give; it never runs."""

THERE = """
ip -br link | awk '{print $1}'; ip netns list; xl list | awk '{print $1, $2, $3, $4}'
losetup --all; ls /run/baremark /var/lib/baremark/targets /run/sshd /var/lib/xen 2>&1
ls /var/log/xen | grep -v hotplug; xenstore-list /local/domain; iptables-save | grep '^-A'
ps -e -o comm= | grep -E '^(qemu-system|iperf3|sockperf|cat|xl)$' || echo none
"""


@pytest.fixture(scope="module")
def box(boot: Callable[[labs.Lab], labbox.LabBox]) -> labbox.LabBox:
    return boot(labs.XEN)


@pytest.mark.skipif(Path("/proc/xen/capabilities").exists(), reason="this machine runs under Xen")
def test_the_doctor_says_what_a_machine_without_xen_lacks(
    environment: dict[str, str], tmp_path: Path
) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(
        "all:\n  vars: {baremark_vcpus: 1, baremark_memory_mib: 512, baremark_disk_gib: 2}\n"
        "  children:\n    baremetal: {hosts: {native: {ansible_connection: local, "
        "ansible_python_interpreter: '{{ ansible_playbook_python }}'}}}\n"
        "    xen: {hosts: {guest: {baremark_host: native}}}\n"
    )
    said = " ".join(
        verbs.call(environment, "doctor", "-i", str(inventory), status=1).stdout.split()
    )
    assert "guest (xen): not usable why: the machine does not run under Xen as dom0" in said
    assert "to do: apt-get install xen-system-amd64, and boot the entry with Xen" in said


@pytest.mark.long
def test_the_box_is_dom0_of_a_real_xen(box: labbox.LabBox) -> None:
    assert box.run("cat /proc/xen/capabilities").stdout.strip() == "control_d"
    told = box.run("sudo xl info xen_version", user=SUDOER)
    assert told.stdout.startswith("4.17"), told.stderr


@pytest.mark.long
def test_guests_of_xen_are_made_measured_labelled_and_removed(
    box: labbox.LabBox, environment: dict[str, str], tmp_path: Path
) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(INVENTORY.format(box=box.as_host()))
    where = ("-i", str(inventory))
    made = box.run(FOREIGN)
    assert made.returncode == 0, made.stderr
    there = box.run(THERE).stdout
    results = tmp_path / "results"

    said = " ".join(verbs.call(environment, "doctor", *where, status=1).stdout.split())
    assert "dom0 (baremetal): usable" in said
    assert "the machine is dom0 of Xen" in said
    for guest in ("para", "paravh"):
        assert f"{guest} (xen): usable" in said
    assert "there is a domain baremark-taken that Baremark did not make" in said
    assert "xl rename baremark-taken another-name" in said
    assert box.run(THERE).stdout == there

    up = verbs.call(environment, "up", *where, "-t", "par*", "-t", "taken", status=1).stderr
    assert "there is a domain baremark-taken that Baremark did not make" in " ".join(up.split())
    domains = box.run("xl list").stdout
    again = verbs.call(environment, "up", *where, "-t", "par*").stderr
    assert "para is up at 198.18.0." in again
    ids = [line.split()[:2] for line in domains.splitlines()]
    assert ids == [line.split()[:2] for line in box.run("xl list").stdout.splitlines()]

    work = ("-w", "cpu-sysbench-1t", "--preset", "smoke", "--results", str(results))
    verbs.call(environment, "run", *where, *work)
    (folder,) = folders.runs_in(results / "runs")
    run = reader.read_run(folder)
    assert run.ended == "complete"
    ended = {TrialStatus.OK, TrialStatus.REJECTED}
    assert {trial.reason for trial in run.trials if trial.status not in ended} == set()
    seen = {record.target.name: record.fingerprint for record in run.manifest.targets}
    assert {name: each.label for name, each in seen.items()} == {
        "dom0": "xen-dom0",
        "para": "xen-pv",
        "paravh": "xen-pvh",
    }
    for each in seen.values():
        assert each.backend_class is BackendClass.TYPE1
        assert each.nested is True
        assert (each.release or "").startswith("4.17.")
        assert each.clocksource == "xen"
    assert seen["dom0"].inside["dmi_vendor"] == "QEMU"
    assert [seen[name].inside["xen_guest_type"] for name in ("para", "paravh")] == ["PV", "PVH"]

    table: dict[str, Any] = json.loads(
        verbs.call(environment, "table", "-f", "json", "--results", str(results)).stdout
    )
    (section,) = table["sections"]
    assert [column["header"] for column in section["columns"]] == [
        "dom0 (xen-dom0, type1, nested)",
        "para (xen-pv, type1, nested)",
        "paravh (xen-pvh, type1, nested)",
    ]
    notes = " ".join(note["text"] for note in section["notes"])
    assert "overhead is relative to dom0 and not to bare metal" in notes
    assert "is emulated in software" in notes

    verbs.call(environment, "down", *where)
    assert box.run(THERE).stdout == there
    assert "baremark-taken" in box.run("xl list").stdout
