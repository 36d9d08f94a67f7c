"""Releases side by side: an inventory in which one target stands once for each release.

The user's inventory is not changed. A folder of links to it, with one more file that names the
targets, is what Ansible reads; it is removed once nothing of it is up.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness import files, state
from harness import inventory as inventories
from harness.errors import UseError
from harness.files import writing
from harness.inventory.listing import ask_ansible
from harness.model.target import Host, Target

_FILE = "zz-releases.yml"
_BESIDE = ("group_vars", "host_vars")


@dataclass(frozen=True, slots=True)
class Product:
    """What has releases that can stand side by side on one host: the backend whose role installs
    them, and its variable that chooses one."""

    backend: str
    variable: str


PRODUCTS = {"qemu": Product("kvm", "baremark_emulator_release")}
"""By the name that `--releases` takes."""


@dataclass(frozen=True, slots=True)
class Releases:
    """`qemu=7.2,10.0`: a product and releases of it, the base first."""

    name: str
    releases: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}={','.join(self.releases)}"

    @property
    def product(self) -> Product:
        return PRODUCTS[self.name]


@dataclass(frozen=True, slots=True)
class Beside:
    """An inventory whose `host` has one target for each release, in their order."""

    inventory: Path
    host: Host
    targets: tuple[str, ...]


def parse(text: str) -> Releases:
    """Read `qemu=7.2,10.0`. Raises `UseError`."""
    name, _, rest = text.partition("=")
    releases = tuple(part.strip() for part in rest.split(",") if part.strip())
    if name not in PRODUCTS:
        raise UseError(
            f"--releases {text!r}: releases of {name!r} cannot stand side by side",
            f"choose from: {', '.join(PRODUCTS)}; as in --releases qemu=7.2,10.0",
        )
    if len(releases) < 2 or len(set(releases)) < len(releases):
        raise UseError(
            f"--releases {text!r} names {len(set(releases))} releases",
            "name two or more different ones, the base first: --releases qemu=7.2,10.0",
        )
    return Releases(name, releases)


def names(target: str, asked: Releases) -> tuple[str, ...]:
    """What the targets are called that stand for `target`, one for each release."""
    return tuple(f"{target}-{asked.name}-{_slug(each)}" for each in asked.releases)


@contextmanager
def beside(path: Path, patterns: Sequence[str], asked: Releases) -> Iterator[Beside]:
    """The inventory at `path` with the one target of the product's backend (or the one that
    `patterns` choose) once for each release. Raises `UseError` where it is not exactly one."""
    answer = ask_ansible(path)
    base = _target(path, inventories.load(path), patterns, asked.product)
    targets = names(base.name, asked)
    folder = _folder(path, base, asked)
    with writing(folder, files.ELSEWHERE):
        _link(path, folder)
        variables = dict(answer.hostvars.get(base.name, {}))
        variables.pop("baremark_address", None)
        hosts = {
            name: {**variables, asked.product.variable: release}
            for name, release in zip(targets, asked.releases, strict=True)
        }
        text = _yaml({asked.product.backend: {"hosts": hosts}})
        file = folder / _FILE
        file.touch(mode=0o600)  # a variable may be a secret
        file.write_text(text, encoding="utf-8")
    try:
        (host,) = inventories.choose(inventories.load(folder), targets)
        yield Beside(folder, host, targets)
    finally:
        if not state.state_folder(folder).exists():
            shutil.rmtree(folder, ignore_errors=True)


def _target(path: Path, hosts: Sequence[Host], patterns: Sequence[str], product: Product) -> Target:
    chosen = inventories.choose(hosts, patterns)
    found = [
        target
        for host in chosen
        for target in host.targets
        if target.backend == product.backend and not target.adopted
    ]
    if len(found) != 1:
        names = ", ".join(target.name for target in found) or "none"
        raise UseError(
            f"releases need one {product.backend} target of {path} to stand for: {names}",
            "name it with -t" if found else f"add a target of {product.backend} to the inventory",
        )
    return found[0]


def _folder(path: Path, base: Target, asked: Releases) -> Path:
    """Always the same for the same question, so that what a killed one left is found again."""
    told = f"{path.resolve()} {base.name} {asked.name} {' '.join(asked.releases)}"
    return state.home() / f"releases-{hashlib.sha256(told.encode()).hexdigest()[:8]}"


def _link(path: Path, folder: Path) -> None:
    """Fill `folder` anew with links to what Ansible reads of the inventory at `path`."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    whole = path.resolve()
    if whole.is_dir():
        parts = [each for each in sorted(whole.iterdir()) if not each.name.startswith(".")]
    else:
        parts = [whole, *(each for name in _BESIDE if (each := whole.parent / name).is_dir())]
    for each in parts:
        (folder / each.name).symlink_to(each)


def _slug(release: str) -> str:
    return "".join(each if each.isalnum() else "-" for each in release.lower()).strip("-")


class _Secret(str):
    """A vaulted text, which goes back into YAML as it was."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(
    _Secret, lambda dumper, text: dumper.represent_scalar("!vault", str(text), style="|")
)


def _yaml(document: dict[str, Any]) -> str:
    def whole(value: object) -> object:
        if isinstance(value, dict):
            if set(value) == {"__ansible_vault"}:
                return _Secret(value["__ansible_vault"])
            return {key: whole(each) for key, each in value.items()}
        return [whole(each) for each in value] if isinstance(value, list) else value

    text: str = yaml.dump(whole(document), Dumper=_Dumper, sort_keys=True, allow_unicode=True)
    return text
