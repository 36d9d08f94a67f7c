"""A lab host in a box that Xen runs: what is reached over SSH in it is dom0.

As labbox.py, but QEMU starts Debian's Xen, and Xen the box's own kernel as dom0. dom0 has its fixed
share of the memory and its vCPUs are bound, as on a machine that is meant to measure. The processor
is emulated, so neither dom0's figures nor a guest's say anything about Xen's speed.

Guests of types pvh and hvm start in it only with their time stamp counter left alone
(`baremark_xen_tsc_mode: native`): otherwise Xen intercepts RDTSCP, which QEMU's AMD SVM reports as
another instruction, and ends the guest.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from . import labbox

VCPUS = 2
MEMORY_MIB = 3584
DOM0_MIB = 1408

PACKAGES = (
    *("systemd-sysv", "dbus", "udev", "openssh-server", "sudo", "python3", "python3-apt"),
    *("ca-certificates", "iproute2", "iptables", "kmod", "procps", "psmisc", "e2fsprogs", "zstd"),
    *("linux-image-amd64", "initramfs-tools", "xen-hypervisor-4.17-amd64", "xen-utils-4.17"),
)
MASKED_UNITS = (
    *(*labbox.MASKED_UNITS, "serial-getty@hvc0.service", "xendomains.service"),
    *("systemd-rfkill.socket", "systemd-rfkill.service", "systemd-logind.service"),
    *("modprobe@drm.service", "modprobe@fuse.service", "modprobe@efi_pstore.service"),
)
FILES = labbox.base_files("eth0", "bridge", "veth", "loop")
# Under Xen systemd does not look for QEMU's credentials by itself: their driver is in the initrd.
INITRAMFS_HOOK = labbox.initramfs_hook("virtio_pci", "virtio_blk", "ext4", "qemu_fw_cfg")
HOOKS = labbox.setup_hooks(MASKED_UNITS)
XEN_ARGUMENTS = (
    f"placeholder dom0_mem={DOM0_MIB}M,max:{DOM0_MIB}M dom0_max_vcpus={VCPUS} dom0_vcpus_pin "
    # Without these SSE registers change hands between domains here, and programs crash.
    "xsave=0 spec-ctrl=eager-fpu console=com1 com1=115200,8n1 loglvl=warning"
)
KERNEL_ARGUMENTS = (
    "root=/dev/vda rw rootflags=noatime console=hvc0 loglevel=4 net.ifnames=0 mitigations=off"
)
CPU = "max,-smap"
"""Xen ends dom0 under QEMU's SMAP."""


@dataclass(frozen=True)
class Image:
    """What the box boots from; read only, shared by all boots."""

    disk: Path
    xen: Path
    kernel: Path
    initrd: Path


@contextmanager
def running(cache: Path, *, boot_timeout_s: float = 1200) -> Iterator[labbox.LabBox]:
    """Boot the box and take it down again. Raises `labbox.LabBoxError`."""
    image = _image(cache)
    box = labbox.start(image.disk, partial(_command, image))
    with labbox.booted(box, boot_timeout_s):
        yield box


def _image(cache: Path) -> Image:
    recipe = [PACKAGES, FILES, INITRAMFS_HOOK, HOOKS, labbox.DISK_GIB]
    home = labbox.cached(cache, "xenlab", recipe, _build)
    return Image(home / "disk.raw", home / "xen", home / "vmlinuz", home / "initrd.img")


def _build(scratch: Path) -> None:
    labbox.debian_image(scratch, PACKAGES, FILES, INITRAMFS_HOOK, HOOKS)
    (packed,) = (scratch / "root" / "boot").glob("xen-*.gz")
    # QEMU loads Xen as a multiboot kernel, which it does not unpack.
    (scratch / "image" / "xen").write_bytes(gzip.decompress(packed.read_bytes()))


def _command(image: Image, folder: Path, ports: dict[int, int]) -> list[str]:
    # The modules of a multiboot kernel, each with its arguments; a comma separates them.
    modules = f"{image.kernel} {KERNEL_ARGUMENTS},{image.initrd}"
    return [
        *(*labbox.ENDS_WITH_STARTER, *labbox.QEMU),
        *("-M", "q35,vmport=off", "-accel", "tcg,thread=multi", "-cpu", CPU),
        *("-smp", str(VCPUS), "-m", str(MEMORY_MIB)),
        *("-kernel", str(image.xen), "-append", XEN_ARGUMENTS, "-initrd", modules),
        *labbox.devices(folder, ports),
    ]
