"""Every backend answers the same questions, and tells a lie about itself when it sees one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import backends
from harness.backends import _containers, docker, kvm, lxc, names, podman
from harness.errors import HarnessError
from harness.fingerprint import observe
from harness.model.fingerprint import Fingerprint
from harness.model.target import BackendClass, Endpoint, Size, Target
from harness.remote.session import Session

ROLES = Path(__file__).parents[2] / "playbooks" / "roles"
SIZE = Size(2, 1024, 2, (0, 1))
GUEST = Target("guest", "kvm", "native", SIZE)
CONTAINER = Target("container", "docker", "native", SIZE)
NATIVE = Target("native", "baremetal", "native", SIZE)
AT = Endpoint("198.18.0.11", 22, "root", "ssh-ed25519 AAAA", "/w", "/s", {"accelerator": "kvm"})

KVM_INSIDE = {"container": "none", "hypervisor_bit": "yes", "vcpus": "2"}
KVM_OUTSIDE = {
    "accelerator": "kvm",
    "domain_type": "kvm",
    "cpus": "0,1",
    "memory_mib": "1024",
    "release": "7.2.22",
}
DOCKER_INSIDE = {"container": "docker", "vcpus": "2"}
DOCKER_OUTSIDE = {"running": "true", "cpus": "0-1", "memory_mib": "1024"}
DECLARED = {"runtime": "runc", "network_mode": "bridge", "storage": "overlay", "seccomp": "default"}
BOXED = replace(AT, facts=DECLARED)
BOXED_INSIDE = {
    **DOCKER_INSIDE,
    **{"seccomp": "2", "nic_kind": "veth", "work_filesystem": "overlayfs"},
}
BOXED_OUTSIDE = {**DOCKER_OUTSIDE, **DECLARED}


@pytest.mark.parametrize("name", names())
def test_a_backend_is_a_module_and_a_role_of_one_name(name: str) -> None:
    backend = backends.load(name)
    assert isinstance(backend.CLASS, BackendClass)
    for question in ("observe", "identify", "contradictions"):
        assert callable(getattr(backend, question))
    assert (ROLES / name / "tasks" / "create.yml").is_file()


@pytest.mark.parametrize("name", names())
def test_what_is_not_observable_is_never_taken_for_a_match(name: str) -> None:
    """With nothing seen at all, a backend that has a host side must not be satisfied."""
    found = backends.load(name).contradictions(GUEST, AT, {}, {})
    assert found or name == "baremetal"


def test_a_true_kvm_guest_and_a_true_container_have_nothing_against_them() -> None:
    assert kvm.contradictions(GUEST, AT, KVM_INSIDE, KVM_OUTSIDE) == []
    assert docker.contradictions(CONTAINER, AT, DOCKER_INSIDE, DOCKER_OUTSIDE) == []


@pytest.mark.parametrize(
    ("inside", "outside", "said"),
    [
        ({"container": "docker"}, {}, "from inside it is a container: docker"),
        ({"hypervisor_bit": "no"}, {}, "from inside no hypervisor is seen"),
        ({}, {"accelerator": "tcg"}, "QEMU runs it with tcg, provisioning says kvm"),
        ({}, {"domain_type": "qemu"}, "libvirt calls it qemu, QEMU runs it with kvm"),
        ({}, {"cpus": None}, "pins its vCPUs to no CPU"),
    ],
)
def test_a_kvm_guest_that_is_not_one_is_found_out(
    inside: dict[str, str], outside: dict[str, str | None], said: str
) -> None:
    found = kvm.contradictions(GUEST, AT, {**KVM_INSIDE, **inside}, {**KVM_OUTSIDE, **outside})
    assert any(said in one for one in found), found


@pytest.mark.parametrize(
    ("inside", "outside", "said"),
    [
        ({"container": "none"}, {}, "from inside it is no Docker container"),
        ({}, {"running": "false"}, "does not run"),
        ({}, {"cpus": None}, "confines it to no CPUs"),
        ({}, {"memory_mib": None}, "no memory limit"),
    ],
)
def test_a_container_that_is_not_one_is_found_out(
    inside: dict[str, str], outside: dict[str, str | None], said: str
) -> None:
    found = docker.contradictions(
        CONTAINER, AT, {**DOCKER_INSIDE, **inside}, {**DOCKER_OUTSIDE, **outside}
    )
    assert any(said in one for one in found), found


@pytest.mark.parametrize(
    ("inside", "outside", "said"),
    [
        ({}, {"runtime": "crun"}, "the engine says runtime crun, declared is runc"),
        ({}, {"network_mode": None}, "the engine says network mode None, declared is bridge"),
        ({}, {"storage": "volume"}, "the engine says storage volume, declared is overlay"),
        ({}, {"seccomp": "unconfined"}, "the engine says seccomp unconfined, declared is default"),
        ({"seccomp": "0"}, {}, "from inside seccomp is unconfined, declared is default"),
        ({"nic_kind": "macvlan"}, {}, "that of network mode macvlan, declared is bridge"),
        ({"sandbox": "gvisor"}, {}, "from inside the kernel says that it is gVisor"),
    ],
)
@pytest.mark.parametrize("backend", [docker, podman, lxc], ids=lambda module: module.__name__)
def test_a_container_of_another_kind_than_declared_is_found_out(
    backend: Any, inside: dict[str, str], outside: dict[str, str | None], said: str
) -> None:
    kind = {"container": backend.__name__.rpartition(".")[2]}
    true = {**BOXED_INSIDE, **kind}
    assert backend.contradictions(CONTAINER, BOXED, true, BOXED_OUTSIDE) == []
    found = backend.contradictions(
        CONTAINER, BOXED, {**true, **inside}, {**BOXED_OUTSIDE, **outside}
    )
    assert any(said in one for one in found), found


def test_a_volume_whose_files_lie_in_the_containers_layer_is_found_out() -> None:
    at = replace(AT, facts={**DECLARED, "storage": "volume"})
    outside = {**BOXED_OUTSIDE, "storage": "volume"}
    (said,) = docker.contradictions(CONTAINER, at, BOXED_INSIDE, outside)
    assert "from inside its work folder is a layer of the container" in said


def test_gvisor_is_a_sandbox_only_where_its_kernel_says_so() -> None:
    at = replace(AT, facts={**DECLARED, "runtime": "runsc"})
    outside = {**BOXED_OUTSIDE, "runtime": "runsc"}
    true = {**DOCKER_INSIDE, "sandbox": "gvisor", "seccomp": "0", "work_filesystem": "v9fs"}
    assert docker.contradictions(CONTAINER, at, true, outside) == []
    assert docker.identify(true, outside) == (BackendClass.SANDBOX, "docker-runsc")
    false = {**true, "sandbox": None}
    assert "does not say that it is gVisor" in str(
        docker.contradictions(CONTAINER, at, false, outside)
    )
    assert docker.identify(false, outside)[0] is BackendClass.OS


def test_the_label_tells_of_a_runtime_that_is_not_the_engines_own() -> None:
    assert docker.identify({}, {"runtime": "runc"}) == (BackendClass.OS, "docker")
    assert docker.identify({}, {"runtime": "crun"}) == (BackendClass.OS, "docker-crun")
    assert podman.identify({}, {"runtime": "crun"}) == (BackendClass.OS, "podman")
    assert podman.identify({}, {"runtime": "runc"}) == (BackendClass.OS, "podman-runc")


def test_an_lxc_container_with_another_init_than_declared_is_found_out() -> None:
    at = replace(AT, facts={"init": "systemd"})
    inside = {"container": "lxc", "init": "sshd"}
    assert lxc.contradictions(CONTAINER, at, {**inside, "init": "systemd"}, DOCKER_OUTSIDE) == []
    (said,) = lxc.contradictions(CONTAINER, at, inside, DOCKER_OUTSIDE)
    assert said == "from inside process 1 is sshd, declared is systemd"


def test_a_guest_on_tcg_is_emulated_and_never_called_kvm() -> None:
    assert kvm.identify({}, {"accelerator": "tcg"}) == (BackendClass.EMULATED, "qemu-tcg")
    assert kvm.identify({}, {"accelerator": None}) == (BackendClass.EMULATED, "qemu-tcg")
    assert kvm.identify({}, {"accelerator": "kvm"}) == (BackendClass.TYPE1, "kvm")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"vcpus": 4}, "it has 4 vCPUs, declared are 2"),
        ({"memory_mib": 512}, "it sees 512 MiB, declared are 1024"),
        ({"outside": {**KVM_OUTSIDE, "cpus": "0"}}, "the host's CPUs 0, declared are 0,1"),
        ({"outside": {**KVM_OUTSIDE, "memory_mib": "2048"}}, "it is given 2048 MiB"),
    ],
)
def test_a_target_of_another_size_is_refused_unless_that_is_accepted(
    change: dict[str, Any], said: str
) -> None:
    seen = as_seen()
    observe.refuse_if_false(GUEST, AT, seen)
    with pytest.raises(HarnessError, match=said) as caught:
        observe.refuse_if_false(GUEST, AT, replace(seen, **change))
    assert "check: size" in caught.value.message
    assert "--accept size" in caught.value.hint
    observe.refuse_if_false(GUEST, AT, replace(seen, **change), ["size"])


def test_what_a_target_is_cannot_be_accepted_to_be_something_else() -> None:
    seen = replace(as_seen(), inside={**KVM_INSIDE, "container": "docker"}, vcpus=4)
    with pytest.raises(HarnessError, match="check: label") as caught:
        observe.refuse_if_false(GUEST, AT, seen, ["size"])
    assert "--accept" not in caught.value.hint


def test_native_that_may_run_anywhere_is_refused() -> None:
    seen = replace(as_seen(), outside={}, inside={"cpus_allowed": "0-7"})
    with pytest.raises(HarnessError, match="the host's CPUs 0-7, declared are 0,1"):
        observe.refuse_if_false(NATIVE, AT, seen)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "none"),
        ({"NanoCpus": 0, "CpuQuota": 0}, "none"),
        ({"NanoCpus": 1_500_000_000}, "1.5 CPUs"),
        ({"CpuQuota": 20_000, "CpuPeriod": 0}, "20000 100000"),
    ],
)
def test_a_daemon_s_cpu_quota_is_told_and_so_is_that_there_is_none(
    settings: dict[str, int], said: str
) -> None:
    assert _containers._quota(settings) == said


def as_seen() -> Fingerprint:
    return Fingerprint(
        backend="kvm",
        backend_class=BackendClass.TYPE1,
        label="kvm",
        nested=False,
        release="7.2.22",
        accelerator="kvm",
        kernel="6.1",
        cpu_model=None,
        vcpus=2,
        memory_mib=972,
        clocksource="kvm-clock",
        inside=KVM_INSIDE,
        outside=KVM_OUTSIDE,
    )


VENDORS: dict[str, tuple[dict[str, str], dict[str, str | None]]] = {
    "esxi": (
        {"dmi_vendor": "VMware, Inc.", "dmi_product": "VMware7,1", "hypervisor_bit": "yes"},
        {"release": "8.0.2-22380479", "cpus": "0,1"},
    ),
    "hyperv": (
        {
            "dmi_vendor": "Microsoft Corporation",
            "dmi_product": "Virtual Machine",
            "hypervisor_bit": "yes",
            "hypervisor_vendor": "Microsoft",
        },
        {"release": "Microsoft Windows Server 2022 Standard 10.0.20348"},
    ),
    "xenserver": (
        {"dmi_vendor": "Xen", "dmi_product": "HVM domU", "hypervisor_type": "xen"},
        {"release": "XCP-ng 8.3.0", "cpus": "0,1"},
    ),
    "vmware_workstation": (
        {"dmi_vendor": "VMware, Inc.", "dmi_product": "VMware Virtual Platform"},
        {"running": "true", "cpus": "0-1", "process": "17"},
    ),
    "virtual_pc": (
        {
            "dmi_vendor": "Microsoft Corporation",
            "dmi_product": "Virtual Machine",
            "machine": "i686",
        },
        {},
    ),
}
"""What their guests show by the vendors' documents; none of them was seen by us."""


