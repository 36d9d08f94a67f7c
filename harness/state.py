"""State: what the controller knows of the targets that are up, one folder an inventory.

It holds the client key made for them, their endpoints with pinned host keys, and the bundle they
are to carry. `down` removes it; nothing of it is needed to find what a killed run left.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from harness.errors import HarnessError, UseError
from harness.model import Endpoint

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
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = folder / f".{_FILE}"
    aside.write_text(json.dumps(asdict(standing), indent=1, ensure_ascii=False) + "\n")
    aside.replace(folder / _FILE)


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


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Only one process at a time works with the targets of an inventory. Raises `UseError`."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = folder.parent / f".{folder.name}.lock"
    file = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UseError(
                "another baremark works with the targets of this inventory",
                "wait for it to end; two measurements at once would measure each other",
            ) from None
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(file)


def _folder(variable: str, default: str) -> Path:
    set_by_user = os.environ.get(variable)
    return (Path(set_by_user) if set_by_user else Path.home() / default) / "baremark"
