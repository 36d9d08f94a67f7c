"""A lab host in a box: a second physical host for system tests, on a machine that has only one.

The box is a Debian guest under QEMU's TCG with AMD SVM emulated, so that /dev/kvm in it is the
real thing and stock kernels boot under it. It is reached over SSH on loopback like any lab host.
Its speed is that of an emulated CPU: nothing measured in it says anything about a hypervisor.

The image is built once and kept; every boot writes to an overlay of its own that is thrown away.
The keys of a boot are made here and handed in as a systemd credential, so the host key is known
before the first connection and is pinned.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests import waiting

LOOPBACK = "127.0.0.1"
SUDOER = "lab"
"""A user who may do everything through sudo without a password, and nothing without it."""
NATIVE_PORT = 8122
"""Where baremark's private sshd, the native target, listens in the box."""

VCPUS = 2
MEMORY_MIB = 4096
DISK_GIB = 8

PROGRAMS = (
    *("mmdebstrap", "mkfs.ext4", "unshare", "setpriv"),
    *("qemu-system-x86_64", "qemu-img", "ssh", "ssh-keygen"),
)
"""What the machine that starts the box must have."""

ENDS_WITH_STARTER = ("setpriv", "--pdeathsig", "KILL")
"""A box must not outlive a test run that was killed. (It also ends with the thread that started it,
so a box is started from the main thread.)"""
QEMU = ("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none")

PACKAGES = (
    # a Debian server
    *("systemd-sysv", "dbus", "udev", "openssh-server", "sudo", "python3", "python3-apt"),
    *("ca-certificates", "iproute2", "iputils-ping", "iptables", "kmod", "procps", "psmisc"),
    *("e2fsprogs", "zstd"),
    # a KVM host
    *("linux-image-cloud-amd64", "initramfs-tools", "qemu-system-x86", "qemu-utils"),
    *("libvirt-daemon-system", "libvirt-clients", "dnsmasq-base"),
)

MASKED_UNITS = (
    # Each costs seconds of emulated boot, or wakes up in the middle of a test.
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer"),
    *("e2scrub_all.timer", "e2scrub_reap.service", "logrotate.timer"),
    *("systemd-tmpfiles-clean.timer", "systemd-random-seed.service", "systemd-pstore.service"),
    *("systemd-networkd-wait-online.service", "libvirt-guests.service"),
    *("getty@tty1.service", "serial-getty@ttyS0.service"),
)

KERNEL_ARGUMENTS = (
    "root=/dev/vda rw rootflags=noatime console=ttyS0 loglevel=4 "
    # Guards against speculation cost much under TCG and guard nothing there.
    "mitigations=off "
    # KVM gives its guests a kvm-clock that needs no exit only where the host itself runs on TSC.
    "tsc=reliable clocksource=tsc no_timer_check "
    # A halted guest CPU must leave the emulated core to others at once.
    "kvm.halt_poll_ns=0"
)

Files = dict[str, tuple[int, str]]
"""Files of an image: path, then mode and text. All belong to root."""


def base_files(link: str, *modules: str) -> Files:
    """Return the files of every box, whose network card is called `link` (a pattern) and whose
    kernel loads `modules`."""
    return {
        "/etc/hostname": (0o644, "labbox\n"),
        "/etc/hosts": (0o644, "127.0.0.1 localhost\n127.0.1.1 labbox\n"),
        "/etc/fstab": (0o644, "/dev/vda / ext4 noatime 0 0\n"),
        "/etc/resolv.conf": (0o644, "nameserver 10.0.2.3\n"),
        # QEMU's user network always gives these addresses; asking DHCP for them costs seconds.
        "/etc/systemd/network/10-uplink.network": (
            0o644,
            f"[Match]\nName={link}\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n"
            "LinkLocalAddressing=no\nIPv6AcceptRA=no\n",
        ),
        "/etc/modules-load.d/labbox.conf": (0o644, "".join(f"{each}\n" for each in modules)),
        f"/etc/sudoers.d/{SUDOER}": (0o440, f"{SUDOER} ALL=(ALL:ALL) NOPASSWD: ALL\n"),
        "/etc/ssh/sshd_config.d/labbox.conf": (
            0o644,
            "HostKey /etc/ssh/ssh_host_ed25519_key\nPasswordAuthentication no\n"
            "PermitRootLogin prohibit-password\nUseDNS no\n",
        ),
    }


