"""A lab host in a box that Xen runs: what is reached over SSH in it is dom0.

As labbox.py, but QEMU starts Debian's Xen, and Xen the box's own kernel as dom0. dom0 has its fixed
share of the memory and its vCPUs are bound, as on a machine that is meant to measure. The processor
is emulated, so neither dom0's figures nor a guest's say anything about Xen's speed.

Guests of types pvh and hvm start in it only with their time stamp counter left alone
(`baremark_xen_tsc_mode: native`): otherwise Xen intercepts RDTSCP, which QEMU's AMD SVM reports as
another instruction, and ends the guest.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import labbox

VCPUS = 2
MEMORY_MIB = 3584
DOM0_MIB = 1408
DISK_GIB = 8

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
FILES: dict[str, tuple[int, str]] = {
    **{name: entry for name, entry in labbox.FILES.items() if "modules-load" not in name},
    "/etc/systemd/network/10-uplink.network": (
        0o644,
        "[Match]\nName=eth0\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n"
        "LinkLocalAddressing=no\nIPv6AcceptRA=no\n",
    ),
    "/etc/modules-load.d/labbox.conf": (0o644, "bridge\nveth\nloop\n"),
}
# Under Xen systemd does not look for QEMU's credentials by itself: their driver is in the initrd.
INITRAMFS_HOOK = (
    'mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d" '
    '&& echo MODULES=list >"$1/etc/initramfs-tools/conf.d/labbox" '
    '&& printf "virtio_pci\\nvirtio_blk\\next4\\nqemu_fw_cfg\\n" '
    '>"$1/usr/share/initramfs-tools/modules.d/labbox"'
)
HOOKS = (
    'rm -f "$1"/etc/ssh/ssh_host_*',
    f'chroot "$1" useradd --create-home --shell /bin/bash {labbox.SUDOER}',
    'chroot "$1" systemctl enable systemd-networkd.service ssh.service',
    f'chroot "$1" systemctl mask {" ".join(MASKED_UNITS)}',
)
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
    box = _start(_image(cache))
    try:
        labbox._wait_until_up(box, boot_timeout_s)
        yield box
    finally:
        box.stop()


def _image(cache: Path) -> Image:
    """The image, built first where it is not there yet; images of older recipes are removed."""
    recipe = json.dumps([PACKAGES, FILES, INITRAMFS_HOOK, HOOKS, DISK_GIB], sort_keys=True)
    cache.mkdir(parents=True, exist_ok=True)
    home = cache / f"xenlab-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"
    with (cache / "xenlab.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            for old in cache.glob("xenlab-*"):
                shutil.rmtree(old)
            with tempfile.TemporaryDirectory(prefix="xenlab-", dir=cache) as scratch:
                _build(Path(scratch))
                (Path(scratch) / "image").rename(home)
    return Image(home / "disk.raw", home / "xen", home / "vmlinuz", home / "initrd.img")


def _build(scratch: Path) -> None:
    overlay, root, image = scratch / "overlay.tar", scratch / "root", scratch / "image"
    labbox._write_overlay(overlay, FILES)
    labbox._checked(
        ["unshare", "--mount", "mmdebstrap", "--quiet"]
        + ["--variant=minbase", "--mode=root", "--format=directory"]
        + ['--aptopt=APT::Install-Recommends "false"', f"--include={','.join(PACKAGES)}"]
        + [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale")]
        + [f"--essential-hook={INITRAMFS_HOOK}"]
        + [f"--customize-hook={hook}" for hook in (f"tar-in {overlay} /", *HOOKS)]
        + ["bookworm", str(root)]
    )
    image.mkdir()
    for name in ("vmlinuz", "initrd.img"):
        shutil.copyfile((root / name).resolve(), image / name)
    (packed,) = (root / "boot").glob("xen-*.gz")
    # QEMU loads Xen as a multiboot kernel, which it does not unpack.
    (image / "xen").write_bytes(gzip.decompress(packed.read_bytes()))
    labbox._checked(["mkfs.ext4", "-q", "-d", str(root), str(image / "disk.raw"), f"{DISK_GIB}G"])


def _start(image: Image) -> labbox.LabBox:
    folder = Path(tempfile.mkdtemp(prefix="baremark-labbox-"))
    try:
        ports = dict(zip((22, labbox.NATIVE_PORT), labbox._free_ports(2), strict=True))
        host_key = labbox._write_keys(folder, ports[22])
        base, overlay = str(image.disk.resolve()), str(folder / "overlay.qcow2")
        labbox._checked(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, overlay]
        )
        with (folder / "qemu.log").open("wb") as log:
            process = subprocess.Popen(
                _command(image, folder, ports), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return labbox.LabBox(run_folder=folder, process=process, ports=ports, host_key=host_key)


def _command(image: Image, folder: Path, ports: dict[int, int]) -> list[str]:
    local = labbox.LOOPBACK
    forwards = "".join(f",hostfwd=tcp:{local}:{here}-:{there}" for there, here in ports.items())
    # The modules of a multiboot kernel, each with its arguments; a comma separates them.
    modules = f"{image.kernel} {KERNEL_ARGUMENTS},{image.initrd}"
    return [
        *("setpriv", "--pdeathsig", "KILL"),
        *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"),
        *("-M", "q35,vmport=off", "-accel", "tcg,thread=multi", "-cpu", CPU),
        *("-smp", str(VCPUS), "-m", str(MEMORY_MIB)),
        *("-kernel", str(image.xen), "-append", XEN_ARGUMENTS, "-initrd", modules),
        *("-drive", f"file={folder / 'overlay.qcow2'},if=virtio,format=qcow2,cache=unsafe"),
        *("-netdev", f"user,id=uplink{forwards}", "-device", "virtio-net-pci,netdev=uplink"),
        *("-device", "virtio-rng-pci"),
        *("-serial", f"file:{folder / 'console.log'}"),
        *("-fw_cfg", f"name=opt/io.systemd.credentials/tmpfiles.extra,file={folder / 'tmpfiles'}"),
    ]
