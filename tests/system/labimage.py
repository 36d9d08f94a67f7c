"""The image that a lab host in a box boots from: built once by mmdebstrap, and kept.

A changed recipe is built anew, and the older image of that lab goes.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .labs import MASKED_UNITS, SERVER, Files, Lab

SUDOER = "lab"
"""A user who may do everything through sudo without a password, and nothing without it."""


class LabBoxError(Exception):
    """The box could not be built, or did not come up."""


@dataclass(frozen=True)
class Image:
    """What a box boots from; read only, shared by all boots."""

    disk: Path
    kernel: Path
    initrd: Path
    xen: Path
    """Only there where the lab is one of Xen's."""


def image(lab: Lab, cache: Path) -> Image:
    """Return the lab's image from `cache`, built first where it is not there yet (minutes).

    Two processes that ask at once build it once. Raises `LabBoxError`.
    """
    recipe = [
        *(_packages(lab), _files(lab), _essential_hook(lab), _hooks(lab)),
        *(lab.suite, lab.build_options, lab.disk_gib, bool(lab.xen_arguments)),
    ]
    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]
    cache.mkdir(parents=True, exist_ok=True)
    home = cache / f"{lab.name}-{digest}"
    with (cache / f"{lab.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            for old in cache.glob(f"{lab.name}-*"):
                shutil.rmtree(old)
            with tempfile.TemporaryDirectory(prefix=f"{lab.name}-", dir=cache) as scratch:
                _build(lab, Path(scratch))
                (Path(scratch) / "image").rename(home)
    return Image(home / "disk.raw", home / "vmlinuz", home / "initrd.img", home / "xen")


def _build(lab: Lab, scratch: Path) -> None:
    """Leave the image in the folder `image` under `scratch`."""
    overlay, root, made = scratch / "overlay.tar", scratch / "root", scratch / "image"
    _write_overlay(overlay, _files(lab))
    checked(
        # In a mount namespace of its own: what mmdebstrap mounts in the tree must not outlive a
        # build that is killed, or removing the tree would remove the machine's /dev with it.
        ["unshare", "--mount", "mmdebstrap", "--quiet"]
        + ["--variant=minbase", "--mode=root", "--format=directory", *lab.build_options]
        + ['--aptopt=APT::Install-Recommends "false"', f"--include={','.join(_packages(lab))}"]
        + [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale")]
        + [f"--essential-hook={_essential_hook(lab)}"]
        + [f"--customize-hook={hook}" for hook in (f"tar-in {overlay} /", *_hooks(lab))]
        + [lab.suite[0], str(root), *lab.suite[1:]]
    )
    made.mkdir()
    for name in ("vmlinuz", "initrd.img"):
        shutil.copyfile((root / name).resolve(), made / name)
    if lab.xen_arguments:
        (packed,) = (root / "boot").glob("xen-*.gz")
        # QEMU loads Xen as a multiboot kernel, which it does not unpack.
        (made / "xen").write_bytes(gzip.decompress(packed.read_bytes()))
    checked(["mkfs.ext4", "-q", "-d", str(root), str(made / "disk.raw"), f"{lab.disk_gib}G"])


def _packages(lab: Lab) -> tuple[str, ...]:
    return (*SERVER, *lab.packages)


def _files(lab: Lab) -> Files:
    return {
        "/etc/hostname": (0o644, "labbox\n"),
        "/etc/hosts": (0o644, "127.0.0.1 localhost\n127.0.1.1 labbox\n"),
        "/etc/fstab": (0o644, "/dev/vda / ext4 noatime 0 0\n"),
        "/etc/resolv.conf": (0o644, "nameserver 10.0.2.3\n"),
        # QEMU's user network always gives these addresses; asking DHCP for them costs seconds.
        "/etc/systemd/network/10-uplink.network": (
            0o644,
            f"[Match]\nName={lab.link}\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n"
            "LinkLocalAddressing=no\nIPv6AcceptRA=no\n",
        ),
        "/etc/modules-load.d/labbox.conf": (0o644, "".join(f"{each}\n" for each in lab.modules)),
        f"/etc/sudoers.d/{SUDOER}": (0o440, f"{SUDOER} ALL=(ALL:ALL) NOPASSWD: ALL\n"),
        "/etc/ssh/sshd_config.d/labbox.conf": (
            0o644,
            "HostKey /etc/ssh/ssh_host_ed25519_key\nPasswordAuthentication no\n"
            "PermitRootLogin prohibit-password\nUseDNS no\n",
        ),
        **lab.files,
    }


def _essential_hook(lab: Lab) -> str:
    """Have an initrd with the lab's drivers only."""
    lines = "".join(f"{each}\\n" for each in lab.drivers)
    return (
        'mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d" '
        '&& echo MODULES=list >"$1/etc/initramfs-tools/conf.d/labbox" '
        f'&& printf "{lines}" '
        '>"$1/usr/share/initramfs-tools/modules.d/labbox"'
    )


def _hooks(lab: Lab) -> tuple[str, ...]:
    enabled = " ".join(("systemd-networkd.service", "ssh.service", *lab.services))
    masked = " ".join((*MASKED_UNITS, *lab.masked_units))
    return (
        'rm -f "$1"/etc/ssh/ssh_host_*',
        f'chroot "$1" useradd --create-home --shell /bin/bash {SUDOER}',
        f'chroot "$1" systemctl enable {enabled}',
        f'chroot "$1" systemctl mask {masked}',
    )


def _write_overlay(path: Path, files: Files) -> None:
    with tarfile.open(path, "w") as overlay:
        for name, (mode, text) in files.items():
            member = tarfile.TarInfo(name.lstrip("/"))
            member.mode, member.size = mode, len(text.encode())
            overlay.addfile(member, io.BytesIO(text.encode()))


def checked(command: Sequence[str]) -> None:
    """Run a program on this machine; its last lines are the error where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
        raise LabBoxError(f"{command[0]} ended with {done.returncode}:\n{lines}")
