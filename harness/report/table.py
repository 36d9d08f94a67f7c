"""The table that every format renders: its nouns, as frozen dataclasses.

A section a host and scenario; in it a column a target (native first), a group a resource, a row
a metric, a figure where row and column meet. Whatever a reader must know beside the figures is
a note. Renderers decide how it looks and never what it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.model.estimate import Estimate
from harness.model.run import Imported
from harness.model.target import BackendClass
from harness.model.workload import Better

if TYPE_CHECKING:
    from harness.analyze.control import Control
    from harness.validity import Finding, Judgement


ARCHITECTURES = {
    BackendClass.NATIVE: "native",
    BackendClass.TYPE1: "type 1",
    BackendClass.TYPE2: "type 2",
    BackendClass.OS: "OS-level",
    BackendClass.SANDBOX: "sandbox",
    BackendClass.EMULATED: "emulated",
}
"""What people call a class of backends, in the order in which a table has them."""


@dataclass(frozen=True, slots=True)
class Column:
    """A target of the section's host. `header` carries the label, and says `emulated`, `nested`
    and `imported` where that is so; it is never to be shortened. `elsewhere`: on another
    machine than native, so without overhead. `accepted` names the checks that objected and were
    overruled."""

    target: str
    backend: str
    backend_class: str
    label: str
    native: bool
    nested: bool | None
    imported: bool
    elsewhere: bool
    adopted: bool
    accepted: tuple[str, ...]
    header: str

    @property
    def architecture(self) -> str:
        return ARCHITECTURES[BackendClass(self.backend_class)]


@dataclass(frozen=True, slots=True)
class Architecture:
    """The columns of one architecture, by their places in the section. Each target stays a column
    of its own: nothing is averaged over targets."""

    name: str
    columns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """What one target gave for one metric.

    `median` and `mean` are over blocks, in the row's unit. `factor` is the slowdown F against
    native (None for native itself and where there is no pair), `overhead` the same as
    100·(F − 1). `p`, `p_adjusted` and `p_equivalent` are what the verdict is judged by (see
    `harness.analyze.verdict`). `detectable_percent` is the minimum detectable effect. `n` counts
    the pairs (for native the blocks with a value), `missing` the blocks tried without one.
    `notes` are numbers of the section's notes. `ratio_of_medians` is there where it was asked for
    (`with_ratio_of_medians`): a slowdown as F is, of the medians of both over their own blocks.
    """

    median: float | None
    mean: float | None
    factor: Estimate | None
    p: float | None
    p_adjusted: float | None
    p_equivalent: float | None
    detectable_percent: float | None
    verdict: str
    n: int
    missing: int
    trials: int
    failed: int
    timeout: int
    lost: int
    rejected: int
    notes: tuple[int, ...]
    ratio_of_medians: float | None = None

    @property
    def overhead(self) -> Estimate | None:
        return None if self.factor is None else percent(self.factor)

    @property
    def resolved(self) -> bool:
        """Whether the interval excludes "no difference"."""
        low, high = (self.factor.low, self.factor.high) if self.factor else (None, None)
        return low is not None and high is not None and (low > 1 or high < 1)


@dataclass(frozen=True, slots=True)
class Row:
    """One metric; `figures` has one for each column of the section, in their order."""

    workload: str
    workload_version: int
    title: str
    metric: str
    unit: str
    better: Better
    headline: bool
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What one target costs in one resource: the mean over `entered` of `workloads`, a value a
    block (`harness.analyze.summary`). `factor` is None where none entered; the other fields are
    as those of a figure. `more_s` is the time in seconds that is expected to resolve it, of
    trials of this target and resource alone; None where it is resolved or nobody can say."""

    factor: Estimate | None
    p: float | None
    p_adjusted: float | None
    p_equivalent: float | None
    detectable_percent: float | None
    verdict: str
    entered: int
    workloads: int
    more_s: float | None = None

    @property
    def overhead(self) -> Estimate | None:
        return None if self.factor is None else percent(self.factor)


