"""A polars frame that turns into pandas' without pyarrow, every type kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]

_NULLABLE = frozenset(
    ["Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64"]
)
"""Types of numbers that both name the same."""


class Frame(pl.DataFrame):
    """A polars frame with a `to_pandas` that needs no pyarrow.

    What polars makes of it (`filter`, `group_by`) is a plain frame again: the function
    `to_pandas` takes any.
    """

    def to_pandas(self) -> pd.DataFrame:  # type: ignore[override]
        """The same as a pandas frame, as the function of that name makes it."""
        return to_pandas(self)


def to_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    """`frame` as a pandas frame with the same columns.

    Text becomes `str`, numbers the nullable type of their name (`UInt32`, `Float64`), truths
    `boolean`, times `datetime64[us, UTC]` (or their own zone), anything else `object`. What is null
    is missing there too: NaN in text, NaT in times, `<NA>` in numbers and truths.
    """
    import pandas as pd

    return pd.DataFrame({series.name: _converted(series) for series in frame})


def _converted(series: pl.Series) -> pd.Series:
    import pandas as pd

    of = series.dtype
    if isinstance(of, pl.String | pl.Categorical | pl.Enum):
        return pd.Series(series.cast(pl.String).to_list(), dtype="str")
    if isinstance(of, pl.Datetime):
        if of.time_zone is None:
            return pd.Series(series.to_numpy())
        utc = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return pd.Series(utc.to_numpy()).dt.tz_localize("UTC").dt.tz_convert(of.time_zone)
    if isinstance(of, pl.Boolean):
        return _masked(series.fill_null(value=False), series, "boolean")
    if str(of) in _NULLABLE:
        return _masked(series.fill_null(0), series, str(of))
    return pd.Series(series.to_list(), dtype="object")


def _masked(filled: pl.Series, series: pl.Series, dtype: str) -> pd.Series:
    """`filled` with what is null in `series` missing."""
    import pandas as pd

    values = pd.array(filled.to_numpy().copy(), dtype=dtype)
    values[series.is_null().to_numpy()] = pd.NA
    return pd.Series(values)
