"""What options mean: runs, hosts, a time, a day, a share; and results that can be written to.

Every mistake is a `UseError` before anything is touched.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UseError

if TYPE_CHECKING:
    import typer

    from harness.model.target import Host


def hosts(path: Path, patterns: Sequence[str] | None) -> tuple[Host, ...]:
    """The hosts of the inventory at `path`, with the targets that `patterns` choose, once all is
    here that they are made with."""
    from harness import inventory
    from harness.inventory.checks import require_collections

    chosen = inventory.choose(inventory.load(path), patterns or ())
    require_collections(chosen)
    return chosen


def runs(results: Path, names: Sequence[str] | None) -> list[Path]:
    """The folders of runs by name or path, each once; the latest where none is named."""
    from harness.ledger import folders

    wanted = names or [folders.LATEST]
    tell_passed_over(results, wanted)
    return list(dict.fromkeys(folders.find(results / "runs", name).resolve() for name in wanted))


def tell_passed_over(results: Path, names: Sequence[str]) -> None:
    """Where `latest` (or `latest:TARGET`) is among `names`, tell of each folder that would be it if
    it were whole."""
    from harness.console import Console
    from harness.ledger import folders

    if any(name.partition(":")[0] == folders.LATEST for name in names):
        for error in map(folders.lacks_manifest, folders.passed_over(results / "runs")):
            Console().warn(f"passed over as the latest run: {error.message} ({error.hint})")


def given(context: typer.Context, names: Collection[str]) -> list[str]:
    """Which options among the parameters `names` of a verb were typed, each by its long name."""
    return [
        max(option.opts, key=len)
        for option in context.command.params
        if option.name in names and _typed(context, option.name)
    ]


def _typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def share(option: str, text: str, example: str, *, proper: bool = False) -> float:
    """`1%` as 0.01; `proper`: more than nothing and less than the whole."""
    try:
        value = float(text.removesuffix("%").strip()) / 100
    except ValueError:
        value = math.nan
    if not (text.endswith("%") and (0 < value < 1 if proper else 0 <= value < math.inf)):
        raise UseError(f"{option} {text!r} is no share", f"write it as {example}")
    return value


def day(option: str, text: str) -> date:
    """`2026-11-24` as a date."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _no_date(option, text) from None


def moment(option: str, text: str) -> datetime:
    """`2026-11-24`, or a time of that day, in UTC where it names no zone."""
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise _no_date(option, text) from None
    return given if given.tzinfo is not None else given.replace(tzinfo=UTC)


def _no_date(option: str, text: str) -> UseError:
    return UseError(f"{option} {text!r} is no date", "write it as 2026-11-24")


def seconds(option: str, text: str) -> float:
    """`90s`, `10m` or `2h` in seconds."""
    units = {"s": 1, "m": 60, "h": 3600}
    number, unit = text[:-1], text[-1:]
    try:
        value = float(number) * units[unit]
    except (ValueError, KeyError):
        value = 0.0
    if not 0 < value < float("inf"):
        raise UseError(f"{option} {text!r} is no time", "write it as 90s, 10m or 2h")
    return value


ROOM_MIB = 64
"""What must be free for results: a run of 18 minutes wrote less than one MiB."""


def writable(results: Path) -> None:
    """Fail before anything is provisioned rather than after: `UseError` where nothing can be
    written to `results`, or where there is no room for a run."""
    try:
        results.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=results):
            pass
    except OSError as error:
        raise UseError(
            f"cannot write to {results}: {error.strerror}",
            "make it writable, or choose another folder with --results",
        ) from None
    free_mib = shutil.disk_usage(results).free // 2**20
    if free_mib < ROOM_MIB:
        raise UseError(
            f"{free_mib} MiB are free where {results} is, a run may need {ROOM_MIB}",
            "free some, or choose another folder with --results",
        )
