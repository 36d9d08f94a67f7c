"""What its host can tell of an adopted target, where native runs on the same machine.

Nobody handed back a domain or a container there, so the host is searched for the one process that
is the target: one that was started with the target's own hardware address or UUID, or that
listens where the target is reached. What the search went by is not stored; what it found is.
"""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Mapping
from pathlib import Path

from harness.model.target import NATIVE_BACKEND, Endpoint, Target
from harness.remote.session import Session

LIMIT_S = 60.0

_MARKS = r"""
cat /sys/class/net/*/address 2>/dev/null | grep -vE '^(00:00:00:00:00:00|)$'
cat /sys/class/dmi/id/product_uuid 2>/dev/null
exit 0
"""
"""What tells a guest apart from every other, on its host's command lines too."""

_SEARCH = r"""
for folder in /proc/[0-9]*; do
    line=$(tr '\0' ' ' <"$folder/cmdline" 2>/dev/null) || continue
    case $line in
    *qemu-system-*|*qemu-kvm*|*VBoxHeadless*|*VirtualBoxVM*|*vmware-vmx*) ;;
    *) continue ;;
    esac
    number=${folder#/proc/}
    printf '%s\t%s\t' "$number" "$(printf %s "$line" | tr '\t\n' '  ')"
    if [ -r "$folder/fd" ] && held=$(ls -l "$folder/fd" 2>/dev/null); then
        case $held in *anon_inode:kvm-vm*) printf 'kvm' ;; *) printf 'none' ;; esac
    fi
    printf '\t'
    if [ -n "$1" ] && ss -Hltnp "sport = :$1" 2>/dev/null | grep -q "pid=$number,"; then
        printf 'listens'
    fi
    printf '\n'
done
exit 0
"""
"""For each machine's process: number, command line, whether it holds a KVM machine, and whether
it listens on the port."""

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_PROGRAMS = (("qemu-", "qemu"), ("VBox", "oracle"), ("VirtualBoxVM", "oracle"), ("vmware-vmx", ""))


def observe(
    target: Target, session: Session, host: Session, endpoint: Endpoint
) -> Mapping[str, str | None]:
    """The host side of an adopted target: `platform`, `accelerator` and `process` where the
    process was found, and whether it shares native's kernel."""
    if target.backend == NATIVE_BACKEND:
        return {}
    mine, theirs = (
        each.run(["cat", _BOOT_ID], limit_s=LIMIT_S).stdout.strip() for each in (session, host)
    )
    found: dict[str, str | None] = {
        "elsewhere": "yes" if target.elsewhere else "no",
        "same_kernel": ("yes" if mine == theirs else "no") if mine and theirs else None,
    }
    if target.elsewhere or found["same_kernel"] == "yes":
        return found
    marks = session.run(_MARKS, limit_s=LIMIT_S).stdout.decode(errors="replace").lower().split()
    here = Path(_BOOT_ID).read_bytes().strip() == theirs and _on_loopback(endpoint.address)
    port = str(endpoint.port) if here else ""
    searched = host.run(f"set -- {shlex.quote(port)}\n{_SEARCH}", limit_s=LIMIT_S)
    lines = searched.stdout.decode(errors="replace").splitlines()
    candidates = [tuple(line.split("\t")) for line in lines if line.count("\t") == 3]
    fitting = [
        (number, line, held)
        for number, line, held, listens in candidates
        if listens or any(mark in line.lower() for mark in marks)
    ]
    if len(fitting) != 1:
        return found
    number, line, held = fitting[0]
    return {**found, "process": number, **_runs(line, held)}


def _runs(line: str, held: str) -> dict[str, str | None]:
    """By which platform a process runs its guest. Only a KVM machine among its open files shows
    that KVM does, whatever its arguments ask for; where they cannot be seen, that is not told."""
    for word, platform in _PROGRAMS:
        if word not in line:
            continue
        if platform != "qemu":
            return {"platform": platform or "vmware"}
        if not held:
            return {}
        accelerator = "kvm" if held == "kvm" else "tcg"
        return {
            "platform": "kvm" if held == "kvm" else "qemu",
            "accelerator": accelerator,
        }
    return {}


def _on_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
