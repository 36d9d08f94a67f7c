"""What is declared of a guest is held against what is seen of it, each thing by itself."""

from __future__ import annotations

import pytest

from harness.backends.kvm import declared

SEEN = {
    "machine": "pc-q35-7.2",
    "release": "7.2.22",
    "disk_format": "raw",
    "disk_preallocated": "yes",
    "disk_bus": "scsi",
    "disk_controller": "virtio-scsi",
    "disk_cache": "none",
    "disk_io": "native",
    "nic_model": "virtio",
    "cpu_type": "max",
    "cpus": "2,3",
    "thread_cpus": "2,3",
    "emulator_cpus": "0-1",
    "hugepages": "no",
    "emulator": "/usr/bin/qemu-system-x86_64",
}
DECLARED = {
    "declared_machine": "q35",
    "declared_release": "7.2",
    "declared_disk_format": "raw",
    "declared_disk_preallocated": "yes",
    "declared_disk_bus": "scsi",
    "declared_disk_cache": "none",
    "declared_disk_io": "native",
    "declared_nic_model": "virtio",
    "declared_cpu_mode": "maximum",
    "declared_emulator_cpus": "0,1",
    "declared_hugepages": "no",
    "declared_emulator": "/usr/bin/qemu-system-x86_64",
}
INSIDE = {"nic_driver": "virtio_net", "work_device": "/dev/sda"}


def test_a_guest_that_is_what_was_asked_for_is_not_refused() -> None:
    assert list(declared.unlike(DECLARED, INSIDE, SEEN)) == []


@pytest.mark.parametrize("name", [name for name in SEEN if name != "cpus"])
def test_each_thing_that_was_asked_for_and_is_not_seen_is_refused(name: str) -> None:
    """(The backend itself refuses a guest that is pinned to no CPUs.)"""
    (found,) = declared.unlike(DECLARED, INSIDE, {**SEEN, name: None})
    assert "not to be seen" in found


@pytest.mark.parametrize(
    ("facts", "seen", "said"),
    [
        ({}, {"release": "7.20.1"}, "release of QEMU: 7.20.1, asked for is 7.2"),
        ({}, {"machine": "pc-i440fx-7.2"}, "machine type: pc-i440fx-7.2, asked for is q35"),
        ({}, {"thread_cpus": "3,2"}, "vCPUs' threads: 3,2, asked for is 2,3"),
        ({}, {"emulator_cpus": "0-3"}, "QEMU's other threads: 0-3, asked for is 0,1"),
        ({}, {"hugepages": "only 4 MiB"}, "huge pages: only 4 MiB, asked for is no"),
        ({}, {"disk_controller": "lsilogic"}, "SCSI controller: lsilogic"),
        ({"declared_cpu_mode": "host-passthrough"}, {}, "max, asked for is host-passthrough"),
        (
            {"declared_cpu_mode": "custom", "declared_cpu_model": "EPYC"},
            {"cpu_type": "EPYC-Rome"},
            "processor: EPYC-Rome, asked for is EPYC",
        ),
        (
            {"declared_cpu_mode": "host-model"},
            {"cpu_type": "EPYC", "host_model": "EPYC-Rome"},
            r"processor: EPYC, asked for is host-model (EPYC-Rome)",
        ),
    ],
)
def test_what_differs_is_refused_with_both_values(
    facts: dict[str, str], seen: dict[str, str], said: str
) -> None:
    (found,) = declared.unlike({**DECLARED, **facts}, INSIDE, {**SEEN, **seen})
    assert said in found


def test_a_version_of_the_model_is_the_model() -> None:
    wish = {**DECLARED, "declared_cpu_mode": "custom", "declared_cpu_model": "EPYC"}
    for seen in ("EPYC", "EPYC-v3"):
        assert list(declared.unlike(wish, INSIDE, {**SEEN, "cpu_type": seen})) == []
