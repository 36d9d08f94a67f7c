"""What Xen says of its guests and of dom0, as a real one said it (4.17.7 in QEMU's TCG)."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from harness import inventory
from harness.backends import baremetal, xen
from harness.errors import HarnessError
from harness.fingerprint import observe
from harness.model.fingerprint import Fingerprint
from harness.model.run import Run
from harness.model.target import BackendClass, Endpoint, Size, Target
from harness.report.runs import analysed
from tests.synthetic import Kind, make_run

ROOT = Path(__file__).parents[2]
SEEN = Path(__file__).parent / "xen"
SIZE = Size(1, 512, 2, (1,))
GUEST = Target("guest", "xen", "dom0", SIZE)
UUID = "62617265-6d61-726b-0102-030405060708"
INSIDE: dict[str, str | None] = {
    "vcpus": "1",
    "memory_kib": "468564",
    "clocksource": "xen",
    "hypervisor_type": "xen",
    "hypervisor_bit": "yes",
    "xen_uuid": UUID,
    "xen_release": "4.17.7",
    "container": "none",
}
DOM0: dict[str, str | None] = {
    "hypervisor_type": "xen",
    "xen_guest_type": "PV",
    "xen_capabilities": "control_d",
    "xen_release": "4.17.7",
    "hypervisor_bit": "yes",
    "dmi_vendor": "QEMU",
    "cpu_model": "QEMU TCG CPU version 2.5+",
}


def at(kind: str) -> Endpoint:
    facts = {"domain": "baremark-g", "type": kind}
    return Endpoint("198.18.0.11", 22, "root", "ssh-ed25519 AAAA", "/w", "/s", facts)


def outside(kind: str) -> dict[str, str | None]:
    told = xen.info((SEEN / "info").read_text())
    return {
        "release": told["xen_version"],
        **xen.domain("baremark-g", (SEEN / f"list-{kind}.json").read_text()),
        **xen.pinning((SEEN / "vcpu-list").read_text()),
    }


@pytest.mark.parametrize("kind", sorted(xen.TYPES))
def test_a_true_guest_has_nothing_against_it_and_is_of_type_1(kind: str) -> None:
    inside = {**INSIDE, "xen_guest_type": xen.TYPES[kind]}
    assert xen.contradictions(GUEST, at(kind), inside, outside(kind)) == []
    assert xen.identify(inside, outside(kind)) == (BackendClass.TYPE1, f"xen-{kind}")


@pytest.mark.parametrize("kind", sorted(xen.TYPES))
def test_what_xl_says_of_a_guest_is_read(kind: str) -> None:
    seen = outside(kind)
    assert (seen["type"], seen["uuid"], seen["release"]) == (kind, UUID, "4.17.7")
    assert (seen["vcpus"], seen["memory_mib"], seen["cpus"]) == ("1", "512", "1")
    assert (seen["disk_format"], seen["disk_backend"]) == ("raw", "phy")
    assert (seen["nic_model"], seen["bridge"]) == ("vif", "bmk0")
    assert seen["tsc_mode"] == ("default" if kind == "pv" else "native")


@pytest.mark.parametrize(
    ("inside", "seen", "said"),
    [
        ({"xen_guest_type": "PV"}, {}, "Xen runs it as pvh, from inside it is PV"),
        ({"xen_guest_type": "HVM"}, {}, "Xen runs it as pvh, from inside it is HVM"),
        ({}, {"type": "hvm"}, "Xen runs it as hvm, provisioning says pvh"),
        ({"hypervisor_type": None}, {}, "from inside no Xen is seen"),
        (
            {"xen_uuid": "d4f5b1de-0000-0000-0000-000000000000"},
            {},
            "from inside the domain is d4f5",
        ),
        ({"xen_release": "4.14.6"}, {}, "the release of Xen is 4.14.6, dom0 says 4.17.7"),
        ({"xen_capabilities": "control_d"}, {}, "from inside it is dom0 itself"),
        ({"container": "docker"}, {}, "from inside it is a container: docker"),
        ({}, {"cpus": None}, "binds its vCPUs to no CPU"),
    ],
)
def test_a_guest_that_is_not_what_was_declared_is_refused(
    inside: dict[str, str | None], seen: dict[str, str | None], said: str
) -> None:
    both = {**INSIDE, "xen_guest_type": "PVH", **inside}
    found = xen.contradictions(GUEST, at("pvh"), both, {**outside("pvh"), **seen})
    assert any(said in one for one in found), found
    observed = replace(as_seen(), inside=both, outside={**outside("pvh"), **seen})
    with pytest.raises(HarnessError, match="check: label"):
        observe.refuse_if_false(GUEST, at("pvh"), observed)


def test_a_domain_that_xl_does_not_tell_of_is_no_answer() -> None:
    for text in ("", "[]", (SEEN / "list-pv.json").read_text()):
        with pytest.raises(HarnessError, match="does not tell of the domain baremark-other"):
            xen.domain("baremark-other", text)


def test_vcpus_that_may_run_anywhere_are_bound_to_nothing() -> None:
    header = "Name  ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)\n"
    free = header + "g  1  0  1  -b-  10.9  all / all\n"
    assert xen.pinning(free) == {"cpus": None}
    half = header + "g  1  0  1  -b-  10.9  1 / all\ng  1  1  0  -b-  9.1  all / all\n"
    assert xen.pinning(half) == {"cpus": None}
    both = header + "g  1  0  1  -b-  10.9  1 / all\ng  1  1  0  -b-  9.1  0 / all\n"
    assert xen.pinning(both) == {"cpus": "1,0"}
    wide = header + "g  1  0  1  -b-  10.9  0-3 / all\n"
    assert xen.pinning(wide) == {"cpus": "0-3"}
    assert xen.pinning("") == {"cpus": None}
    assert xen.pinning(free, "2") == {"cpus": None}
    assert xen.pinning(free, "1") == {"cpus": "0"}  # as xl says it of a bound one there


@pytest.mark.parametrize(
    ("hw_caps", "nested"),
    [
        # the lab: QEMU's processor says that a hypervisor is below it
        ("1fcbf3fd:f6d8320b:ec500800:00000077:00000005:018843a9:0000020c:00000000", True),
        # the same processor without bit 31 of the second word
        ("1fcbf3fd:76d8320b:ec500800:00000077:00000005:018843a9:0000020c:00000000", False),
        ("", None),
        ("1fcbf3fd:what", None),
    ],
)
def test_whether_the_machine_under_dom0_is_a_guest_is_told_by_xen_and_not_by_dom0(
    hw_caps: str, nested: bool | None
) -> None:
    bit = xen.hypervisor_bit(hw_caps)
    inside = {**DOM0, "container": "none"}
    assert observe._is_guest(inside, {"hypervisor_bit": bit}) is nested
    assert observe._is_guest(inside, {}) is True  # what dom0 itself would say on bare metal too


def test_dom0_is_not_called_native() -> None:
    assert baremetal.identify(DOM0, {}) == (BackendClass.TYPE1, "xen-dom0")
    assert baremetal.identify({}, {}) == (BackendClass.NATIVE, "native")
    guest = {**DOM0, "xen_capabilities": None}
    assert baremetal.identify(guest, {}) == (BackendClass.NATIVE, "native")


def test_the_table_says_that_the_baseline_is_dom0_and_the_processor_emulated() -> None:
    dom0 = Kind("lab1", "baremetal", BackendClass.TYPE1, "xen-dom0", nested=True)
    guest = Kind("guest", "xen", BackendClass.TYPE1, "xen-pvh", nested=True)
    made = make_run(lambda *_: 1.0, [dom0, guest])
    headers, notes = shown(seen_as(made, {"pinned_to": "0,1"}))
    assert headers == ["lab1 (xen-dom0, type1, nested)", "guest (xen-pvh, type1, nested)"]
    assert "overhead is relative to dom0 and not to bare metal" in notes
    assert "its cpus are vcpus that xen schedules, bound to the machine's cpus 0,1" in notes.lower()
    assert "emulated in software (QEMU TCG CPU version 2.5+)" in notes
    assert "bound to no CPU" in shown(seen_as(made, {"pinned_to": None}))[1]


def seen_as(run: Run, outside: dict[str, str | None]) -> Run:
    """The run, with more seen of its native target than made runs have."""
    native, *others = run.manifest.targets
    seen = replace(
        native.fingerprint, cpu_model=DOM0["cpu_model"], release="4.17.7", outside=outside
    )
    targets = (replace(native, fingerprint=seen), *others)
    return replace(run, manifest=replace(run.manifest, targets=targets))


def shown(run: Run) -> tuple[list[str], str]:
    (section,) = analysed([run]).table.sections
    return [c.header for c in section.columns], " ".join(note.text for note in section.notes)


def test_the_example_inventory_is_one() -> None:
    (host,) = inventory.load(ROOT / "inventories" / "xen.example")
    assert [target.backend for target in host.targets] == ["baremetal", "xen", "xen", "xen"]


def test_a_domain_is_baremarks_by_its_uuid_and_its_name_and_dom0_never() -> None:
    module = survey()
    listed = (SEEN / "list-verbose").read_text()
    known = {"name": "baremark-g", "id": 1, "ended": False, "ours": True}
    assert module.domains(listed) == [known]
    foreign = listed.replace("62617265-6d61-726b", "d4f5b1de-9d3c-4f5a")
    assert module.domains(foreign) == [{**known, "ours": False}]
    renamed = listed.replace("baremark-g", "somebody-s")
    assert module.domains(renamed) == [{**known, "name": "somebody-s", "ours": False}]
    crashed = listed.replace("-b----", "---sc-")
    assert module.domains(crashed) == [{**known, "ended": True}]


def test_the_types_that_xen_can_run_are_told_by_its_interfaces() -> None:
    caps = xen.info((SEEN / "info").read_text())["xen_caps"]
    assert survey()._types(caps) == ["pv", "pvh", "hvm"]
    assert survey()._types("xen-3.0-x86_64") == ["pv"]
    assert survey()._types("hvm-3.0-x86_32 hvm-3.0-x86_64") == ["pvh", "hvm"]
    assert survey()._types("") == []


def survey() -> ModuleType:
    """The Ansible module that looks at dom0."""
    file = ROOT / "playbooks" / "library" / "baremark_xen.py"
    spec = importlib.util.spec_from_file_location("baremark_xen", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def as_seen() -> Fingerprint:
    return Fingerprint(
        backend="xen",
        backend_class=BackendClass.TYPE1,
        label="xen-pvh",
        nested=True,
        release="4.17.7",
        accelerator=None,
        kernel="6.1.0-50-amd64",
        cpu_model="QEMU TCG CPU version 2.5+",
        vcpus=1,
        memory_mib=457,
        clocksource="xen",
        inside=INSIDE,
        outside={},
    )
