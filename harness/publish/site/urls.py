"""The names of pages: what can be a file's name on any system, and one page for each name."""

from __future__ import annotations

import hashlib
import re

_INDEX = "index"


def slug(name: str) -> str:
    """`name` as a file's name without ending: letters, digits, `.`, `_`, `+` and `-` stay.

    Where anything had to be replaced, or the name has another meaning here, a piece of its digest
    is added, so that two names are never one page.
    """
    plain = re.sub(r"[^A-Za-z0-9._+-]", "-", name).lstrip(".")
    if plain == name and plain.lower() != _INDEX:
        return plain
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def run_page(run: str) -> str:
    return f"runs/{slug(run)}/index.html"


def trials_page(run: str) -> str:
    return f"runs/{slug(run)}/trials.html"


def archive(run: str) -> str:
    """The manifest of a run, packed."""
    return f"runs/{slug(run)}/{slug(run)}.zip"


def workload_page(workload: str) -> str:
    return f"workloads/{slug(workload)}.html"


def backend_page(backend: str) -> str:
    return f"backends/{slug(backend)}.html"
