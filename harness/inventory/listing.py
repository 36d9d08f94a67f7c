"""What Ansible says of an inventory: its hosts, with their variables, and its groups.

No file of the inventory is read here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UseError

UTF8 = {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"}
"""Ansible works in UTF-8 only, and refuses the locale of a terminal that is not: what it reads and
writes has nothing to do with that."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The variables of every inventory host by its name, and the groups by theirs."""

    hostvars: Mapping[str, Mapping[str, Any]]
    groups: Mapping[str, Any]

    def hosts_under(self, group: str) -> set[str]:
        """The inventory hosts of a group and of every group below it."""
        said = self.groups.get(group, {})
        found = set(said.get("hosts", []))
        for child in said.get("children", []):
            found |= self.hosts_under(child)
        return found

    def groups_of_hosts(self) -> dict[str, list[str]]:
        """Every inventory host with the groups that it is under, in Ansible's order."""
        found: dict[str, list[str]] = {
            host: []
            for host in [
                *self.hostvars,
                *(host for group in self.groups.values() for host in group.get("hosts", [])),
            ]
        }
        for name in self.groups:
            for host in self.hosts_under(name):
                if name != "all" and host in found:
                    found[host].append(name)
        return found


def ask_ansible(path: Path) -> Answer:
    """What `ansible-inventory --list` says of the inventory at `path`. Raises `UseError`."""
    done = _ask("ansible-inventory", "-i", str(path), "--list")
    if done.returncode != 0:
        raise UseError(
            f"Ansible cannot read the inventory {path}:\n{_told(done.stderr)}",
            f"ask Ansible itself: ansible-inventory -i {path} --list",
        )
    said = json.loads(done.stdout)
    return Answer(
        said.get("_meta", {}).get("hostvars", {}),
        {name: group for name, group in said.items() if name != "_meta"},
    )


def has_collection(name: str) -> bool:
    """Whether Ansible finds a collection, wherever its configuration lets it look."""
    done = _ask("ansible-galaxy", "collection", "list", name, "--format", "json")
    return done.returncode == 0 and any(json.loads(done.stdout).values())


def _ask(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name(program)), *arguments],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        env={
            **os.environ,
            **UTF8,
            "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
            "ANSIBLE_NOCOLOR": "1",
        },
    )


def _told(text: str, number: int = 6) -> str:
    """Ansible tells the cause first and each plugin's despair after it."""
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(f"  {line}" for line in lines[:number])
