"""How this program is installed: where that lies which travels with it, and what to type for more.

In a clone playbooks, workloads and inventories are the folders at its root. A wheel brings them
inside the package (`hatch_build.py`).
"""

from __future__ import annotations

import sys
from importlib.metadata import requires
from importlib.util import find_spec
from pathlib import Path
from shlex import quote

_PACKAGE = Path(__file__).parents[1]
_CLONE = _PACKAGE.parent
_IN_WHEEL = _PACKAGE / "_data"


def folder(name: str) -> Path:
    """The folder `playbooks`, `workloads` or `inventories` that came with this program."""
    return (_IN_WHEEL if _IN_WHEEL.is_dir() else _CLONE) / name


def more(extra: str) -> str:
    """What to type to have an extra of this package as well, for this kind of installation."""
    if not _IN_WHEEL.is_dir():
        return f"{_CLONE / 'bootstrap.sh'} --extra {extra}"
    packages = " ".join(quote(each) for each in _of_extra(extra))
    prefix = Path(sys.prefix)
    if (prefix / "pipx_metadata.json").exists():
        return f"pipx inject {prefix.name} {packages}"
    if "archive-v0" in prefix.parts:  # in the cache of uv, for one call
        return f"uvx --with {packages} before all that you said to uvx"
    if find_spec("pip") is None:
        return f"uv pip install --python {sys.executable} {packages}"
    return f"{sys.executable} -m pip install {packages}"


def _of_extra(extra: str) -> list[str]:
    """What the package requires for the extra, as one writes it for pip."""
    listed = (each.partition(";") for each in requires("baremark") or ())
    return [package.strip() for package, _, when in listed if f"'{extra}'" in when]
