"""The disk that is imported into ESXi, booted from the devices that ESXi gives: pvscsi and vmxnet3.

QEMU emulates VMware's two devices, so that the image's drivers for them are seen at work. It is no
ESXi: nothing is learnt of VMware's BIOS or of its own devices.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from harness.errors import HarnessError
from harness.model.target import Endpoint
from harness.remote import connect
from harness.remote.keys import load_key

from . import test_bootdisk
from .test_bootdisk import identity, tree  # noqa: F401  (fixtures)

ROLE = test_bootdisk.ROLES / "esxi"

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="unpacking the userland takes root"),
    *(
        pytest.mark.skipif(shutil.which(program) is None, reason=f"there is no {program}")
        for program in test_bootdisk.PROGRAMS
    ),
]


def test_the_disk_for_esxi_boots_from_pvscsi_and_answers_through_vmxnet3(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    keys, root = request.getfixturevalue("identity"), request.getfixturevalue("tree")
    disk, console = tmp_path / "disk.vmdk", tmp_path / "console"
    (block,) = [
        task["block"]
        for task in yaml.safe_load((ROLE / "tasks" / "make.yml").read_text())
        if "block" in task
    ]
    asked = next(task["vars"] for task in block if "bootdisk_file" in task.get("vars", {}))
    form, options = asked["bootdisk_format"], asked["bootdisk_format_options"]
    script = str(test_bootdisk.ROLES / "bootdisk" / "files" / "make-bootdisk")
    made = [str(root), "2", str(keys), test_bootdisk.CMDLINE, form, options, str(disk)]
    done = subprocess.run(["sh", script, *made], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    guest = subprocess.Popen(
        [
            *("setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64"),
            *("-accel", "tcg", "-cpu", "max", "-m", "512", "-display", "none", "-nodefaults"),
            # A streamOptimized disk can be read only: what is written goes to a file that is lost.
            *("-drive", f"file={disk},format=vmdk,if=none,id=disk,snapshot=on"),
            *("-device", "pvscsi,id=bus", "-device", "scsi-hd,bus=bus.0,drive=disk,bootindex=1"),
            *("-serial", f"file:{console}"),
            *("-netdev", f"user,id=n,hostfwd=tcp:127.0.0.1:{port}-:22"),
            *("-device", "vmxnet3,netdev=n"),
        ]
    )
    public = (keys / "ssh_host_ed25519_key.pub").read_text().split()[:2]
    endpoint = Endpoint("127.0.0.1", port, "root", " ".join(public), "/tmp", "/tmp")
    key = load_key(keys / "client")
    try:
        until = time.monotonic() + test_bootdisk.BOOT_S
        while True:
            try:
                with connect.connect("guest", endpoint, key) as opened:
                    drivers = "ls /sys/bus/pci/drivers/vmw_pvscsi /sys/bus/pci/drivers/vmxnet3"
                    bound = opened.check(["sh", "-c", drivers], limit_s=test_bootdisk.BOOT_S)
                    assert "/dev/sda1 / ext4" in opened.check(
                        ["cat", "/proc/mounts"], limit_s=test_bootdisk.BOOT_S
                    )
                break
            except HarnessError as error:
                said = console.read_text(errors="replace")[-2000:] if console.exists() else ""
                if time.monotonic() > until:
                    pytest.fail(f"{error.message}; the console's end:\n{said}")
                time.sleep(1)
    finally:
        guest.kill()
        guest.wait()
    assert bound.count("0000:00:") == 2, bound
