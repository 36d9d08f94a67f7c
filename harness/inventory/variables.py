"""The variables of Baremark's that an inventory may set: what they mean, and which there are."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from harness import adoption

MOST_CPUS = 8192
"""More than a Linux kernel can be built for (x86); no larger number is ever counted up to."""
PREFIX = "baremark_"
"""Begins every variable that is Baremark's; all others are Ansible's or the user's own."""

_PLAYBOOKS = Path(__file__).parents[2] / "playbooks"


def cpu_list(value: object) -> tuple[int, ...]:
    """`0,2-3`, `[0, 2, 3]` or `0` as host CPU numbers. Raises `ValueError`."""
    if isinstance(value, bool):
        raise ValueError("must be host CPU numbers such as 0,2-3")
    if isinstance(value, int) and 0 <= value < MOST_CPUS:
        return (value,)
    if isinstance(value, list | tuple):
        return tuple(cpu for part in value for cpu in cpu_list(part))
    numbers: list[int] = []
    for part in str(value).split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if match is None:
            raise ValueError(f"must be host CPU numbers such as 0,2-3, is {value!r}")
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last:
            raise ValueError(f"must be host CPU numbers, the smaller one first, is {value!r}")
        if last >= MOST_CPUS:
            raise ValueError(f"must be host CPU numbers below {MOST_CPUS}, is {value!r}")
        numbers += range(first, last + 1)
    return tuple(numbers)


class TargetVars(BaseModel):
    """The variables that Baremark reads of one inventory host; Ansible's own pass by."""

    model_config = ConfigDict(extra="ignore")

    baremark_vcpus: Annotated[int, Field(ge=1, le=MOST_CPUS)]
    baremark_memory_mib: Annotated[int, Field(ge=256)]
    baremark_disk_gib: Annotated[int, Field(ge=2)]
    baremark_cpus: Annotated[tuple[int, ...] | None, BeforeValidator(cpu_list)] = None
    baremark_host: str | None = None
    baremark_address: ipaddress.IPv4Address | None = None
    baremark_adopt: bool = False


def known_variables() -> frozenset[str]:
    """Every variable of Baremark's that means something, by name.

    Those of this module's own, and whatever stands as a key in a role's arguments and defaults
    and in the playbooks' group variables: a new role's are known by its files.
    """
    files = [
        *_PLAYBOOKS.glob("roles/*/meta/argument_specs.yml"),
        *_PLAYBOOKS.glob("roles/*/defaults/main.yml"),
        *_PLAYBOOKS.glob("group_vars/*.yml"),
    ]
    keys = re.compile(rf"^\s*({PREFIX}\w+)\s*:", re.MULTILINE)
    found = {name for file in files for name in keys.findall(file.read_text(encoding="utf-8"))}
    return frozenset(found | set(TargetVars.model_fields) | set(adoption.AdoptedVars.model_fields))