def initramfs_hook(*drivers: str) -> str:
    """Return the hook for an initrd with these drivers only: a full one takes long to unpack on an
    emulated CPU."""
    lines = "".join(f"{each}\\n" for each in drivers)
    return (
        'mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d" '
        '&& echo MODULES=list >"$1/etc/initramfs-tools/conf.d/labbox" '
        f'&& printf "{lines}" '
        '>"$1/usr/share/initramfs-tools/modules.d/labbox"'
    )


def setup_hooks(masked_units: Sequence[str], *services: str) -> tuple[str, ...]:
    """Return the hooks of every box, in which network, SSH and `services` are started."""
    enabled = " ".join(("systemd-networkd.service", "ssh.service", *services))
    return (
        'rm -f "$1"/etc/ssh/ssh_host_*',
        f'chroot "$1" useradd --create-home --shell /bin/bash {SUDOER}',
        f'chroot "$1" systemctl enable {enabled}',
        f'chroot "$1" systemctl mask {" ".join(masked_units)}',
    )


FILES = base_files("en*", "kvm_amd", "tun", "bridge", "veth", "vhost_net")
INITRAMFS_HOOK = initramfs_hook("virtio_pci", "virtio_blk", "ext4")
SETUP_HOOKS = setup_hooks(MASKED_UNITS, "libvirtd.service")


class LabBoxError(Exception):
    """The box could not be built, or did not come up."""