@pytest.mark.parametrize("name", VENDORS)
def test_a_guest_that_shows_its_vendors_firmware_has_nothing_against_it(name: str) -> None:
    inside, outside = VENDORS[name]
    assert backends.load(name).contradictions(GUEST, AT, inside, outside) == []


@pytest.mark.parametrize("name", VENDORS)
@pytest.mark.parametrize("other", [*VENDORS, "kvm", "container"])
def test_a_guest_of_another_vendor_is_found_out(name: str, other: str) -> None:
    mine, outside = VENDORS[name]
    others = {
        "kvm": {"dmi_vendor": "QEMU", "dmi_product": "Standard PC", "hypervisor_bit": "yes"},
        "container": {**mine, "container": "lxc"},
    }
    inside = others[other] if other in others else VENDORS[other][0]
    found = backends.load(name).contradictions(GUEST, AT, inside, outside)
    if {name, other} <= {"esxi", "vmware_workstation"}:
        assert not any("firmware" in each for each in found)  # they show the same: a known limit
    else:
        assert bool(found) == (name != other), found


def test_hyperv_and_virtual_pc_are_told_apart_though_their_firmware_is_called_alike() -> None:
    as_hyperv = VENDORS["hyperv"][0]
    found = backends.load("virtual_pc").contradictions(GUEST, AT, as_hyperv, {})
    assert found == ["from inside its hypervisor is Microsoft's, not Virtual PC"]
    wide = {**VENDORS["virtual_pc"][0], "machine": "x86_64"}
    (said,) = backends.load("virtual_pc").contradictions(GUEST, AT, wide, {})
    assert "32-bit guests only" in said
    (said,) = backends.load("hyperv").contradictions(GUEST, AT, VENDORS["virtual_pc"][0], {})
    assert said == "from inside no hypervisor is seen"


@pytest.mark.parametrize("name", ["esxi", "hyperv", "xenserver"])
def test_a_hypervisor_that_takes_the_machine_is_labelled_as_another_machine(name: str) -> None:
    """No native Linux runs beside it, so what it is compared with is another machine."""
    assert backends.load(name).identify({}, {}) == (BackendClass.TYPE1, f"{name}, other machine")


@pytest.mark.parametrize("name", ["esxi", "hyperv", "xenserver"])
def test_what_its_api_said_when_it_was_made_is_its_host_side(name: str) -> None:
    told = replace(AT, facts={"release": "8.0", "vcpus": "2", "uuid": "not asked for"})
    seen = backends.load(name).observe(Silent(), told)
    assert (seen["release"], seen["vcpus"]) == ("8.0", "2")
    assert seen["memory_mib"] is None
    assert "uuid" not in seen


class Silent(Session):
    """A session that must not be used."""

    def __init__(self) -> None:
        pass
