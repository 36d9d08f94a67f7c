"""What differs between two runs of one host is refused, told or cut, whichever fact it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from harness.analyze import comparable
from harness.analyze.confounds import confounds
from harness.analyze.history import epochs
from harness.dataset import targets
from harness.ledger import reader
from harness.model.facts import FACTS, differing, differing_parts
from harness.model.run import Run, TargetRecord

EXAMPLE = reader.read_run(Path(__file__).parents[3] / "docs" / "example")
LATER = "2026-11-25T23:50:15+00:00"


def changed(
    inside: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
    target: str = "native",
) -> Run:
    """The committed run, a day later, of which one target shows something else."""

    def shown(record: TargetRecord) -> TargetRecord:
        if record.target.name != target:
            return record
        print_ = record.fingerprint
        seen = replace(
            print_,
            inside={**print_.inside, **(inside or {})},
            settings=replace(print_.settings, **(settings or {})),
        )
        return replace(record, fingerprint=seen)

    manifest = replace(
        EXAMPLE.manifest,
        run="20261125T235015Z-native",
        created_at=LATER,
        targets=tuple(map(shown, EXAMPLE.manifest.targets)),
    )
    return replace(EXAMPLE, manifest=manifest)


def cut(run: Run, target: str = "native") -> str | None:
    """What a history says is new on the day of `run`."""
    observed = pl.concat([targets.frame(EXAMPLE.manifest), targets.frame(run.manifest)])
    known = epochs.states(observed)
    rows = known.numbers.filter(pl.col("target") == target).sort("started")["state"].to_list()
    return epochs.changed(known.known[rows[0]], known.known[rows[1]])


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"settings": {"mitigations": {"retbleed": "Vulnerable"}}}, "mitigation"),
    ({"settings": {"governor": "powersave"}}, ""),  # not observable in the first: not known
    ({"settings": {"huge_pages": "always"}}, "huge pages"),
    ({"settings": {"cpu_limited": True, "cpu_quota": 0.5}}, "CPU quota set"),
    ({"settings": {"numa_nodes": (0, 1)}}, "NUMA nodes"),
    ({"settings": {"nic_model": "e1000"}, "target": "guest"}, "network card"),
    ({"settings": {"disk_cache": "writeback"}, "target": "guest"}, "disk cache"),
    ({"settings": {"disk_format": "qcow2"}, "target": "guest"}, "disk format"),
    ({"inside": {"memory_kib": "131000000"}}, "memory of the machine in KiB"),
    ({"inside": {"swap_kib": "8388604"}}, "swap in KiB"),
    ({"inside": {"work_device": "/dev/nvme0n1p2"}}, "disk"),
    ({"inside": {"work_device_scheduler": "none"}}, "disk scheduler"),
    ({"inside": {"work_device_block": "4096"}}, "block of the disk in bytes"),
    ({"inside": {"work_filesystem": "xfs"}}, "file system"),
    ({"inside": {"kernel_version": "#2 SMP another build"}}, "build of the kernel"),
    ({"inside": {"kernel_arguments": "mitigations=off"}}, "kernel arguments"),
    ({"inside": {"os": "Debian GNU/Linux 13 (trixie)"}}, "operating system"),
    ({"inside": {"microcode": "0x2000065"}}, "microcode"),
    ({"inside": {"memory_kib": "24684180"}}, ""),  # 88 KiB more: another boot of the machine
    ({"inside": {"work_free_kib": "1"}}, ""),  # changes by itself
    ({"inside": {"work_device": "/dev/loop3"}, "target": "guest"}, "disk"),
]


@pytest.mark.parametrize(("change", "title"), CHANGES, ids=[str(each) for each, _ in CHANGES])
def test_one_difference_is_refused_told_and_cut_alike(change: dict[str, Any], title: str) -> None:
    run, target = changed(**change), change.get("target", "native")
    pooled = comparable.difference(EXAMPLE, run)
    said = cut(run, target)
    if not title:
        assert pooled is None
        assert said is None or "governor" not in said
        return
    assert pooled is not None
    assert pooled[0] == f"the {title} of {target}"
    assert said is not None
    assert title in said
    told = [each for each in confounds([EXAMPLE], [run], ()) if each.where == target]
    if target == "native":
        assert [each.what for each in told][:1] == [title]


def test_what_only_one_side_shows_is_told_and_neither_refused_nor_cut() -> None:
    run = changed(settings={"governor": "powersave"})
    assert comparable.difference(EXAMPLE, run) is None
    (told,) = confounds([EXAMPLE], [run], ())
    assert (told.what, told.base, told.candidate) == ("governor", "not observable", "powersave")


def test_loop_devices_are_numbered_as_they_come() -> None:
    one = changed(inside={"work_device": "/dev/loop3"}).manifest.targets[0]
    other = changed(inside={"work_device": "/dev/loop7"}).manifest.targets[0]
    assert list(differing(one, other)) == []


def test_memory_is_the_same_within_one_percent() -> None:
    (fact,) = (each for each in FACTS if each.name == "memory_kib")
    assert fact.same(1_000_000, 1_010_000)
    assert not fact.same(1_000_000, 1_020_000)
    assert not fact.same(1_000_000, None)


def test_of_long_texts_only_the_parts_that_differ_are_shown() -> None:
    flags = " ".join(f"flag{number}" for number in range(40))
    assert differing_parts(f"{flags} avx", flags) == ("avx", "–")
    assert differing_parts("6.1.0-50", "6.1.0-51") == ("6.1.0-50", "6.1.0-51")
    turned = " ".join(reversed(flags.split()))
    assert differing_parts(flags, turned) == (flags, turned), "another order is shown as it is"