def missing_programs() -> list[str]:
    """Return what this machine lacks to start a box; an empty list means that it can."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if os.geteuid() != 0:
        missing.append("root (to build the image)")
    return missing


@dataclass(frozen=True)
class Image:
    """What a box boots from; read only, shared by all boots."""

    disk: Path
    kernel: Path
    initrd: Path


def build_image(cache: Path) -> Image:
    """Return the image from `cache`, built first where it is not there yet (about a minute)."""
    recipe = [PACKAGES, FILES, INITRAMFS_HOOK, SETUP_HOOKS, DISK_GIB]
    home = cached(cache, "labbox", recipe, _build)
    return Image(disk=home / "disk.raw", kernel=home / "vmlinuz", initrd=home / "initrd.img")


def _build(scratch: Path) -> None:
    debian_image(scratch, PACKAGES, FILES, INITRAMFS_HOOK, SETUP_HOOKS)


def cached(cache: Path, name: str, recipe: Sequence[object], build: Callable[[Path], None]) -> Path:
    """Return the folder of an image in `cache`, built first where it is not there yet.

    `recipe` is everything that decides what the image holds, as values of JSON; images of older
    recipes of that `name` are removed. `build` leaves the image in the folder `image` under the
    folder that it gets. Two processes that ask at once build it once.
    """
    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]
    cache.mkdir(parents=True, exist_ok=True)
    home = cache / f"{name}-{digest}"
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            for old in cache.glob(f"{name}-*"):
                shutil.rmtree(old)
            with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=cache) as scratch:
                build(Path(scratch))
                (Path(scratch) / "image").rename(home)
    return home


def debian_image(
    scratch: Path,
    packages: Sequence[str],
    files: Files,
    essential_hook: str,
    customize_hooks: Sequence[str],
    *,
    options: Sequence[str] = (),
    suite: Sequence[str] = ("bookworm",),
) -> None:
    """Leave disk.raw, vmlinuz and initrd.img in the folder `image` under `scratch`, and the tree
    that they are made from in `root`.

    `options` are further ones of mmdebstrap, `suite` is Debian's and, after it, its source.
    """
    overlay, root, image = scratch / "overlay.tar", scratch / "root", scratch / "image"
    _write_overlay(overlay, files)
    hooks = [f"tar-in {overlay} /", *customize_hooks]
    _checked(
        # In a mount namespace of its own: what mmdebstrap mounts in the tree must not outlive a
        # build that is killed, or removing the tree would remove the machine's /dev with it.
        ["unshare", "--mount", "mmdebstrap", "--quiet"]
        + ["--variant=minbase", "--mode=root", "--format=directory", *options]
        + ['--aptopt=APT::Install-Recommends "false"', f"--include={','.join(packages)}"]
        + [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale")]
        + [f"--essential-hook={essential_hook}"]
        + [f"--customize-hook={hook}" for hook in hooks]
        + [suite[0], str(root), *suite[1:]]
    )
    image.mkdir()
    for name in ("vmlinuz", "initrd.img"):
        shutil.copyfile((root / name).resolve(), image / name)
    _checked(["mkfs.ext4", "-q", "-d", str(root), str(image / "disk.raw"), f"{DISK_GIB}G"])


def _write_overlay(path: Path, files: Files) -> None:
    with tarfile.open(path, "w") as overlay:
        for name, (mode, text) in files.items():
            member = tarfile.TarInfo(name.lstrip("/"))
            member.mode, member.size = mode, len(text.encode())
            overlay.addfile(member, io.BytesIO(text.encode()))


@dataclass
class LabBox:
    """A running box. `run` is for tests; the product reaches it by `ssh_port` and the keys."""

    run_folder: Path
    process: subprocess.Popen[bytes]
    ports: dict[int, int]
    """Port in the box → port on loopback."""
    host_key: str
    """The public host key, as in a known_hosts line: type and base64."""
    boot_s: float = 0.0
    """From the start of QEMU to the first SSH login."""

    @property
    def ssh_port(self) -> int:
        return self.ports[22]

    @property
    def native_port(self) -> int:
        return self.ports[NATIVE_PORT]

    @property
    def client_key(self) -> Path:
        """The private key that root and the sudoer let in."""
        return self.run_folder / "client"

    @property
    def known_hosts(self) -> Path:
        """Holds the box's host key under its loopback address, and nothing else."""
        return self.run_folder / "known_hosts"

    @property
    def console(self) -> Path:
        return self.run_folder / "console.log"

    def ssh_options(self) -> list[str]:
        """Return the options of ssh and scp (without the port) that pin the box's key."""
        settings = {
            "UserKnownHostsFile": self.known_hosts,
            "GlobalKnownHostsFile": "none",
            "StrictHostKeyChecking": "yes",
            "IdentityFile": self.client_key,
            "IdentitiesOnly": "yes",
            "BatchMode": "yes",
            "ConnectTimeout": "30",
        }
        return ["-F", "none", *(f"-o{name}={value}" for name, value in settings.items())]

    def run(
        self,
        command: str,
        *,
        user: str = "root",
        timeout_s: float = waiting.VERB_S,
        stdin: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command in the box and return it with its output; it may have failed."""
        address = ["-p", str(self.ssh_port), f"{user}@{LOOPBACK}"]
        return subprocess.run(
            ["ssh", *self.ssh_options(), *address, command],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def last_lines(self, count: int = 25) -> str:
        """Return the end of the serial console."""
        if not self.console.exists():
            return ""
        return "\n".join(self.console.read_text(errors="replace").splitlines()[-count:])

    def stop(self) -> None:
        """End QEMU and remove the files of this boot. What the box wrote is lost, as meant."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.run_folder, ignore_errors=True)


@contextmanager
def lab_box(
    cache: Path,
    *,
    guest_ports: Sequence[int] = (NATIVE_PORT,),
    boot_timeout_s: float = waiting.VERB_S,
) -> Iterator[LabBox]:
    """Boot a box and take it down again, whatever happens in between.

    `guest_ports` are reached from loopback, besides port 22: see `LabBox.ports`.
    Raises LabBoxError, with the end of the console, where the box does not come up.
    """
    with booted(start_box(build_image(cache), guest_ports=guest_ports), boot_timeout_s) as box:
        yield box


@contextmanager
def booted(box: LabBox, timeout_s: float) -> Iterator[LabBox]:
    """Wait until a started box is up, and take it down in the end.

    Raises LabBoxError, with the end of the console, where it does not come up.
    """
    try:
        _wait_until_up(box, timeout_s)
        yield box
    finally:
        box.stop()


def start_box(image: Image, *, guest_ports: Sequence[int] = (NATIVE_PORT,)) -> LabBox:
    """Start QEMU and return without waiting; the caller has to call `stop`."""
    return start(image.disk, partial(qemu_command, image), guest_ports=guest_ports)


def start(
    disk: Path,
    command: Callable[[Path, dict[int, int]], Sequence[str]],
    *,
    guest_ports: Sequence[int] = (NATIVE_PORT,),
) -> LabBox:
    """Start `command`, made of the folder of this boot and its ports, and return without waiting.

    The box writes to overlay.qcow2 over `disk`. The caller has to call `stop`.
    """
    folder = Path(tempfile.mkdtemp(prefix="baremark-labbox-"))
    try:
        ports = dict(zip((22, *guest_ports), _free_ports(1 + len(guest_ports)), strict=True))
        host_key = _write_keys(folder, ports[22])
        base, overlay = str(disk.resolve()), str(folder / "overlay.qcow2")
        _checked(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, overlay])
        with (folder / "qemu.log").open("wb") as log:
            process = subprocess.Popen(
                command(folder, ports), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return LabBox(run_folder=folder, process=process, ports=ports, host_key=host_key)


def qemu_command(image: Image, folder: Path, ports: dict[int, int]) -> list[str]:
    """Return the command of one boot, whose files are in `folder`."""
    return [
        *ENDS_WITH_STARTER,
        *QEMU,
        *("-M", "q35,hpet=off,vmport=off", "-accel", "tcg,thread=multi", "-cpu", "max"),
        *("-smp", str(VCPUS), "-m", str(MEMORY_MIB)),
        *("-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", KERNEL_ARGUMENTS),
        *devices(folder, ports),
    ]


def devices(folder: Path, ports: dict[int, int]) -> list[str]:
    """Return the options of QEMU for a box's disk, network, console and keys."""
    forwards = "".join(f",hostfwd=tcp:{LOOPBACK}:{here}-:{there}" for there, here in ports.items())
    return [
        *("-drive", f"file={folder / 'overlay.qcow2'},if=virtio,format=qcow2,cache=unsafe"),
        *("-netdev", f"user,id=uplink{forwards}", "-device", "virtio-net-pci,netdev=uplink"),
        *("-device", "virtio-rng-pci"),
        *("-serial", f"file:{folder / 'console.log'}"),
        *("-fw_cfg", f"name=opt/io.systemd.credentials/tmpfiles.extra,file={folder / 'tmpfiles'}"),
    ]


def _write_keys(folder: Path, port: int) -> str:
    """Make the client's and the host's key of one boot; return the host's public key.

    The box gets them as lines of systemd-tmpfiles, which writes them before sshd starts.
    """
    for name in ("client", "host"):
        _checked(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", f"{folder / name}"]
        )
    host_key = " ".join((folder / "host.pub").read_text().split()[:2])
    (folder / "known_hosts").write_text(f"[{LOOPBACK}]:{port} {host_key}\n")
    lines = [_tmpfiles_line("/etc/ssh/ssh_host_ed25519_key", "root", folder / "host")]
    for user, home in (("root", "/root"), (SUDOER, f"/home/{SUDOER}")):
        lines.append(f"d {home}/.ssh 0700 {user} {user}")
        lines.append(_tmpfiles_line(f"{home}/.ssh/authorized_keys", user, folder / "client.pub"))
    credential = folder / "tmpfiles"
    credential.touch(mode=0o600)
    credential.write_text("\n".join(lines) + "\n")
    return host_key


def _tmpfiles_line(path: str, user: str, content: Path) -> str:
    encoded = base64.b64encode(content.read_bytes()).decode()
    return f"f+~ {path} 0600 {user} {user} - {encoded}"


def _free_ports(count: int) -> list[int]:
    """Return free ports of loopback, all different because all are held until the last is known."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _wait_until_up(box: LabBox, timeout_s: float) -> None:
    """Wait until systemd has started everything and root can log in."""
    started_s = time.monotonic()
    while not _sshd_answers(box.ssh_port):
        if box.process.poll() is not None:
            said = (box.run_folder / "qemu.log").read_text(errors="replace").strip()
            raise LabBoxError(
                f"QEMU ended with {box.process.returncode}: {said}\n{box.last_lines()}"
            )
        if time.monotonic() - started_s > timeout_s:
            raise LabBoxError(f"no SSH in the box after {timeout_s:.0f} s:\n{box.last_lines()}")
        time.sleep(0.2)
    login = box.run("true")
    if login.returncode != 0:
        raise LabBoxError(f"cannot log in to the box: {login.stderr.strip()}\n{box.last_lines()}")
    box.boot_s = time.monotonic() - started_s
    # Before this, users other than root are turned away (pam_nologin).
    state = box.run("systemctl is-system-running --wait").stdout.strip()
    if state != "running":
        failed = box.run("systemctl --failed --no-legend --plain").stdout.strip()
        raise LabBoxError(f"the box came up {state}: {failed}")


def _sshd_answers(port: int) -> bool:
    """Say whether sshd greets: QEMU's forwarding accepts a connection long before that."""
    try:
        with socket.create_connection((LOOPBACK, port), 3) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _checked(command: Sequence[str]) -> None:
    """Run a program on this machine; its last lines are the error where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
        raise LabBoxError(f"{command[0]} ended with {done.returncode}:\n{lines}")
