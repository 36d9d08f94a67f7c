"""The folder of a site: recognised by its marker, replaced as a whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import UseError
from harness.files import lock, writing

MARKER = ".baremark-site"
_MARK = "This folder is a site that baremark publish made, and will replace as a whole.\n"
_KEPT = ("runs", "dataset", "published", "nights")
"""The folders of the results that verbs write into (docs/results.md)."""
_HINT = "make room or make it writable, or name another folder; what was there is untouched"


def require_outside(site: Path, results: Path) -> None:
    """Raise UseError where `site` would be in a folder that `results` keeps for itself: what is
    written there later would go with the next site."""
    place, whole = site.resolve(), results.resolve()
    for name in _KEPT:
        if place.is_relative_to(whole / name):
            raise UseError(
                f"{site} is in {results / name}, which is not for a site",
                f"name a folder beside the results, or another one inside them: {results / 'site'}",
            )


def require_ours(site: Path) -> None:
    """Raise UseError where `site` is not new, not empty, and not a site of Baremark."""
    try:
        if not site.exists():
            return
        if not site.is_dir():
            raise UseError(f"{site} is not a folder", "name a new or an empty folder")
        if (site / MARKER).is_file() or not any(site.iterdir()):
            return
    except OSError as error:
        raise UseError(
            f"cannot look into {site}: {error.strerror or error}", "name a new or an empty folder"
        ) from None
    raise UseError(
        f"{site} is not empty and not a site that baremark published: it has no {MARKER}",
        "name a new or an empty folder; nothing there was touched",
    )


@contextmanager
def replaced(site: Path) -> Iterator[Path]:
    """An empty folder to fill; when the block ends well it stands where `site` did.

    Whatever ends it otherwise leaves `site` as it was; a kill between the two renames leaves it
    aside, and the next call puts it back first. Raises UseError where `site` is not ours or is
    being made by another process, HarnessError where nothing can be written.
    """
    place = site.resolve()
    aside = place.with_name(f".{place.name}.baremark-before")
    made = place.with_name(f".{place.name}.baremark-part")
    busy = UseError(f"another process is making a site in {place.parent}", "wait for it to end")
    with writing(place.parent, _HINT):
        place.parent.mkdir(parents=True, exist_ok=True)
    with writing(place.parent, _HINT), lock(place.parent, busy):
        if aside.exists() and not place.exists():
            aside.rename(place)
        require_ours(place)
        shutil.rmtree(made, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)
        made.mkdir()
        try:
            (made / MARKER).write_text(_MARK, encoding="utf-8")
            yield made
            if place.exists():
                place.rename(aside)
            try:
                made.rename(place)
            except OSError:
                if aside.exists():
                    aside.rename(place)
                raise
        finally:
            shutil.rmtree(made, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)
