"""What a platform says that it is: CPUID before firmware, and the host before both.

The leaves are those that the vendors document; the register line is what Debian's `cpuid -r`
prints on a KVM guest, the firmware words are those of the vendors' own guests.
"""

from __future__ import annotations

from typing import Any

import pytest

from harness.backends import CLOUD, names
from harness.fingerprint.platform import adopted, contradictions, inside_platform, leaves
from harness.model.target import BackendClass

KINDS = sorted({*names(), CLOUD} - {"baremetal"})
KVM_LINE = "   0x40000000 0x00: eax=0x40000001 ebx=0x4b4d564b ecx=0x564b4d56 edx=0x0000004d"
HYPERV = {
    "hypervisor_leaves": "Microsoft Hv",
    "dmi_vendor": "Microsoft Corporation",
    "dmi_product": "Virtual Machine",
}
VMWARE = {"hypervisor_leaves": "VMwareVMware", "dmi_vendor": "VMware, Inc."}
VIRTUALBOX = {
    "hypervisor_leaves": "KVMKVMKVM",  # its paravirtual interface for Linux
    "dmi_vendor": "innotek GmbH",
    "dmi_product": "VirtualBox",
}
XEN_PV = {"hypervisor_type": "xen", "proc_xen": "yes"}
XEN_VIRIDIAN = {"hypervisor_leaves": "Microsoft Hv|XenVMMXenVMM", "dmi_vendor": "Xen"}
KVM = {"hypervisor_leaves": "KVMKVMKVM", "dmi_vendor": "QEMU"}
KVM_ENLIGHTENED = {"hypervisor_leaves": "Microsoft Hv|KVMKVMKVM", "dmi_vendor": "QEMU"}
TCG = {"hypervisor_leaves": "TCGTCGTCGTCG", "dmi_vendor": "QEMU"}
NITRO = {"hypervisor_leaves": "KVMKVMKVM", "dmi_vendor": "Amazon EC2"}
GCE = {"hypervisor_leaves": "KVMKVMKVM", "dmi_product": "Google Compute Engine"}
VIRTUAL_PC = {
    "hypervisor_leaves": "",
    "hypervisor_bit": "no",
    "dmi_vendor": "Microsoft Corporation",
    "dmi_product": "Virtual Machine",
}
GVISOR = {
    "container": "docker",
    "kernel": "4.4.0",
    "kernel_version": "#1 SMP Sun Jan 10 15:06:54 PST 2016",
}


def test_a_leaf_is_read_out_of_the_registers() -> None:
    assert leaves(KVM_LINE) == "KVMKVMKVM"
    nothing = KVM_LINE.split("eax")[0] + "eax=0x0 ebx=0x00000000 ecx=0x00000000 edx=0x00000000"
    assert leaves(nothing) == ""
    assert leaves(f"{KVM_LINE}\n{KVM_LINE}") == "KVMKVMKVM|KVMKVMKVM"


@pytest.mark.parametrize(
    ("inside", "platform"),
    [
        (HYPERV, "microsoft"),
        (VMWARE, "vmware"),
        (VIRTUALBOX, "oracle"),
        (XEN_PV, "xen"),
        (XEN_VIRIDIAN, "xen"),
        ({**XEN_PV, "hypervisor_leaves": "TCGTCGTCGTCG", "dmi_vendor": "QEMU"}, "xen"),
        (KVM, "kvm"),
        (KVM_ENLIGHTENED, "kvm"),
        (TCG, "qemu"),
        (NITRO, "amazon"),
        (GCE, "google"),
        (VIRTUAL_PC, "microsoft"),
        (GVISOR, "gvisor"),
        ({"container": "lxc", **KVM}, "lxc"),
        ({"container": "none", "hypervisor_bit": "no"}, "none"),
        ({"container": "none", "hypervisor_bit": "yes"}, "unknown hypervisor"),
        ({"hypervisor_vendor": "Microsoft"}, "microsoft"),
        ({"dmi_vendor": "QEMU"}, "qemu-untold"),
        ({}, None),
    ],
)
def test_the_platform_is_told_by_what_is_seen_inside(
    inside: dict[str, str], platform: str | None
) -> None:
    found = inside_platform(inside)
    assert found.platform == platform
    assert found.contradiction is None


@pytest.mark.parametrize(
    ("backend", "inside"),
    [
        ("hyperv", HYPERV),
        ("esxi", VMWARE),
        ("vmware_workstation", VMWARE),
        ("virtualbox", VIRTUALBOX),
        ("xen", XEN_PV),
        ("xenserver", XEN_VIRIDIAN),
        ("kvm", KVM),
        ("kvm", NITRO),
        ("virtual_pc", VIRTUAL_PC),
        ("docker", {"container": "docker", **HYPERV}),
        ("podman", {"container": "podman"}),
        ("lxc", {"container": "lxc"}),
        ("cloud", NITRO),
        ("cloud", HYPERV),
        ("baremetal", {"hypervisor_bit": "no"}),
        ("baremetal", NITRO),
    ],
)
def test_an_adopted_target_that_is_what_it_is_declared_to_be_is_taken(
    backend: str, inside: dict[str, str]
) -> None:
    assert contradictions(backend, True, inside, {}) == ()
    backend_class, label = adopted(backend, inside, {}, elsewhere=False)
    assert label.endswith(", adopted")
    assert backend_class is not BackendClass.EMULATED


