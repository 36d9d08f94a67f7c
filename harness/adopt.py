"""Adopted targets: there before Baremark, there after it, and nothing of them is made or removed.

What provisioning is for the others is here a connection with the pinned key and two folders of
Baremark's own inside the folders that the inventory names. Each carries a mark that lists what had
to be made for it; taking down removes marked folders and nothing else. What may have been put on a
target is written down on the controller before it is put there, so that a killed run is cleared.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter

from harness import fingerprint, identity, session, state
from harness.adoption import TRUSTED
from harness.analyze.validity import size
from harness.errors import HarnessError
from harness.model import BackendClass, Endpoint, Fingerprint, Host, Target
from harness.session import Key, KeyRefused, Session, WrongHostKey

MARK = ".baremark-made"
"""Lies in each folder that Baremark made on an adopted target; lists what else was made for it."""
LIMIT_S = 60.0
REMOVE_LIMIT_S = 600.0
REACH_S = 5.0
BUNDLE_MIB = 400
"""What the bundle takes, packed and unpacked."""

_RECORD = "adopted.json"

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
printf 'free_mib\t%s\n' "$(df -Pm "${above:-/}" 2>/dev/null | awk 'NR==2 {print $4}')"
for program in df head mkdir mv rm rmdir sh tar test touch; do
    command -v "$program" >/dev/null || printf 'lacks\t%s\n' "$program"
done
[ -z "$4" ] || command -v taskset >/dev/null || printf 'lacks\ttaskset (util-linux)\n'
exit 0
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the doctor says of an adopted target: usable or not, why, and what to type."""

    usable: bool
    why: str
    fix: str = ""


def key_file() -> Path:
    """Baremark's own client key for adopted targets. `down` leaves it: their owners let it in."""
    return state.home() / "adopted_ed25519"


def public_key() -> str:
    """The line that goes into `authorized_keys` of an adopted target; the key is made if needed."""
    file = key_file()
    if file.exists():
        return session.public_line(session.load_key(file))
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return session.make_key(file)


def key(endpoint: Endpoint) -> Key:
    """The client key for an adopted target: the one it names, else Baremark's own."""
    named = endpoint.facts.get("private_key")
    file = Path(named) if named else key_file()
    try:
        return session.load_key(file)
    except HarnessError as error:
        raise HarnessError(
            error.message,
            "baremark_private_key must name an ed25519 key without a passphrase"
            if named
            else "baremark key makes one and shows the line for its authorized_keys",
        ) from None


def connect(name: str, endpoint: Endpoint) -> Session:
    """Connect to an adopted target with its pinned key. Raises `HarnessError` with what to type."""
    own_key = key(endpoint)
    try:
        return session.connect(name, endpoint, own_key)
    except WrongHostKey as error:
        raise WrongHostKey(
            error.message,
            f"find out which key is the right one: {TRUSTED}; then set baremark_host_key",
        ) from None
    except KeyRefused:
        own = "its public half" if "private_key" in endpoint.facts else "what baremark key prints"
        raise KeyRefused(
            f"{name}: {endpoint.user}@{endpoint.address}:{endpoint.port} lets the key not in",
            f"put {own} into ~{endpoint.user}/.ssh/authorized_keys there",
        ) from None
    except HarnessError as error:
        raise HarnessError(
            error.message,
            f"try it: ssh -p {endpoint.port} {endpoint.user}@{endpoint.address}; mend "
            "ansible_host, ansible_port or ansible_user, or what is between here and there",
        ) from None


def up(
    folder: Path, hosts: Sequence[Host], progress: Callable[[str], None]
) -> tuple[dict[str, Endpoint], dict[str, str]]:
    """Reach every adopted target with its pinned key and make Baremark's folders there.

    Returns the endpoints of those that are ready and why the others are not. `folder` is the
    state folder of the inventory.
    """
    ready: dict[str, Endpoint] = {}
    failed: dict[str, str] = {}
    for name, endpoint in _all(hosts).items():
        progress(f"reach {name}, which is adopted")
        try:
            with connect(name, endpoint) as opened:
                _record(folder, {**recorded(folder), name: endpoint})
                for place in _places(endpoint):
                    opened.check(f"set -- {place} {MARK}\n{_MAKE}", limit_s=LIMIT_S)
        except HarnessError as error:
            failed[name] = f"{error.message} ({error.hint})" if error.hint else error.message
        else:
            ready[name] = endpoint
    return ready, failed


def down(folder: Path, hosts: Sequence[Host], progress: Callable[[str], None]) -> dict[str, str]:
    """Remove what Baremark put on adopted targets; why it could not be, by target.

    A target on which it put nothing by what is written down is looked at if it answers.
    """
    known = recorded(folder)
    left: dict[str, str] = {}
    for name, endpoint in {**_all(hosts), **known}.items():
        if name not in known and not _answers(endpoint):
            continue
        progress(f"remove what is Baremark's from {name}, which is adopted")
        try:
            with connect(name, endpoint) as opened:
                words = " ".join((*_places(endpoint), MARK))
                opened.check(f"set -- {words}\n{_REMOVE}", limit_s=REMOVE_LIMIT_S)
        except HarnessError as error:
            if name in known:
                left[name] = error.message
        else:
            known = {other: at for other, at in known.items() if other != name}
            _record(folder, known)
    return left


