"""Adopted targets: there before Baremark, there after it, and nothing of them is made or removed.

What provisioning is for the others is here a connection with the pinned key and two folders of
Baremark's own inside the folders that the inventory names. Each carries a mark that lists what had
to be made for it; taking down removes marked folders and nothing else. What may have been put on a
target is written down on the controller before it is put there, so that a killed run is cleared.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from pydantic import TypeAdapter

from harness.errors import HarnessError
from harness.files import write_whole
from harness.fingerprint import observe, platform
from harness.model.fingerprint import Fingerprint
from harness.model.progress import Progress
from harness.model.target import BackendClass, Diagnosis, Endpoint, Host, Target
from harness.remote.connect import (
    FOLDER_LIMIT_S,
    MARK,
    places,
    to_adopted,
)
from harness.remote.session import Session, last_lines
from harness.validity import size

REMOVE_LIMIT_S = 600.0
REACH_S = 5.0
BUNDLE_MIB = 400
"""What the bundle takes, packed and unpacked."""

_RECORD = "adopted.json"

_Judged = tuple[bool, str, str]
"""Whether a target is usable, why (not), and what to type."""

_MAKE = r"""
folder=$1 mark=$2
if [ -e "$folder/$mark" ]; then exit 0; fi
if [ -e "$folder" ]; then
    echo "there is a $folder that Baremark did not make" >&2
    exit 3
