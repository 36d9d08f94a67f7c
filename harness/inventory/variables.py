"""The variables of Baremark's that an inventory may set: what they mean, and which there are."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from harness.inventory import adopted
from harness.model import installed
from harness.model.cpus import MOST_CPUS, cpu_list

PREFIX = "baremark_"
"""Begins every variable that is Baremark's; all others are Ansible's or the user's own."""


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
    baremark_same_machine: bool | None = None


def known_variables() -> frozenset[str]:
    """Every variable of Baremark's that means something, by name.

    Those of this module's own, and whatever stands as a key in a role's arguments and defaults
    and in the playbooks' group variables: a new role's are known by its files.
    """
    playbooks = installed.folder("playbooks")
    files = [
        *playbooks.glob("roles/*/meta/argument_specs.yml"),
        *playbooks.glob("roles/*/defaults/main.yml"),
        *playbooks.glob("group_vars/*.yml"),
    ]
    keys = re.compile(rf"^\s*({PREFIX}\w+)\s*:", re.MULTILINE)
    found = {name for file in files for name in keys.findall(file.read_text(encoding="utf-8"))}
    return frozenset(found | set(TargetVars.model_fields) | set(adopted.AdoptedVars.model_fields))
