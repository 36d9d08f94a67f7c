"""Workload files: `workloads/<name>/workload.yml` → `Workload`, validated.

This is where a mistake in a workload file is found, all mistakes of all files at once. What a
tool prints is not this module's business, only that the metrics asked for exist in its reader.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness import tools
from harness.errors import UseError
from harness.model.workload import Metric, Resource, Step, Workload
from harness.patterns import matches, require_match
from harness.plan import plan

PLACEHOLDERS = frozenset({"seconds", "vcpus", "memory_mib", "peer", "work"})


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Metric(_Strict):
    name: str
    unit: str
    better: Literal["higher", "lower"]


class _Step(_Strict):
    creates: str
    tool: str
    args: list[str]


class _Workload(_Strict):
    title: str
    version: Annotated[int, Field(ge=1)]
    resource: Literal["cpu", "memory", "kernel", "disk", "network"]
    tool: str
    args: list[str]
    metrics: Annotated[list[_Metric], Field(min_length=1)]
    prepare: list[_Step] = []
    seconds: dict[str, Annotated[int, Field(ge=1)]] = {}


def load_all(folder: Path) -> tuple[Workload, ...]:
    """Every workload under `folder`, by name. Raises `UseError` with all mistakes at once."""
    files = sorted(folder.glob("*/workload.yml"))
    if not files:
        raise UseError(
            f"no workload found: there is no {folder}/<name>/workload.yml",
            "name another folder with --workloads, or leave it out",
        )
    found: list[Workload] = []
    mistakes: list[str] = []
    for file in files:
        workload, wrong = _load(file)
        mistakes += wrong
        if workload is not None:
            found.append(workload)
    mistakes += _steps_that_disagree(found)
    if mistakes:
        raise UseError(
            "workload files with mistakes:\n" + "\n".join(f"  {line}" for line in mistakes),
            "mend them; the keys are described in CONTRIBUTING.md, 'Add a workload'",
        )
    return tuple(found)


def choose(workloads: Sequence[Workload], patterns: Iterable[str]) -> tuple[Workload, ...]:
    """The workloads whose names match any shell pattern (`disk-*`); all when there is none."""
    wanted = tuple(patterns)
    require_match("workload", wanted, ((workload.name,) for workload in workloads))
    return tuple(each for each in workloads if matches((each.name,), wanted))


def _load(file: Path) -> tuple[Workload | None, list[str]]:
    try:
        document: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        return None, [f"{file}:{line}: not YAML: {error.problem}"]
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        return None, [f"{file}: cannot be read: {error}"]
    if not isinstance(document, dict):
        return None, [f"{file}: must be a mapping of keys, is {type(document).__name__}"]
    try:
        read = _Workload.model_validate(document)
    except ValidationError as error:
        return None, [
            f"{file}: {'.'.join(str(part) for part in item['loc'])}: {item['msg'].lower()}"
            for item in error.errors()
        ]
    mistakes = [f"{file}: {mistake}" for mistake in _mistakes(read)]
    if mistakes:
        return None, mistakes
    return (
        Workload(
            name=file.parent.name,
            title=read.title,
            version=read.version,
            resource=Resource(read.resource),
            tool=read.tool,
            args=tuple(read.args),
            metrics=tuple(Metric(m.name, m.unit, m.better) for m in read.metrics),
            prepare=tuple(Step(s.creates, s.tool, tuple(s.args)) for s in read.prepare),
            seconds=dict(read.seconds),
        ),
        [],
    )


def _mistakes(read: _Workload) -> list[str]:
    wrong: list[str] = []
    known_tools = tools.bundled()
    for place, tool in [
        ("tool", read.tool),
        *((f"prepare.{s.creates}", s.tool) for s in read.prepare),
    ]:
        if tool not in known_tools:
            wrong.append(f"{place}: no tool {tool!r}; there are {', '.join(known_tools)}")
    for place, args in [
        ("args", read.args),
        *((f"prepare.{s.creates}", s.args) for s in read.prepare),
    ]:
        wrong += _placeholder_mistakes(place, args)
    wrong += [
        f"seconds.{name}: no preset {name!r}; there are {', '.join(plan.PRESETS)}"
        for name in read.seconds
        if name not in plan.PRESETS
    ]
    for step in read.prepare:
        if "/" in step.creates or step.creates in {"", ".", ".."}:
            wrong.append(f"prepare.creates: {step.creates!r} must be a plain file name")
    if read.tool in known_tools:
        offered = tools.load(read.tool).METRICS
        for metric in read.metrics:
            known = offered.get(metric.name)
            if known is None:
                wrong.append(
                    f"metrics: {read.tool} has no metric {metric.name!r}; "
                    f"there are {', '.join(offered)}"
                )
            elif (known.unit, known.better) != (metric.unit, metric.better):
                wrong.append(
                    f"metrics.{metric.name}: unit {metric.unit!r}, better {metric.better!r} "
                    f"here, but {read.tool} gives {known.unit!r}, {known.better!r}"
                )
    if len({metric.name for metric in read.metrics}) < len(read.metrics):
        wrong.append("metrics: a metric is named twice")
    return wrong


def _placeholder_mistakes(place: str, args: Sequence[str]) -> list[str]:
    wrong = []
    for arg in args:
        try:
            fields = [part for part in string.Formatter().parse(arg) if part[1] is not None]
        except ValueError as error:
            wrong.append(f"{place}: {arg!r}: {error}")
            continue
        for _, field, form, conversion in fields:
            if field not in PLACEHOLDERS:
                wrong.append(
                    f"{place}: {arg!r}: unknown placeholder {{{field}}}; "
                    f"there are {', '.join(sorted(PLACEHOLDERS))}"
                )
            elif form or conversion:
                wrong.append(f"{place}: {arg!r}: write {{{field}}} with nothing after its name")
    return wrong


def _steps_that_disagree(workloads: Sequence[Workload]) -> list[str]:
    first: dict[str, tuple[str, Step]] = {}
    wrong = []
    for workload in workloads:
        for step in workload.prepare:
            other, known = first.setdefault(step.creates, (workload.name, step))
            if known != step:
                wrong.append(
                    f"{workload.name}: prepares {step.creates!r} otherwise than {other} does; "
                    "a file of one name must have one content"
                )
    return wrong
