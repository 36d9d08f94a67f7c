"""What QEMU's monitor answers is read as what it says, whichever libvirt attached the disk."""

from __future__ import annotations

from typing import Any

import pytest

from harness.backends.kvm import declared, host_side

CACHE = {"writeback": True, "direct": True, "no-flush": False}


def blocks(driver: str, node: str) -> list[dict[str, Any]]:
    """The answer of `query-block` for a guest with one disk of 2 GiB."""
    image = {"filename": "/disk.raw", "format": driver, "virtual-size": 2 << 30}
    inserted = {"drv": driver, "node-name": node, "cache": CACHE, "image": image, "ro": False}
    return [{"device": "", "qdev": "/machine/peripheral/virtio-disk0", "inserted": inserted}]


LIBVIRT_9 = blocks("raw", "libvirt-1-format")
LIBVIRT_11 = blocks("file", "libvirt-1-storage")
"""A raw disk has no layer for its format: the protocol's driver is all that QEMU names."""


@pytest.mark.parametrize(
    ("answer", "described", "seen"),
    [
        (LIBVIRT_9, "raw", "raw"),
        (LIBVIRT_11, "raw", "raw"),
        (blocks("host_device", "libvirt-1-storage"), "raw", "raw"),
        (blocks("qcow2", "libvirt-1-format"), "qcow2", "qcow2"),
        (blocks("qcow2", "libvirt-1-format"), "raw", "qcow2"),
        (LIBVIRT_11, "qcow2", "file"),
        (LIBVIRT_11, None, "file"),
        (blocks("nbd", "libvirt-1-storage"), "raw", "nbd"),
        ([], "raw", None),
    ],
)
def test_the_format_is_qemus_word_and_raw_where_no_layer_is_above_the_file(
    answer: list[dict[str, Any]], described: str | None, seen: str | None
) -> None:
    assert host_side.disk_format(host_side.disk_of(answer), described) == seen


def test_a_raw_disk_of_libvirt_11_is_not_refused_and_a_false_one_is() -> None:
    disk = host_side.disk_of(LIBVIRT_11)
    assert host_side.cache_mode(disk) == "none"
    seen: dict[str, str | None] = {"disk_format": host_side.disk_format(disk, "raw")}
    assert list(declared.unlike({"declared_disk_format": "raw"}, {}, seen)) == []
    (said,) = declared.unlike({"declared_disk_format": "qcow2"}, {}, seen)
    assert said == "disk format: raw, asked for is qcow2"
