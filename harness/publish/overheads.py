"""The overhead of every run, kept: what was computed of a file that has not changed is not again.

A run's overhead depends on that run alone, so years of nights need no second look for one more.
What is kept can be deleted at any time, and is not used where another version made it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import polars as pl

from harness import __version__, dataset
from harness.analyze.history import NIGHT, SERIES

VERSION = 1
"""Of what is kept; a change of what it means gets a new number."""

_FILE = Path("dataset") / "overhead" / "by_run.parquet"
_COLUMNS = (
    *SERIES,
    "native",
    "control",
    "imported",
    *(name for name in NIGHT if name not in {"started", "native_value", "epoch", "changed"}),
    "native_value_median",
)


def by_run(
    files: Sequence[Path],
    runs: Collection[str],
    results: Path,
    compute: Callable[[Sequence[Path]], pl.DataFrame | None],
) -> pl.DataFrame | None:
    """The rows that `compute` gives for `files` (`overhead(…, by_run=True)`, of which the columns
    of a history are kept), of `runs` only; None where there is none.

    `compute` is called with the files that are new or changed. Raises what it raises, and
    HarnessError where what is kept cannot be written.
    """
    path = results / _FILE
    kept, known = _read(path)
    stamps = {file.name: _stamp(file) for file in files}
    new = [file for file in files if known.get(file.name) != stamps[file.name]]
    if new:
        fresh = compute(new)
        if fresh is not None:
            fresh = fresh.select(_COLUMNS)
        kept = _joined(kept, fresh)
        if kept is not None:
            _write(path, kept, stamps)
    if kept is None:
        return None
    rows = kept.filter(pl.col("run").cast(pl.String).is_in(list(runs)))
    return None if rows.is_empty() else rows


def _joined(kept: pl.DataFrame | None, fresh: pl.DataFrame | None) -> pl.DataFrame | None:
    """Both, of a run that is in both the fresh rows."""
    if kept is None or fresh is None:
        return kept if fresh is None else fresh
    again = fresh["run"].unique().cast(pl.String).to_list()
    others = kept.filter(~pl.col("run").cast(pl.String).is_in(again))
    return pl.concat([others, fresh], rechunk=True)


def _stamp(file: Path) -> str:
    found = file.stat()
    return f"{found.st_mtime_ns}:{found.st_size}"


def _signature() -> str:
    return f"{VERSION} {dataset.SCHEMA_VERSION} {__version__}"


def _read(path: Path) -> tuple[pl.DataFrame | None, dict[str, str]]:
    """What is kept, with the stamps of the files it was made of; nothing where there is nothing
    that this version can use."""
    try:
        metadata = pl.read_parquet_metadata(path)
        if metadata.get("signature") != _signature():
            return None, {}
        stamps: dict[str, str] = json.loads(metadata["files"])
        return pl.read_parquet(path), stamps
    except (OSError, ValueError, KeyError, pl.exceptions.PolarsError):
        return None, {}


def _write(path: Path, rows: pl.DataFrame, stamps: dict[str, str]) -> None:
    buffer = io.BytesIO()
    metadata = {"signature": _signature(), "files": json.dumps(stamps)}
    rows.write_parquet(buffer, metadata=metadata)
    dataset.replace_file(path, buffer.getvalue())