def examine(target: Target, endpoint: Endpoint) -> Verdict:
    """Whether an adopted target can be used as it is declared; nothing is changed on it."""
    try:
        with connect(target.name, endpoint) as opened:
            return _examine(target, endpoint, opened)
    except HarnessError as error:
        return Verdict(False, error.message, error.hint)


def require_folders(opened: Session, endpoint: Endpoint) -> None:
    """Raise `HarnessError` where Baremark's folders are not there any more."""
    for place in _places(endpoint):
        if opened.run(["test", "-e", f"{place}/{MARK}"], limit_s=LIMIT_S).exit_status != 0:
            raise HarnessError(f"{opened.name}: Baremark's folder {place} is gone", "baremark up")


def recorded(folder: Path) -> dict[str, Endpoint]:
    """The adopted targets on which something may lie, as they were reached."""
    try:
        text = (folder / _RECORD).read_bytes()
    except FileNotFoundError:
        return {}
    return TypeAdapter(dict[str, Endpoint]).validate_json(text)


def _examine(target: Target, endpoint: Endpoint, opened: Session) -> Verdict:
    inside = fingerprint.look_inside(opened, endpoint.work)
    if inside.get("machine") != "x86_64":
        return Verdict(
            False, f"it is {inside.get('machine')}; the bundle is x86_64", "adopt an x86_64 target"
        )
    confine = endpoint.facts.get("confine", "")
    words = f"set -- {' '.join(_places(endpoint))} {MARK} '{confine}'"
    said = [
        line.split("\t", 1)
        for line in opened.check(f"{words}\n{_LOOK}", limit_s=LIMIT_S).splitlines()
    ]
    for what, value in said:
        if what == "foreign":
            return Verdict(
                False,
                f"there is a {value} that Baremark did not make",
                "set another baremark_work or baremark_store, or move that folder away",
            )
        if what == "unwritable":
            return Verdict(
                False,
                f"{endpoint.user} may not write in {value}",
                f"let {endpoint.user} write there, or set another baremark_work or baremark_store",
            )
        if what == "lacks":
            return Verdict(False, f"it has no {value}", "install it there")
        if what == "free_mib" and value.isdigit():
            needed = target.size.disk_gib * 1024 + BUNDLE_MIB
            if int(value) < needed:
                return Verdict(
                    False,
                    f"{value} MiB are free in its folder, {needed} are needed",
                    "free some, or set a smaller baremark_disk_gib for every target of the host",
                )
    return _as_declared(target, inside)


def _as_declared(target: Target, inside: Mapping[str, str]) -> Verdict:
    false = identity.contradictions(target.backend, True, inside, {})
    if false:
        return Verdict(
            False, "; ".join(false), "put it into the inventory group of what it really is"
        )
    backend_class, label = identity.adopted(target.backend, inside, {}, target.elsewhere)
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
        memory_mib=fingerprint.memory_mib(inside),
        clocksource=inside.get("clocksource"),
        inside=inside,
    )
    unlike = [each.text for each in size.objections(target, seen)]
    if unlike:
        return Verdict(
            False,
            "; ".join(unlike),
            "set baremark_vcpus and baremark_memory_mib to what every target of the host has",
        )
    notes = [f"it answers with the pinned key and is labelled {label}"]
    if target.elsewhere:
        notes.append("its native target is on another machine, so it gets no overhead")
    elif backend_class is not BackendClass.NATIVE:
        notes.append("that it runs on its native target's machine is the inventory's word")
    return Verdict(True, "; ".join(notes))


def _all(hosts: Sequence[Host]) -> dict[str, Endpoint]:
    return {
        target.name: host.adopted[target.name]
        for host in hosts
        for target in host.targets
        if target.adopted
    }


def _places(endpoint: Endpoint) -> tuple[str, str]:
    return endpoint.work, endpoint.store


def _answers(endpoint: Endpoint) -> bool:
    try:
        with socket.create_connection((endpoint.address, endpoint.port), REACH_S):
            return True
    except OSError:
        return False


def _record(folder: Path, endpoints: Mapping[str, Endpoint]) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = folder / f".{_RECORD}"
    text = json.dumps({name: asdict(at) for name, at in endpoints.items()}, indent=1)
    aside.write_text(text + "\n")
    aside.replace(folder / _RECORD)


def provisioned(hosts: Sequence[Host]) -> tuple[Host, ...]:
    """The hosts cut down to the targets that Baremark makes; a host without any goes."""
    cut = (
        replace(host, targets=tuple(target for target in host.targets if not target.adopted))
        for host in hosts
    )
    return tuple(host for host in cut if host.targets)
