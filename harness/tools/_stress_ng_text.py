"""What stress-ng says in lines of its own, on either stream: how it ended, and its table.

The lines are `stress-ng: severity: [pid] message`. The table of `--metrics` and
`--metrics-brief` is made of such lines, of severity `info` before 0.14 and `metrc` since; it
stood after the words "successful run completed" then and stands before them now.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from harness.tools._text import excerpt, number, refuse

TOOL = "stress-ng"
LINE = re.compile(r"^stress-ng: ([a-z]+): +\[[0-9]+\] (.*)$", re.MULTILINE)

_SUCCESS = re.compile(
    r"successful run completed in (?:[0-9]+ (?:year|day|hour|min)s?, )*"
    r"(?:1\.00 sec|[0-9]+\.[0-9]{2}(?:s| secs))(?: \(.*\))?"
)
_UNTRUSTED = re.compile(r"untrustworthy|corrupt|premature", re.IGNORECASE)
_SKIPPED = re.compile(r".* will be skipped.*")
_COUNT = re.compile(r"(skipped|failed|metrics untrustworthy): ([0-9]+)(?:: .*)?")
_HOGS = re.compile(r"dispatching hogs: (.*)")
_HOG = re.compile(r"[0-9]+ ([a-z0-9-]+)")
_HEADING = re.compile(r"stressor +bogo ops real time +usr time +sys time +bogo ops/s .*")
_UNITS = re.compile(r" +\(secs\) .*")
_ROW = re.compile(r"([a-z0-9-]+) +(\S+) +(\S+) +(\S+) +(\S+) +(\S+) +(\S+)((?: +\S+){0,2})")
_TWO_DIGITS = re.compile(r"-?[0-9]+\.[0-9]{2}")
_MORE = ("CPU used per", "RSS Max")
"""Headings of the columns that some versions and options add."""


@dataclass(slots=True)
class Told:
    """What the messages said, in the order of the program.

    `hogs` are the stressors started, None before it is said; `rates` what the table gives of
    each, in bogo operations a second of real time.
    """

    succeeded: bool = False
    skipped: str = ""
    hogs: tuple[str, ...] | None = None
    rates: dict[str, float] = field(default_factory=dict)
    _table: str = ""
    _more: int = 0

    def listen(self, text: str) -> None:
        """Take in the messages in `text`; ReadError at one that tells of a failure."""
        self._table = ""
        for line in LINE.finditer(text):
            severity, message = line.groups()
            message = message.rstrip()
            count = _COUNT.fullmatch(message)
            bad = int(count[2]) > 0 if count else _UNTRUSTED.search(message)
            if severity in ("fail", "error") or bad:
                raise refuse(TOOL, f"it failed: {excerpt(message)}")
            if _SUCCESS.fullmatch(message):
                self.succeeded = True
            elif _SKIPPED.fullmatch(message):
                self.skipped = self.skipped or excerpt(message)
            elif hogs := _HOGS.fullmatch(message):
                self._dispatch(hogs[1])
            self._tabulate(severity, message)

    def _dispatch(self, hogs: str) -> None:
        found = [_HOG.fullmatch(hog) for hog in hogs.split(", ", 1000)]
        names = tuple(hog[1] for hog in found if hog)
        if self.hogs is not None or len(names) != len(found):
            raise refuse(TOOL, f"what it dispatched is not clear: {excerpt(hogs)!r}")
        if len(set(names)) != len(names):
            raise refuse(TOOL, f"it ran a stressor twice, which its report mixes: {excerpt(hogs)}")
        self.hogs = names

    def _tabulate(self, severity: str, message: str) -> None:
        if _HEADING.fullmatch(message):
            self._table = severity
            self._more = sum(heading in message for heading in _MORE)
        elif severity != self._table or _SUCCESS.fullmatch(message):
            self._table = ""
        elif not _UNITS.fullmatch(message):
            row = _ROW.fullmatch(message)
            if row is None:
                self._table = ""
            else:
                self._row(row)

    def _row(self, row: re.Match[str]) -> None:
        name = row[1]
        where = f"the table's line of {name}"
        cells = [number(cell, TOOL, where) for cell in row.groups()[1:-1]]
        ops, real_s, user_s, system_s, rate, _ = cells
        last = row[8].split()
        cut = [c for c in (*row.groups()[2:-1], *last[:1]) if not _TWO_DIGITS.fullmatch(c)]
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
        self.rates[name] = rate
