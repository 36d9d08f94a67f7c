"""What measuring needs is there as wheels for every Python that a supported distribution has."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

ROOT = Path(__file__).parents[2]
LOCK = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
PACKAGES: list[dict[str, Any]] = LOCK["package"]
RELEASES = {"Debian 12": 11, "Ubuntu 24.04": 12, "Debian 13": 13, "Ubuntu 26.04": 14}
GLIBC = 36
"""The oldest of them, Debian 12's: 2.36."""


def needed(name: str, environment: dict[str, str], seen: set[str]) -> Iterator[str]:
    """Packages that one needs on a machine of this kind, without what only developers need."""
    entries = [package for package in PACKAGES if package["name"] == name]
    for each in (one for package in entries for one in package.get("dependencies", [])):
        marker = each.get("marker")
        if each["name"] in seen or (marker and not Marker(marker).evaluate(environment)):
            continue
        seen.add(each["name"])
        yield each["name"]
        yield from needed(each["name"], environment, seen)


@pytest.mark.parametrize("release", RELEASES)
def test_everything_that_measuring_needs_has_a_wheel(release: str) -> None:
    minor = RELEASES[release]
    version = f"3.{minor}"
    platforms = [f"manylinux_2_{glibc}_x86_64" for glibc in range(GLIBC, 4, -1)]
    platforms += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"]
    tags = {*cpython_tags((3, minor), platforms=platforms)}
    tags |= {*compatible_tags((3, minor), f"cp3{minor}", platforms)}
    environment = {
        "python_version": version,
        "python_full_version": f"{version}.0",
        "sys_platform": "linux",
        "platform_machine": "x86_64",
        "platform_system": "Linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }
    without = {
        name
        for name in needed("baremark", environment, set())
        if not any(
            parse_wheel_filename(each["url"].rpartition("/")[2])[3] & tags
            for package in PACKAGES
            if package["name"] == name
            for each in package.get("wheels", [])
        )
    }
    assert without == set()
