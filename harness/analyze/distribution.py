"""What every block says by itself: the values that an estimate is made of."""

from __future__ import annotations

import numpy as np
import polars as pl

from harness.analyze.blocks import Pairs

_KEPT = ("run", "host", "scenario", "target", "label", "control", "workload", "workload_version",
         "metric")  # fmt: skip


def per_block(paired: Pairs) -> pl.DataFrame:
    """A row for each pair of `paired`, in the order of its cells and their blocks.

    The columns are `run`, `host`, `scenario`, `target`, `label`, `control`, `workload`,
    `workload_version` and `metric` as text (but for the flag and the number), `block`, which
    counts from 0 the blocks that the samples have, and `F` = exp d, the slowdown in that block.
    """
    cell, block = np.nonzero(np.isfinite(paired.d))
    return (
        paired.cells.table.select(_KEPT)[cell]
        .with_columns(pl.col(pl.Categorical).cast(pl.String))
        .with_columns(pl.Series("block", block), pl.Series("F", np.exp(paired.d[cell, block])))
    )