@dataclass(frozen=True, slots=True)
class Group:
    """A resource. `summaries` has one for each column; None for native."""

    resource: str
    rows: tuple[Row, ...]
    summaries: tuple[Summary | None, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence below the table. `number` is what figures refer to; None: about the whole."""

    number: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """A host under a scenario. `control` is native against itself, None where it was not tried
    or has too few blocks. `checks` holds what the validity checks object to, `judgements` what
    each check came to for each target."""

    host: str
    scenario: str
    columns: tuple[Column, ...]
    groups: tuple[Group, ...]
    control: Control | None
    checks: tuple[Finding, ...]
    notes: tuple[Note, ...]
    judgements: tuple[Judgement, ...] = ()

    @property
    def architectures(self) -> tuple[Architecture, ...]:
        """Those that the section has, in the order of its columns."""
        found: dict[str, list[int]] = {name: [] for name in ARCHITECTURES.values()}
        for place, column in enumerate(self.columns):
            found[column.architecture].append(place)
        return tuple(Architecture(name, tuple(places)) for name, places in found.items() if places)

    def only(self, places: Sequence[int]) -> Section:
        """The section with no columns but those at `places`, in that order; its notes stay."""
        groups = (
            replace(
                group,
                rows=tuple(
                    replace(row, figures=tuple(row.figures[place] for place in places))
                    for row in group.rows
                ),
                summaries=tuple(group.summaries[place] for place in places),
            )
            for group in self.groups
        )
        columns = tuple(self.columns[place] for place in places)
        return replace(self, columns=columns, groups=tuple(groups))


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Where the figures of a table come from. Times in seconds; `used_s` None: not recorded.

    Of a run that was `imported` nothing is known that a plan or a preset would tell.
    """

    run: str
    created_at: str
    host: str
    scenario: str
    preset: str | None
    seed: int | None
    plan: str | None
    bundle: str | None
    baremark: str
    planned_s: float | None
    used_s: float | None
    ended: str | None
    trials: int
    planned_trials: int | None
    imported: Imported | None


@dataclass(frozen=True, slots=True)
class Table:
    sections: tuple[Section, ...]
    notes: tuple[str, ...]
    runs: tuple[RunFacts, ...]
    level: float
    method: str
    by_architecture: bool = False
    """Whether it shall be shown by architecture, with the geometric means of each in front."""
    full: bool = False
    """Whether a terminal shall show every metric and value; other formats always do."""
    legend: bool = False
    """Whether a terminal shall say how to read it; other formats always do."""


def percent(factor: Estimate) -> Estimate:
    """A slowdown factor and its interval as overhead: 100·(F − 1) %."""
    return Estimate(
        point=100 * (factor.point - 1),
        low=None if factor.low is None else 100 * (factor.low - 1),
        high=None if factor.high is None else 100 * (factor.high - 1),
        level=factor.level,
        n=factor.n,
        method=factor.method,
    )


RATIO_OF_MEDIANS = (
    "medians: the ratio of target's and native's medians, as others publish it, here as slowdown; "
    "it has no interval, and no verdict rests on it."
)


def with_ratio_of_medians(table: Table) -> Table:
    """`table` with that ratio beside each overhead, to be shown in full."""
    sections = tuple(
        replace(section, groups=tuple(_with_ratios(section, group) for group in section.groups))
        for section in table.sections
    )
    notes = (*table.notes, RATIO_OF_MEDIANS)
    return replace(table, sections=sections, notes=notes, full=True, legend=True)


def _with_ratios(section: Section, group: Group) -> Group:
    native = next((at for at, each in enumerate(section.columns) if each.native), None)
    if native is None:
        return group
    rows = []
    for row in group.rows:
        base = row.figures[native].median
        made = tuple(replace(f, ratio_of_medians=_ratio(f, base, row)) for f in row.figures)
        rows.append(replace(row, figures=made))
    return replace(group, rows=tuple(rows))


def _ratio(figure: Figure, base: float | None, row: Row) -> float | None:
    """None for what has no overhead: native itself, and a target of another machine."""
    if figure.factor is None or figure.median is None or base is None:
        return None
    return figure.median / base if row.better == "lower" else base / figure.median
