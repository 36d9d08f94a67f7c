"""One number a resource: the geometric mean of F over its workloads. Never across resources."""

from __future__ import annotations

import polars as pl

_KEYS = (
    "host",
    "scenario",
    "run",
    "target",
    "backend",
    "class",
    "label",
    "nested",
    "imported",
    "elsewhere",
    "adopted",
    "resource",
)


def summary(frame: pl.DataFrame) -> pl.DataFrame:
    """Summarise an overhead frame: a row for each host, scenario, run, target and resource.

    `F` is the geometric mean of F over the headline metrics that have one (null where none
    has), `overhead_percent` 100·(F − 1), `entered` how many workloads that is, and `workloads`
    how many the host has in this resource. A mean over fewer workloads than another target's
    must not be compared with it, so the two counts belong beside it. Null `run` means pooled.
    Native and its control have none.
    """
    headline = frame.filter("headline")
    whole = headline.group_by("host", "scenario", "resource").agg(
        pl.struct("workload", "workload_version").n_unique().alias("workloads")
    )
    return (
        headline.filter(~pl.col("native"), ~pl.col("control"))
        .group_by(_KEYS)
        .agg(
            pl.col("F").log().mean().exp().alias("F"),
            pl.col("F").count().alias("entered"),
        )
        .with_columns((100 * (pl.col("F") - 1)).alias("overhead_percent"))
        .join(whole, on=["host", "scenario", "resource"], how="left")
        .sort(_KEYS)
    )
