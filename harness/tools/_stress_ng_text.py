"""What stress-ng says in lines of its own, on either stream: how it ended, and its table.

The lines are `stress-ng: severity: [pid] message`, with the time before the severity where
`--timestamp` asked for it, and the message alone with `--log-brief`. A journal or a shell may
have put something before them. The table of `--metrics` and `--metrics-brief` is made of such
lines, of severity `info` before 0.14 and `metrc` since; it stood after the words "successful run
completed" then and stands before them now. Rows of other figures may stand between its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from harness.tools._stress_ng_yaml import TOOL, Document, Rate, figure
from harness.tools._text import excerpt, filled_lines, refuse

_COLOUR = re.compile("\x1b\\[[0-9;]*m")
_SEVERITY = re.compile(r"(?:[0-9:.]{8,18} +)?([a-z]+): +\[[0-9]+\] (.*)")
_OWN = "stress-ng: "
_SPOKEN = ("dispatching hogs: ", "successful run completed in ")

_SUCCESS = re.compile(
    r"successful run completed in (?:[0-9]+ (?:year|day|hour|min)s?, )*"
    r"(?:1\.00 sec|[0-9]+\.[0-9]{2}(?:s| secs))(?: \(.*\))?"
)
_UNSUCCESSFUL = re.compile(r"unsuccessful run completed .*")
_UNTRUSTED = re.compile(r"untrustworthy|corrupt|premature", re.IGNORECASE)
_SKIPPED = re.compile(r".* will be skipped.*")
_COUNT = re.compile(r"(skipped|failed|metrics untrustworthy): ([0-9]+)(?:: .*)?")
_HOGS = re.compile(r"dispatching hogs: (.*)")
_HOG = re.compile(r"[0-9]+ ([a-z0-9-]+)")
_SET = re.compile(r"setting to an? ([^()]*?) ?(?:\(.*\) )?run(?: per stressor)?")
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?) (year|day|hour|min|sec)[a-z]*")
_SECONDS = {"year": 31_536_000, "day": 86_400, "hour": 3_600, "min": 60, "sec": 1}
_HEADING = re.compile(r"stressor +bogo ops real time +usr time +sys time +bogo ops/s .*")
_ROW = re.compile(r"([a-z0-9-]+) +([0-9]+) +(\S+) +(\S+) +(\S+) +(\S+) +(\S+)((?: +\S+){0,2})")
_WHOLE = re.compile(r"-?[0-9]+\.[0-9]{2}|-?[0-9]\.[0-9]{2,6}e[+-][0-9]{2,3}")
"""Two digits after the point, or what `--sn` prints: so a figure that was cut is seen."""
_MORE = ("CPU used per", "RSS Max")
"""Headings of the columns that some versions and options add."""


def message(line: str) -> tuple[str, str] | None:
    """Severity and text of a line of stress-ng's own; None where it is not one."""
    at = line.find(_OWN)
    if at < 0 or (at > 0 and line[at - 1] not in " \t"):
        return None
    found = _SEVERITY.fullmatch(line, at + len(_OWN))
    return (found[1], found[2]) if found else None


def is_brief(*streams: str) -> bool:
    """Whether stress-ng speaks in the streams and no line says so, as with `--log-brief`."""
    speaks = any(words in text for text in streams for words in _SPOKEN)
    return speaks and not any(_OWN in text and _has_message(text) for text in streams)


def _has_message(text: str) -> bool:
    return any(message(_COLOUR.sub("", line)) for _, line in filled_lines(text))


