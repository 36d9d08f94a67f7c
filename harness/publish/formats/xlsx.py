"""The table as a workbook for spreadsheets: one sheet for people, one for their own reckoning.

`Table` is what people read, as texts; `Figures` has the lines of the CSV, every number a number
(of 16 digits, which is more than a spreadsheet keeps) and an empty cell for what is not known;
`Notes` and `Provenance` are what else must be known. The same table gives the same bytes: the only
times in the file are those of the runs. No text is taken for a formula, whatever it begins with.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from harness.publish.formats import _grid, csv
from harness.report import numbers
from harness.report.provenance import provenance
from harness.report.table import RunFacts, Table

if TYPE_CHECKING:
    from openpyxl.cell import Cell  # type: ignore[import-untyped]
    from openpyxl.worksheet.worksheet import Worksheet  # type: ignore[import-untyped]


BINARY = True
"""`render` gives bytes."""

_WIDEST = 60
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula where a cell is edited."""
_MODIFIED = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*(</dcterms:modified>)")
_EPOCH = datetime(1980, 1, 1, tzinfo=UTC)
"""The first moment that a ZIP archive can tell."""

Line = Sequence[object]


def render(table: Table) -> bytes:
    """The table as an Office Open XML workbook (ECMA-376), as bytes."""
    from openpyxl import Workbook  # type: ignore[import-untyped]

    created = max([_EPOCH, *(datetime.fromisoformat(run.created_at) for run in table.runs)])
    book = Workbook()
    book.remove(book.active)
    _fill(book.create_sheet("Table"), _people(table))
    _fill(book.create_sheet("Figures"), _tidy(table), header=True)
    _fill(book.create_sheet("Notes"), _notes(table), header=True)
    _fill(book.create_sheet("Provenance"), _runs(table), header=True)
    book.properties.creator = "baremark"
    book.properties.created = created.astimezone(UTC).replace(tzinfo=None)
    out = io.BytesIO()
    book.save(out)
    return _timeless(out.getvalue(), created)


def _people(table: Table) -> Iterator[Line]:
    for section in table.sections:
        yield (_Heading(_grid.heading(table, section)),)
        if table.by_architecture:
            head, *lines = _grid.of_architectures(section)
            yield tuple(_Heading(name) for name in head)
            yield from lines
        for group in section.groups:
            made = _grid.of_group(section, group, table.by_architecture)
            yield ()
            yield (_Heading(group.resource),)
            overs: list[object] = []
            for first, *others in (made.heads[span] for span in made.spans):
                overs += [_Heading(first.over) if first.over else None, *[None] * len(others)]
            yield overs
            yield tuple(_Heading(head.name) for head in made.heads)
            for row in made.rows:
                yield [f"{each.told}{each.marks}" or None for each in row]
            yield [mean or None for mean in made.means]
        yield ()


def _tidy(table: Table) -> Iterator[Line]:
    yield csv.COLUMNS
    for line in csv.lines(table):
        if line["kind"] != "note":
            yield [line.get(name) for name in csv.COLUMNS]


def _notes(table: Table) -> Iterator[Line]:
    yield ("host", "scenario", "mark", "note")
    for section in table.sections:
        for note in section.notes:
            mark = None if note.number is None else numbers.mark(note.number)
            yield (section.host, section.scenario, mark, note.text)
    for text in table.notes:
        yield (None, None, None, text)


def _runs(table: Table) -> Iterator[Line]:
    """The facts of each run; of an imported one its source as two columns."""
    plain = [each.name for each in fields(RunFacts) if each.name != "imported"]
    yield (*plain, "imported_from", "imported_sha256", "told")
    for run in table.runs:
        source = run.imported
        known = asdict(run)
        yield (
            *(known[name] for name in plain),
            source.name if source else None,
            source.sha256 if source else None,
            provenance(run),
        )


class _Heading(str):
    """A text that is shown bold."""

    __slots__ = ()


def _fill(sheet: Worksheet, lines: Iterator[Line], header: bool = False) -> None:
    """Write `lines` from the first row on; `header`: the first of them names the columns."""
    from openpyxl.styles import Font  # type: ignore[import-untyped]
    from openpyxl.utils import get_column_letter  # type: ignore[import-untyped]

    bold = Font(bold=True)
    widths: dict[int, int] = {}
    for row, line in enumerate(lines, 1):
        for column, value in enumerate(line, 1):
            if value is None:
                continue
            cell = sheet.cell(row, column)
            _put(cell, value)
            if isinstance(value, _Heading) or (header and row == 1):
                cell.font = bold
            if not isinstance(value, _Heading) or len(line) > 1:
                widths[column] = max(widths.get(column, 0), len(str(value)))
    for column, width in widths.items():
        sheet.column_dimensions[get_column_letter(column)].width = min(width + 2, _WIDEST)
    if header:
        sheet.freeze_panes = "A2"


def _put(cell: Cell, value: object) -> None:
    """A number or a truth as such, anything else as text and never as a formula."""
    if isinstance(value, bool | int | float):
        cell.value = value
        return
    text = "".join(c if c.isprintable() or c in " \n" else "�" for c in str(value))
    cell.value = text
    cell.data_type = "s"
    if text.startswith(_FORMULA):
        cell.quotePrefix = True


def _timeless(data: bytes, created: datetime) -> bytes:
    """The same archive with the time of the runs in place of the time of writing."""
    when = created.astimezone(UTC)
    stamp = when.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in sorted(old.namelist(), key=lambda each: (each != "[Content_Types].xml", each)):
            content = old.read(name)
            if name == "docProps/core.xml":
                content = _MODIFIED.sub(rb"\g<1>" + stamp + rb"\g<2>", content)
            entry = zipfile.ZipInfo(name, when.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            new.writestr(entry, content)
    return out.getvalue()
