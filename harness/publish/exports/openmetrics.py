"""Gauges in OpenMetrics' text format, for the textfile collector of node-exporter and its like.

The collector reads Prometheus' older text format, in which `# UNIT` and `# EOF` are comments; so
this file is valid in both: gauges alone, no timestamps, no quotes in the help texts. Values are in
base units (`seconds`, `per_second`, `bytes_per_second`); a metric in another unit has its slowdown,
which is a ratio, and no value. What does not exist has no line: never a NaN, never a zero.

Format: https://prometheus.io/docs/specs/om/open_metrics_spec/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from harness.model.estimate import Estimate
from harness.publish.exports import Export, Exported, _units
from harness.report.table import Column, Figure, Group, Row, RunFacts, Section

PREFIX = "baremark"

_VALUES = {
    "seconds": ("time_seconds", "A time that was measured: the median over blocks."),
    "per_second": ("rate_per_second", "A rate that was measured: the median over blocks."),
    "bytes_per_second": (
        "throughput_bytes_per_second",
        "A throughput that was measured: the median over blocks.",
    ),
}
_STATUSES = ("failed", "timeout", "lost", "rejected")


@dataclass(slots=True)
class _Family:
    """A metric family; `unit` is "" where it has none, and else the end of its name."""

    name: str
    unit: str
    help: str
    lines: list[str] = field(default_factory=list)

    def add(self, value: float | None, labels: Mapping[str, str]) -> None:
        """A sample; none where there is no value."""
        if value is not None:
            told = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            self.lines.append(f"{self.name}{{{told}}} {value!r}")

    def written(self) -> Iterator[str]:
        yield f"# TYPE {self.name} gauge"
        if self.unit:
            yield f"# UNIT {self.name} {self.unit}"
        yield f"# HELP {self.name} {self.help}"
        yield from self.lines


def render(export: Export) -> Exported:
    """The exposition, which ends with `# EOF`."""
    families = _families()
    left_out: dict[str, None] = {}
    for section in export.table.sections:
        for group in section.groups:
            for row in group.rows:
                if _units.in_base(row.unit) is None:
                    left_out[
                        f"the values of {row.workload} {row.metric}: {row.unit} has no base unit"
                    ] = None
                for column, figure in zip(section.columns, row.figures, strict=True):
                    _figure(families, _labels(section, group, row, column), row, figure)
            for column, summary in zip(section.columns, group.summaries, strict=True):
                if summary is not None and (factor := summary.factor) is not None:
                    labels = _target(section, group, column)
                    families["mean_slowdown_ratio"].add(factor.point, labels)
                    families["mean_slowdown_low_ratio"].add(factor.low, labels)
                    families["mean_slowdown_high_ratio"].add(factor.high, labels)
        _control(families, section)
    for run in export.table.runs:
        _run(families, run)
    written = [line for each in families.values() if each.lines for line in each.written()]
    return Exported("".join(f"{line}\n" for line in [*written, "# EOF"]), tuple(left_out))


def _families() -> dict[str, _Family]:
    made: Iterable[tuple[str, str, str]] = (
        *((name, unit, said) for unit, (name, said) in _VALUES.items()),
        (
            "slowdown_ratio",
            "ratio",
            "Slowdown against native on the same host; above 1 is slower, for every metric.",
        ),
        ("slowdown_low_ratio", "ratio", "Lower end of the interval of the slowdown."),
        ("slowdown_high_ratio", "ratio", "Upper end of the interval of the slowdown."),
        (
            "detectable_effect_ratio",
            "ratio",
            "The smallest overhead, as a share, that so many blocks would detect.",
        ),
        (
            "mean_slowdown_ratio",
            "ratio",
            "Geometric mean of the slowdown over the first metric of each workload of a resource.",
        ),
        ("mean_slowdown_low_ratio", "ratio", "The lower end of its interval."),
        ("mean_slowdown_high_ratio", "ratio", "The upper end of its interval."),
        ("verdict", "", "1 for the verdict on a slowdown, all rows of a host judged together."),
        (
            "blocks",
            "",
            "Blocks in which target and native both gave a value; for native its own.",
        ),
        ("trials", "", "Trials that were made, by how they ended."),
        (
            "control_pairs",
            "",
            "Headline metrics in which native was compared with itself.",
        ),
        ("control_differing", "", "Those of them that were called different."),
        (
            "control_differing_low_ratio",
            "ratio",
            "Lower end of the 95 % Wilson interval of their share.",
        ),
        (
            "control_differing_high_ratio",
            "ratio",
            "Upper end of the 95 % Wilson interval of their share.",
        ),
        (
            "control_trusted",
            "",
            "0 where native against itself differs more often than chance allows, else 1.",
        ),
        (
            "run_created_timestamp_seconds",
            "seconds",
            "When a run was begun, or imported, as Unix time.",
        ),
    )
    return {name: _Family(f"{PREFIX}_{name}", unit, said) for name, unit, said in made}


def _figure(
    families: Mapping[str, _Family], labels: Mapping[str, str], row: Row, figure: Figure
) -> None:
    base = _units.in_base(row.unit)
    if base is not None and figure.median is not None:
        families[_VALUES[base.name][0]].add(base.of(figure.median), labels)
    factor: Estimate | None = figure.factor
    if factor is not None:
        families["slowdown_ratio"].add(factor.point, labels)
        families["slowdown_low_ratio"].add(factor.low, labels)
        families["slowdown_high_ratio"].add(factor.high, labels)
    if figure.detectable_percent is not None:
        families["detectable_effect_ratio"].add(figure.detectable_percent / 100, labels)
    families["verdict"].add(1, {**labels, "verdict": figure.verdict})
    families["blocks"].add(figure.n, labels)
    ended = {status: getattr(figure, status) for status in _STATUSES}
    for status, count in {"ok": figure.trials - sum(ended.values()), **ended}.items():
        families["trials"].add(count, {**labels, "status": status})


def _control(families: Mapping[str, _Family], section: Section) -> None:
    itself = section.control
    if itself is None:
        return
    labels = {"host": section.host, "scenario": section.scenario}
    families["control_pairs"].add(itself.pairs, labels)
    families["control_differing"].add(itself.differing, labels)
    families["control_differing_low_ratio"].add(itself.low, labels)
    families["control_differing_high_ratio"].add(itself.high, labels)
    families["control_trusted"].add(int(itself.trusted), labels)


def _run(families: Mapping[str, _Family], run: RunFacts) -> None:
    labels = {
        "host": run.host,
        "scenario": run.scenario,
        "run": run.run,
        "baremark_version": run.baremark,
        "imported": str(run.imported is not None).lower(),
        **({"preset": run.preset} if run.preset is not None else {}),
        **({"ended": run.ended} if run.ended is not None else {}),
    }
    created = datetime.fromisoformat(run.created_at).timestamp()
    families["run_created_timestamp_seconds"].add(created, labels)


def _target(section: Section, group: Group, column: Column) -> dict[str, str]:
    """What labels a target in a resource. Nobody could see: `unknown`."""
    return {
        "host": section.host,
        "scenario": section.scenario,
        "target": column.target,
        "header": column.header,
        "backend": column.backend,
        "class": column.backend_class,
        "label": column.label,
        "native": str(column.native).lower(),
        "nested": "unknown" if column.nested is None else str(column.nested).lower(),
        "imported": str(column.imported).lower(),
        "resource": group.resource,
    }


def _labels(section: Section, group: Group, row: Row, column: Column) -> dict[str, str]:
    return {
        **_target(section, group, column),
        "workload": row.workload,
        "workload_version": str(row.workload_version),
        "metric": row.metric,
        "unit": row.unit,
        "better": row.better,
        "headline": str(row.headline).lower(),
    }


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
