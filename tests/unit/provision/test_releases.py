"""An inventory in which one target stands once for each release: read by Ansible itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from harness import state
from harness.errors import UseError
from harness.inventory.listing import ask_ansible
from harness.provision import releases

ROOT = Path(__file__).parents[3]
QEMU = releases.Releases("qemu", ("7.2", "10.0"))


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def hostvars(path: Path, name: str) -> dict[str, object]:
    return dict(ask_ansible(path).hostvars[name])


def test_the_target_stands_once_for_each_release_beside_native() -> None:
    with releases.beside(ROOT / "inventories" / "localhost", [], QEMU) as made:
        assert made.targets == ("guest-qemu-7-2", "guest-qemu-10-0")
        assert made.host.native.name == "native"
        assert {target.name for target in made.host.targets[1:]} == set(made.targets)
        assert len({target.size for target in made.host.targets}) == 1
        assert len({target.address for target in made.host.targets}) == 3
        before = hostvars(ROOT / "inventories" / "localhost", "guest")
        after = hostvars(made.inventory, "guest-qemu-10-0")
        assert after.pop("baremark_emulator_release") == "10.0"
        assert {key: after[key] for key in before} == before
        folder = made.inventory
    assert not folder.exists()


def test_what_is_still_up_keeps_its_inventory_and_the_same_question_finds_it() -> None:
    with releases.beside(ROOT / "inventories" / "localhost", [], QEMU) as made:
        state.state_folder(made.inventory).mkdir(parents=True)
    assert made.inventory.exists()
    with releases.beside(ROOT / "inventories" / "localhost", [], QEMU) as again:
        assert again.inventory == made.inventory
        shutil.rmtree(state.state_folder(again.inventory))


def test_a_file_is_an_inventory_too_with_the_variables_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    (folder / "group_vars").mkdir(parents=True)
    (folder / "group_vars" / "all.yml").write_text(
        "baremark_vcpus: 1\nbaremark_memory_mib: 512\nbaremark_disk_gib: 2\n"
    )
    (folder / "hosts.yml").write_text(
        "baremetal:\n  hosts:\n    here: {ansible_connection: local}\n"
        "kvm:\n  vars: {baremark_host: here}\n  hosts:\n    one: {}\n"
        "    two: {baremark_address: 198.18.0.20, baremark_machine: pc}\n"
    )
    with pytest.raises(UseError, match="one, two"), releases.beside(folder / "hosts.yml", [], QEMU):
        pass
    with releases.beside(folder / "hosts.yml", ["two"], QEMU) as made:
        seen = hostvars(made.inventory, "two-qemu-7-2")
        assert seen["baremark_machine"] == "pc"
        assert seen["baremark_memory_mib"] == 512
        assert "baremark_address" not in seen


def test_a_vaulted_variable_stays_vaulted(tmp_path: Path) -> None:
    text = releases._yaml(
        {"kvm": {"hosts": {"a": {"secret": {"__ansible_vault": "$ANSIBLE\n33\n"}}}}}
    )
    assert "!vault |" in text
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("xen=4.17,4.18", "releases of 'xen'"),
        ("qemu=7.2", "names 1 releases"),
        ("qemu=7.2,7.2", "names 1 releases"),
        ("qemu", "names 0 releases"),
    ],
)
def test_what_are_no_two_releases_is_refused(text: str, told: str) -> None:
    with pytest.raises(UseError, match=told):
        releases.parse(text)


def test_without_a_target_of_that_backend_there_is_nothing_to_stand_for(tmp_path: Path) -> None:
    file = tmp_path / "hosts.yml"
    file.write_text(
        "all: {vars: {baremark_vcpus: 1, baremark_memory_mib: 512, baremark_disk_gib: 2}}\n"
        "baremetal: {hosts: {here: {ansible_connection: local}}}\n"
        "docker: {hosts: {box: {baremark_host: here}}}\n"
    )
    with pytest.raises(UseError, match="none"), releases.beside(file, [], QEMU):
        pass
