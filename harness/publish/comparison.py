"""A candidate against a base, as people and programs read it: one model, one text a format."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from harness.errors import UseError
from harness.model import Estimate
from harness.publish import figures
from harness.publish.markdown import escaped
from harness.publish.notes import judged_together

if TYPE_CHECKING:
    import polars as pl

    from harness.analyze.compare import NativeMoved
    from harness.analyze.confounds import Confound

FORMATS = ("terminal", "markdown", "csv", "json")
VERSION = 1
"""Of the JSON document."""

_MARKS = {"slower": "▲", "faster": "▼", "equivalent": "≈", "suspect": "‼", "unresolved": "·"}


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of a pair of targets; see `harness.analyze.compare.SCHEMA` for the fields."""

    host: str
    scenario: str
    base: str
    candidate: str
    resource: str
    workload: str
    workload_version: int
    title: str
    metric: str
    headline: bool
    unit: str
    better: str
    unit_of_n: str
    n_base: int
    n_candidate: int
    value_base: float | None
    value_candidate: float | None
    F_base: float | None
    F_candidate: float | None
    ratio: Estimate | None
    p: float | None
    p_adjusted: float | None
    p_equivalent: float | None
    mde_percent: float | None
    verdict: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """`base` and `candidate` are what was asked for, `base_runs` and `candidate_runs` the names of
    the runs. `same_blocks`: whether both sides ran in the same blocks. `labels` tells what each
    target is, by name, as the headers of a table do."""

    base: str
    candidate: str
    base_runs: tuple[str, ...]
    candidate_runs: tuple[str, ...]
    same_blocks: bool
    rows: tuple[Row, ...]
    confounds: tuple[Confound, ...]
    native: NativeMoved | None
    labels: Mapping[str, str]
    notes: tuple[str, ...]
    level: float

    @property
    def slower(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.verdict == "slower")


def require(format: str) -> None:
    """Raise UseError for a name not in `FORMATS`."""
    if format not in FORMATS:
        raise UseError(
            f"there is no format {format!r} of a comparison", f"choose one of: {', '.join(FORMATS)}"
        )


def rows(frame: pl.DataFrame, level: float) -> tuple[Row, ...]:
    """The rows of a frame of `harness.analyze.compare`."""
    made = []
    for record in frame.to_dicts():
        ratio = None
        if record["ratio"] is not None:
            n = min(record["n_base"], record["n_candidate"])
            interval = (record["ratio_low"], record["ratio_high"])
            ratio = Estimate(record["ratio"], *interval, level, n, record["method"])
        plain = {name: record[name] for name in Row.__dataclass_fields__ if name != "ratio"}
        made.append(Row(**plain, ratio=ratio))
    return tuple(made)


def render(comparison: Comparison, format: str) -> str:
    """`comparison` in the format of that name. Raises UseError for a name not in `FORMATS`."""
    require(format)
    return {"terminal": _terminal, "markdown": _markdown, "csv": _csv, "json": _json}[format](
        comparison
    )


# ---------------------------------------------------------------- for people
_HEADS = ("workload", "metric", "base", "candidate", "candidate against base", "n", "Δ %")


def _cells(row: Row) -> list[str]:
    mark = _MARKS.get(row.verdict, "")
    said = "no result" if row.ratio is None else f"{figures.effect(row.ratio)} {mark}".rstrip()
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
    return "no result" if number is None else figures.value(number)


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

    from harness.publish.screen import Screen

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


# ---------------------------------------------------------------- for programs
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
