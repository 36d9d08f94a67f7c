"""The kvm role's guests: every kind is a domain that libvirt's own schema accepts, and what cannot
be is told in words before anything is made. Ansible itself renders and checks here, as in `up`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from harness import inventory
from harness.backends.kvm import declared
from harness.provision.variables import BENCH_NETWORK
from tests.unit.backends.test_declared import DECLARED, SEEN

ROOT = Path(__file__).parents[2]
PLAYBOOKS = ROOT / "playbooks"
ROLE = PLAYBOOKS / "roles" / "kvm"
SIZE = {"vcpus": 2, "memory_mib": 512, "disk_gib": 2, "cpus": [0, 1]}
FACTS = {
    **BENCH_NETWORK,
    "baremark_sizes": {"localhost": SIZE},
    "baremark_host": "native",
    "baremark_client_key": "ssh-ed25519 AAAA",
    "baremark_addresses": {"localhost": "198.18.0.11"},
    "baremark_image_id": "0123456789ab",
    "baremark_cache": "/cache",
}

KINDS: dict[str, dict[str, Any]] = {
    "as it is by default": {},
    "with KVM": {"kvm_accelerator": "kvm"},
    "pc": {"baremark_machine": "pc"},
    "qcow2": {"baremark_disk_format": "qcow2", "baremark_disk_preallocated": False},
    "scsi": {"baremark_disk_bus": "scsi"},
    "sata": {"baremark_disk_bus": "sata"},
    "writeback": {"baremark_cache_mode": "writeback"},
    "e1000": {"baremark_nic_model": "e1000"},
    "host-model": {"baremark_cpu_mode": "host-model"},
    "a named processor": {"baremark_cpu_model": "Nehalem"},
    "huge pages": {"baremark_hugepages": True},
    "pinned elsewhere": {
        "baremark_size": {**SIZE, "cpus": [2, 3]},
        "baremark_emulator_cpus": "0-1",
    },
    "an emulator of its own": {"baremark_emulator": "/opt/q&a/qemu"},
    "another release": {"baremark_emulator_release": "10.0"},
}

CHOSEN = {
    "baremark_machine": "microvm",
    "baremark_disk_format": "vmdk",
    "baremark_disk_bus": "ide",
    "baremark_cache_mode": "fast",
    "baremark_disk_io": "dio",
    "baremark_nic_model": "rtl8139",
    "baremark_cpu_mode": "best",
}
"""For each variable of a few values one that is none of them."""

ADDRESS = "qemu+ssh://root@lab/system?keyfile=/k&known_hosts=/h"
IMPOSSIBLE: tuple[tuple[dict[str, Any], tuple[str, ...]], ...] = (
    (
        {
            "baremark_emulator": "/no/qemu",
            "baremark_emulator_release": "new",
            "baremark_disk_io": "native",
            "baremark_cache_mode": "unsafe",
            "baremark_cpu_model": "Nehalem",
            "baremark_cpu_mode": "host-model",
            "baremark_hugepages": True,
            "baremark_size": {**SIZE, "memory_mib": 1 << 40},
        },
        (
            "both say which QEMU",
            "is not a release such as 10.0",
            "there is no program /no/qemu",
            "needs baremark_cache_mode none or directsync",
            "baremark_cpu_mode says host-model",
            "free huge pages",
        ),
    ),
    ({"baremark_cpu_mode": "custom"}, ("custom needs a model",)),
    *(
        [({"baremark_cpu_model": "Zen9"}, ("libvirt knows no processor Zen9",))]
        if Path("/usr/share/libvirt/cpu_map").is_dir()
        else []
    ),
    ({}, ()),
)
"""Variables, and all that is to be told of them."""

ADDRESSES = {
    f"{ADDRESS}&known_hosts_verify=normal": "",
    f"{ADDRESS}&no_verify=1": "no_verify would believe any machine",
    f"{ADDRESS}&known_hosts_verify=auto": "at first sight",
    f"{ADDRESS}&command=/bin/ssh": "take the place of the ssh that pins",
    f"{ADDRESS}&verify=no": "unknown parameter verify",
    f"{ADDRESS}&known_hosts=/other": "says a parameter twice",
    "qemu+ssh://root@lab/system?keyfile=/k": "known_hosts=/PATH is missing",
    "qemu+ssh://root@lab/session?known_hosts=/h": "must lead to /system",
    "qemu+ssh:///system?known_hosts=/h": "names no machine",
    "qemu+tcp://lab/system": "is not qemu+ssh",
    "qemu:///system": "is not qemu+ssh",
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All that this module asks of Ansible, asked in one run."""
    folder = tmp_path_factory.mktemp("kvm")
    (folder / "facts.yml").write_text(json.dumps(FACTS))
    files = [PLAYBOOKS / "group_vars" / "all.yml", ROLE / "defaults" / "main.yml"]
    template = f"lookup('ansible.builtin.template', '{ROLE}/templates/domain.xml.j2')"
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.set_fact": {f"kind_{number}": f"{{{{ {template} }}}}"}, "vars": variables}
        for number, variables in enumerate(KINDS.values())
    ]
    for number, (variables, _) in enumerate(IMPOSSIBLE):
        check = {"name": "kvm", "tasks_from": "check"}
        tasks += [
            {"ansible.builtin.include_role": check, "vars": variables},
            _fact(f"impossible_{number}", "kvm_mistakes"),
        ]
    for name, value in CHOSEN.items():
        probe = {"name": "kvm", "tasks_from": "probe"}
        asked_for = {"ansible.builtin.include_role": probe, "vars": {name: value}}
        keep = _fact(f"said_{name}", "ansible_failed_result.msg")
        tasks.append({"block": [asked_for], "rescue": [keep]})
    tasks.append(
        {
            **_fact("addresses", "asked_addresses | map('baremark_libvirt_uri')"),
            "vars": {"asked_addresses": [*ADDRESSES]},
        }
    )
    tasks.append(_fact("declared_by_default", "kvm_declared"))
    names = [
        "declared_by_default",
        *(f"kind_{number}" for number in range(len(KINDS))),
        *(f"impossible_{number}" for number in range(len(IMPOSSIBLE))),
        *(f"said_{name}" for name in CHOSEN),
        "addresses",
    ]
    pairs = ", ".join(f"'{name}': {name}" for name in names)
    content = {"content": f"{{{{ {{{pairs}}} | to_json }}}}", "dest": str(folder / "all.json")}
    tasks.append({"ansible.builtin.copy": content})
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars_files": [str(file) for file in [*files, folder / "facts.yml"]],
        "tasks": tasks,
    }
    (folder / "ask.yml").write_text(json.dumps([play]))
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), str(folder / "ask.yml")],
        capture_output=True,
        text=True,
        check=False,
        cwd=PLAYBOOKS,
        env={
            **os.environ,
            "ANSIBLE_ROLES_PATH": str(PLAYBOOKS / "roles"),
            "ANSIBLE_LIBRARY": str(PLAYBOOKS / "library"),
            "ANSIBLE_MODULE_UTILS": str(PLAYBOOKS / "module_utils"),
            "ANSIBLE_FILTER_PLUGINS": str(PLAYBOOKS / "filter_plugins"),
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_NOCOLOR": "1",
        },
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    told: dict[str, Any] = json.loads((folder / "all.json").read_text())
    return told