@dataclass(slots=True)
class LogText:
    """What the output said, in the order of the program.

    `hogs` are the stressors started, None before it is said; `set_s` the seconds that it was set
    to run, where a time was asked for; `rates` what the table gives of each stressor, `document`
    what the YAML gives.
    """

    brief: bool
    succeeded: bool = False
    skipped: str = ""
    hogs: tuple[str, ...] | None = None
    set_s: float | None = None
    rates: dict[str, Rate] = field(default_factory=dict)
    document: Document = field(default_factory=Document)
    _hogs_at: str = ""
    _table: str | None = None
    _more: int = 0

    def listen(self, text: str, stream: str) -> None:
        """Take in all of a stream; ReadError at a line that tells of a failure."""
        self._table = None
        if not self.brief and not any(words in text for words in (_OWN, "---", "- stressor: ")):
            return
        for at, line in filled_lines(text):
            if "-" not in line and not self.brief and not self.document.listens:
                continue
            line = _COLOUR.sub("", line) if "\x1b" in line else line
            said = None if self.brief else message(line)
            if said is None and self.document.take(at, line):
                continue
            if said is None and line.lstrip().startswith("- stressor: "):
                raise refuse(
                    TOOL, f"{stream} line {at} is of a YAML report without its first line, '---'"
                )
            if said or self.brief:
                self._hear(*(said or ("", line)), f"{stream} line {at}")
        self.document.end(stream)

    def _hear(self, severity: str, said: str, where: str) -> None:
        said = said.strip()
        count = _COUNT.fullmatch(said)
        bad = int(count[2][:9]) > 0 if count else _UNTRUSTED.search(said)
        if severity in ("fail", "error") or bad or _UNSUCCESSFUL.fullmatch(said):
            raise refuse(TOOL, f"it failed: {excerpt(said)}")
        if _SUCCESS.fullmatch(said):
            self.succeeded = True
        elif _SKIPPED.fullmatch(said):
            self.skipped = self.skipped or excerpt(said)
        elif hogs := _HOGS.fullmatch(said):
            self._dispatch(hogs[1], where)
        elif span := _SET.fullmatch(said):
            self.set_s = sum(float(n) * _SECONDS[unit] for n, unit in _SPAN.findall(span[1]))
        else:
            self._tabulate(severity, said)

    def _dispatch(self, hogs: str, where: str) -> None:
        found = [_HOG.fullmatch(hog) for hog in hogs.split(", ", 1000)]
        names = tuple(hog[1] for hog in found if hog)
        if self.hogs is not None:
            raise refuse(
                TOOL,
                f"'dispatching hogs' stands at {self._hogs_at} and at {where}: several runs",
                "give the output of each run by itself",
            )
        if len(names) != len(found):
            raise refuse(TOOL, f"what it dispatched is not clear: {excerpt(hogs)!r}")
        if len(set(names)) != len(names):
            raise refuse(TOOL, f"it ran a stressor twice, which its report mixes: {excerpt(hogs)}")
        self.hogs, self._hogs_at = names, where

    def _tabulate(self, severity: str, said: str) -> None:
        if _HEADING.fullmatch(said):
            self._table = severity
            self._more = sum(heading in said for heading in _MORE)
        elif severity == self._table and (row := _ROW.fullmatch(said)):
            self._row(row)

    def _row(self, row: re.Match[str]) -> None:
        name = row[1]
        where = f"the table's line of {excerpt(name)}"
        ops, real_s, user_s, system_s, rate, _ = (figure(c, where) for c in row.groups()[1:-1])
        last = row[8].split()
        cut = [c for c in (*row.groups()[2:-1], *last[:1]) if not _WHOLE.fullmatch(c)]
        if cut or len(last) != self._more:
            raise refuse(TOOL, f"{where} is incomplete: {excerpt(row.group())!r}")
        if name in self.rates:
            raise refuse(TOOL, f"{where} occurs twice")
        if min(ops, real_s, user_s, system_s, rate) < 0:
            raise refuse(TOOL, f"{where} holds a figure below zero, which cannot be")
        if abs(rate * real_s - ops) > 1 + ops / 50 + rate / 100:
            raise refuse(TOOL, f"{where} has bogo ops that contradict their rate")
        if ops < 1:
            raise refuse(TOOL, f"{where} has no bogo ops: nothing was measured")
        self.rates[name] = Rate(rate, real_s)
