"""The settings of a target's machine as typed fields, from what was observed as text.

What was not observable, or is told in a form that is not known, is None: never "no". Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.model.cpus import numbers
from harness.model.fingerprint import Settings

_MITIGATION = "mitigation_"
_YES_NO = {"yes": True, "no": False, "1": True, "0": False, "on": True, "off": False}
_NO_QUOTA = {"max", "-1", "none"}
_PERIOD_US = 100_000


def read(inside: Mapping[str, str | None], outside: Mapping[str, str | None]) -> Settings:
    """The settings that a target and its host tell of by text."""
    mitigations = {
        name.removeprefix(_MITIGATION): value
        for name, value in inside.items()
        if name.startswith(_MITIGATION) and value is not None
    }
    limited, quota = _quota(outside.get("cpu_quota") or inside.get("cgroup_cpu_max"))
    return Settings(
        container=inside.get("container"),
        hypervisor_bit=_flag(inside.get("hypervisor_bit")),
        mitigations=mitigations or None,
        governor=inside.get("governor"),
        huge_pages=inside.get("transparent_hugepage"),
        ksm=_ksm(inside.get("ksm")),
        balloon=_flag(inside.get("balloon")),
        numa_nodes=numbers(inside.get("numa_nodes")),
        memory_nodes=numbers(inside.get("mems_allowed")),
        cpu_limited=limited,
        cpu_quota=quota,
        pressure=_flag(inside.get("pressure")),
        disk_format=outside.get("disk_format"),
        disk_cache=outside.get("disk_cache"),
        nic_model=outside.get("nic_model") or inside.get("nic_driver"),
        route=_route(inside.get("peer_route")),
        network=outside.get("network"),
        mtu=_whole(inside.get("nic_mtu")),
        offloads=_offloads(inside.get("nic_offloads")),
    )


def _flag(text: str | None) -> bool | None:
    return None if text is None else _YES_NO.get(text)


def _ksm(text: str | None) -> bool | None:
    """2 stops merging and parts what was merged."""
    return False if text == "2" else _flag(text)


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def _quota(text: str | None) -> tuple[bool | None, float | None]:
    """Whether there is a quota, and of how many CPUs: `max 100000`, `50000 100000` (version 2),
    `-1`, `50000` (version 1, with the usual period), `none`, `0.5 CPUs` (a daemon's answer)."""
    words = (text or "").split()
    if not words:
        return None, None
    if words[0] in _NO_QUOTA:
        return False, None
    try:
        first = float(words[0])
        if words[1:] == ["CPUs"]:
            return True, first
        return True, first / (float(words[1]) if words[1:] else _PERIOD_US)
    except (ValueError, ZeroDivisionError):
        return None, None


def _route(text: str | None) -> str | None:
    """`on-link`: the peer is on the target's own network; `routed`: it is behind a router."""
    if not text:
        return None
    return "routed" if " via " in f" {text} " else "on-link"


def _offloads(text: str | None) -> dict[str, bool] | None:
    pairs = dict(_pairs(text or ""))
    return pairs or None


def _pairs(text: str) -> Iterator[tuple[str, bool]]:
    for word in text.split():
        name, _, value = word.partition("=")
        if value in _YES_NO:
            yield name, _YES_NO[value]
