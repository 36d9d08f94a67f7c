"""A lab host in a box in which VirtualBox's kernel driver can be built and loaded.

As labbox.py, with Debian sid in it, which has VirtualBox. One virtual CPU, and a model without
what VirtualBox stumbles over under TCG (LA57 of `max` keeps its guest at the reset vector). What
the driver is built with is in the image; VirtualBox itself is not: the role installs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from . import labbox

MEMORY_MIB = 3072
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
FILES: labbox.Files = {
    **labbox.base_files("eth0", "bridge", "veth"),
    "/etc/apt/apt.conf.d/90labbox": (0o644, f'{STALE};\nAPT::Install-Recommends "false";\n'),
}
HOOKS = labbox.setup_hooks(labbox.MASKED_UNITS)


@contextmanager
def running(cache: Path, *, boot_timeout_s: float = 600) -> Iterator[labbox.LabBox]:
    """Boot the box and take it down again. Raises `labbox.LabBoxError`."""
    image = _image(cache)
    box = labbox.start(image.disk, partial(_command, image))
    with labbox.booted(box, boot_timeout_s):
        yield box


def _image(cache: Path) -> labbox.Image:
    home = labbox.cached(
        cache, "vboxlab", [PACKAGES, FILES, HOOKS, labbox.DISK_GIB, SOURCE], _build
    )
    return labbox.Image(disk=home / "disk.raw", kernel=home / "vmlinuz", initrd=home / "initrd.img")


def _build(scratch: Path) -> None:
    labbox.debian_image(
        scratch,
        PACKAGES,
        FILES,
        labbox.INITRAMFS_HOOK,
        HOOKS,
        options=(f"--keyring={KEYRING}", f"--aptopt={STALE}"),
        suite=("sid", SOURCE),
    )


def _command(image: labbox.Image, folder: Path, ports: dict[int, int]) -> list[str]:
    return [
        *(*labbox.ENDS_WITH_STARTER, "nice", "-n", "10", *labbox.QEMU),
        *("-M", "q35,hpet=off,vmport=off", "-accel", "tcg,thread=multi", "-cpu", CPU),
        *("-smp", "1", "-m", str(MEMORY_MIB)),
        *("-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", KERNEL_ARGUMENTS),
        *(*labbox.devices(folder, ports), "-vga", "none"),
    ]
