"""What a platform says that it is, from inside, and which backends that can be true of. Pure.

Read from what systemd-detect-virt reads as well: container markers, the hypervisor's CPUID leaves,
the firmware's tables (DMI), Xen's files. CPUID is the hypervisor's own answer, DMI is text that
anybody can set; where both name a platform and do not go together, that is told. What the host
side says of a target outranks all of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness import backends
from harness.backends import CLOUD, EMULATOR, GVISOR, LABEL_TCG, Kind
from harness.model.fingerprint import Observed
from harness.model.target import ADOPTED, NATIVE_BACKEND, OTHER_MACHINE, BackendClass

NONE = "none"
"""The platform of a machine that shows neither a hypervisor nor a container."""
UNKNOWN = "unknown hypervisor"
"""There is one, and nothing tells which."""
QEMU_UNTOLD = "qemu-untold"
"""The firmware is QEMU's, and no CPUID leaf tells whether KVM runs it."""


_CLOUD = Kind(
    BackendClass.TYPE1,
    frozenset({"amazon", "google", "kvm", "microsoft", "oracle", "vmware", "xen"}),
)

_LEAVES = {
    "ACRNACRNACRN": "acrn",
    "KVMKVMKVM": "kvm",
    "Linux KVM Hv": "kvm",
    "Microsoft Hv": "microsoft",
    "QNXQVMBSQG": "qnx",
    "SRESRESRESRE": "sre",
    "TCGTCGTCGTCG": EMULATOR,
    "VBoxVBoxVBox": "oracle",
    "VMwareVMware": "vmware",
    "XenVMMXenVMM": "xen",
    "bhyve bhyve": "bhyve",
    "prl hyperv": "parallels",
    "lrpepyh  vr": "parallels",
}
_OUTRANKS = ("kvm", "xen")
"""These show Hyper-V's leaf in front of their own where a guest shall think well of them."""

_FIRMWARE = (
    # (field, pattern, platform); the first that matches
    ("dmi_vendor", r"Amazon EC2", "amazon"),
    ("dmi_bios", r"Amazon EC2", "amazon"),
    ("dmi_product", r"Google Compute Engine", "google"),
    ("dmi_vendor", r"innotek GmbH", "oracle"),
    ("dmi_bios", r"innotek GmbH", "oracle"),
    ("dmi_product", r"VirtualBox", "oracle"),
    ("dmi_board", r"VirtualBox", "oracle"),
    ("dmi_vendor", r"VMware|VMW", "vmware"),
    ("dmi_product", r"VMware", "vmware"),
    ("dmi_version", r"Hyper-V", "microsoft"),
    ("dmi_product", r"Virtual Machine", "microsoft"),
    ("dmi_vendor", r"Xen", "xen"),
    ("dmi_bios", r"Xen", "xen"),
    ("dmi_vendor", r"Parallels", "parallels"),
    ("dmi_vendor", r"BHYVE", "bhyve"),
    ("dmi_vendor", r"Bochs", "bochs"),
    ("dmi_bios", r"Bochs", "bochs"),
    ("dmi_vendor", r"QEMU", EMULATOR),
    ("dmi_product", r"KVM|KubeVirt|OpenStack", "kvm"),
)
_MICROSOFT = "Microsoft Corporation"

_UNDER: Mapping[str, frozenset[str]] = {
    # Which CPUID platforms may stand under a firmware that names this one.
    "amazon": frozenset({"kvm", "xen"}),
    "google": frozenset({"kvm"}),
    "kvm": frozenset({"kvm", EMULATOR}),
    "oracle": frozenset({"oracle", "kvm", "microsoft"}),
    EMULATOR: frozenset({EMULATOR, "kvm", "xen"}),
}
_BY_VENDOR_NAME = {"KVM": "kvm", "Microsoft": "microsoft", "VMware": "vmware", "Xen": "xen"}
"""What lscpu calls the leaf's vendor, where the leaf itself could not be read."""


