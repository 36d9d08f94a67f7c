"""Guests that claim to be something else: QEMU's TCG with the firmware tables of other hypervisors.

Each boots the image's own kernel with nothing but busybox, the observing script and the bundle's
`cpuid`, tells on its serial console what it sees, and ends. No disk, no network, no root.
"""

from __future__ import annotations

import gzip
import io
import shutil
import socket
import stat
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import zstandard

from harness.bundle.archive import Bundle
from harness.fingerprint import platform
from harness.inventory.network import PEER_ADDRESS
from harness.model.target import Endpoint
from harness.remote.keys import make_key
from tests import waiting

from . import sshd

ROOT = Path(__file__).parents[2]
OBSERVE = ROOT / "harness" / "fingerprint" / "inside.sh"
BOOT_LIMIT_S = waiting.GUARD_S
_BEGIN, _END = "baremark-observations-begin", "baremark-observations-end"

_INIT = f"""#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
echo {_BEGIN}
sh /inside.sh / /bundle {PEER_ADDRESS}
echo {_END}
poweroff -f
"""

HYPERV = (
    *("-smbios", "type=0,vendor=American Megatrends Inc.,version=090008"),
    "-smbios",
    "type=1,manufacturer=Microsoft Corporation,product=Virtual Machine,version=7.0",
)
VMWARE = (
    *("-smbios", "type=0,vendor=Phoenix Technologies LTD,version=6.00"),
    *("-smbios", "type=1,manufacturer=VMware,, Inc.,product=VMware Virtual Platform"),
)
VIRTUALBOX = (
    *("-smbios", "type=0,vendor=innotek GmbH,version=VirtualBox"),
    *("-smbios", "type=1,manufacturer=innotek GmbH,product=VirtualBox,version=1.2"),
)
MASKED = "max,tcg-cpuid=off"
"""A processor that does not say that it is emulated: no hypervisor leaf, but the hypervisor bit."""


def kernel() -> Path | None:
    """The kernel of the image that was built last, if one was."""
    found = sorted(
        (ROOT / ".cache" / "baremark").glob("vmlinuz-*"), key=lambda path: path.stat().st_mtime
    )
    return found[-1] if found else None


def missing() -> list[str]:
    """What this machine lacks to boot such guests."""
    lacking = [name for name in ("qemu-system-x86_64", "busybox") if shutil.which(name) is None]
    return [*lacking, *(["a kernel: baremark up builds it"] if kernel() is None else [])]


def initrd(packed: Bundle, file: Path) -> Path:
    """Write the guests' file system to `file`: an archive in the kernel's own format."""
    busybox = shutil.which("busybox")
    assert busybox is not None
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
    entries: list[tuple[str, int, bytes]] = [
        (folder, stat.S_IFDIR | 0o755, b"")
        for folder in ("bin", "dev", "proc", "sys", "bundle", "bundle/bin", "bundle/lib")
    ]
    entries.append(("bin/busybox", stat.S_IFREG | 0o755, Path(busybox).read_bytes()))
    # Its applets that a server has too: a guest without `ip` is another test.
    for name in sorted({*applets.stdout.split()} - {"busybox"}):
        entries.append((f"bin/{name}", stat.S_IFLNK | 0o777, b"busybox"))
    entries.append(("init", stat.S_IFREG | 0o755, _INIT.encode()))
    entries.append(("inside.sh", stat.S_IFREG | 0o644, OBSERVE.read_bytes()))
    entries += [(f"bundle/{name}", stat.S_IFREG | 0o755, data) for name, data in _of(packed)]
    archive = b"".join(_member(*entry, number) for number, entry in enumerate(entries, 1))
    archive += _member("TRAILER!!!", 0, b"", 0)
    file.write_bytes(gzip.compress(archive, 1))
    return file


