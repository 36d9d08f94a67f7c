"""A comparison as text: one function a format over one model."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from harness.errors import UseError
from harness.publish.formats.markdown import escaped
from harness.report import numbers
from harness.report.comparison import Comparison, Row
from harness.report.guide import judged_together

if TYPE_CHECKING:
    pass


FORMATS = ("terminal", "markdown", "csv", "json")
VERSION = 1
"""Of the JSON document."""

_MARKS = {"slower": "▲", "faster": "▼", "equivalent": "≈", "suspect": "‼", "unresolved": "·"}


def require(format: str) -> None:
    """Raise UseError for a name not in `FORMATS`."""
    if format not in FORMATS:
        raise UseError(
            f"there is no format {format!r} of a comparison", f"choose one of: {', '.join(FORMATS)}"
        )


def render(comparison: Comparison, format: str) -> str:
    """`comparison` in the format of that name. Raises UseError for a name not in `FORMATS`."""
    require(format)
    return {"terminal": _terminal, "markdown": _markdown, "csv": _csv, "json": _json}[format](
        comparison
    )


_HEADS = ("workload", "metric", "base", "candidate", "candidate against base", "n", "Δ %")


def _cells(row: Row) -> list[str]:
    mark = _MARKS.get(row.verdict, "")
    said = "no result" if row.ratio is None else f"{numbers.effect(row.ratio)} {mark}".rstrip()
    n = str(row.n_base) if row.n_base == row.n_candidate else f"{row.n_base}/{row.n_candidate}"
    effect = "–" if row.mde_percent is None else f"{row.mde_percent:.2g}"
    return [
        row.workload,
        f"{row.metric} ({row.unit} {'↑' if row.better == 'higher' else '↓'})",
        _value(row.value_base),
        _value(row.value_candidate),
        said,
        n,
        effect,
    ]


def _value(number: float | None) -> str:
    return "no result" if number is None else numbers.value(number)


def _pairs(comparison: Comparison) -> Iterator[tuple[str, list[Row]]]:
    """The rows of each host and pair of targets, under what they are called."""
    found: dict[str, list[Row]] = {}
    for row in comparison.rows:
        base, candidate = (comparison.labels.get(name, name) for name in (row.base, row.candidate))
        names = base if row.base == row.candidate else f"{candidate} against {base}"
        found.setdefault(f"{row.host} · {row.scenario} · {names}", []).append(row)
    yield from found.items()


def _told(comparison: Comparison) -> list[str]:
    """The sentences below the figures."""
    counted = dict.fromkeys(_MARKS, 0)
    for row in comparison.rows:
        if row.headline and row.verdict in counted:
            counted[row.verdict] += 1
    of = ", ".join(f"{number} {name}" for name, number in counted.items() if number)
    lines = [f"Headline metrics: {of or 'none has a verdict'}."]
    percent = f"{100 * comparison.level:g} %"
    if comparison.same_blocks:
        lines.append(
            "Base and candidate ran in the same randomized blocks; each ratio is taken inside a "
            f"block (Hodges–Lehmann with its {percent} Wilcoxon signed-rank interval)."
        )
    else:
        units = {row.unit_of_n for row in comparison.rows}
        lines.append(
            "Base and candidate are different runs: each side's overhead against its own native is "
            f"compared (Hodges–Lehmann shift with its {percent} Mann–Whitney interval, n counts "
            f"{' and '.join(f'{unit}s' for unit in sorted(units)) or 'nothing'})."
        )
        if "block" in units:
            lines.append(
                "What differs from one night to the next (placement, what else was started) is not "
                "in these intervals: interleave both with baremark compare --releases, or compare "
                "tags of four or more runs each."
            )
    lines.append(
        "▲ slower than base, ▼ faster, ≈ equivalent, ‼ suspect (a check doubts one side), "
        "· unresolved, which is not “no difference”. Δ is the minimum detectable effect. "
        + (
            judged_together(comparison.level)
            if comparison.same_blocks
            else "Headline rows are judged together by Holm, all others by Benjamini–Hochberg."
        )
    )
    apart = [row for row in comparison.rows if row.headline and _excludes_one(row)]
    if together := [row for row in apart if row.verdict == "unresolved"]:
        judged = sum(row.headline and row.p is not None for row in comparison.rows)
        lines.append(
            f"{len(together)} headline rows are unresolved although their own intervals exclude 1: "
            f"{judged} are judged together, which takes more blocks, or fewer workloads (-w)."
        )
    native = comparison.native
    if native is not None and not comparison.same_blocks:
        lines.append(
            f"Native itself: {native.differing} of {native.metrics} headline metrics differ "
            f"between the two sides (each by itself at 5 %), the largest by {native.largest:.3g}×."
        )
    return [*lines, *comparison.notes]


def _excludes_one(row: Row) -> bool:
    low, high = (row.ratio.low, row.ratio.high) if row.ratio else (None, None)
    return low is not None and high is not None and (low > 1 or high < 1)


def _confounds(comparison: Comparison) -> list[str]:
    if not comparison.confounds:
        return ["Nothing that was observed differs between the two sides."]
    return [
        f"{each.where}: {each.what}: {each.base} | {each.candidate}"
        for each in comparison.confounds
    ]


def _runs(comparison: Comparison) -> list[str]:
    return [
        f"base {comparison.base}: {', '.join(comparison.base_runs)}",
        f"candidate {comparison.candidate}: {', '.join(comparison.candidate_runs)}",
    ]


def _terminal(comparison: Comparison) -> str:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from harness.publish.formats._screen import Screen

    screen = Screen()
    console = screen.console
    for title, of in _pairs(comparison):
        console.print(Text(title, style="bold"))
        grid = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        for number, head in enumerate(_HEADS):
            grid.add_column(head, justify="left" if number < 2 else "right", overflow="fold")
        for row in of:
            style = {"slower": "red", "faster": "green"}.get(row.verdict, "")
            cells: list[Text | str] = list(_cells(row))
            cells[4] = Text(str(cells[4]), style=style)
            grid.add_row(*cells)
        console.print(grid)
        console.print()
    for line in _told(comparison):
        console.print(f"· {line}")
    console.print()
    console.print(Text("What differs (base | candidate)", style="bold"))
    for line in [*_confounds(comparison), "", *_runs(comparison)]:
        console.print(f"· {line}" if line else "")
    return screen.text()


def _markdown(comparison: Comparison) -> str:
    lines = []
    for title, of in _pairs(comparison):
        lines += [f"## {escaped(title)}", "", _line(_HEADS), _line(["---"] * 2 + ["---:"] * 5)]
        for row in of:
            cells = [escaped(cell) for cell in _cells(row)]
            if row.verdict in {"slower", "faster"}:
                cells[4] = f"**{cells[4]}**"
            lines.append(_line(cells))
        lines.append("")
    lines += [f"- {escaped(text)}" for text in _told(comparison)]
    lines += ["", "### What differs (base | candidate)", ""]
    lines += [f"- {escaped(text)}" for text in [*_confounds(comparison), *_runs(comparison)]]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _csv(comparison: Comparison) -> str:
    out = io.StringIO()
    flat = [name for name in Row.__dataclass_fields__ if name != "ratio"]
    names = [*flat, "ratio", "ratio_low", "ratio_high", "level", "method"]
    writer = csv.DictWriter(out, names, restval="", lineterminator="\n")
    writer.writeheader()
    for row in comparison.rows:
        record: dict[str, object] = {name: getattr(row, name) for name in flat}
        if row.ratio is not None:
            found = row.ratio
            record |= {"ratio": found.point, "ratio_low": found.low, "ratio_high": found.high}
            record |= {"level": found.level, "method": found.method}
        writer.writerow({key: "" if of is None else _plain(of) for key, of in record.items()})
    return out.getvalue()


def _plain(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def _json(comparison: Comparison) -> str:
    document = {"version": VERSION, **asdict(comparison)}
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
