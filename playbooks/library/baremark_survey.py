#!/usr/bin/python
"""Ansible module: what a machine has and what stands on it. It only looks."""

from __future__ import annotations

import json
import os
import platform
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: baremark_survey
short_description: What a machine has and what stands on it
options:
  programs:
    description: >-
      Programs (or files, by absolute path) with the package each comes in, and with the path
      that a machine must have to need it at all.
    type: list
    elements: dict
    default: []
  folder:
    description: Folder whose file system must have room; it need not exist yet.
    type: path
    default: /var/lib
"""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "programs": {"type": "list", "elements": "dict", "default": []},
            "folder": {"type": "path", "default": "/var/lib"},
        },
        supports_check_mode=True,
    )
    programs = [
        program
        for program in module.params["programs"]
        if Path(program.get("only_with", "/")).exists()
    ]
    module.exit_json(
        changed=False,
        root=os.geteuid() == 0,
        user=pwd.getpwuid(os.geteuid()).pw_name,
        systemd=Path("/run/systemd/system").is_dir(),
        architecture=platform.machine(),
        cpus=_online(),
        memory_mib=_memory_mib(),
        disk_gib=_disk_gib(Path(module.params["folder"])),
        noexec=_noexec(Path(module.params["folder"])),
        kvm=Path("/dev/kvm").exists(),
        tun=os.access("/dev/net/tun", os.R_OK | os.W_OK),
        boot_id=_text("/proc/sys/kernel/random/boot_id"),
        huge_pages=_chosen("/sys/kernel/mm/transparent_hugepage/enabled"),
        root_locked=_root_locked(),
        apt=shutil.which("apt-get", path=PATH) is not None,
        apt_lists=any(Path("/var/lib/apt/lists").glob("*_Packages*")),
        paths={p["path"]: _find(p["path"]) for p in programs},
        missing=[p["package"] for p in programs if _find(p["path"]) is None],
        links=_ip("link"),
        addresses=[
            {"link": link["ifname"], "address": a["local"], "prefix": a["prefixlen"]}
            for link in _ip("addr")
            for a in link.get("addr_info", [])
            if a["family"] == "inet"
        ],
    )


def _find(program: str) -> str | None:
    if program.startswith("/"):
        return program if Path(program).exists() else None
    return shutil.which(program, path=PATH)


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _chosen(path: str) -> str | None:
    """The word in brackets of a setting that shows all its values: `always [madvise] never`."""
    _, bracket, after = (_text(path) or "").partition("[")
    return after.partition("]")[0] if bracket else None


def _online() -> list[int]:
    cpus: list[int] = []
    for part in (_text("/sys/devices/system/cpu/online") or "0").split(","):
        first, _, last = part.partition("-")
        cpus.extend(range(int(first), int(last or first) + 1))
    return cpus


def _memory_mib() -> dict[str, int]:
    lines = dict(line.split(":", 1) for line in (_text("/proc/meminfo") or "").splitlines())
    return {
        "total": int(lines["MemTotal"].split()[0]) // 1024,
        "available": int(lines["MemAvailable"].split()[0]) // 1024,
    }


def _standing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    while not folder.exists():
        folder = folder.parent
    return folder


def _noexec(folder: Path) -> str | None:
    """Where the folder's file system is mounted, if no program may be started on it."""
    place = _standing(folder).resolve()
    if not os.statvfs(place).f_flag & os.ST_NOEXEC:
        return None
    return str(next(above for above in (place, *place.parents) if above.is_mount()))


def _disk_gib(folder: Path) -> float:
    found = os.statvfs(_standing(folder))
    return round(found.f_bavail * found.f_frsize / 2**30, 1)


def _root_locked() -> bool | None:
    """Whether sshd would turn root away for its "!" password; None where that is not readable."""
    for line in (_text("/etc/shadow") or "").splitlines():
        name, password = line.split(":")[:2]
        if name == "root":
            return password.startswith("!")
    return None


def _ip(what: str) -> list[dict[str, Any]]:
    program = shutil.which("ip", path=PATH)
    if program is None:
        return []
    done = subprocess.run(
        [program, "-details", "-json", what, "show"], capture_output=True, text=True, check=False
    )
    found: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    return [link for link in found if link]


if __name__ == "__main__":
    main()
