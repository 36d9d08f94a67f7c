"""Several columns as one number a row: what sorts, groups and joins quickly.

A code is an integer from 0 up; equal combinations have equal codes, and codes are dense.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.integer]


def ordered_codes(columns: Sequence[pl.Series]) -> tuple[Codes, int]:
    """The code of each row by all `columns`, ascending as the rows would sort, null first, and
    how many there are. Text sorts by its characters, also where it is Categorical."""
    code, count = _ranks(columns[0])
    for column in columns[1:]:
        more, width = _ranks(column)
        if width > 1:
            code, count = dense(combined(code, more, count, width))
    return code, count


def combined(high: Codes, low: Codes, count: int, width: int) -> Codes:
    """One code for two, of which there are `count` and `width`; as narrow as they allow."""
    kind = "int32" if count * width < 1 << 31 else "int64"
    both: Codes = np.multiply(high, width, dtype=kind)
    return np.add(both, low, dtype=kind, out=both)


def dense(code: Codes) -> tuple[Codes, int]:
    """Renumber `code` to 0 … k−1, keeping its order; return it with k.

    By direct address where the range allows it: no sort, one pass.
    """
    reach = int(code.max()) + 1
    if reach > 4 * code.size + (1 << 16):
        distinct, numbers = np.unique(code, return_inverse=True)
        return numbers, distinct.size
    seen = np.zeros(reach, dtype=np.bool_)
    seen[code] = True
    count = int(seen.sum())
    if count == reach:
        return code, count
    return (np.cumsum(seen, dtype=np.int32) - np.int32(1))[code], count


def first_rows(code: Codes, count: int) -> Ints:
    """The first row of each of `count` dense codes."""
    first = np.empty(count, dtype=np.int64)
    first[code[::-1]] = np.arange(code.size - 1, -1, -1)
    return first


def _ranks(column: pl.Series) -> tuple[Codes, int]:
    """`ordered_codes` of one column: truth, whole numbers from 0 up, or text."""
    if column.dtype == pl.Boolean or column.dtype.is_integer():
        return dense(_numbers(column))
    physical = column.cast(pl.Categorical()) if column.dtype == pl.String else column
    code, count = dense(_numbers(physical.to_physical()))
    distinct = column[first_rows(code, count)].cast(pl.String)
    place = np.empty(count, dtype=np.int32)
    place[distinct.arg_sort(nulls_last=False).to_numpy()] = np.arange(count, dtype=np.int32)
    return place[code], count


def _numbers(column: pl.Series) -> Codes:
    """Each value plus one, and 0 for null."""
    return (column.cast(pl.Int64) + 1).fill_null(0).to_numpy()
