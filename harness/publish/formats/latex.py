r"""The table for a paper: LaTeX with booktabs, a table a resource, notes and provenance below.

A fragment, for `\input`. Its first lines name the packages that it needs. It is ASCII, so that it
compiles with pdfLaTeX and LuaLaTeX whatever the encoding and font; a character that has no LaTeX
form here is shown by its code point (U+4E2D). A table is made narrower where it is wider than the
page, and never wider; a section whose tables would become too small is set in landscape. The
headers are never shortened.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from harness.publish.formats import _grid
from harness.publish.formats._grid import Entry, Grid
from harness.report import numbers
from harness.report.provenance import provenance
from harness.report.table import Group, Section, Table

PACKAGES = ("amssymb", "booktabs", "caption", "graphicx", "pdflscape")

_UPRIGHT = 110
"""Characters of a line that is still readable when it is fitted into a page's width; wider tables
are set in landscape."""
_LONGEST, _LONGEST_TURNED = 35, 22
"""Rows of one table, upright and in landscape: more do not fit a page, so the rest gets a table of
its own."""
_FIT = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"

_FORMS = {
    "\\": r"\textbackslash{}",
    **{c: rf"\{c}" for c in "{}$%&#_"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    '"': r"{\ttfamily\char34}",
    "\u00a0": "~",
    "−": "$-$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "≈": r"$\approx$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "·": r"$\cdot$",
    "▲": r"$\blacktriangle$",
    "‼": r"\textbf{!!}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "→": r"$\rightarrow$",
    "Δ": r"$\Delta$",
    "δ": r"$\delta$",
    "α": r"$\alpha$",
    "µ": r"$\mu$",
    "μ": r"$\mu$",
    "°": r"$^{\circ}$",
    "–": "{--}",
    "—": "{---}",
    "…": r"\ldots{}",
    "‘": "{`}",
    "’": "{'}",
    "“": "{``}",
    "”": "{''}",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    **{c: rf"\textsuperscript{{{digit}}}" for digit, c in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
}
_ACCENTS = {
    "\u0300": r"\`",
    "\u0301": r"\'",
    "\u0302": r"\^",
    "\u0303": r"\~",
    "\u0304": r"\=",
    "\u0306": r"\u",
    "\u0307": r"\.",
    "\u0308": r"\"",
    "\u030a": r"\r",
    "\u030b": r"\H",
    "\u030c": r"\v",
    "\u0327": r"\c",
}


def render(table: Table) -> str:
    """The table as a LaTeX fragment, without a preamble."""
    return "\n".join(_lines(table)) + "\n"


def text(plain: str) -> str:
    """`plain` as LaTeX text: every character means itself, or is shown by its code point."""
    parts = re.split("(?<=-)(?=-)", plain)  # two hyphens would become a dash
    escaped = "{}".join("".join(map(_form, part)) for part in parts)
    # After a line break and in an item, LaTeX would take these for an argument.
    return "{}" + escaped if escaped.startswith(("[", "*")) else escaped


def _form(character: str) -> str:
    if character in _FORMS:
        return _FORMS[character]
    if character.isascii() and character.isprintable():
        return character
    parts = unicodedata.normalize("NFD", character)
    base, mark = parts[:1], parts[1:]
    if base.isascii() and base.isalpha() and mark in _ACCENTS:
        dotless = {"i": r"\i", "j": r"\j"}.get(base, base)
        return f"{_ACCENTS[mark]}{{{dotless}}}"
    return f"U+{ord(character):04X}"


def _lines(table: Table) -> Iterator[str]:
    yield rf"% Wants in the preamble: \usepackage{{{','.join(PACKAGES)}}}"
    for section in table.sections:
        yield from _section(table, section)
    yield r"\subsubsection*{How to read this}"
    yield r"\begin{itemize}\sloppy"
    yield from (rf"\item {text(each)}" for each in table.notes)
    yield r"\item Bold: the interval excludes 0."
    yield r"\end{itemize}"
    yield r"\begin{itemize}\sloppy"
    yield from (rf"\item {text(provenance(run))}" for run in table.runs)
    yield r"\end{itemize}"


def _section(table: Table, section: Section) -> Iterator[str]:
    made = [
        (group, _grid.of_group(section, group, table.by_architecture)) for group in section.groups
    ]
    landscape = max((_width(each) for _, each in made), default=0) > _UPRIGHT
    if landscape:
        yield r"\begin{landscape}"
    yield rf"\subsection*{{{text(_grid.heading(table, section))}}}"
    if table.by_architecture:
        yield from _architectures(section)
    most = _LONGEST_TURNED if landscape else _LONGEST
    for group, each in made:
        for first in range(0, len(each.rows), most):
            yield from _group(section, group, each, first, first + most)
    if landscape:
        yield r"\end{landscape}"
    if section.notes:
        yield r"\begin{itemize}\sloppy"
        for note in section.notes:
            mark = f"[{text(numbers.mark(note.number))}]" if note.number else ""
            yield rf"\item{mark} {text(note.text)}"
        yield r"\end{itemize}"


def _width(made: Grid) -> int:
    """How many characters the widest line has, a blank between columns."""
    columns = zip(*(map(_plain, row) for row in made.rows), strict=True)
    inner = [
        max(len(head.name), *map(len, texts))
        for head, texts in zip(made.heads, columns, strict=True)
    ]
    return sum(
        max(len(made.heads[span.start].over), sum(inner[span]) + len(inner[span]) - 1) + 1
        for span in made.spans
    )


def _architectures(section: Section) -> Iterator[str]:
    head, *lines = _grid.of_architectures(section)
    body = [
        [text(cell) if place else rf"\textbf{{{text(cell)}}}" for place, cell in enumerate(line)]
        for line in lines
    ]
    caption = f"{section.host}: geometric means by architecture"
    columns = "ll" + "r" * (len(head) - 2)
    yield from _captioned(caption, _tabular([text(each) for each in head], body, columns))


def _group(section: Section, group: Group, made: Grid, first: int, end: int) -> Iterator[str]:
    """The table of the rows from `first` to before `end`; the means stand below the last."""
    shown = made.rows[first:end]
    last = end >= len(made.rows)
    body = []
    before = ""
    for row in shown:
        workload, *others = row
        name = Entry("") if workload.text == before else workload
        before = workload.text
        body.append([_entry(each) for each in (name, *others)])
    if last:
        title, *means = made.means
        body.append([rf"\emph{{{text(title)}}}", *map(text, means)])
    columns = "".join("l" if head.column is None else "r" for head in made.heads[:-2]) + "rr"
    lines = _tabular([text(head.name) for head in made.heads], body, columns)
    lines[2:2] = _over(made)
    if last:
        lines.insert(-3, r"\midrule")
    again = ", continued" if first else ""
    yield from _captioned(f"{section.host} · {section.scenario}: {group.resource}{again}", lines)


def _over(made: Grid) -> list[str]:
    """The upper header with a rule below each target."""
    cells, rules = [], []
    for span in made.spans:
        over = made.heads[span.start].over
        width = span.stop - span.start
        cells.append(rf"\multicolumn{{{width}}}{{c}}{{{text(over)}}}" if over else "")
        if over:
            rules.append(rf"\cmidrule(lr){{{span.start + 1}-{span.stop}}}")
    return [" & ".join(cells) + r" \\", "".join(rules)]


def _tabular(head: Sequence[str], body: Sequence[Sequence[str]], columns: str) -> list[str]:
    r"""A tabular of cells that are LaTeX already, by pandas. Its first lines are `\begin`,
    `\toprule` and the header, its last `\bottomrule` and `\end`, each row one line."""
    import pandas as pd  # type: ignore[import-untyped]

    style = pd.DataFrame(body, dtype=object).style.hide(axis="index")
    style = style.relabel_index(list(head), axis="columns")
    made: str = style.to_latex(hrules=True, column_format=columns)
    return made.rstrip("\n").splitlines()


def _captioned(caption: str, tabular: Sequence[str]) -> Iterator[str]:
    """A table with its caption, where it stands: a page of floats is not turned in landscape."""
    yield r"\begin{center}\begin{minipage}{\linewidth}\centering\footnotesize"
    yield rf"\captionof{{table}}{{{text(caption)}}}"
    yield _FIT
    yield from tabular
    yield "}"
    yield r"\end{minipage}\end{center}"


def _entry(entry: Entry) -> str:
    told = text(entry.told)
    return (rf"\textbf{{{told}}}" if entry.strong else told) + text(entry.marks)


def _plain(entry: Entry) -> str:
    return f"{entry.told}{entry.marks}"