@dataclass(frozen=True, slots=True)
class InsidePlatform:
    """What a target is by its inside: the platform (None: not observable), and what CPUID and the
    firmware each said, for the message where they do not go together."""

    platform: str | None
    cpuid: str | None
    firmware: str | None

    @property
    def contradiction(self) -> str | None:
        """Why what is seen inside cannot be true of any one platform; None where it can."""
        if self.cpuid is None or self.firmware is None or _together(self.cpuid, self.firmware):
            return None
        return f"its CPUID says {self.cpuid} and its firmware {self.firmware}"


def kind_of(backend: str) -> Kind | None:
    """What a target of `backend` is; None for native, which is whatever it is."""
    if backend == NATIVE_BACKEND:
        return None
    return _CLOUD if backend == CLOUD else backends.kind(backend)


def inside_platform(inside: Observed) -> InsidePlatform:
    """What the observations from inside say that a target is."""
    cpuid, firmware = _cpuid(inside), _firmware(inside)
    container = inside.get("container")
    if container not in {None, NONE} or _is_gvisor(inside):
        return InsidePlatform(GVISOR if _is_gvisor(inside) else container, None, None)
    if cpuid is not None and firmware is not None and _exact(cpuid, firmware):
        # A firmware of its own over somebody else's leaf is the more exact word.
        platform: str | None = cpuid if firmware in {EMULATOR, "kvm"} else firmware
    elif cpuid is not None or firmware is not None:
        platform = cpuid or (QEMU_UNTOLD if firmware == EMULATOR else firmware)
    elif inside.get("hypervisor_bit") is None:
        platform = None
    else:
        platform = NONE if inside["hypervisor_bit"] == "no" else UNKNOWN
    return InsidePlatform(platform, cpuid, firmware)


def host_platform(outside: Observed) -> str | None:
    """The platform by what the host side saw; None where it did not see it."""
    if outside.get("platform") is not None:
        return outside["platform"]
    return {"tcg": EMULATOR, "kvm": "kvm"}.get(outside.get("accelerator") or "")


def contradictions(
    backend: str, adopted: bool, inside: Observed, outside: Observed
) -> tuple[str, ...]:
    """Each thing seen that cannot be true of `backend`, naming both sides.

    Of what Baremark made it knows the host side, so there only a platform that is positively
    another one is held against a target; an adopted one must show what it is.
    """
    kind = kind_of(backend)
    if kind is None:
        return ()
    found = inside_platform(inside)
    host = host_platform(outside)
    if not adopted and kind.backend_class is BackendClass.OS:
        host = None  # what a sandbox runs on is no platform of a machine
    texts = []
    if host is not None and host not in kind.platforms:
        texts.append(f"declared is {backend}, but its host runs it by {_called(host)}")
    if not _can_be(found.platform, kind, adopted):
        texts.append(
            f"declared is {backend}, but from inside it is {_called(found.platform)} "
            f"({backend} shows itself as {' or '.join(sorted(kind.platforms))})"
        )
    if adopted and _is_firmware_alone(found, kind, inside):
        texts.append(
            f"declared is {backend}, but only its firmware says {found.platform}: its processor "
            "names no hypervisor"
        )
    if found.contradiction is not None:
        texts.append(f"declared is {backend}, but {found.contradiction}")
    if host is not None and found.platform is not None and not _matches(host, found):
        texts.append(
            f"from inside it is {_called(found.platform)}, but its host runs it by {_called(host)}"
        )
    same = outside.get("same_kernel")
    if adopted and kind.backend_class is BackendClass.OS:
        elsewhere = outside.get("elsewhere") == "yes"
        if same == "no" and not elsewhere and found.platform != GVISOR:
            texts.append(
                "baremark_same_machine is true, but its kernel is another one than native's"
            )
    if adopted and same == "yes" and outside.get("elsewhere") == "yes":
        texts.append("baremark_same_machine is false, but its kernel is native's own")
    return tuple(texts)


def adopted(
    backend: str, inside: Observed, outside: Observed, elsewhere: bool
) -> tuple[BackendClass, str]:
    """The class and the label of an adopted target, by what was seen of it."""
    end = ADOPTED + (OTHER_MACHINE if elsewhere else "")
    kind = kind_of(backend)
    if kind is None:
        return BackendClass.NATIVE, f"native{end}"
    platform = host_platform(outside) or inside_platform(inside).platform
    if platform == EMULATOR:
        return BackendClass.EMULATED, f"{LABEL_TCG}{end}"
    if platform == GVISOR:
        return BackendClass.SANDBOX, f"{backend}-{GVISOR}{end}"
    label = f"{CLOUD}-{platform}" if backend == CLOUD else backend
    return kind.backend_class, f"{label}{end}"


