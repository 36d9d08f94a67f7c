"""Where a reader gets from a figure to what the program printed: never a dead link.

Raw outputs are many. They are copied only on demand; where the results lie beside the site they
are linked to there, and elsewhere the page says where they are.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from harness.ledger.folders import LEDGER, MANIFEST, RAW
from harness.publish.site.urls import run_page


class Where(StrEnum):
    """Where the raw outputs of a site lie."""

    COPIED = "copied"
    BESIDE = "beside"
    APART = "apart"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The files of one run as its pages link to them.

    `base` leads from the pages of the run to its folder (None where nothing can be linked to);
    `files` are those that are there, relative to that folder.
    """

    where: Where
    base: str | None
    files: frozenset[str]

    def link(self, file: str | None) -> str | None:
        """The address of a file of the run; None where it is not there or cannot be reached."""
        if self.base is None or file is None or file not in self.files:
            return None
        return self.base + quote(file)


def where(results: Path, site: Path, copied: bool) -> Where:
    """`beside` where one folder holds both the site and the results and little else between:
    the results lie in the site's own parent, or the site in the results or in their parent."""
    if copied:
        return Where.COPIED
    mine, theirs = site.resolve(), results.resolve()
    common = Path(os.path.commonpath([mine, theirs]))
    near = {mine.parent, theirs.parent, theirs} - {Path(common.anchor)}
    return Where.BESIDE if common in near else Where.APART


def of_run(folder: Path, site: Path, made: Path, how: Where) -> Evidence:
    """The evidence of the run in `folder` for `site`, which is being made in `made`; its files are
    copied there where that is how."""
    files = frozenset(
        [name for name in (MANIFEST, LEDGER) if (folder / name).is_file()]
        + [f"{RAW}/{each.name}" for each in _raw(folder)]
    )
    page = Path(run_page(folder.name)).parent
    if how is Where.COPIED:
        (made / page / RAW).mkdir(parents=True, exist_ok=True)
        for name in sorted(files):
            shutil.copyfile(folder / name, made / page / name)
        return Evidence(how, "", files)
    if how is Where.BESIDE:
        way = os.path.relpath(folder.resolve(), site.resolve() / page)
        return Evidence(how, quote(Path(way).as_posix()) + "/", files)
    return Evidence(how, None, files)


def _raw(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder / RAW) as entries:
            return [entry for entry in entries if entry.is_file()]
    except OSError:
        return []