fi
above=${folder%/*} made=
while [ -n "$above" ] && [ ! -e "$above" ]; do
    made="$made$above
"
    above=${above%/*}
done
mkdir -p "${folder%/*}" || exit 1
new="$folder.new-$$"
mkdir "$new" && printf %s "$made" >"$new/$mark" && mv "$new" "$folder"
"""
"""Make a folder with its mark in one rename; the folders above it that had to be made are in the
mark, the innermost first."""

_REMOVE = r"""
mark=$3 made=
for folder in "$1" "$2"; do
    for new in "$folder".new-*; do
        [ -e "$new/$mark" ] && rm -rf -- "$new"
    done
    [ -e "$folder/$mark" ] || continue
    made="$made$(cat "$folder/$mark")
"
    rm -rf -- "$folder" || exit 1
done
printf %s "$made" | while IFS= read -r above; do
    [ -n "$above" ] && rmdir -- "$above" 2>/dev/null
done
exit 0
"""
"""Remove the marked folders, and those above that were made for them and are empty now."""

_LOOK = r"""
for folder in "$1" "$2"; do
    if [ -e "$folder" ] && [ ! -e "$folder/$3" ]; then
        printf 'foreign\t%s\n' "$folder"
    fi
    above=$folder
    while [ -n "$above" ] && [ ! -e "$above" ]; do above=${above%/*}; done
    [ -d "${above:-/}" ] && [ -w "${above:-/}" ] || printf 'unwritable\t%s\n' "${above:-/}"
done
# How the file system is mounted that the last folder, the bundle's, lies on: by the number that
# the kernel gives an open file's mount.
mount=
{ while read -r key value; do
    [ "$key" = mnt_id: ] && mount=$value
done </proc/self/fdinfo/9; } 9<"${above:-/}" 2>/dev/null
while read -r number _ _ _ at options rest; do
    [ "$number" = "$mount" ] || continue
    case ,$options, in *,noexec,*) printf 'noexec\t%s\n' "$at" ;; esac
    rest=${rest#*- }
    case ${rest%% *} in vfat | msdos | exfat) printf 'modeless\t%s\n' "${rest%% *}" ;; esac
done 2>/dev/null </proc/self/mountinfo
printf 'free_mib\t%s\n' "$(df -Pm "${above:-/}" 2>/dev/null | awk 'NR==2 {print $4}')"
for program in df head mkdir mv rm rmdir sh tar test touch; do
    command -v "$program" >/dev/null || printf 'lacks\t%s\n' "$program"
done
[ -z "$4" ] || command -v taskset >/dev/null || printf 'lacks\ttaskset (util-linux)\n'
exit 0
"""

_TRY = r"""
try="$1/.try-$$"
printf '#!/bin/sh\nexit 0\n' >"$try" && chmod 700 "$try" && "$try"
status=$?
rm -f -- "$try"
exit $status
"""
"""Start a program in a folder: what forbids it is not always seen in how it is mounted."""


def up(
    folder: Path, hosts: Sequence[Host], progress: Progress
) -> tuple[dict[str, Endpoint], dict[str, str]]:
    """Reach every adopted target with its pinned key and make Baremark's folders there.

    Returns the endpoints of those that are ready and why the others are not. `folder` is the
    state folder of the inventory.
    """
    ready: dict[str, Endpoint] = {}
    failed: dict[str, str] = {}
    for name, endpoint in _all(hosts).items():
        progress.step(f"reach {name}, which is adopted")
        try:
            with to_adopted(name, endpoint) as opened:
                _require(name, _look(endpoint, opened), endpoint)
                _record(folder, {**recorded(folder), name: endpoint})
                for place in places(endpoint):
                    opened.check(f"set -- {place} {MARK}\n{_MAKE}", limit_s=FOLDER_LIMIT_S)
                _require_programs_start(name, endpoint, opened)
        except HarnessError as error:
            failed[name] = f"{error.message} ({error.hint})" if error.hint else error.message
        else:
            ready[name] = endpoint
    return ready, failed


def down(folder: Path, hosts: Sequence[Host], progress: Progress) -> dict[str, str]:
    """Remove what Baremark put on adopted targets; why it could not be, by target.

    A target on which it put nothing by what is written down is looked at if it answers.
    """
    known = recorded(folder)
    left: dict[str, str] = {}
    for name, endpoint in {**_all(hosts), **known}.items():
        if name not in known and not _answers(endpoint):
            continue
        progress.step(f"remove what is Baremark's from {name}, which is adopted")
        try:
            with to_adopted(name, endpoint) as opened:
                words = " ".join((*places(endpoint), MARK))
                opened.check(f"set -- {words}\n{_REMOVE}", limit_s=REMOVE_LIMIT_S)
        except HarnessError as error:
            if name in known:
                left[name] = error.message
        else:
            known = {other: at for other, at in known.items() if other != name}
            _record(folder, known)
    return left


def examine(target: Target, host: Host) -> Diagnosis:
    """Whether an adopted target can be used as it is declared; nothing is changed on it."""
    endpoint = host.adopted[target.name]
    try:
        with to_adopted(target.name, endpoint) as opened:
            usable, why, fix = _examine(target, endpoint, opened, host.peer)
    except HarnessError as error:
        usable, why, fix = False, error.message, error.hint
    return Diagnosis(target.name, target.backend, usable, why, fix)


def recorded(folder: Path) -> dict[str, Endpoint]:
    """The adopted targets on which something may lie, as they were reached."""
    try:
        text = (folder / _RECORD).read_bytes()
    except FileNotFoundError:
        return {}
    return TypeAdapter(dict[str, Endpoint]).validate_json(text)


def _examine(target: Target, endpoint: Endpoint, opened: Session, peer: str) -> _Judged:
    inside = observe.look_inside(opened, endpoint.work, peer)
    if inside.get("machine") != "x86_64":
        return (
            False,
            f"it is {inside.get('machine')}; the bundle is x86_64",
            "adopt an x86_64 target",
        )
    said = _look(endpoint, opened)
    if hindrance := _in_the_folders(said, endpoint):
        return (False, *hindrance)
    for what, value in said:
        if what == "lacks":
            return (False, f"it has no {value}", "install it there")
        if what == "free_mib" and value.isdigit():
            needed = target.size.disk_gib * 1024 + BUNDLE_MIB
            if int(value) < needed:
                return (
                    False,
                    f"{value} MiB are free in its folder, {needed} are needed",
                    "free some, or set a smaller baremark_disk_gib for every target of the host",
                )
    return _as_declared(target, inside)


def _look(endpoint: Endpoint, opened: Session) -> list[tuple[str, str]]:
    """What a look at the folders tells: pairs of what and where. Nothing is changed."""
    confine = endpoint.facts.get("confine", "")
    words = f"set -- {' '.join(places(endpoint))} {MARK} '{confine}'"
    printed = opened.check(f"{words}\n{_LOOK}", limit_s=FOLDER_LIMIT_S)
    return [(what, value) for what, _, value in (x.partition("\t") for x in printed.splitlines())]


def _in_the_folders(said: Sequence[tuple[str, str]], endpoint: Endpoint) -> tuple[str, str] | None:
    """What hinders Baremark in its folders, and what to type; None where nothing does."""
    for what, value in said:
        if what == "foreign":
            return (
                f"there is a {value} that Baremark did not make",
                "set another baremark_work or baremark_store, or move that folder away",
            )
        if what == "unwritable":
            return (
                f"{endpoint.user} may not write in {value}",
                f"let {endpoint.user} write there, or set another baremark_work or baremark_store",
            )
        if what == "noexec":
            folder = endpoint.store.rpartition("/")[0]
            return (
                f"programs cannot be started in {folder}: {value} is mounted noexec",
                "set baremark_store to a folder where programs may be started, or type there, as "
                f"root: mount -o remount,exec {value}",
            )
        if what == "modeless":
            return (
                f"the folder for the bundle is on {value}, which keeps no modes and links of files",
                "set baremark_store to a folder on a file system of Linux's own",
            )
    return None


def _require(name: str, said: Sequence[tuple[str, str]], endpoint: Endpoint) -> None:
    if hindrance := _in_the_folders(said, endpoint):
        raise HarnessError(f"{name}: {hindrance[0]}", hindrance[1])


def _require_programs_start(name: str, endpoint: Endpoint, opened: Session) -> None:
    """Raise `HarnessError` where the target starts no program in the bundle's folder."""
    reply = opened.run(f"set -- {endpoint.store}\n{_TRY}", limit_s=FOLDER_LIMIT_S)
    if reply.exit_status != 0:
        why = last_lines(reply.stderr) or f"status {reply.exit_status}"
        raise HarnessError(
            f"{name}: programs cannot be started in {endpoint.store}: {why}",
            "set baremark_store to a folder where programs may be started (noexec, SELinux, "
            "AppArmor and network shares can forbid it)",
        )


def _as_declared(target: Target, inside: Mapping[str, str]) -> _Judged:
    false = platform.contradictions(target.backend, True, inside, {})
    if false:
        return (
            False,
            "; ".join(false),
            "put it into the inventory group of what it really is",
        )
    backend_class, label = platform.adopted(target.backend, inside, {}, target.elsewhere)
    seen = Fingerprint(
        backend=target.backend,
        backend_class=backend_class,
        label=label,
        nested=None,
        release=None,
        accelerator=None,
        kernel=inside.get("kernel"),
        cpu_model=inside.get("cpu_model"),
        vcpus=int(inside["vcpus"]) if "vcpus" in inside else None,
        memory_mib=observe.memory_mib(inside),
        clocksource=inside.get("clocksource"),
        inside=inside,
    )
    unlike = [each.text for each in size.objections(target, seen)]
    if unlike:
        return (
            False,
            "; ".join(unlike),
            "set baremark_vcpus and baremark_memory_mib to what every target of the host has",
        )
    notes = [f"it answers with the pinned key and is labelled {label}"]
    if target.elsewhere:
        notes.append("its native target is on another machine, so it gets no overhead")
    elif backend_class is not BackendClass.NATIVE:
        notes.append("that it runs on its native target's machine is the inventory's word")
    return True, "; ".join(notes), ""


def _all(hosts: Sequence[Host]) -> dict[str, Endpoint]:
    return {
        target.name: host.adopted[target.name]
        for host in hosts
        for target in host.targets
        if target.adopted
    }


def _answers(endpoint: Endpoint) -> bool:
    try:
        with socket.create_connection((endpoint.address, endpoint.port), REACH_S):
            return True
    except OSError:
        return False


def _record(folder: Path, endpoints: Mapping[str, Endpoint]) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = json.dumps({name: asdict(at) for name, at in endpoints.items()}, indent=1) + "\n"
    write_whole(folder / _RECORD, text.encode())


def provisioned(hosts: Sequence[Host]) -> tuple[Host, ...]:
    """The hosts cut down to the targets that Baremark makes; a host without any goes."""
    cut = (
        replace(host, targets=tuple(target for target in host.targets if not target.adopted))
        for host in hosts
    )
    return tuple(host for host in cut if host.targets)
