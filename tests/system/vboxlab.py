"""A lab host in a box in which VirtualBox's kernel driver can be built and loaded.

As labbox.py, with Debian sid in it, which has VirtualBox. One virtual CPU, and a model without
what VirtualBox stumbles over under TCG (LA57 of `max` keeps its guest at the reset vector). What
the driver is built with is in the image; VirtualBox itself is not: the role installs it.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from . import labbox

MEMORY_MIB = 3072
DISK_GIB = 8
SOURCE = "deb http://deb.debian.org/debian sid main contrib"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
STALE = 'Acquire::Check-Valid-Until "false"'
"""A frozen mirror's Release files are past their date."""

PACKAGES = (
    *("systemd-sysv", "dbus", "udev", "openssh-server", "sudo", "python3", "python3-apt"),
    *("ca-certificates", "iproute2", "iptables", "kmod", "procps", "psmisc", "e2fsprogs"),
    *("fdisk", "zstd", "qemu-utils", "grub-common", "grub-pc-bin", "debian-archive-keyring"),
    *("linux-image-amd64", "linux-headers-amd64", "initramfs-tools", "dkms"),
)
KERNEL_ARGUMENTS = (
    "root=/dev/vda rw rootflags=noatime console=ttyS0 loglevel=4 net.ifnames=0 mitigations=off "
    "tsc=reliable no_timer_check panic=-1 "
    "modprobe.blacklist=kvm_intel,iTCO_wdt,psmouse,joydev,sr_mod,ahci"
)
CPU = "qemu64,+svm,+npt,+ssse3,+sse4.1,+sse4.2,+popcnt,+rdtscp,+rdrand,+lahf-lm"
FILES: dict[str, tuple[int, str]] = {
    **{name: entry for name, entry in labbox.FILES.items() if "modules-load" not in name},
    "/etc/systemd/network/10-uplink.network": (
        0o644,
        "[Match]\nName=eth0\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n"
        "LinkLocalAddressing=no\nIPv6AcceptRA=no\n",
    ),
    "/etc/apt/apt.conf.d/90labbox": (0o644, f'{STALE};\nAPT::Install-Recommends "false";\n'),
    "/etc/modules-load.d/labbox.conf": (0o644, "bridge\nveth\n"),
}
HOOKS = (
    'rm -f "$1"/etc/ssh/ssh_host_*',
    f'chroot "$1" useradd --create-home --shell /bin/bash {labbox.SUDOER}',
    'chroot "$1" systemctl enable systemd-networkd.service ssh.service',
    f'chroot "$1" systemctl mask {" ".join(labbox.MASKED_UNITS)}',
)


@contextmanager
def running(cache: Path, *, boot_timeout_s: float = 600) -> Iterator[labbox.LabBox]:
    """Boot the box and take it down again. Raises `labbox.LabBoxError`."""
    box = _start(_image(cache))
    try:
        labbox._wait_until_up(box, boot_timeout_s)
        yield box
    finally:
        box.stop()


def _image(cache: Path) -> labbox.Image:
    recipe = json.dumps([PACKAGES, FILES, HOOKS, DISK_GIB, SOURCE], sort_keys=True)
    cache.mkdir(parents=True, exist_ok=True)
    home = cache / f"vboxlab-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"
    with (cache / "vboxlab.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            for old in cache.glob("vboxlab-*"):
                shutil.rmtree(old)
            with tempfile.TemporaryDirectory(prefix="vboxlab-", dir=cache) as scratch:
                _build(Path(scratch))
                (Path(scratch) / "image").rename(home)
    return labbox.Image(disk=home / "disk.raw", kernel=home / "vmlinuz", initrd=home / "initrd.img")


def _build(scratch: Path) -> None:
    overlay, root, image = scratch / "overlay.tar", scratch / "root", scratch / "image"
    with tarfile.open(overlay, "w") as files:
        for name, (mode, text) in FILES.items():
            member = tarfile.TarInfo(name.lstrip("/"))
            member.mode, member.size = mode, len(text.encode())
            files.addfile(member, io.BytesIO(text.encode()))
    labbox._checked(
        ["unshare", "--mount", "mmdebstrap", "--quiet", f"--keyring={KEYRING}"]
        + ["--variant=minbase", "--mode=root", "--format=directory", f"--aptopt={STALE}"]
        + ['--aptopt=APT::Install-Recommends "false"', f"--include={','.join(PACKAGES)}"]
        + [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale")]
        + [f"--essential-hook={labbox.INITRAMFS_HOOK}"]
        + [f"--customize-hook={hook}" for hook in (f"tar-in {overlay} /", *HOOKS)]
        + ["sid", str(root), SOURCE]
    )
    image.mkdir()
    for name in ("vmlinuz", "initrd.img"):
        shutil.copyfile((root / name).resolve(), image / name)
    labbox._checked(["mkfs.ext4", "-q", "-d", str(root), str(image / "disk.raw"), f"{DISK_GIB}G"])


def _start(
    image: labbox.Image, guest_ports: Sequence[int] = (labbox.NATIVE_PORT,)
) -> labbox.LabBox:
    folder = Path(tempfile.mkdtemp(prefix="baremark-labbox-"))
    ports = dict(zip((22, *guest_ports), labbox._free_ports(1 + len(guest_ports)), strict=True))
    host_key = labbox._write_keys(folder, ports[22])
    base, overlay = str(image.disk.resolve()), str(folder / "overlay.qcow2")
    labbox._checked(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, overlay])
    with (folder / "qemu.log").open("wb") as log:
        process = subprocess.Popen(
            _command(image, folder, ports), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    return labbox.LabBox(run_folder=folder, process=process, ports=ports, host_key=host_key)


def _command(image: labbox.Image, folder: Path, ports: dict[int, int]) -> list[str]:
    local = labbox.LOOPBACK
    forwards = "".join(f",hostfwd=tcp:{local}:{here}-:{there}" for there, here in ports.items())
    return [
        *("setpriv", "--pdeathsig", "KILL", "nice", "-n", "10"),
        *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"),
        *("-M", "q35,hpet=off,vmport=off", "-accel", "tcg,thread=multi", "-cpu", CPU),
        *("-smp", "1", "-m", str(MEMORY_MIB)),
        *("-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", KERNEL_ARGUMENTS),
        *("-drive", f"file={folder / 'overlay.qcow2'},if=virtio,format=qcow2,cache=unsafe"),
        *("-netdev", f"user,id=uplink{forwards}", "-device", "virtio-net-pci,netdev=uplink"),
        *("-device", "virtio-rng-pci", "-vga", "none"),
        *("-serial", f"file:{folder / 'console.log'}"),
        *("-fw_cfg", f"name=opt/io.systemd.credentials/tmpfiles.extra,file={folder / 'tmpfiles'}"),
    ]