def _is_firmware_alone(found: InsidePlatform, kind: Kind, inside: Observed) -> bool:
    read = inside.get("hypervisor_leaves") is not None
    return kind.names_itself and read and found.cpuid is None and found.firmware is not None


def _exact(cpuid: str, firmware: str) -> bool:
    return firmware in _UNDER and _together(cpuid, firmware)


def _can_be(platform: str | None, kind: Kind, adopted: bool) -> bool:
    if platform in kind.platforms:
        return True
    if adopted:
        return False
    return platform in {None, NONE, UNKNOWN, QEMU_UNTOLD} or kind.backend_class is BackendClass.OS


def _matches(host: str, found: InsidePlatform) -> bool:
    """Whether the inside may look as it does where the host runs it by that platform."""
    if found.platform in {NONE, UNKNOWN, host}:
        return True
    if host in {"kvm", EMULATOR} and found.platform == QEMU_UNTOLD:
        return True
    return host == "kvm" and found.platform in {"amazon", "google"} and found.cpuid == "kvm"


def _together(cpuid: str, firmware: str) -> bool:
    """Xen's privileged and paravirtual guests see the firmware of the machine itself."""
    return cpuid in {firmware, "xen"} or cpuid in _UNDER.get(firmware, frozenset())


def _cpuid(inside: Observed) -> str | None:
    """The platform by the hypervisor's CPUID leaves, or by the name lscpu has for the first.

    Xen's own files come before them: its paravirtual guests execute the machine's own CPUID.
    """
    if inside.get("hypervisor_type") == "xen" or inside.get("proc_xen") is not None:
        return "xen"
    known = [
        _LEAVES[word]
        for word in (inside.get("hypervisor_leaves") or "").split("|")
        if word in _LEAVES
    ]
    for platform in _OUTRANKS:
        if platform in known:
            return platform
    if known:
        return known[0]
    if inside.get("hypervisor_leaves") is None:
        return _BY_VENDOR_NAME.get(inside.get("hypervisor_vendor") or "")
    return None


def _firmware(inside: Observed) -> str | None:
    for name, pattern, platform in _FIRMWARE:
        text = inside.get(name) or ""
        if not re.match(pattern, text):
            continue
        if platform == "microsoft" and inside.get("dmi_vendor") != _MICROSOFT:
            continue
        return platform
    return None


def _is_gvisor(inside: Observed) -> bool:
    """gVisor's kernel says so when it starts, and calls itself by one made-up release and date."""
    release, version = inside.get("kernel"), inside.get("kernel_version") or ""
    made_up = release == "4.4.0" and "Jan 10 15:06:54 PST 2016" in version
    return made_up or inside.get("sandbox") == GVISOR


def _called(platform: str | None) -> str:
    """A platform as messages name it."""
    if platform is None:
        return "not to be told"
    told = {
        EMULATOR: "qemu (emulated, TCG)",
        QEMU_UNTOLD: "QEMU, and nothing tells whether KVM runs it",
        NONE: "no virtualization at all",
        UNKNOWN: "an unknown hypervisor",
    }
    return told.get(platform, platform)


def leaves(text: str) -> str:
    """The names in the lines of `cpuid -r`, joined by `|`: one for each hypervisor leaf.

    A name is in EBX, ECX and EDX, four letters each, the lowest byte first.
    """
    names = []
    for line in text.splitlines():
        words = dict(re.findall(r"\b(e[bcd]x)=0x([0-9a-f]{8})", line))
        if len(words) != 3:
            continue
        raw = b"".join(bytes.fromhex(words[each])[::-1] for each in ("ebx", "ecx", "edx"))
        name = raw.strip(b"\0").decode("ascii", "replace").strip()
        if name.isprintable() and name:
            names.append(name)
    return "|".join(names)
