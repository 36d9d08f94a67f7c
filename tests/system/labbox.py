"""A lab host in a box: a second physical host for system tests, on a machine that has only one.

The box is a Debian guest under QEMU's TCG, reached over SSH on loopback like any lab host. labs.py
says what kinds there are. Every boot writes to an overlay of its own that is thrown away. The keys
of a boot are made here and handed in as a systemd credential, so the host key is known before the
first connection and is pinned.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import waiting

from .labimage import SUDOER, Image, LabBoxError, checked, image
from .labs import Lab

LOOPBACK = "127.0.0.1"
NATIVE_PORT = 8122
"""Where baremark's private sshd, the native target, listens in the box."""

PROGRAMS = (
    *("mmdebstrap", "mkfs.ext4", "unshare", "setpriv"),
    *("qemu-system-x86_64", "qemu-img", "ssh", "ssh-keygen"),
)
"""What the machine that starts the box must have."""

ENDS_WITH_STARTER = ("setpriv", "--pdeathsig", "KILL")
"""A box must not outlive a test run that was killed. (It also ends with the thread that started it,
so a box is started from the main thread.)"""


def missing_programs() -> list[str]:
    """Return what this machine lacks to start a box; an empty list means that it can."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if os.geteuid() != 0:
        missing.append("root (to build the image)")
    return missing


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

    def as_host(self) -> str:
        """What an inventory says of it as a host of the group baremetal: a mapping, of JSON."""
        known = f"-o UserKnownHostsFile={self.known_hosts} -o StrictHostKeyChecking=yes"
        return json.dumps(
            {
                "ansible_host": LOOPBACK,
                "ansible_port": self.ssh_port,
                "ansible_user": SUDOER,
                "ansible_python_interpreter": "/usr/bin/python3",
                "ansible_ssh_private_key_file": str(self.client_key),
                "ansible_ssh_common_args": known,
                # An emulated processor beside other work takes its time for sudo.
                "ansible_ssh_timeout": int(waiting.GUARD_S),
                "baremark_ssh_forwarded_port": self.native_port,
            }
        )

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

    def copy(self, source: str, target: str) -> None:
        """Copy files or folders by scp; a path in the box begins with the user: `root@box:/etc`."""
        at = [each.replace("@box:", f"@{LOOPBACK}:") for each in (source, target)]
        checked(["scp", "-q", "-r", *self.ssh_options(), "-P", str(self.ssh_port), *at])

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
def running(lab: Lab, cache: Path) -> Iterator[LabBox]:
    """Boot a lab host, whose image is in `cache`, and take it down whatever happens in between.

    Raises `LabBoxError`, with the end of the console, where it does not come up.
    """
    box = _start(lab, image(lab, cache))
    try:
        _wait_until_up(box)
        yield box
    finally:
        box.stop()


def _start(lab: Lab, booted: Image) -> LabBox:
    """Start QEMU and return without waiting. The box writes to an overlay over the image's disk."""
    folder = Path(tempfile.mkdtemp(prefix="baremark-labbox-"))
    try:
        ports = dict(zip((22, NATIVE_PORT), _free_ports(2), strict=True))
        host_key = _write_keys(folder, ports[22])
        base, overlay = str(booted.disk.resolve()), str(folder / "overlay.qcow2")
        checked(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, overlay])
        with (folder / "qemu.log").open("wb") as log:
            process = subprocess.Popen(
                _command(lab, booted, folder, ports),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return LabBox(run_folder=folder, process=process, ports=ports, host_key=host_key)


def _command(lab: Lab, booted: Image, folder: Path, ports: dict[int, int]) -> list[str]:
    forwards = "".join(f",hostfwd=tcp:{LOOPBACK}:{here}-:{there}" for there, here in ports.items())
    return [
        *(*ENDS_WITH_STARTER, "nice", "-n", str(lab.niceness)),
        *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"),
        *("-M", lab.machine, "-accel", "tcg,thread=multi", "-cpu", lab.cpu),
        *("-smp", str(lab.vcpus), "-m", str(lab.memory_mib)),
        *_kernel(lab, booted),
        *("-drive", f"file={folder / 'overlay.qcow2'},if=virtio,format=qcow2,cache=unsafe"),
        *("-netdev", f"user,id=uplink{forwards}", "-device", "virtio-net-pci,netdev=uplink"),
        *("-device", "virtio-rng-pci"),
        *("-serial", f"file:{folder / 'console.log'}"),
        *("-fw_cfg", f"name=opt/io.systemd.credentials/tmpfiles.extra,file={folder / 'tmpfiles'}"),
    ]


def _kernel(lab: Lab, booted: Image) -> list[str]:
    """What QEMU starts, with its arguments."""
    arguments = (
        f"root=/dev/vda rw rootflags=noatime console={lab.console} loglevel=4 "
        # Guards against speculation cost much under TCG and guard nothing there.
        f"mitigations=off {lab.kernel_arguments}"
    )
    if not lab.xen_arguments:
        files = ["-kernel", str(booted.kernel), "-initrd", str(booted.initrd)]
        return [*files, "-append", arguments]
    # The modules of a multiboot kernel, each with its arguments; a comma separates them.
    modules = f"{booted.kernel} {arguments},{booted.initrd}"
    return ["-kernel", str(booted.xen), "-append", lab.xen_arguments, "-initrd", modules]


def _write_keys(folder: Path, port: int) -> str:
    """Make the client's and the host's key of one boot; return the host's public key.

    The box gets them as lines of systemd-tmpfiles, which writes them before sshd starts.
    """
    for name in ("client", "host"):
        checked(
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


def _wait_until_up(box: LabBox) -> None:
    """Wait until systemd has started everything and root can log in."""
    started_s = time.monotonic()
    while not _sshd_answers(box.ssh_port):
        if box.process.poll() is not None:
            said = (box.run_folder / "qemu.log").read_text(errors="replace").strip()
            raise LabBoxError(
                f"QEMU ended with {box.process.returncode}: {said}\n{box.last_lines()}"
            )
        if time.monotonic() - started_s > waiting.VERB_S:
            raise LabBoxError(
                f"no SSH in the box after {waiting.VERB_S:.0f} s:\n{box.last_lines()}"
            )
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