def observe(system: Path, arguments: Sequence[str], cpu: str = "max") -> dict[str, str]:
    """Boot a guest with more of QEMU's arguments; what it sees, by name."""
    image = kernel()
    assert image is not None
    command = [
        *("nice", "-n", "10", "qemu-system-x86_64", "-nodefaults", "-no-user-config"),
        *("-display", "none", "-M", "q35", "-accel", "tcg", "-cpu", cpu, "-m", "256"),
        *("-no-reboot", "-kernel", str(image), "-initrd", str(system), "-serial", "stdio"),
        *("-append", "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable"),
        *arguments,
    ]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=BOOT_LIMIT_S
    )
    said = done.stdout.replace("\r", "")
    assert _END in said, said[-2000:] + done.stderr[-1000:]
    text = said.split(_BEGIN, 1)[1].split(_END, 1)[0]
    inside = dict(line.split("\t", 1) for line in text.splitlines() if "\t" in line)
    registers = [inside.pop(name) for name in sorted(inside) if name.startswith("cpuid_")]
    inside["hypervisor_leaves"] = platform.leaves("\n".join(registers))
    return inside


def _of(packed: Bundle) -> Iterator[tuple[str, bytes]]:
    """The files of the bundle that `run cpuid` takes."""
    with packed.archive.open("rb") as file:
        content = zstandard.ZstdDecompressor().stream_reader(file).read()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            name = member.name.partition("/")[2]
            wanted = name in {"run", "bin/cpuid", "lib/libc.so.6"} or "/ld-linux" in name
            if wanted and (data := archive.extractfile(member)) is not None:
                yield name, data.read()


def _member(name: str, mode: int, data: bytes, number: int) -> bytes:
    """One entry of a cpio archive of the kind that Linux unpacks (newc)."""
    path = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + path
    return _padded(head) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest of the common image that answers SSH on loopback."""

    endpoint: Endpoint
    process: subprocess.Popen[bytes]


def userland() -> Path | None:
    """The image's archive that was built last, if one was."""
    found = sorted(
        (ROOT / ".cache" / "baremark").glob("rootfs-*.tar.zst"),
        key=lambda path: path.stat().st_mtime,
    )
    return found[-1] if found else None


@contextmanager
def answering(folder: Path, client: str, arguments: Sequence[str], cpu: str) -> Iterator[Guest]:
    """Boot the common image as a guest that lets the public key `client` in, and end it."""
    archive, files = userland(), ROOT / "playbooks" / "roles" / "image" / "files"
    assert archive is not None
    keys, disk, tree = folder / "identity", folder / "disk.raw", folder / "tree-1"
    keys.mkdir(parents=True)
    host_key = make_key(keys / "ssh_host_ed25519_key")
    (keys / "ssh_host_ed25519_key.pub").write_text(host_key + "\n")
    (keys / "authorized_keys").write_text(client + "\n")
    boot = [str(folder / "vmlinuz-1"), str(folder / "initrd-1")]
    for command in (
        ["sh", str(files / "make-tree"), str(archive), str(tree), *boot],
        ["sh", str(files / "make-disk"), str(tree), "4", str(keys), str(disk), "raw", "yes"],
    ):
        subprocess.run(command, check=True, capture_output=True)
    port, console = sshd.free_port(), folder / "console"
    process = subprocess.Popen(
        [
            *("setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-nodefaults"),
            *("-no-user-config", "-display", "none", "-M", "q35", "-accel", "tcg", "-cpu", cpu),
            *("-m", "768", "-kernel", boot[0], "-initrd", boot[1], "-append"),
            "root=/dev/vda rw rootfstype=ext4 fsck.mode=skip console=ttyS0 net.ifnames=0 "
            "mitigations=off baremark.address=10.0.2.15/24",
            *("-drive", f"file={disk},if=virtio,format=raw,cache=unsafe"),
            *("-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{port}-:22"),
            *("-device", "virtio-net-pci,netdev=net,mac=52:54:00:62:6d:01"),
            *("-device", "virtio-rng-pci", "-serial", f"file:{console}"),
            *arguments,
        ],
        stdin=subprocess.DEVNULL,
    )
    try:
        endpoint = Endpoint("127.0.0.1", port, "root", host_key, "", "")

        def said() -> str:
            return console.read_text(errors="replace")[-2000:] if console.exists() else ""

        def greets() -> bool:
            assert process.poll() is None, said()
            return _greets(port)

        waiting.until(greets, "SSH in the guest", said)
        yield Guest(endpoint, process)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as connection:
            connection.settimeout(10)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
