#!/usr/bin/python
"""Ansible module: end and remove what a run left on a machine, whatever state it is in.

A process is Baremark's if `baremark_daemon` started it or something that it started; if its
program lies in Baremark's folder; if it is a daemon or machine whose command line names
Baremark's folders; or if it is in Baremark's control group. Nothing else is touched, and of that
nothing that serves a virtual machine in Baremark's folders that Baremark did not make. What runs in
another namespace of processes is ours only where it is in a container of ours: a Baremark that
measures inside a container, or inside a test's machine, sweeps for itself.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

from ansible.module_utils.baremark_process import (
    RUN,
    command,
    end,
    find,
    marked,
    nested,
    program,
)
from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: baremark_sweep
short_description: End and remove what a run left on a machine
options:
  root: {description: "Baremark's folder on disk.", type: path, required: true}
  run: {description: "Baremark's folder for pid files and sockets.", type: path, required: true}
  keep:
    description: Folders in root that stay.
    type: list
    elements: str
    default: []
  foreign:
    description: Folders in root or run, by their whole paths, that hold what is not Baremark's.
    type: list
    elements: path
    default: []
  foreign_daemons:
    description: What processes that serve those folders are marked with.
    type: list
    elements: str
    default: []
"""

DAEMONS = (
    *("sshd", "dockerd", "containerd", "conmon", "lxc-start", "lxc-monitord"),
    *("libvirtd", "virtlogd", "qemu-system"),
)
"""A program whose name begins so, and whose command line names our folders, is ours."""
CGROUP = "baremark"
"""The control group below which the engines put what they start."""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "required": True},
            "run": {"type": "path", "required": True},
            "keep": {"type": "list", "elements": "str", "default": []},
            "foreign": {"type": "list", "elements": "path", "default": []},
            "foreign_daemons": {"type": "list", "elements": "str", "default": []},
        }
    )
    root, run = Path(module.params["root"]), Path(module.params["run"])

    foreign = {Path(folder) for folder in module.params["foreign"]}
    found = find(lambda pid: _is_ours(pid, root, run, module.params["foreign_daemons"]))
    ended = sorted(f"{pid} {program(pid)}" for pid in found)
    changed = end(found)
    removed = []
    for mount in _mounts(root, run):
        subprocess.run(["umount", "--lazy", mount], check=True)
        removed.append(mount)
    removed += _remove_cgroups()
    removed += _remove_made(run / "made-folders")
    removed += _clear(run, foreign)
    removed += _clear(root, foreign | {root / name for name in module.params["keep"]})
    module.exit_json(changed=changed or bool(removed), ended=ended, removed=removed)


def _is_ours(pid: int, root: Path, run: Path, foreign_daemons: list[str]) -> bool:
    if (depth := nested(pid)) > 0:
        return depth == 1 and _in_our_cgroup(pid)
    path, mark = program(pid), marked(pid)
    if mark in foreign_daemons:
        return False
    if mark is not None and marked(pid, RUN) not in {None, str(run)}:
        return False
    if mark is not None or path.startswith(f"{root}/") or _in_our_cgroup(pid):
        return True
    words = " ".join(command(pid))
    return Path(path).name.startswith(DAEMONS) and (f"{root}/" in words or f"{run}/" in words)


def _mounts(*folders: Path) -> list[str]:
    """Mount points inside the folders, the innermost first; a disk that is mounted as one of the
    folders themselves is its owner's."""
    with Path("/proc/self/mountinfo").open(encoding="utf-8") as file:
        points = [line.split()[4].encode().decode("unicode_escape") for line in file]
    return [
        point
        for point in reversed(points)
        if any(point.startswith(f"{folder}/") for folder in folders)
    ]


def _clear(folder: Path, kept: set[Path]) -> list[str]:
    """Remove what is in the folder, and then itself, but for what is kept and what leads there."""
    removed = []
    for path in sorted(folder.iterdir()) if folder.exists() else []:
        if any(path in each.parents for each in kept):
            removed += _clear(path, kept)
        elif path not in kept:
            removed += _remove(path)
    if folder.exists() and not any(folder.iterdir()):
        folder.rmdir()
        removed.append(str(folder))
    return removed


def _remove(path: Path) -> list[str]:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    return [str(path)]


def _remove_made(listing: Path) -> list[str]:
    """The folders outside Baremark's own that had to be made, as far as nobody else uses them."""
    removed = []
    if listing.exists():
        for folder in map(Path, reversed(listing.read_text().splitlines())):
            if folder.is_absolute() and folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
                removed.append(str(folder))
    return removed


def _in_our_cgroup(pid: int) -> bool:
    """Whether it is in a control group that we made: a container's, whose engine is gone."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return any(f"{line.split(':', 2)[2]}/".startswith(f"/{CGROUP}/") for line in lines)


def _remove_cgroups() -> list[str]:
    """The control groups that our own engines made, now that nothing runs in them."""
    removed = []
    for top in [*Path("/sys/fs/cgroup").glob(f"*/{CGROUP}"), Path("/sys/fs/cgroup", CGROUP)]:
        for folder, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
                removed.append(folder)
    return removed


if __name__ == "__main__":
    main()
