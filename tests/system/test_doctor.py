"""The doctor looks, tells of every target, and changes nothing."""

from __future__ import annotations

from pathlib import Path

from . import machine
from .verbs import Verb, needs_root

pytestmark = needs_root


def test_doctor_tells_of_every_target_and_changes_nothing(baremark: Verb) -> None:
    before = machine.snapshot()
    said = baremark("doctor").stdout
    for target in ("native (baremetal)", "container (docker)", "guest (kvm)"):
        assert f"{target}: usable" in said
    assert machine.left_behind(before, machine.snapshot()) == {}


def test_a_size_that_the_machine_does_not_have_is_told_by_the_doctor(
    baremark: Verb, tmp_path: Path
) -> None:
    (tmp_path / "hosts.yml").write_text(
        "all:\n  vars: {baremark_vcpus: 2, baremark_memory_mib: 90000000, baremark_disk_gib: 2}\n"
        "  children:\n    baremetal: {hosts: {native: {ansible_connection: local, "
        "ansible_python_interpreter: '{{ ansible_playbook_python }}'}}}\n"
        "    docker: {hosts: {container: {baremark_host: native}}}\n"
    )
    said = baremark("doctor", "-i", str(tmp_path), status=1).stdout
    assert "not usable" in said
    assert "90000000 MiB" in said


def test_a_machine_that_cannot_be_reached_is_told_by_the_doctor(
    baremark: Verb, tmp_path: Path
) -> None:
    (tmp_path / "hosts.yml").write_text(
        "all:\n  vars: {baremark_vcpus: 1, baremark_memory_mib: 512, baremark_disk_gib: 2}\n"
        "  children:\n    baremetal: {hosts: {far: {ansible_host: 127.0.0.1, ansible_port: 9}}}\n"
    )
    said = baremark("doctor", "-i", str(tmp_path), status=1).stdout
    assert "far (baremetal): not usable" in said
    assert "127.0.0.1" in said


def test_the_doctor_says_what_to_type_also_where_it_cannot_look(
    baremark: Verb, tmp_path: Path
) -> None:
    """A variable of the inventory that Ansible cannot make out stops the look at the target."""
    (tmp_path / "hosts.yml").write_text(
        "all:\n  vars: {baremark_vcpus: 1, baremark_memory_mib: 256, baremark_disk_gib: 2}\n"
        "  children:\n    baremetal: {hosts: {native: {ansible_connection: local, "
        "ansible_python_interpreter: '{{ ansible_playbook_python }}', "
        "baremark_ssh_port: '{{ nowhere_defined }}'}}}\n"
    )
    said = baremark("doctor", "-i", str(tmp_path), status=1).stdout
    assert "nowhere_defined" in said
    assert f"to do: see what Ansible finds there: ansible -i {tmp_path} --become" in said