@pytest.mark.parametrize("backend", KINDS)
@pytest.mark.parametrize("inside", [{}, {"hypervisor_bit": "no"}, {"dmi_vendor": "QEMU"}])
def test_an_adopted_target_that_shows_nothing_is_not_believed(
    backend: str, inside: dict[str, str]
) -> None:
    assert contradictions(backend, True, inside, {})


def test_both_values_are_named_where_declared_and_seen_contradict() -> None:
    (said,) = contradictions("hyperv", True, VMWARE, {})
    assert "declared is hyperv" in said
    assert "vmware" in said


def test_firmware_that_does_not_go_with_the_processor_is_told() -> None:
    dressed = {**TCG, "dmi_vendor": "innotek GmbH", "dmi_product": "VirtualBox"}
    for backend in ("virtualbox", "kvm"):
        said = " ".join(contradictions(backend, True, dressed, {}))
        assert "its CPUID says qemu and its firmware oracle" in said


def test_firmware_alone_is_no_proof_of_a_hypervisor_that_names_itself() -> None:
    masked = {**HYPERV, "hypervisor_leaves": "", "hypervisor_bit": "yes"}
    (said,) = contradictions("hyperv", True, masked, {})
    assert "only its firmware says microsoft" in said
    assert contradictions("virtual_pc", True, masked, {}) == ()


@pytest.mark.parametrize(("backend", "inside"), [("hyperv", HYPERV), ("esxi", VMWARE)])
def test_what_the_host_says_wins_however_well_a_guest_is_dressed(
    backend: str, inside: dict[str, str]
) -> None:
    for outside in ({"platform": "qemu", "accelerator": "tcg"}, {"accelerator": "tcg"}):
        said = " ".join(contradictions(backend, True, inside, outside))
        assert f"declared is {backend}, but its host runs it by qemu (emulated, TCG)" in said
        assert "from inside it is" in said
    provisioned = contradictions("kvm", False, inside, {"accelerator": "kvm"})
    assert provisioned


def test_an_emulated_guest_is_called_so_whoever_declared_it_kvm() -> None:
    assert contradictions("kvm", True, TCG, {}) == ()
    found = adopted("kvm", TCG, {}, elsewhere=False)
    assert found == (BackendClass.EMULATED, "qemu-tcg, adopted")
    assert contradictions("cloud", True, TCG, {})


def test_a_label_says_sandbox_cloud_and_other_machine() -> None:
    assert adopted("docker", GVISOR, {}, elsewhere=False) == (
        BackendClass.SANDBOX,
        "docker-gvisor, adopted",
    )
    assert adopted("cloud", NITRO, {}, elsewhere=True) == (
        BackendClass.TYPE1,
        "cloud-amazon, adopted, other machine",
    )


@pytest.mark.parametrize(
    ("outside", "said"),
    [
        ({"elsewhere": "no", "same_kernel": "no"}, "baremark_same_machine is true"),
        ({"elsewhere": "yes", "same_kernel": "yes"}, "baremark_same_machine is false"),
        ({"elsewhere": "no", "same_kernel": "yes"}, ""),
        ({"elsewhere": "yes", "same_kernel": "no"}, ""),
    ],
)
def test_a_containers_kernel_tells_whose_machine_it_is_on(
    outside: dict[str, Any], said: str
) -> None:
    found = contradictions("docker", True, {"container": "docker"}, outside)
    assert bool(found) is bool(said)
    assert said in " ".join(found)


@pytest.mark.parametrize(
    ("backend", "inside", "outside"),
    [
        ("kvm", TCG, {"accelerator": "tcg"}),
        ("kvm", KVM, {"accelerator": "kvm"}),
        ("kvm", KVM_ENLIGHTENED, {"accelerator": "kvm"}),
        ("docker", {"container": "docker", **KVM}, {"accelerator": None}),
        ("virtualbox", VIRTUALBOX, {"accelerator": "hardware"}),
        ("xen", XEN_PV, {"accelerator": None}),
        ("baremetal", TCG, {}),
    ],
)
def test_what_baremark_made_as_declared_has_nothing_against_it(
    backend: str, inside: dict[str, str], outside: dict[str, Any]
) -> None:
    assert contradictions(backend, False, inside, outside) == ()


def test_a_sandbox_that_runs_on_kvm_is_no_kvm_guest() -> None:
    inside = {"container": "docker", **GVISOR}
    assert contradictions("docker", False, inside, {"accelerator": "kvm"}) == ()


@pytest.mark.parametrize("backend", KINDS)
def test_of_what_baremark_made_only_another_platform_is_held_against_it(backend: str) -> None:
    for inside in ({}, {"hypervisor_bit": "yes"}, {"dmi_vendor": "QEMU"}):
        assert contradictions(backend, False, inside, {}) == ()
