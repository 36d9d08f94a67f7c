"""A tidy table as trials: CSV or Parquet, a row for each value. Strict, and names the row.

The columns stand in `REQUIRED` and `OPTIONAL`; others are passed over and named.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import polars as pl

from harness.errors import UseError
from harness.importing import Content, Declared, ImportedTrial, Source
from harness.importing.files import contents
from harness.importing.names import file_name, name
from harness.importing.names import unit as unit_name
from harness.model.workload import Better, Resource, Sample
from harness.text import sentence

REQUIRED = ("backend", "host", "workload", "metric", "unit", "better", "value")
OPTIONAL = ("block", "target", "resource", "control")
SINGLE = 0
"""The block of a table that has no such column: its values are single ones."""
REPEATED = (
    "repeats inside a block are averaged first; repeats that each stand beside one of native are "
    "blocks of their own: number them"
)
SUFFIXES = (".csv", ".parquet")
MOST_BLOCKS = 2**32 - 1

_LONGEST = 200
_TRUTH = {"true": True, "false": False}
_NUMBER = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|nan|inf(?:inity)?)", re.I
)
"""As everybody writes one; Python would also take 1_000 and the digits of other scripts."""
_WHOLE = re.compile(r"-?[0-9]+")


def read(path: Path, request: Source) -> Content:
    """The trials of the table at `path`. UseError for anything that is not as it must be."""
    data = _bytes(path)
    frame = _frame(path, data)
    lacking = [column for column in REQUIRED if column not in frame.columns]
    if lacking:
        raise UseError(
            f"{path} has no column {', '.join(lacking)}; it has: {', '.join(frame.columns)}",
            f"name its columns {', '.join(REQUIRED)} (separated by commas in CSV); "
            f"{', '.join(OPTIONAL)} may be there too",
        )
    if frame.is_empty():
        raise UseError(f"{path} has a header and no rows", "there must be a row for each value")
    kept = [column for column in (*REQUIRED, *OPTIONAL) if column in frame.columns]
    first = 2 if path.suffix == ".csv" else 1
    word = "line" if path.suffix == ".csv" else "row"
    other = [column for column in frame.columns if column not in kept]
    rows = Rows(lambda index: f"{path}, {word} {index + first}", request, _cure(kept, other))
    for index, record in enumerate(_plain(frame.select(kept), path).iter_rows(named=True)):
        rows.add(index, {"block": SINGLE, **record})
    differing = {column: _differing(frame, column) for column in other}
    return Content(
        name=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        trials=tuple(rows.trials()),
        ignored=tuple(f"column {each}{differing[each]}" for each in other),
        differing=tuple(each for each in other if differing[each]),
    )


def _differing(frame: pl.DataFrame, column: str) -> str:
    """In which workload a column that is not read says one thing of native's rows and another of a
    target's: then it may be that not the same work was done. "" where there is none."""
    targets = [each for each in ("host", "backend", "target") if each in frame.columns]
    said = (
        frame.group_by("workload", *targets, maintain_order=True)
        .agg(pl.col(column).cast(pl.String).fill_null("").unique(maintain_order=True))
        .filter(pl.col(column).list.len() == 1)
        .explode(column)
        .group_by("workload", "host", maintain_order=True)
        .agg(pl.col("backend"), pl.col(column))
        .filter(pl.col(column).list.n_unique() > 1)
    )
    if said.is_empty():
        return ""
    workload, _, backends, values = said.row(0)
    pairs = ", ".join(f"{v!r} of {b}" for b, v in zip(backends, values, strict=True))
    return (
        f", which in {workload} says {sentence(pairs, _LONGEST)}: if that is another work, give it "
        "another workload's name"
    )


def _cure(kept: Sequence[str], other: Sequence[str]) -> str:
    """What to do about a cell that has two values in a block."""
    if "block" not in kept:
        return (
            "a table without a column `block` has one value for each host, target, workload and "
            "metric; number in that column what was measured side by side"
        )
    if not other:
        return REPEATED
    return (
        f"{REPEATED}; what {' or '.join(other)} says of the work belongs into the workload's name"
    )


def _bytes(path: Path) -> bytes:
    if path.suffix not in SUFFIXES:
        raise UseError(
            f"{path} is neither a folder nor called .csv or .parquet",
            "name a table *.csv or *.parquet; a folder of a tool's outputs takes --tool, as does "
            "the file of another harness (--tool perfkit, pytest-benchmark)",
        )
    return contents(path, "there must be a header, and a row for each value")


def _frame(path: Path, data: bytes) -> pl.DataFrame:
    try:
        if path.suffix == ".csv":
            # All as text: each value is then read, or refused, by itself and not by what the
            # first rows happen to look like.
            data.decode("utf-8")
            frame = pl.read_csv(data.removeprefix(BOM_UTF8), infer_schema=False)
            # CSV has no other way to write an empty text; in Parquet null is what is missing.
            return frame.with_columns(pl.col("^unit$").fill_null(""))
        return pl.read_parquet(io.BytesIO(data))
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        kind = "CSV in UTF-8, comma-separated" if path.suffix == ".csv" else "Parquet"
        said = str(error).splitlines()[0]
        raise UseError(f"{path} is no {kind}: {said}", "write it anew as such") from None


