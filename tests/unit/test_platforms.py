"""The report of docs/platforms.md is what the tests wrote."""

from __future__ import annotations

from tests import platforms

FACTS = """\
release=Debian GNU/Linux 13 (trixie)
python=Python 3.13.5
libvirt=libvirtd (libvirt) 11.3.0
qemu=QEMU emulator version 10.0.8 (Debian 1:10.0.8+ds-0+deb13u1)
docker=
cgroups=tmpfs
pid1=bash
date=2026-11-30
"""


def test_facts_are_versions_and_what_is_not_there_is_none() -> None:
    found = platforms.facts(FACTS)
    assert (found["python"], found["libvirt"], found["qemu"]) == ("3.13.5", "11.3.0", "10.0.8")
    assert (found["docker"], found["cgroups"]) == ("none", "version 1")


def test_a_row_takes_the_place_of_the_one_of_its_release() -> None:
    page = platforms.PAGE.read_text(encoding="utf-8")
    report = platforms.facts(FACTS) | {"release": "Made 1", "run": "`true`", "outcome": "a table"}
    once = platforms.put(report, page)
    assert platforms.put(report, once) == once
    assert once.replace(platforms.row(report) + "\n", "") == page
    again = platforms.put({**report, "outcome": "nothing"}, once)
    assert "| a table |" not in again
    assert again.count("| Made 1 |") == 1
