"""The kinds of lab hosts in a box: each says only in what it differs from a Debian server.

How an image is made of one is labimage.py's, how it runs labbox.py's. The speed of all of them is
that of an emulated CPU: nothing measured in one says anything about a hypervisor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Files = Mapping[str, tuple[int, str]]
"""Files of an image: path, then mode and text. All belong to root."""

SERVER = (
    *("systemd-sysv", "dbus", "udev", "openssh-server", "sudo", "python3", "python3-apt"),
    *("ca-certificates", "iproute2", "iptables", "kmod", "procps", "psmisc", "e2fsprogs", "zstd"),
    "initramfs-tools",
)
MASKED_UNITS = (
    # Each costs seconds of emulated boot, or wakes up in the middle of a test.
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer"),
    *("e2scrub_all.timer", "e2scrub_reap.service", "logrotate.timer"),
    *("systemd-tmpfiles-clean.timer", "systemd-random-seed.service", "systemd-pstore.service"),
    *("systemd-networkd-wait-online.service", "libvirt-guests.service"),
    *("getty@tty1.service", "serial-getty@ttyS0.service"),
)
STALE = 'Acquire::Check-Valid-Until "false"'
"""A frozen mirror's Release files are past their date."""
APT: Files = {
    "/etc/apt/apt.conf.d/90labbox": (0o644, f'{STALE};\nAPT::Install-Recommends "false";\n'),
}
NETWORKED_BY_UDEV, NETWORKED_BY_KERNEL = "en*", "eth0"
NO_RENAMING = "net.ifnames=0"


@dataclass(frozen=True)
class Lab:
    """One kind of lab host. All of it but `name`, `vcpus`, `memory_mib` and what QEMU is told
    decides what its image holds."""

    name: str
    packages: tuple[str, ...]
    """Besides those of `SERVER`; the kernel is one."""
    modules: tuple[str, ...]
    """What the kernel loads at boot."""
    suite: tuple[str, ...] = ("bookworm",)
    """Debian's, and after it its source where that is not the main archive alone."""
    build_options: tuple[str, ...] = ()
    """Further options of mmdebstrap."""
    drivers: tuple[str, ...] = ("virtio_pci", "virtio_blk", "ext4")
    """What is in the initrd: a full one takes long to unpack on an emulated CPU."""
    masked_units: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    files: Files = field(default_factory=dict)
    disk_gib: int = 8
    kernel_arguments: str = ""
    console: str = "ttyS0"
    xen_arguments: str = ""
    """Where these are given, QEMU starts the image's Xen, and Xen the kernel as dom0."""
    machine: str = "q35,hpet=off,vmport=off"
    cpu: str = "max"
    vcpus: int = 2
    memory_mib: int = 4096
    niceness: int = 0

    @property
    def link(self) -> str:
        """A pattern of the name of its network card."""
        return NETWORKED_BY_KERNEL if NO_RENAMING in self.kernel_arguments else NETWORKED_BY_UDEV


KVM = Lab(
    name="kvm",
    packages=(
        *("linux-image-cloud-amd64", "iputils-ping", "qemu-system-x86", "qemu-utils"),
        *("libvirt-daemon-system", "libvirt-clients", "dnsmasq-base"),
    ),
    modules=("kvm_amd", "tun", "bridge", "veth", "vhost_net"),
    services=("libvirtd.service",),
    kernel_arguments=(
        # KVM gives its guests a kvm-clock that needs no exit only where the host runs on TSC.
        "tsc=reliable clocksource=tsc no_timer_check "
        # A halted guest CPU must leave the emulated core to others at once.
        "kvm.halt_poll_ns=0"
    ),
)
"""AMD's SVM is emulated, so /dev/kvm in it is the real thing and stock kernels boot under it."""

SYSTEMD = Lab(
    name="systemd",
    suite=("trixie",),
    build_options=(f"--aptopt={STALE}",),
    packages=(
        *("linux-image-cloud-amd64", "git", "make", "apparmor", "docker.io", "docker-cli"),
        *("podman", "crun", "conmon"),
        # What bootstrap.sh would fetch to compile libvirt's binding takes minutes to unpack here.
        *("libvirt-dev", "pkg-config", "gcc", "libc6-dev", "python3-dev"),
    ),
    modules=("bridge", "veth", "overlay"),
    files=APT,
    disk_gib=16,
    memory_mib=5120,
    kernel_arguments="tsc=reliable clocksource=tsc no_timer_check",
)
"""Today's Debian as it is: systemd as PID 1, control groups of version 2 only, AppArmor, and a
Docker whose daemon systemd starts."""

DOM0_MIB = 1408
XEN = Lab(
    name="xen",
    packages=("linux-image-amd64", "xen-hypervisor-4.17-amd64", "xen-utils-4.17"),
    modules=("bridge", "veth", "loop"),
    # Under Xen systemd does not look for credentials of QEMU itself: the initrd has their driver.
    drivers=("virtio_pci", "virtio_blk", "ext4", "qemu_fw_cfg"),
    masked_units=(
        *("serial-getty@hvc0.service", "xendomains.service"),
        *("systemd-rfkill.socket", "systemd-rfkill.service", "systemd-logind.service"),
        *("modprobe@drm.service", "modprobe@fuse.service", "modprobe@efi_pstore.service"),
    ),
    kernel_arguments=NO_RENAMING,
    console="hvc0",
    # dom0 has its fixed share of the memory and its vCPUs are bound, as on a machine that is meant
    # to measure.
    xen_arguments=(
        f"placeholder dom0_mem={DOM0_MIB}M,max:{DOM0_MIB}M dom0_max_vcpus=2 dom0_vcpus_pin "
        # Without these SSE registers change hands between domains here, and programs crash.
        "xsave=0 spec-ctrl=eager-fpu console=com1 com1=115200,8n1 loglvl=warning"
    ),
    machine="q35,vmport=off",
    # Xen ends dom0 under QEMU's SMAP.
    cpu="max,-smap",
    memory_mib=3584,
)
"""What is reached over SSH in it is dom0 of Debian's Xen.

Guests of types pvh and hvm start in it only with their time stamp counter left alone
(`baremark_xen_tsc_mode: native`): otherwise Xen intercepts RDTSCP, which QEMU's AMD SVM reports as
another instruction, and ends the guest.
"""

VIRTUALBOX = Lab(
    name="virtualbox",
    suite=("sid", "deb http://deb.debian.org/debian sid main contrib"),
    build_options=(
        "--keyring=/usr/share/keyrings/debian-archive-keyring.gpg",
        f"--aptopt={STALE}",
    ),
    # What the driver is built with is in the image; VirtualBox itself is not: the role installs it.
    packages=(
        *("fdisk", "qemu-utils", "grub-common", "grub-pc-bin", "debian-archive-keyring"),
        *("linux-image-amd64", "linux-headers-amd64", "dkms"),
    ),
    modules=("bridge", "veth"),
    files=APT,
    kernel_arguments=(
        f"{NO_RENAMING} tsc=reliable no_timer_check panic=-1 "
        "modprobe.blacklist=kvm_intel,iTCO_wdt,psmouse,joydev,sr_mod,ahci"
    ),
    # A model without what VirtualBox stumbles over under TCG: LA57 of `max` keeps its guest at the
    # reset vector.
    cpu="qemu64,+svm,+npt,+ssse3,+sse4.1,+sse4.2,+popcnt,+rdtscp,+rdrand,+lahf-lm",
    vcpus=1,
    memory_mib=3072,
    niceness=10,
)
"""VirtualBox's kernel driver can be built and loaded in it."""
