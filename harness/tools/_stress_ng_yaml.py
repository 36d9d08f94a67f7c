"""The YAML that stress-ng writes, from its `---` to its `...`, wherever in the output it stands.

stress-ng writes it by `printf` in one fixed shape: sections, of which `metrics` holds an entry
for each stressor; `perfstats` and `thermal-zones` have entries of the same form. It is read line
by line as that shape, not as YAML at large, and a line of another form is a reason to refuse.
How far a line is indented does not matter, but for the names of the sections.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from harness.tools._text import excerpt, number, refuse

TOOL = "stress-ng"
_HEADER = re.compile(r"([a-z][a-z-]*):")
_FIRST_MEMBER = re.compile(r"(?:stress-ng-version|compiler): ")
"""With which the sections begin that stand first."""
_CUT_HEADER = re.compile(r"[a-z][a-z-]*")
_MEMBER = re.compile(r"(- )? *([^\s:][^:]*):(?: +(.*))?")
_OPS, _WALL, _RATE = "bogo-ops", "wall-clock-time", "bogo-ops-per-second-real-time"
_NEEDED = (_OPS, _WALL, _RATE)
_SCIENTIFIC = re.compile(r"-?[0-9]\.[0-9]{2,6}e[+-][0-9]{2,3}")


@dataclass(frozen=True, slots=True)
class Rate:
    """Bogo operations a second of real time, and the seconds that they took."""

    per_s: float
    real_s: float


def figure(text: str, where: str) -> float:
    """`text` as a number, plain or as `--sn` prints it; ReadError otherwise."""
    return float(text) if _SCIENTIFIC.fullmatch(text) else number(text, TOOL, where)


@dataclass(slots=True)
class Document:
    """The report as far as its lines were taken; `rates` by stressor, in the report's order."""

    rates: dict[str, Rate] = field(default_factory=dict)
    sections: list[str] = field(default_factory=list)
    begun: int = 0
    """The number of the line `---`; 0 before it."""
    closed: bool = False
    _rule_at: int = 0
    """The line `---` that may have begun it; 0 where there was none."""
    _inside: bool = False
    _cut: bool = False
    _indent: int = 0
    _name: str = ""
    _cells: dict[str, str] = field(default_factory=dict)
    _instances: bool = False

    @property
    def listens(self) -> bool:
        """Whether the next line may be the report's, whatever it is."""
        return self._inside or self._rule_at > 0

    def take(self, at: int, line: str) -> bool:
        """Whether `line` belongs to the report; ReadError where it should and cannot."""
        bare = line.strip()
        if not bare:
            return self._inside
        if bare == "---":
            if self._inside:
                raise refuse(TOOL, f"line {at} begins a report inside that of line {self.begun}")
            self._rule_at, self._cut = at, False
            self._indent = len(line) - len(line.lstrip())
        elif self._rule_at:
            self._begin(bare)
        elif self._inside and bare == "...":
            self._finish()
            self._inside, self.closed = False, True
            return True
        elif self._inside:
            self._line(at, bare, len(line) - len(line.lstrip()))
        return self._inside

    def end(self, stream: str) -> None:
        """ReadError where `stream` ended inside the report."""
        if self._inside or (self._rule_at and not self.closed):
            raise refuse(TOOL, f"{stream} does not reach '...', the end of the YAML document")
        self._rule_at = 0

    def _begin(self, bare: str) -> None:
        """Other programs write `---` too: only a section's name behind it makes it a report."""
        header = _HEADER.fullmatch(bare)
        if header is not None or _FIRST_MEMBER.match(bare):
            if self.closed:
                raise refuse(
                    TOOL, f"line {self._rule_at} begins a second YAML report", "give it one by one"
                )
            self.sections.append(header[1] if header else "")
            self.begun, self._inside, self._rule_at = self._rule_at, True, 0
        elif not self._cut and _CUT_HEADER.fullmatch(bare):
            self._cut = True
        else:
            self._rule_at = 0

    def _line(self, at: int, bare: str, indent: int) -> None:
        member = _MEMBER.fullmatch(bare)
        if member is None:
            raise refuse(TOOL, f"line {at} is not of the YAML report's form: {excerpt(bare)!r}")
        first, key, value = member[1] is not None, member[2], (member[3] or "").strip()
        header = _HEADER.fullmatch(bare)
        if header is not None and indent <= self._indent and key != "instances":
            self._finish()
            if key in self.sections:
                raise refuse(TOOL, f"line {at} begins the section {key!r} a second time")
            self.sections.append(key)
        elif self.sections[-1] == "metrics":
            self._metric(at, first, key, value)

    def _metric(self, at: int, first: bool, key: str, value: str) -> None:
        if first and key == "stressor":
            self._finish()
            if value in self.rates:
                raise refuse(
                    TOOL,
                    f"line {at}: the stressor {excerpt(value)} occurs twice in 'metrics', or the"
                    " name of another section (perfstats, thermal-zones) is missing above it",
                )
            self._name = value
        elif key in ("instances", "instance"):
            self._instances = True
        elif not self._name:
            raise refuse(TOOL, f"line {at} has no '- stressor:' above it: {excerpt(key)!r}")
        elif key in _NEEDED and not self._instances:
            if key in self._cells:
                raise refuse(
                    TOOL,
                    f"line {at} gives {key!r} of {excerpt(self._name)} a second time:"
                    " a '- stressor:' is missing above it",
                )
            self._cells[key] = value

    def _finish(self) -> None:
        """The stressor that was read, if there was one, is complete."""
        if self._name:
            self.rates[self._name] = _rate(excerpt(self._name), self._cells)
        self._name, self._cells, self._instances = "", {}, False


def _rate(name: str, cells: dict[str, str]) -> Rate:
    for key in _NEEDED:
        if key not in cells:
            raise refuse(TOOL, f"{key!r} of {name} is missing from the YAML report")
    ops, wall_s, rate = (figure(cells[key], f"{key!r} of {name}") for key in _NEEDED)
    if ops < 1:
        raise refuse(TOOL, f"{_OPS!r} of {name} is {ops:g}: nothing was measured")
    if rate < 0:
        raise refuse(TOOL, f"{_RATE!r} of {name} is {rate}, which cannot be")
    if abs(rate * wall_s - ops) > 1 + ops / 50:
        raise refuse(TOOL, f"{_RATE!r} of {name} contradicts bogo-ops and wall-clock-time")
    return Rate(rate, wall_s)
