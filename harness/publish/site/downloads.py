"""The figures of the site as data: CSV, JSON and Parquet, each with its size and sha256."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from harness.publish import formats
from harness.publish.site.pages import Pages
from harness.publish.site.run import RunPage
from harness.publish.site.zip import packed

_COMPACT = (
    "host",
    "scenario",
    "run",
    "started",
    "target",
    "label",
    "class",
    "nested",
    "imported",
    "resource",
    "workload",
    "workload_version",
    "metric",
    "unit",
    "better",
    "n",
    "value_median",
    "F",
    "F_low",
    "F_high",
    "verdict",
)
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class File:
    """A file for download and what it holds."""

    name: str
    title: str
    bytes: int
    sha256: str


def write(pages: Pages, newest: Sequence[RunPage], nights: Sequence[RunPage]) -> None:
    """The tables of the newest runs, and the overheads of all."""
    whole = replace(
        newest[0].table,
        sections=tuple(night.section for night in newest),
        runs=tuple(night.facts for night in newest),
    )
    every = pl.concat(
        [
            night.frame.with_columns(
                pl.lit(night.started).dt.convert_time_zone("UTC").alias("started")
            )
            for night in sorted(nights, key=lambda each: (each.started, each.name))
        ]
    )
    compact = (
        every.filter(~pl.col("control"))
        .select(_COMPACT)
        .with_columns(
            pl.col(pl.Float64).round_sig_figs(_DIGITS),
            pl.col("started").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
    )
    held = [
        ("newest.csv", "the tables of the newest run of each host, every figure unrounded",
         formats.render(whole, "csv").encode()),
        ("newest.json", "the same as JSON, with labels, notes and what the checks came to",
         formats.render(whole, "json").encode()),
        ("overhead.parquet", "overheads of every run, all columns, unrounded", _parquet(every)),
        ("overhead.csv.zip", f"overheads of every run as CSV, the main columns, {_DIGITS} digits",
         packed({"overhead.csv": compact.write_csv().encode()})),
    ]  # fmt: skip
    files = []
    for name, title, data in held:
        pages.put(f"data/{name}", data)
        files.append(File(name, title, len(data), hashlib.sha256(data).hexdigest()))
    pages.write(
        "data/index.html",
        "data.html",
        files=files,
        nights=sorted(nights, key=lambda each: (each.started, each.name), reverse=True),
    )


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()
