"""A night's summary as text: terminal, Markdown, JSON, JUnit."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from harness.errors import UseError
from harness.report.night import Summary, lines, shift

if TYPE_CHECKING:
    pass


VERSION = 1
"""Of the JSON document."""


FORMATS = {".txt": "text", ".md": "markdown", ".json": "json", ".xml": "junit"}
"""The format that a file's ending asks for."""


def format_of(path: Path) -> str:
    """Raises UseError for an ending that no format has."""
    try:
        return FORMATS[path.suffix]
    except KeyError:
        raise UseError(
            f"--summary {path}: no format has this ending", f"choose from: {', '.join(FORMATS)}"
        ) from None


def render(night: Summary, format: str) -> str:
    """The summary in one of the formats of `FORMATS`."""
    return {"text": _text, "markdown": _markdown, "json": _json, "junit": _junit}[format](night)


def _text(night: Summary) -> str:
    return "\n".join(lines(night)) + "\n"


def _markdown(night: Summary) -> str:
    from harness.publish.formats.markdown import escaped

    first, *rest = lines(night)
    return "\n".join([f"**{escaped(first)}**", "", *(f"- {escaped(line)}" for line in rest)]) + "\n"


def _json(night: Summary) -> str:
    document = {
        "version": VERSION,
        "began": night.began.isoformat(timespec="seconds"),
        "verdict": night.verdict,
        "exit_code": night.exit_code,
        "runs": [asdict(run) for run in night.table.runs] if night.table else [],
        "absent": dict(night.absent),
        "shifts": [{**asdict(each), "started": each.started.isoformat()} for each in night.shifts],
        "native_against_itself": {
            section.host: None if section.control is None else section.control.document()
            for section in (night.table.sections if night.table else ())
        },
        "warnings": list(night.warnings),
        "measuring_s": round(night.measuring_s, 3),
        "total_s": round(night.total_s, 3),
        "publishing_s": round(night.publishing_s, 3),
        "confirming_s": round(night.confirming_s, 3),
        "confirming": list(night.confirming),
        "written": list(night.written),
        "summary": lines(night),
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _junit(night: Summary) -> str:
    """A test case for each target that was to take part, for each shift, and for the harness's own
    error. A confirmed regression is a failure; what took no part is an error; a shift that is not
    confirmed, acknowledged or the host's is skipped with the reason."""
    suite = ElementTree.Element("testsuite", name="baremark nightly")
    present = [
        (section.host, column.target)
        for section in (night.table.sections if night.table else ())
        for column in section.columns
        if column.target not in dict(night.absent)
    ]
    for host, target in present:
        ElementTree.SubElement(suite, "testcase", classname=f"targets.{host}", name=target)
    for name, why in night.absent:
        case = ElementTree.SubElement(suite, "testcase", classname="targets", name=name)
        ElementTree.SubElement(case, "error", message=_xml("took no part")).text = _xml(why)
    for each in night.shifts:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=f"shifts.{each.host}.{each.target}",
            name=f"{each.workload} {each.metric} since {each.run}",
        )
        kind = "failure" if each in night.regressions else "skipped"
        ElementTree.SubElement(
            case, kind, message=_xml(f"{each.status}, moved: {each.moved}")
        ).text = _xml(shift(each))
    for section in night.table.sections if night.table else ():
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"harness.{section.host}", name="native against itself"
        )
        if section.control is None:
            ElementTree.SubElement(case, "skipped", message="too few blocks to tell")
        elif not section.control.trusted:
            ElementTree.SubElement(case, "failure", message="the table is not to be trusted")
    kinds = {
        name: len(suite.findall(f"testcase/{name}")) for name in ("error", "failure", "skipped")
    }
    suite.set("tests", str(len(suite.findall("testcase"))))
    suite.set("errors", str(kinds["error"]))
    suite.set("failures", str(kinds["failure"]))
    suite.set("skipped", str(kinds["skipped"]))
    suite.set("time", f"{night.total_s:.3f}")
    suite.set("timestamp", night.began.strftime("%Y-%m-%dT%H:%M:%S"))
    ElementTree.SubElement(suite, "system-out").text = _xml(_text(night))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _xml(text: str) -> str:
    """Text without what XML cannot hold (control characters)."""
    return "".join(each for each in text if each in "\n\t" or each.isprintable())
