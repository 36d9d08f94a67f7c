"""How figures are written for people: one rule each, the same in every format for people.

A value has four significant digits, with k, M or G for 10³, 10⁶ or 10⁹ from 10 000 on. An
overhead under +100 % is a percentage, with one decimal or as many as its interval needs to be
seen; from +100 % on it is a factor of native, with three significant digits.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from harness.model.estimate import Estimate
from harness.report.table import Column, Figure, Row, Section, Summary, percent

NO_RESULT = "no result"
ELSEWHERE = "other machine"
"""The verdict of a target that has no native target on its machine: it is shown by its values."""
VERDICTS = {"slower": "▲", "equivalent": "≈", "suspect": "‼", "unresolved": "·"}
"""What stands behind an overhead; one character each, so that columns stay aligned."""
FIRM = frozenset(VERDICTS) - {"unresolved"}
"""The verdicts that say something."""
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e4, "k"))
_SCALE = {"G": 1e9, "M": 1e6, "k": 1e3}
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def value(number: float) -> str:
    """An absolute value: `987.6`, `12.35k`, `0.04321`."""
    prefix = next((name for limit, name in _PREFIXES if abs(number) >= limit), "")
    return _significant(number / _SCALE.get(prefix, 1.0), 4) + prefix


def effect(factor: Estimate) -> str:
    """A slowdown with its interval: `+12.3 % [+11.0, +13.9]` or `7.80× [7.51, 8.12]`."""
    large = factor.point >= 2
    shown = factor if large else percent(factor)
    ends = [end for end in (shown.low, shown.high) if end is not None]
    if large:
        point, *rest = (_significant(x, 3) for x in (shown.point, *ends))
        text = f"{point}×"
    else:
        digits = _decimals(ends)
        point, *rest = (_signed(x, digits) for x in (shown.point, *ends))
        text = f"{point} %"
    return f"{text} [{', '.join(rest)}]" if rest else f"{text} (n too small)"


def span(factor: Estimate) -> str:
    """The interval of a slowdown alone: `−2.0 … +4.1 %` or `1.98 … 4.10×`; it must have one."""
    point_text = point(factor)
    inside = effect(factor).removeprefix(point_text).strip(" []")
    return f"{inside.replace(', ', ' … ')}{'×' if point_text.endswith('×') else ' %'}"


def point(factor: Estimate) -> str:
    """A slowdown without its interval, as `effect` begins: `+12.3 %` or `7.80×`."""
    if factor.point >= 2:
        return f"{_significant(factor.point, 3)}×"
    shown = percent(factor)
    ends = [end for end in (shown.low, shown.high) if end is not None]
    return f"{_signed(shown.point, _decimals(ends))} %"


def mean_effect(summary: Summary) -> str:
    """What a resource costs, its verdict, and what entered it: `+3.1 % [+2.0, +4.4] ▲ (5 of 5)`."""
    if summary.factor is None:
        return f"– {entered(summary)}"
    sign = VERDICTS.get(summary.verdict, "")
    return " ".join(filter(None, (effect(summary.factor), sign, entered(summary))))


def entered(summary: Summary) -> str:
    """How many of the workloads a summary rests on: `(5 of 5)`."""
    return f"({summary.entered} of {summary.workloads})"


class CellText(NamedTuple):
    """A figure as text: absolute value, overhead ("" for native), marks of its notes."""

    absolute: str
    relative: str
    marks: str


def cell(figure: Figure, native: bool) -> CellText:
    """A figure as it is shown; without a value it says so and never shows a number."""
    marks = " ".join(mark(number) for number in figure.notes)
    if figure.median is None:
        return CellText(NO_RESULT, "", marks)
    if native:
        return CellText(value(figure.median), "", marks)
    if figure.verdict == ELSEWHERE:
        return CellText(value(figure.median), "", marks)
    if not figure.factor:
        return CellText(value(figure.median), "not paired", marks)
    judged = VERDICTS.get(figure.verdict, "")
    said = effect(figure.factor) + _medians(figure)
    return CellText(value(figure.median), f"{said} {judged}".rstrip(), marks)


def _medians(figure: Figure) -> str:
    """The ratio of medians behind an overhead, where it was asked for."""
    if figure.ratio_of_medians is None:
        return ""
    return f", medians {point(Estimate(figure.ratio_of_medians, None, None, 0.0, 0, ''))}"


def mark(number: int) -> str:
    """The number of a note as figures carry it."""
    return str(number).translate(_SUPERSCRIPT)


def unit(row: Row) -> str:
    """The unit, and whether higher or lower is better."""
    return f"{row.unit} {'↑' if row.better == 'higher' else '↓'}"


def blocks(row: Row, columns: list[int]) -> str:
    """The n of those columns: one number where they agree, else one each."""
    return _joined([str(row.figures[column].n) for column in columns])


def detectable(row: Row, columns: list[int]) -> str:
    """The minimum detectable effect of those columns, in percent."""
    found = [row.figures[column].detectable_percent for column in columns]
    return _joined(["–" if x is None else _significant(x, 2) for x in found])


def relative_columns(section: Section) -> list[int]:
    """The columns that have an overhead; native alone where there is no other."""
    found = [i for i, column in enumerate(section.columns) if not column.native]
    return found or list(range(len(section.columns)))


def header(column: Column) -> tuple[str, str]:
    """The header in two parts, the name and what stands in brackets ("" for nothing)."""
    name, _, rest = column.header.partition(" (")
    return name, f"({rest}" if rest else ""


def printable(text: str) -> str:
    """`text` with a blank for each control character, which may steer a terminal or break a
    picture; line feeds stay."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def _joined(parts: list[str]) -> str:
    return parts[0] if len(set(parts)) == 1 else "/".join(parts)


def _significant(number: float, digits: int) -> str:
    if number == 0:
        return "0"
    exponent = math.floor(math.log10(abs(float(f"{number:.{digits - 1}e}"))))
    if exponent < -3:
        return f"{number:.{digits - 1}e}".replace("-", "−")
    return f"{number:.{max(0, digits - 1 - exponent)}f}".replace("-", "−")


def _signed(number: float, decimals: int) -> str:
    return f"{number:+.{decimals}f}".replace("-", "−")


def _decimals(ends: list[float]) -> int:
    """One decimal, or more (to three) where rounding would hide the interval or reach 0."""
    for decimals in (1, 2):
        rounded = [round(x, decimals) for x in ends]
        hidden = len(set(rounded)) < len(set(ends)) or any(
            r == 0 and x != 0 for r, x in zip(rounded, ends, strict=True)
        )
        if not hidden:
            return decimals
    return 3 if ends else 1