def _plain(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Numbers as they are, everything else as text; UseError for a type that is neither."""
    for column, kind in frame.schema.items():
        number = kind.is_numeric() and not kind.is_decimal()
        text = kind == pl.String or isinstance(kind, pl.Categorical | pl.Enum)
        truth = kind == pl.Boolean and column == "control"
        if not (text or truth or kind == pl.Null or (number and column in {"block", "value"})):
            raise UseError(
                f"{path}: column {column} is of type {kind}",
                "store numbers in block and value, true or false in control, text elsewhere",
            )
    return frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))


@dataclass(slots=True)
class _Open:
    """A trial whose rows are still being collected."""

    first: ImportedTrial
    samples: list[Sample] = field(default_factory=list)


class Rows:
    """The rows read so far, by trial, with what they must agree in. `place` names a row in
    messages, by its index; `repeated` is the cure for a cell with two values in a block."""

    def __init__(
        self, place: Callable[[int], str], request: Source, repeated: str = REPEATED
    ) -> None:
        self._place = place
        self._repeated = repeated
        self._native = request.native
        self._trials: dict[tuple[object, ...], _Open] = {}
        self._lines: dict[tuple[object, ...], int] = {}
        self._said: dict[tuple[str, ...], tuple[str, int]] = {}

    def add(self, index: int, record: Mapping[str, Any], declared: Declared | None = None) -> None:
        """Take a row: a value for each of `REQUIRED`, and for those of `OPTIONAL` that it has.
        `declared` is what it says of its target besides.

        Raises UseError where a value is not as it must be, and where an earlier row disagrees.
        """
        place = self._place(index)
        backend, workload, metric = (
            name(record[column] or "", column, place)
            for column in ("backend", "workload", "metric")
        )
        unit = unit_name(record["unit"], place)
        host = file_name(record["host"] or "", "host", place)
        native = backend == self._native
        target = None if native else name(record.get("target") or backend, "target", place)
        control = _control(record.get("control"), native, place)
        block, value = _block(record["block"], place), _value(record["value"], place)
        better = _better(record["better"], place)
        resource = _resource(record.get("resource"), place)
        self._agree(index, "unit", unit, workload, metric)
        self._agree(index, "better", better, workload, metric)
        self._agree(index, "resource", str(resource), workload)
        self._agree(index, "backend", backend, host, target or "native")
        for what in ("backend_class", "label", "nested") if declared else ():
            self._agree(index, what, str(getattr(declared, what)), host, target or "native")
        if native and record.get("target"):
            self._agree(index, "native target", record["target"], host)
        key = (host, target, control, workload, block)
        before = self._lines.setdefault((*key, metric), index)
        if before != index:
            raise UseError(
                f"{place} gives {metric} of {workload} on {target or 'native'} of {host} in block "
                f"{block} once more, after {self._place(before)}",
                self._repeated,
            )
        trial = self._trials.get(key)
        if trial is None:
            first = ImportedTrial(
                place, host, target, backend, workload, resource, block, (), control,
                declared=declared or Declared(),
            )  # fmt: skip
            trial = self._trials[key] = _Open(first)
        trial.samples.append(Sample(metric, value, unit, better))

    def trials(self) -> Iterator[ImportedTrial]:
        for trial in self._trials.values():
            one = trial.first
            yield replace(one, samples=tuple(trial.samples))

    def _agree(self, index: int, what: str, said: str, *of: str) -> None:
        """UseError where an earlier row says otherwise `what` `of` is."""
        before, line = self._said.setdefault((what, *of), (said, index))
        if before != said:
            raise UseError(
                f"{self._place(index)}: {what} of {', '.join(of)} is {said!r}, but {before!r} in "
                f"{self._place(line)}",
                "convert the values, or give what differs another name",
            )


def _value(given: object, place: str) -> float:
    try:
        if isinstance(given, str) and not _NUMBER.fullmatch(given.strip()):
            raise ValueError(given)
        value = float(cast(Any, given))
    except (TypeError, ValueError):
        said = "is missing" if given in (None, "") else f"{given!r} is no number"
        raise UseError(
            f"{place}: value {said}",
            "write numbers with a decimal point, and leave out the row of what was not measured",
        ) from None
    if not math.isfinite(value) or value <= 0:
        raise UseError(
            f"{place}: value is {given}, which has no ratio to native's",
            "values are finite and above zero; leave out the row of what was not measured",
        )
    return value


def _block(given: object, place: str) -> int:
    block: Any = given
    if isinstance(given, str):
        block = int(given) if _WHOLE.fullmatch(given.strip()) else None
    if block is None or block != block // 1 or not 0 <= block <= MOST_BLOCKS:
        raise UseError(
            f"{place}: block is {given!r}",
            "number the blocks 0, 1, 2 …: one visit to native and every target is one block",
        )
    return int(block)


def _better(given: str | None, place: str) -> Better:
    if given == "higher":
        return "higher"
    if given == "lower":
        return "lower"
    raise UseError(f"{place}: better is {given!r}", "say higher (a throughput) or lower (a time)")


def _resource(given: str | None, place: str) -> Resource | None:
    if not given:
        return None
    try:
        return Resource(given)
    except ValueError:
        raise UseError(
            f"{place}: resource is {given!r}", "choose from: " + ", ".join(Resource)
        ) from None


def _control(given: object, native: bool, place: str) -> bool:
    control = given if isinstance(given, bool) else _TRUTH.get(str(given or "false").lower())
    if control is None or (control and not native):
        raise UseError(
            f"{place}: control is {given!r}",
            "say true for native's second trial in a block, false for everything else",
        )
    return control
