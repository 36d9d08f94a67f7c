"""Filters for what the inventory says in more than one way, and for what the roles folder says."""

from __future__ import annotations

import re
from pathlib import Path


def baremark_cpu_list(value: object) -> list[int]:
    """The numbers in `baremark_emulator_cpus`: `0,2-3`, `[0, 2, 3]` or `0`, in the order given."""
    if isinstance(value, int):
        return [int(value)]
    if not isinstance(value, str):
        return [cpu for part in value for cpu in baremark_cpu_list(part)]
    cpus: list[int] = []
    for part in value.split(","):
        first, _, last = part.strip().partition("-")
        cpus.extend(range(int(first), int(last or first) + 1))
    return cpus


def baremark_backends(roles: str) -> list[str]:
    """The roles that can create a target: each is named like its inventory group."""
    return sorted(path.parent.parent.name for path in Path(roles).glob("*/tasks/create.yml"))


_SAY_NOTHING = ("non-zero return code", "MODULE FAILURE", "Module result deserialization failed")
"""How messages begin that only say that something else was printed."""


def baremark_reason(result: dict[str, object]) -> str:
    """Why a task failed, in the words of whoever knows best: its message, or what it printed."""
    for part in result.get("results") or []:
        if isinstance(part, dict) and part.get("failed"):
            return baremark_reason(part)
    said = [str(result.get(key) or "").strip() for key in ("msg", "stderr", "stdout")]
    said[0] = re.sub(r"^((Task|Action|Module) failed: )+", "", said[0])
    printed = said[1] or str(result.get("module_stderr") or "").strip()
    if (not said[0] or said[0].startswith(_SAY_NOTHING)) and printed:
        return printed[-1000:]
    hint = f" ({result['hint']})" if result.get("hint") else ""
    return next((text for text in said if text), "it failed without a word") + hint


def baremark_too_old(said: str, least: dict[str, str]) -> dict[str, str]:
    """A finding where what a product says of its release is older than the oldest that will do.

    `least` has the `product`, that `release`, `why` it takes that, and the `fix`. What says no
    release speaks against nothing.
    """
    found = re.search(r"[0-9]+(?:[.][0-9]+)+", str(said))
    if found is None or _numbers(found[0]) >= _numbers(least["release"]):
        return {}
    why = f"{least['product']} {found[0]} is too old: {least['why']} since {least['release']}"
    return {"why": why, "fix": least["fix"]}


def _numbers(release: str) -> list[int]:
    return [int(number) for number in release.split(".")]


def baremark_text(path: str) -> str:
    """A file's content."""
    return Path(path).read_text(encoding="utf-8")


class FilterModule:
    def filters(self) -> dict[str, object]:
        return {
            "baremark_backends": baremark_backends,
            "baremark_cpu_list": baremark_cpu_list,
            "baremark_reason": baremark_reason,
            "baremark_text": baremark_text,
            "baremark_too_old": baremark_too_old,
        }
