"""What a real QEMU says of itself is read as it was told to be. None runs: each starts halted."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.backends.kvm import host_side
from tests import waiting

QEMU = shutil.which("qemu-system-x86_64")

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(QEMU is None, reason="apt-get install qemu-system-x86"),
]


def asked(disk: Path, cache: str, *questions: dict[str, Any]) -> list[Any]:
    """The answers of a QEMU with one disk, started as libvirt does: the cache in its parts."""
    writeback, direct, no_flush = {
        "none": ("on", True, False),
        "writeback": ("on", False, False),
        "writethrough": ("off", False, False),
        "directsync": ("off", True, False),
        "unsafe": ("on", False, True),
    }[cache]
    how = {"direct": direct, "no-flush": no_flush}
    file = {"driver": "file", "filename": str(disk), "node-name": "file", "cache": how}
    block = {"driver": "raw", "file": "file", "node-name": "disk", "cache": how}
    done = subprocess.run(
        [
            *(str(QEMU), "-S", "-M", "pc", "-accel", "tcg", "-cpu", "Nehalem", "-nodefaults"),
            *("-display", "none", "-blockdev", json.dumps(file), "-blockdev", json.dumps(block)),
            *("-device", f"virtio-blk-pci,drive=disk,write-cache={writeback}", "-qmp", "stdio"),
        ],
        input="".join(
            json.dumps(each) + "\n"
            for each in ({"execute": "qmp_capabilities"}, *questions, {"execute": "quit"})
        ),
        capture_output=True,
        text=True,
        timeout=waiting.GUARD_S,
        check=True,
    )
    said = [json.loads(line) for line in done.stdout.splitlines()]
    answers = [each["return"] for each in said if "return" in each]
    return answers[1 : 1 + len(questions)]


@pytest.mark.parametrize("cache", ["none", "writeback", "writethrough", "directsync", "unsafe"])
def test_the_cache_mode_is_told_from_what_qemu_does(cache: str, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(b"\0" * (1 << 20))
    try:
        (blocks,) = asked(disk, cache, {"execute": "query-block"})
    except subprocess.CalledProcessError as error:
        if "O_DIRECT" in error.stderr:
            pytest.skip(f"the file system of {tmp_path} has no O_DIRECT")
        raise
    inserted = host_side.disk_of(blocks)
    assert host_side.cache_mode(inserted) == cache
    blocks_of = f"{disk.stat().st_blocks} 512"
    assert host_side.preallocated(inserted, [blocks_of]) == "yes"
    assert host_side.preallocated(inserted, ["8 512"]) == "no"
    assert host_side.preallocated(inserted, []) is None


def test_machine_and_processor_are_told_by_their_types(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(b"\0" * (1 << 20))
    at = {"path": "/machine", "property": "type"}
    machine, cpus = asked(
        *(disk, "writeback", {"execute": "qom-get", "arguments": at}),
        {"execute": "query-cpus-fast"},
    )
    assert (host_side.type_name(machine, "-machine") or "").startswith("pc-i440fx-")
    at["path"] = cpus[0]["qom-path"]
    (kind,) = asked(disk, "writeback", {"execute": "qom-get", "arguments": at})
    assert host_side.type_name(kind, "-x86_64-cpu") == "Nehalem"
