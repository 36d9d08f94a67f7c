"""The overhead of every run, kept: what was computed of a run is not again while its file stays.

A run's overhead depends on that run alone, so years of nights need no second look for one more.
What is kept can be deleted at any time, and is not used where another version made it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Collection
from pathlib import Path

import polars as pl

from harness import __version__, files
from harness.analyze.history.history import NIGHT, SERIES
from harness.dataset import dataset

VERSION = 4
"""Of what is kept; a change of what it means gets a new number."""
# History.
#   1  first version
#   2  `runs` in the metadata, the file of each run, in place of the files without their runs
#   3  `elsewhere`, which the label told before
#   4  the baseline is the mean of the logarithms of native's two trials

_FILE = Path("dataset") / "overhead" / "by_run.parquet"
_COLUMNS = (
    *SERIES,
    "native",
    "control",
    "imported",
    "elsewhere",
    *(name for name in NIGHT if name not in {"started", "native_value", "epoch", "changed"}),
    "native_value_median",
)


def by_run(
    runs: Collection[str],
    results: Path,
    compute: Callable[[list[pl.LazyFrame]], pl.DataFrame | None],
) -> pl.DataFrame | None:
    """The rows that `compute` gives for `runs` (`overhead(…, by_run=True)`, of which the columns
    of a history are kept); None where there is none. The dataset of `results` must hold them.

    `compute` is called with the rows of the runs whose file is new or another one, and again
    where files were merged meanwhile. Raises what it and `dataset.read` raise, and
    HarnessError where what is kept cannot be written.
    """
    if not runs:
        return None
    path, source = results / _FILE, results / "dataset"
    kept, known = _read(path)
    holders = dataset.look(source, runs).holders
    # Looked at before the rows are read: what changes in between has another stamp next time.
    stamps = {run: f"{holders[run].name} {holders[run].entry.stamp}" for run in runs}
    new = sorted(run for run in runs if known.get(run) != stamps[run])
    if new:
        kept = _joined(kept, dataset.read(source, compute, new), new)
        if kept is not None:
            _write(path, kept, known | stamps)
    if kept is None:
        return None
    rows = kept.filter(_of(runs))
    return None if rows.is_empty() else rows


def _joined(
    kept: pl.DataFrame | None, fresh: pl.DataFrame | None, again: Collection[str]
) -> pl.DataFrame | None:
    """The fresh rows of the runs `again`, even where there are none, and what is kept of others."""
    others = None if kept is None else kept.filter(~_of(again))
    parts = [rows for rows in (others, fresh) if rows is not None]
    return pl.concat([rows.select(_COLUMNS) for rows in parts], rechunk=True) if parts else None


def _of(runs: Collection[str]) -> pl.Expr:
    return pl.col("run").cast(pl.String).is_in(list(runs))


def _signature() -> str:
    return f"{VERSION} {dataset.SCHEMA_VERSION} {__version__}"


def _read(path: Path) -> tuple[pl.DataFrame | None, dict[str, str]]:
    """What is kept, with the stamp of the file that each run was read of; nothing where there is
    nothing that this version can use."""
    try:
        metadata = pl.read_parquet_metadata(path)
        if metadata.get("signature") != _signature():
            return None, {}
        stamps: dict[str, str] = json.loads(metadata["runs"])
        return pl.read_parquet(path), stamps
    except (OSError, ValueError, KeyError, pl.exceptions.PolarsError):
        return None, {}


def _write(path: Path, rows: pl.DataFrame, stamps: dict[str, str]) -> None:
    buffer = io.BytesIO()
    metadata = {"signature": _signature(), "runs": json.dumps(stamps)}
    rows.write_parquet(buffer, metadata=metadata)
    files.replace(path, buffer.getvalue())
