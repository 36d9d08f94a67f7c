"""A night in ten lines, and for programs: what was measured, what did not take part, what shifted.

Only what is confirmed is called a regression; everything else is told and breaks nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from harness.errors import UseError
from harness.publish.figures import duration

if TYPE_CHECKING:
    from harness.analyze.history import Shift
    from harness.publish.table import Table

VERSION = 1
"""Of the JSON document."""
EXIT_QUIET = 0
EXIT_REGRESSION = 1
EXIT_PARTIAL = 3
TABLE, HISTORY, SITE = "the table", "the history", "the site"
"""What a night makes of its runs, as `Night.absent` calls what could not be made."""

_MOST_NAMED = 3
_LONGEST = 160


@dataclass(frozen=True, slots=True)
class Night:
    """`table` is None where nothing was measured. `absent` tells by target, or host, why it took no
    part, and of what could not be made of the runs; `warnings` what the history could not read.
    Times in seconds: `measuring_s` of the runs themselves, `publishing_s` of table, history and
    site, `total_s` of everything but `confirming_s`, the comparisons that confirm."""

    began: datetime
    table: Table | None
    absent: tuple[tuple[str, str], ...]
    shifts: tuple[Shift, ...]
    warnings: tuple[str, ...]
    whole: bool
    measuring_s: float
    total_s: float
    confirming_s: float = 0.0
    publishing_s: float = 0.0
    confirming: tuple[str, ...] = ()
    """Names of the runs that compared releases."""
    written: tuple[str, ...] = field(default=())

    @property
    def regressions(self) -> tuple[Shift, ...]:
        """What a comparison confirmed, made slower, and nobody acknowledged."""
        return tuple(each for each in self.shifts if each.status == "confirmed" and each.ratio > 1)

    @property
    def partial(self) -> bool:
        return bool(self.absent) or not self.whole or self.table is None or self.distrusted

    @property
    def distrusted(self) -> bool:
        """Whether native differs from itself too often for a table of this night to be believed."""
        sections = () if self.table is None else self.table.sections
        return any(each.control is not None and not each.control.trusted for each in sections)

    @property
    def exit_code(self) -> int:
        if self.regressions:
            return EXIT_REGRESSION
        return EXIT_PARTIAL if self.partial else EXIT_QUIET

    @property
    def verdict(self) -> str:
        if self.regressions:
            return "a regression is confirmed" + (", and the night is partial" * self.partial)
        return "partial" if self.partial else "quiet"


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


def render(night: Night, format: str) -> str:
    """The summary in one of the formats of `FORMATS`."""
    return {"text": _text, "markdown": _markdown, "json": _json, "junit": _junit}[format](night)


def lines(night: Night) -> list[str]:
    """The summary, ten lines or fewer."""
    return [f"Night of {night.began:%Y-%m-%d %H:%M} UTC: {night.verdict}.", *_body(night)]


def _body(night: Night) -> Iterator[str]:
    yield _measured(night)
    if night.absent:
        first = sorted(night.absent, key=lambda each: each[0] not in {TABLE, HISTORY, SITE})
        yield "Took no part: " + _few([f"{name} ({_short(why)})" for name, why in first])
    of: dict[str, list[Shift]] = {}
    for each in night.shifts:
        of.setdefault("host" if each.moved == "host" else each.status, []).append(each)
    confirmed = of.get("confirmed", [])
    if found := [each for each in confirmed if each.ratio > 1]:
        yield "Regressions, confirmed: " + _few([_shift(each) for each in found])
    if found := of.get("unconfirmed", []):
        yield "Candidates, unconfirmed: " + _few([_shift(each) for each in found])
    if found := of.get("host", []):
        yield "Native moved too, so the host changed: " + _few([_shift(each) for each in found])
    faster = [each for each in confirmed if each.ratio <= 1]
    known = len([*of.get("acknowledged", []), *of.get("refuted", [])])
    if faster or known:
        told = _few([_shift(each) for each in faster]) or "none"
        yield f"Faster, confirmed: {told}. Acknowledged or refuted: {known}."
    if not night.shifts and not {TABLE, HISTORY} & dict(night.absent).keys():
        yield "Shifts: none."
    if night.table is not None:
        yield _itself(night.table)
    if night.warnings:
        told = _few([_short(each) for each in night.warnings])
        yield f"Not in the history, or not confirmed: {told}"
    if night.written:
        yield "Written: " + ", ".join(night.written)


def _measured(night: Night) -> str:
    if night.table is None and TABLE in dict(night.absent):
        return f"Measured: {duration(night.measuring_s)}, of which no table could be made."
    if night.table is None:
        return "Measured: nothing."
    runs = night.table.runs
    trials = sum(run.trials for run in runs)
    planned = sum(run.planned_trials or 0 for run in runs)
    rest = max(0.0, night.total_s - night.measuring_s - night.publishing_s)
    confirming = (
        f", {duration(night.confirming_s)} to confirm ({', '.join(night.confirming)})"
        if night.confirming
        else ""
    )
    return (
        f"Measured: {', '.join(run.run for run in runs)}; {trials} of {planned} trials in "
        f"{duration(night.measuring_s)}, {duration(night.publishing_s)} to analyse and publish, "
        f"{duration(rest)} for all else{confirming}."
    )


def _itself(table: Table) -> str:
    parts = []
    for section in table.sections:
        itself = section.control
        if itself is None:
            parts.append(f"{section.host}: too few blocks to tell")
            continue
        trusted = "" if itself.trusted else ", so its table is not to be trusted"
        parts.append(
            f"{section.host}: {itself.differing} of {itself.pairs} called different "
            f"(95 % interval {100 * itself.low:.0f} to {100 * itself.high:.0f} %){trusted}"
        )
    return f"Native against itself: {_few(parts)}."


def _shift(each: Shift) -> str:
    percent = 100 * (each.ratio - 1)
    size = f"{each.ratio:.3g}×" if each.ratio >= 2 else f"{percent:+.1f} %".replace("-", "−")
    since = f"since {each.started:%Y-%m-%d}"
    changed = f", new that night: {_short(each.changed)}" if each.changed else ""
    return f"{each.host}: {each.workload} {each.metric} on {each.target} {size} {since}{changed}"


def _few(parts: Sequence[str]) -> str:
    more = len(parts) - _MOST_NAMED
    return "; ".join(parts[:_MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


def _short(text: str) -> str:
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _text(night: Night) -> str:
    return "\n".join(lines(night)) + "\n"


def _markdown(night: Night) -> str:
    from harness.publish.markdown import escaped

    first, *rest = lines(night)
    return "\n".join([f"**{escaped(first)}**", "", *(f"- {escaped(line)}" for line in rest)]) + "\n"


def _json(night: Night) -> str:
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


def _junit(night: Night) -> str:
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
        ).text = _xml(_shift(each))
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
