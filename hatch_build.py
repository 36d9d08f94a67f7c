"""What a wheel holds beside the package: all that `harness/model/installed.py` looks for.

Inventories of somebody's own, which may hold secrets, do not travel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_OF_THIS_MACHINE = ("inventories/localhost", "inventories/without-root")


class Travelling(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the folders to a wheel; an editable installation uses those of the clone."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        inventories = Path(self.root, "inventories")
        for each in ("playbooks", "workloads", *_OF_THIS_MACHINE):
            build_data["force_include"][each] = f"harness/_data/{each}"
        for example in sorted(inventories.glob("*.example")):
            name = f"inventories/{example.name}"
            build_data["force_include"][name] = f"harness/_data/{name}"
