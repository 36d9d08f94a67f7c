"""The table as a fragment of HTML, to stand in a page: no script, no style, nothing but the table.

A `<div class="baremark">` holds a `<section class="baremark-section">` for each host and then
`<section class="baremark-reading">` with how to read it and where it comes from. Classes to style:

- `baremark-answer` (a sentence a target; `doubtful`: what to doubt)
- `baremark-table` (a table a resource), `baremark-architectures` (the means by architecture)
- of a target's header and cells: `native`, `nested`, `emulated`, `imported`, `accepted`
- of cells: `value`, `overhead`, `no-result`; of an overhead also its verdict (`slower`, `suspect`,
  `equivalent`, `unresolved`, `n-too-small`) and `resolved` where the interval excludes 0
- `baremark-sign` (the sign of a verdict), `baremark-mark` (the numbers of notes),
  `baremark-notes`, `baremark-provenance`

What a class says stands there in words or signs as well, so nothing hangs on colour; signs have
a label for screen readers, and each header cell says what it is over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from html import escape
from itertools import groupby

from harness.publish.formats import _grid
from harness.publish.formats._grid import Entry, Grid, Head
from harness.report import answer, numbers
from harness.report.provenance import provenance
from harness.report.table import Column, Group, Section, Table

_GLUE = "\u00a0"
"""A blank at which no line breaks: a sign stays with what it is about."""


def render(table: Table) -> str:
    """The table as a fragment of HTML 5 (see the module for its classes)."""
    return "\n".join(_lines(table)) + "\n"


def _lines(table: Table) -> Iterator[str]:
    yield '<div class="baremark">'
    for section in table.sections:
        yield from _section(table, section)
    yield '<section class="baremark-reading">'
    yield "<h3>How to read this</h3>"
    yield "<ul>"
    yield from (f"<li>{_text(text)}</li>" for text in table.notes)
    yield "<li><strong>Bold</strong>: the interval excludes 0.</li>"
    yield "</ul>"
    yield '<ul class="baremark-provenance">'
    yield from (f"<li>{_text(provenance(run))}</li>" for run in table.runs)
    yield "</ul>"
    yield "</section>"
    yield "</div>"


def _section(table: Table, section: Section) -> Iterator[str]:
    anchor = _anchor(table, section)
    yield '<section class="baremark-section">'
    yield f"<h2>{_text(_grid.heading(table, section))}</h2>"
    yield '<ul class="baremark-answer">'
    yield from (f"<li>{_text(text)}</li>" for text in answer.sentences(section))
    if doubts := answer.doubts(section):
        yield f'<li class="doubtful">{_text(_grid.doubtful(doubts))}</li>'
    yield "</ul>"
    if table.by_architecture:
        yield from _architectures(section)
    for group in section.groups:
        yield from _group(section, group, table.by_architecture, anchor)
    yield '<ul class="baremark-notes">'
    for note in section.notes:
        if note.number is None:
            yield f"<li>{_text(note.text)}</li>"
        else:
            mark = f'<span class="baremark-mark">{numbers.mark(note.number)}</span>'
            yield f'<li id="{anchor}-{note.number}">{mark} {_text(note.text)}</li>'
    yield "</ul>"
    yield "</section>"


def _anchor(table: Table, section: Section) -> str:
    """What the notes of a section are linked by: its own also beside other tables on a page."""
    runs = " ".join(run.run for run in table.runs)
    whole = f"{runs}\n{section.host}\n{section.scenario}\n{table.by_architecture}"
    return f"baremark-note-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def _architectures(section: Section) -> Iterator[str]:
    head, *lines = _grid.of_architectures(section)
    yield '<table class="baremark-architectures">'
    yield f"<caption>{_text(section.host)}: geometric means by architecture</caption>"
    cells = "".join(f'<th scope="col">{_text(name)}</th>' for name in head)
    yield f"<thead><tr>{cells}</tr></thead>"
    for name, of_one in groupby(lines, key=lambda line: line[0]):
        yield "<tbody>"
        targets = list(of_one)
        for number, (_, target, *means) in enumerate(targets):
            first = f'<th scope="rowgroup" rowspan="{len(targets)}">{_text(name)}</th>'
            cells = "".join(f"<td>{_text(mean)}</td>" for mean in means)
            row = f'<th scope="row">{_text(target)}</th>{cells}'
            yield f"<tr>{first if number == 0 else ''}{row}</tr>"
        yield "</tbody>"
    yield "</table>"


def _group(section: Section, group: Group, by_architecture: bool, anchor: str) -> Iterator[str]:
    made = _grid.of_group(section, group, by_architecture)
    yield '<table class="baremark-table">'
    yield f"<caption>{_text(section.host)} · {_text(group.resource)}</caption>"
    yield "<thead>"
    yield from _heads(section, made)
    yield "</thead>"
    rows = zip(group.rows, made.rows, strict=True)
    for _, of_one in groupby(rows, key=lambda pair: (pair[0].workload, pair[0].workload_version)):
        yield "<tbody>"
        lines = [entries for _, entries in of_one]
        for number, (workload, metric, *entries) in enumerate(lines):
            first = f'<th scope="rowgroup" rowspan="{len(lines)}">{_text(workload.text)}</th>'
            cells = "".join(
                _cell(section, head, entry, anchor)
                for head, entry in zip(made.heads[2:], entries, strict=True)
            )
            row = f'<th scope="row">{_text(metric.text)}</th>{cells}'
            yield f"<tr>{first if number == 0 else ''}{row}</tr>"
        yield "</tbody>"
    means = "".join(f"<td>{_text(mean)}</td>" for mean in made.means[3:])
    yield f'<tfoot><tr><th scope="row" colspan="3">{_text(made.means[0])}</th>{means}</tr></tfoot>'
    yield "</table>"


def _heads(section: Section, made: Grid) -> Iterator[str]:
    """Two lines: targets over what stands of each; what is of no target takes both."""
    upper, lower = [], []
    for heads in (made.heads[span] for span in made.spans):
        over, name, place = heads[0].over, heads[0].name, heads[0].column
        if place is None:
            upper.append(f'<th scope="col" rowspan="2">{_text(name)}</th>')
            continue
        classes = " ".join(_labels(section.columns[place]))
        marked = f' class="{classes}"' if classes else ""
        upper.append(f'<th scope="colgroup" colspan="{len(heads)}"{marked}>{_text(over)}</th>')
        lower += [f'<th scope="col" class="{head.name}">{_text(head.name)}</th>' for head in heads]
    yield f"<tr>{''.join(upper)}</tr>"
    yield f"<tr>{''.join(lower)}</tr>"


def _labels(column: Column) -> Iterator[str]:
    """What a target is labelled, as classes."""
    if column.native:
        yield "native"
    if column.nested:
        yield "nested"
    if column.backend_class == "emulated":
        yield "emulated"
    if column.imported:
        yield "imported"
    if column.accepted:
        yield "accepted"


def _cell(section: Section, head: Head, entry: Entry, anchor: str) -> str:
    if head.name == _grid.UNIT:
        unit, _, arrow = entry.text.rpartition(" ")
        said = "higher is better" if arrow == "↑" else "lower is better"
        return f'<td>{_text(unit)}{_GLUE}<span role="img" aria-label="{said}">{arrow}</span></td>'
    if head.column is None:
        return f"<td>{_text(entry.text)}</td>"
    classes = [head.name, *_labels(section.columns[head.column])]
    if entry.text == numbers.NO_RESULT:
        classes.append("no-result")
    if head.name == _grid.OVERHEAD and entry.verdict:
        classes.append(entry.verdict.replace(" ", "-"))
    if entry.strong:
        classes.append("resolved")
    shown = _text(entry.text)
    if entry.sign:
        said = _text(entry.verdict)
        sign = f'<span class="baremark-sign" role="img" aria-label="{said}" title="{said}">'
        shown += f"{_GLUE}{sign}{entry.sign}</span>"
    if entry.strong:
        shown = f"<strong>{shown}</strong>"
    links = " ".join(
        f'<a class="baremark-mark" href="#{anchor}-{number}" aria-label="note {number}">'
        f"{numbers.mark(number)}</a>"
        for number in entry.notes
    )
    return f'<td class="{" ".join(classes)}">{shown}{links}</td>'


def _text(text: str) -> str:
    return escape("".join(c if c.isprintable() or c == " " else "�" for c in text))
