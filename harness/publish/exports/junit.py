"""JUnit's XML: each target's figure of each metric a test case, for what shows test results.

A case passes where it was measured and nothing that was asked for is violated. Being slower is a
failure only where a limit was given (`Export.fail_slower`): the verdict is then `slower`, and the
whole interval lies beyond the limit. A `suspect` figure, and one whose trials gave no result, is an
error with its reason. What could not be judged (too few blocks, another machine, never tried, a
target that took no part) is skipped. `unresolved` passes: it is not "no difference", and its output
says so. Native against itself is a case too, an error where the table is not to be trusted.

What a case has to tell stands in its `system-out`; the format has no place for numbers. The shape
is that of Jenkins' junit-10.xsd.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness import __version__
from harness.analyze.verdict import ELSEWHERE, NO_RESULT, SLOWER, SUSPECT, TOO_SMALL
from harness.model.run import Missing
from harness.publish.exports import Export, Exported
from harness.report import numbers
from harness.report.provenance import provenance
from harness.report.table import Column, Figure, Row, Section

JUDGES = True
"""Being slower can be a failure here (`Export.fail_slower`)."""

FAILURE, ERROR, SKIPPED = "failure", "error", "skipped"


@dataclass(frozen=True, slots=True)
class Case:
    """A test case. `outcome` is the element that says why it did not pass, with its `type` and
    `message`; None: it passed."""

    classname: str
    name: str
    text: str
    outcome: tuple[str, str, str] | None = None


def render(export: Export) -> Exported:
    """A document with a suite for each host and scenario."""
    suites = [(section, list(_cases(section, export))) for section in export.table.sections]
    whole = [case for _, cases in suites for case in cases]
    root = ET.Element(
        "testsuites",
        name="baremark",
        tests=str(len(whole)),
        failures=_count(whole, FAILURE),
        errors=_count(whole, ERROR),
    )
    for section, cases in suites:
        _suite(root, section, cases, export)
    ET.indent(root, " ")
    text = ET.tostring(root, encoding="unicode", short_empty_elements=True)
    return Exported(f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n')


def _suite(root: ET.Element, section: Section, cases: Sequence[Case], export: Export) -> None:
    place = (section.host, section.scenario)
    runs = [run for run in export.table.runs if (run.host, run.scenario) == place]
    suite = ET.SubElement(
        root,
        "testsuite",
        name=_text(f"{section.host} {section.scenario}"),
        tests=str(len(cases)),
        failures=_count(cases, FAILURE),
        errors=_count(cases, ERROR),
        skipped=_count(cases, SKIPPED),
        hostname=_text(section.host),
    )
    if runs:
        suite.set("timestamp", max(run.created_at for run in runs))
    properties = ET.SubElement(suite, "properties")
    named = [
        ("baremark_version", __version__),
        ("runs", " ".join(run.run for run in runs)),
        ("level", f"{export.table.level:g}"),
        ("method", export.table.method),
    ]
    if export.fail_slower is not None:
        named.append(("fail_slower", f"{100 * export.fail_slower:g} %"))
    for name, value in named:
        ET.SubElement(properties, "property", name=name, value=_text(value))
    for case in cases:
        element = ET.SubElement(
            suite, "testcase", classname=_text(case.classname), name=_text(case.name)
        )
        if case.outcome is not None:
            how, kind, message = case.outcome
            ET.SubElement(element, how, type=kind, message=_text(message)).text = _text(message)
        if case.text:
            ET.SubElement(element, "system-out").text = _text(case.text)
    told = [note.text for note in section.notes if note.number is None]
    told += [provenance(run) for run in runs]
    ET.SubElement(suite, "system-out").text = _text("\n".join(told))


def _cases(section: Section, export: Export) -> Iterator[Case]:
    numbered = {note.number: note.text for note in section.notes}
    for group in section.groups:
        for row in group.rows:
            for column, figure in zip(section.columns, row.figures, strict=True):
                if not column.native:
                    notes = [numbered[number] for number in figure.notes]
                    yield _case(section, row, column, figure, notes, export.fail_slower)
    yield _control(section)
    for missing in _missing(section, export):
        said = f"{missing.target} ({missing.backend}) took no part: {missing.reason}"
        yield Case(
            f"{section.host}.{missing.target}",
            "takes part",
            "",
            (SKIPPED, "took no part", said),
        )


def _case(
    section: Section,
    row: Row,
    column: Column,
    figure: Figure,
    notes: Sequence[str],
    limit: float | None,
) -> Case:
    return Case(
        classname=f"{section.host}.{column.header}",
        name=f"{row.workload} {row.metric}",
        text="\n".join(_told(row, column, figure, notes)),
        outcome=_outcome(section, row, column, figure, notes, limit),
    )


def _told(row: Row, column: Column, figure: Figure, notes: Sequence[str]) -> Iterator[str]:
    cell = numbers.cell(figure, column.native)
    yield f"target: {column.header}"
    if figure.median is not None:
        yield f"value: {cell.absolute} {numbers.unit(row)} (median over blocks)"
    if figure.factor is not None:
        level = f"{100 * figure.factor.level:g} % interval"
        yield f"overhead: {numbers.effect(figure.factor)} ({level})"
    yield f"verdict: {figure.verdict}"
    yield f"n: {figure.n}"
    if figure.detectable_percent is not None:
        yield f"detectable: {figure.detectable_percent:.3g} %"
    yield from notes


def _outcome(
    section: Section,
    row: Row,
    column: Column,
    figure: Figure,
    notes: Sequence[str],
    limit: float | None,
) -> tuple[str, str, str] | None:
    if figure.median is None or figure.verdict == NO_RESULT:
        why = " ".join(notes) or f"{NO_RESULT}: no block gave a value of it and one of native."
        return (ERROR if figure.trials else SKIPPED), NO_RESULT, why
    if figure.verdict == SUSPECT:
        return ERROR, SUSPECT, " ".join(_doubts(section, row, column, figure))
    if figure.verdict == ELSEWHERE:
        return (
            SKIPPED,
            ELSEWHERE,
            "It is on another machine than native, so it has no overhead.",
        )
    if figure.verdict == TOO_SMALL:
        return SKIPPED, TOO_SMALL, f"{figure.n} blocks are too few for an interval."
    factor = figure.factor
    if limit is None or factor is None or factor.low is None or figure.verdict != SLOWER:
        return None
    if factor.low <= 1 + limit:
        return None
    return (
        FAILURE,
        SLOWER,
        f"slower than native by {numbers.effect(factor)}, more than {100 * limit:g} %",
    )


def _doubts(section: Section, row: Row, column: Column, figure: Figure) -> Iterator[str]:
    """Why a figure is not believed."""
    checks = [
        each
        for each in section.checks
        if each.suspect
        and each.target in {column.target, section.host}
        and each.workload in {row.workload, None}
    ]
    yield from dict.fromkeys(f"{each.check}: {each.text}." for each in checks)
    if not checks and figure.factor is not None:
        yield f"faster than native beyond its own interval: {numbers.effect(figure.factor)}."


def _control(section: Section) -> Case:
    """Native against itself."""
    (native, *_) = [column for column in section.columns if column.native] or section.columns
    place, name = f"{section.host}.{native.header}", "native against itself"
    itself = section.control
    if itself is None:
        return Case(
            place, name, "", (SKIPPED, "not tried", "Not compared over enough blocks to tell.")
        )
    told = (
        f"{itself.differing} of {itself.pairs} headline metrics were called different at "
        f"α = {itself.alpha:.2g}, each by itself (95 % Wilson interval {100 * itself.low:.0f} to "
        f"{100 * itself.high:.0f} %)"
    )
    if itself.trusted:
        return Case(place, name, told)
    return Case(place, name, told, (ERROR, "not to be trusted", f"{told}: more than chance allows"))


def _missing(section: Section, export: Export) -> Iterator[Missing]:
    """Declared targets of the section's host that took no part in any run, each once."""
    place = (section.host, section.scenario)
    runs = [r for r in export.runs if (r.manifest.host, r.manifest.scenario) == place]
    there = {column.target for column in section.columns}
    found = {each.target: each for run in runs for each in run.manifest.missing}
    yield from (each for name, each in sorted(found.items()) if name not in there)


def _count(cases: Sequence[Case], outcome: str) -> str:
    return str(sum(1 for case in cases if case.outcome and case.outcome[0] == outcome))


def _text(text: str) -> str:
    """Text without the characters that XML cannot hold."""
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text)