def _fact(name: str, what: str) -> dict[str, Any]:
    return {"ansible.builtin.set_fact": {name: f"{{{{ {what} }}}}"}}


def text(answers: dict[str, Any], kind: str) -> str:
    found: str = answers[f"kind_{list(KINDS).index(kind)}"]
    return found


def domain(answers: dict[str, Any], kind: str) -> ElementTree.Element:
    return ElementTree.fromstring(text(answers, kind))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_guest_is_a_domain_by_the_schema_of_libvirt(
    answers: dict[str, Any], kind: str, tmp_path: Path
) -> None:
    if shutil.which("virt-xml-validate") is None or shutil.which("xmllint") is None:
        pytest.skip("apt-get install libvirt-clients libxml2-utils, for virt-xml-validate")
    file = tmp_path / "domain.xml"
    file.write_text(text(answers, kind))
    done = subprocess.run(
        ["virt-xml-validate", str(file), "domain"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_what_is_asked_for_stands_in_the_domain(answers: dict[str, Any]) -> None:
    def one(kind: str, path: str, name: str) -> str | None:
        found = domain(answers, kind).find(path)
        assert found is not None, f"{kind}: no {path}"
        return found.get(name)

    assert one("pc", "./os/type", "machine") == "pc"
    assert one("qcow2", "./devices/disk/driver", "type") == "qcow2"
    assert one("scsi", "./devices/controller[@type='scsi']", "model") == "virtio-scsi"
    assert one("sata", "./devices/disk/target", "bus") == "sata"
    assert one("writeback", "./devices/disk/driver", "io") == "threads"
    assert one("as it is by default", "./devices/disk/driver", "io") == "native"
    assert one("e1000", "./devices/interface/model", "type") == "e1000"
    assert one("as it is by default", "./cpu", "mode") == "maximum"
    assert one("with KVM", "./cpu", "mode") == "host-passthrough"
    assert one("pinned elsewhere", "./cputune/emulatorpin", "cpuset") == "0,1"
    assert one("pinned elsewhere", "./cputune/vcpupin[@vcpu='1']", "cpuset") == "3"
    assert domain(answers, "a named processor").findtext("./cpu/model") == "Nehalem"
    assert domain(answers, "huge pages").find("./memoryBacking/hugepages") is not None
    assert domain(answers, "an emulator of its own").findtext(EMULATOR) == "/opt/q&a/qemu"
    release = domain(answers, "another release").findtext(EMULATOR)
    assert release == "/var/lib/baremark/cache/qemu-10.0/qemu-system-x86_64"
    for kind, device in (("sata", "sda"), ("as it is by default", "vda")):
        assert f"root=/dev/{device} " in str(domain(answers, kind).findtext("./os/cmdline"))


EMULATOR = "./devices/emulator"


@pytest.mark.parametrize("number", range(len(IMPOSSIBLE)))
def test_what_cannot_be_is_told_with_what_to_do(answers: dict[str, Any], number: int) -> None:
    mistakes = answers[f"impossible_{number}"]
    told = IMPOSSIBLE[number][1]
    for one in told:
        assert any(one in mistake["why"] for mistake in mistakes), mistakes
    assert all(mistake["fix"] for mistake in mistakes)
    if "free huge pages" not in told:  # a machine without any has no file system for them either
        assert len(mistakes) == len(told)


@pytest.mark.parametrize("name", CHOSEN)
def test_a_value_that_is_none_of_those_there_are_is_refused_by_its_name(
    answers: dict[str, Any], name: str
) -> None:
    assert f"value of {name} must be one of" in answers[f"said_{name}"]
    assert CHOSEN[name] in answers[f"said_{name}"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_without_a_pinned_key_is_refused(answers: dict[str, Any], address: str) -> None:
    said = answers["addresses"][list(ADDRESSES).index(address)]
    assert ADDRESSES[address] in said["error"]
    if not ADDRESSES[address]:
        assert said["known_hosts"] == "/h"
        assert "no_verify" not in said["asked"]
        assert said["here"] == "qemu:///system"


def test_the_example_is_an_inventory_of_kinds_that_the_role_knows() -> None:
    folder = ROOT / "inventories" / "kvm.example"
    (host,) = inventory.load(folder)
    specs = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())
    options = specs["argument_specs"]["create"]["options"]
    read = yaml.safe_load((folder / "hosts.yml").read_text())["kvm"]["hosts"]
    for name, variables in read.items():
        for key, value in (variables or {}).items():
            assert key in options, f"{name}: {key}"
            assert value in options[key].get("choices", [value]), f"{name}: {key}"
    assert len(host.targets) == 1 + len(read)


def test_every_choice_of_the_role_is_held_against_what_is_seen(answers: dict[str, Any]) -> None:
    """What nothing is seen of is refused, so a choice that is only declared comes up nowhere."""
    choices = {f"declared_{name}": value for name, value in answers["declared_by_default"].items()}
    assert set(choices) == {*DECLARED, "declared_cpu_model"}
    given = {name: value for name, value in choices.items() if value != ""}
    assert all(isinstance(value, str) for value in given.values())
    seen = {**SEEN, "disk_bus": "virtio", "emulator_cpus": "0,1", "cpus": "0,1"}
    seen["thread_cpus"] = "0,1"
    assert list(declared.unlike(given, {}, seen)) == []
    unseen = [*declared.unlike(given, {}, {})]
    assert len(unseen) == len(given), unseen
    (unknown,) = declared.unlike({**given, "declared_colour": "red"}, {}, seen)
    assert unknown == "colour: not to be seen, asked for is red"
