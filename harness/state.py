"""State: what the controller knows of the targets that are up, one folder an inventory.

It holds the client key made for them, their endpoints with pinned host keys, and the bundle they
are to carry. `down` removes it; nothing of it is needed to find what a killed run left.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from harness.errors import HarnessError, UseError
from harness.files import ELSEWHERE, alone, write_whole, writing
from harness.model.target import Endpoint

KEY = "id_ed25519"
_FILE = "standing.json"


def cache_folder() -> Path:
    """Where images and bundles are kept between runs; `baremark down --purge` empties it."""
    return _folder("XDG_CACHE_HOME", ".cache")


def state_folder(inventory: Path) -> Path:
    """Where what is up of this inventory is written down."""
    path = str(inventory.resolve())
    name = f"{inventory.resolve().name}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"
    return home() / name


def data_folder() -> Path:
    """Where targets are that a user makes without root; empty when they are down and purged."""
    return _folder("XDG_DATA_HOME", ".local/share")


def home() -> Path:
    """Where the state of every inventory is, and what outlives them."""
    return _folder("XDG_STATE_HOME", ".local/state")


@dataclass(frozen=True, slots=True)
class Standing:
    """What `up` left standing: endpoints by target, reasons of those that did not come up."""

    bundle: str
    endpoints: Mapping[str, Endpoint]
    failed: Mapping[str, str]


def write(folder: Path, standing: Standing) -> None:
    """Write down what stands, as a whole or not at all. Raises `HarnessError`."""
    text = json.dumps(asdict(standing), indent=1, ensure_ascii=False) + "\n"
    with writing(folder, ELSEWHERE):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(folder / _FILE, text.encode())


def is_up(inventory: Path) -> bool:
    """Whether targets of an inventory are written down as up."""
    return (state_folder(inventory) / _FILE).exists()


def read(folder: Path, inventory: Path) -> Standing:
    """What stands. Raises `UseError` when nothing does."""
    try:
        return TypeAdapter(Standing).validate_json((folder / _FILE).read_bytes())
    except FileNotFoundError:
        raise UseError(
            f"no target of {inventory} is up", f"baremark up -i {inventory}, or baremark bench"
        ) from None
    except (OSError, ValidationError) as error:
        raise HarnessError(
            f"{folder / _FILE} cannot be read: {error}", "baremark down, then baremark up"
        ) from None


def forget(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def leave() -> None:
    """Take away the folder of all state, if nothing is in it."""
    with suppress(OSError):
        home().rmdir()


@contextmanager
def locked(folder: Path, *, here: bool) -> Iterator[None]:
    """Only one process at a time works with the targets of an inventory and, where targets are
    `here`, on this machine: whoever works with them, from whatever inventory or clone.

    Raises `UseError` where another one does, `HarnessError` where no lock can be made.
    """
    lock = folder.parent / f".{folder.name}.lock"
    with ExitStack() as held:
        held.enter_context(alone(lock, _at_work("this inventory")))
        if here:
            held.enter_context(alone(_MACHINE_LOCK, _at_work("this machine")))
        yield


def _at_work(where: str) -> UseError:
    return UseError(
        f"another baremark works with the targets of {where}",
        "wait for it to end; two measurements at once would measure each other",
    )


_MACHINE_LOCK = Path(
    "/run/lock" if os.access("/run/lock", os.W_OK) else tempfile.gettempdir(), "baremark.lock"
)


def _folder(variable: str, default: str) -> Path:
    set_by_user = os.environ.get(variable)
    return (Path(set_by_user) if set_by_user else _of_user(variable) / default) / "baremark"


def _of_user(variable: str) -> Path:
    try:
        return Path.home()
    except RuntimeError:
        raise UseError(
            "this user has no home folder: HOME is not set, and the user is not known here",
            f"set HOME, or {variable} to a folder that is yours",
        ) from None
