"""A disk that a PC's BIOS boots, in the formats of the hypervisors: made and started for real."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.model.target import Endpoint
from harness.remote import connect, keys
from tests import waiting

ROOT = Path(__file__).parents[2]
ROLES = ROOT / "playbooks" / "roles"
PROGRAMS = ("mkfs.ext4", "sfdisk", "qemu-img", "grub-mkimage", "qemu-system-x86_64", "ssh-keygen")
BOOT_S = waiting.GUARD_S
FORMATS = {
    "raw": "",
    "vdi": "static=on",
    "vmdk": "",
    "vhdx": "",
    "vpc": "force_size=on",
    "qcow2": "",
}
CMDLINE = (
    "root=/dev/sda1 rw rootfstype=ext4 fsck.mode=skip console=ttyS0 net.ifnames=0 "
    "systemd.firstboot=0 baremark.address=10.0.2.15/24 baremark.gateway=10.0.2.2"
)

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="unpacking the userland takes root"),
    *(
        pytest.mark.skipif(shutil.which(program) is None, reason=f"there is no {program}")
        for program in PROGRAMS
    ),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The userland that provisioning built, unpacked."""
    archives = sorted(
        (ROOT / ".cache" / "baremark").glob("rootfs-*.tar.zst"),
        key=lambda path: path.stat().st_mtime,
    )
    if not archives:
        pytest.skip("no image was built on this machine yet: baremark up builds it")
    folder = tmp_path_factory.mktemp("userland")
    script = str(ROLES / "image" / "files" / "make-tree")
    names = [str(folder / name) for name in ("tree-1", "vmlinuz-1", "initrd-1")]
    subprocess.run(["sh", script, str(archives[-1]), *names], check=True)
    return folder / "tree-1"


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("identity")
    key = folder / "ssh_host_ed25519_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (folder / "authorized_keys").write_text(keys.make_key(folder / "client") + "\n")
    return folder


def make(tree: Path, identity: Path, form: str, disk: Path) -> None:
    script = str(ROLES / "bootdisk" / "files" / "make-bootdisk")
    arguments = [str(tree), "2", str(identity), CMDLINE, form, FORMATS[form], str(disk)]
    done = subprocess.run(["sh", script, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("form", FORMATS)
def test_a_disk_is_made_in_the_format_and_nothing_is_left_beside_it(
    form: str, tree: Path, identity: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    make(tree, identity, form, disk)
    info = subprocess.run(
        ["qemu-img", "info", "-f", form, str(disk)], capture_output=True, text=True, check=True
    ).stdout
    assert f"file format: {form}" in info
    assert "virtual size: 2 GiB (2147483648 bytes)" in info
    assert list(tmp_path.iterdir()) == [disk]
    disk.unlink()


def test_a_bios_boots_the_disk_to_ssh_under_the_key_that_was_put_in(
    tree: Path, identity: Path, tmp_path: Path
) -> None:
    disk, console = tmp_path / "disk.vdi", tmp_path / "console"
    make(tree, identity, "vdi", disk)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    guest = subprocess.Popen(
        [
            *("setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64"),
            *("-accel", "tcg", "-cpu", "max", "-m", "512", "-display", "none", "-nodefaults"),
            *("-drive", f"file={disk},format=vdi,if=ide", "-serial", f"file:{console}"),
            *("-netdev", f"user,id=n,hostfwd=tcp:127.0.0.1:{port}-:22"),
            *("-device", "virtio-net-pci,netdev=n"),
        ]
    )
    public = (identity / "ssh_host_ed25519_key.pub").read_text().split()[:2]
    endpoint = Endpoint("127.0.0.1", port, "root", " ".join(public), "/tmp", "/tmp")
    key = keys.load_key(identity / "client")
    try:
        until = time.monotonic() + BOOT_S
        while True:
            try:
                with connect.connect("guest", endpoint, key) as opened:
                    assert "/dev/sda1 / ext4" in opened.check(
                        ["cat", "/proc/mounts"], limit_s=BOOT_S
                    )
                    routes = opened.check(["ip", "route"], limit_s=BOOT_S)
                    assert "default via 10.0.2.2 dev eth0" in routes
                break
            except HarnessError as error:
                said = console.read_text(errors="replace")[-2000:] if console.exists() else ""
                if time.monotonic() > until:
                    pytest.fail(f"{error.message}; the console's end:\n{said}")
                time.sleep(1)
    finally:
        guest.kill()
        guest.wait()
    disk.unlink()
