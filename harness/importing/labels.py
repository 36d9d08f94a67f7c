"""Values that another harness labelled, as trials: which label tells the target, which the block.

What Baremark exported says all of that itself. Of any other file it is asked, never guessed: the
label of the target (with native's value of it), the label of the block, the host, what a workload
stresses, and whether higher or lower is better.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import UseError
from harness.importing import Content, Declared, ImportedTrial, Source, work
from harness.importing.files import contents
from harness.importing.table import Rows
from harness.model.plan import SCENARIO_OVERHEAD
from harness.model.target import BackendClass

_READ = frozenset({"host", "resource", "better", "control", "scenario"})
_READ_OF_TARGET = frozenset({"target", "native", "class", "label", "nested"})
"""Labels that are read for what they say, and so say nothing more of the work."""
_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Labelled:
    """A value with all that its source says of it by name.

    `place` names where it stands, for messages. `run` is the execution that it comes from: blocks
    of two are never one. `better` is set where the source's format itself tells it. `parameters`
    are what the workload was run with, `about` labels that may be; both empty in what Baremark
    exported, where the workload's name is all.
    """

    place: str
    labels: Mapping[str, str]
    run: str
    workload: str
    metric: str
    unit: str
    value: float
    better: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)


def content_of(
    path: Path, sha256: str, values: Sequence[Labelled], request: Source, *passed: str
) -> Content:
    """All that a file holds whose values are `values`; `passed` names what of it was not read.
    UseError where something is not said, or disagrees."""
    found, notes = _trials(values, request)
    return Content(path.name, sha256, found, (*passed, *_ignored(values)), notes)


def _trials(
    values: Sequence[Labelled], request: Source
) -> tuple[tuple[ImportedTrial, ...], tuple[str, ...]]:
    if request.backends and request.target_label is None:
        raise UseError("--backend has no target to be of", "name the label: --target-label KEY")
    there = {key for each in values for key in (*each.parameters, *each.about)}
    if unknown := set(request.passed) - there:
        raise UseError(
            f"--ignore {min(unknown)}: no value has such a label",
            "choose from: " + (", ".join(sorted(there)) or "none"),
        )
    blocks = _numbers([_block(each, request) for each in values])
    rows = Rows(lambda index: values[index].place, request)
    records = [_record(each, block, request) for each, block in zip(values, blocks, strict=True)]
    names, notes = work.names(
        [_of_work(each, record, request) for each, record in zip(values, records, strict=True)]
    )
    for index, (each, record, name) in enumerate(zip(values, records, names, strict=True)):
        of_all = request.resources.get(each.workload)
        record |= {"workload": name, "resource": of_all or record["resource"]}
        rows.add(index, record, _declared(each, request))
    found = tuple(rows.trials())
    if stray := set(request.backends) - {each.target for each in found}:
        raise UseError(
            f"--backend {min(stray)}=…: {request.target_label} has no such value",
            "choose from: " + ", ".join(sorted({each.target for each in found if each.target})),
        )
    return found, notes


def _of_work(each: Labelled, record: Mapping[str, Any], request: Source) -> work.Value:
    """What of a value says which work it is of: not what names the target or the block."""
    naming = {request.target_label or "backend", request.block_label or "block"}
    left = naming | set(request.passed) | _READ
    left |= _READ_OF_TARGET if request.target_label is None else set()
    return work.Value(
        place=each.place,
        where=record["host"],
        target=None if record["backend"] == request.native else record["target"],
        block=record["block"],
        workload=each.workload,
        metric=each.metric,
        parameters={key: said for key, said in each.parameters.items() if key not in left},
        about={key: said for key, said in each.about.items() if key not in left},
        called=record["target"],
    )


def _ignored(values: Sequence[Labelled]) -> tuple[str, ...]:
    """What the labels say that a run made of them cannot hold."""
    accepted = {each.labels["accepted"] for each in values if "accepted" in each.labels}
    return tuple(
        f"which checks were accepted ({names}): what they objected to is not in the file"
        for names in sorted(accepted)
    )


def content(path: Path) -> tuple[str, str]:
    """The text of a file and the sha256 of its bytes. UseError where there is none to be had."""
    data = contents(path, "export it again: there is nothing to import")
    try:
        return data.decode("utf-8-sig"), hashlib.sha256(data).hexdigest()
    except UnicodeDecodeError as error:
        raise UseError(f"{path} is no text in UTF-8: {error}", "write it anew as such") from None


def text(value: object) -> str:
    """A label's value as text; truths as JSON has them."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def number(value: object, place: str) -> float:
    """A value that is a number. UseError where it is none; zero, NaN and what is beyond all
    numbers are refused later."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UseError(
            f"{place}: value is {value!r}, which is no number",
            "write a number, or leave out what was not measured",
        )
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _label(each: Labelled, key: str, option: str) -> str:
    if key not in each.labels:
        raise UseError(
            f"{each.place}: it has no label {key!r} ({option}); it has: {_names(each)}",
            f"name another label with {option}, or leave out what has none",
        )
    return each.labels[key]


def _names(each: Labelled) -> str:
    return ", ".join(sorted(each.labels)) or "none"


def _block(each: Labelled, request: Source) -> tuple[str, str]:
    """The run and the block of a value, as its source names them."""
    if request.block_label is not None:
        return "", _label(each, request.block_label, "--block-label")
    if "block" not in each.labels:
        raise UseError(
            f"{each.place}: which label tells the block is not said; it has: {_names(each)}",
            "--block-label KEY: one visit to native and every target is a block, and a target's "
            "value is compared with native's of the same one",
        )
    return each.run, each.labels["block"]


def _numbers(keys: Sequence[tuple[str, str]]) -> list[int]:
    """The blocks as numbers: their own where they are numbers of one run, else in their order."""
    if len({run for run, _ in keys}) == 1 and all(block.isdecimal() for _, block in keys):
        return [int(block) for _, block in keys]
    order = sorted(set(keys), key=lambda key: (key[0], *_natural(key[1])))
    place = {key: number for number, key in enumerate(order)}
    return [place[key] for key in keys]


def _natural(block: str) -> tuple[bool, int, str]:
    return (False, int(block), "") if block.isdecimal() else (True, 0, block)


def _record(each: Labelled, block: int, request: Source) -> dict[str, Any]:
    target, backend = _target(each, request)
    scenario = each.labels.get("scenario", SCENARIO_OVERHEAD)
    if scenario != SCENARIO_OVERHEAD:
        raise UseError(
            f"{each.place}: its scenario is {scenario!r}", f"only {SCENARIO_OVERHEAD} is imported"
        )
    host = request.host or each.labels.get("host")
    if host is None:
        raise UseError(f"{each.place}: the host is not said", "name it: --host NAME")
    better = each.better or each.labels.get("better")
    better = better or request.better.get(each.metric) or request.better.get("")
    if better is None:
        raise UseError(
            f"{each.place}: whether a higher or a lower {each.metric} is better is not said",
            f"--better {each.metric}=higher|lower, once for each metric",
        )
    return {
        "backend": backend,
        "target": target,
        "host": host,
        "workload": each.workload,
        "metric": each.metric,
        "unit": each.unit,
        "better": better,
        "block": block,
        "value": each.value,
        "resource": each.labels.get("resource"),
        "control": each.labels.get("control"),
    }


def _target(each: Labelled, request: Source) -> tuple[str, str]:
    """The target's name and its backend, which is `request.native` for native."""
    if request.target_label is not None:
        target = _label(each, request.target_label, "--target-label")
        if target == request.native:
            return target, request.native
        return target, request.backends.get(target, target)
    if "backend" not in each.labels:
        raise UseError(
            f"{each.place}: which label tells the target is not said; it has: {_names(each)}",
            "--target-label KEY, and --native VALUE for what native is called there",
        )
    backend = each.labels["backend"]
    target = each.labels.get("target", backend)
    return target, request.native if each.labels.get("native") == "true" else backend


def _declared(each: Labelled, request: Source) -> Declared:
    """What the labels say of what the target is; a class that is none is refused."""
    if request.target_label is not None:
        return Declared()
    said = each.labels.get("class")
    native = each.labels.get("native") == "true" or each.labels.get("backend") == request.native
    kinds = [kind for kind in BackendClass if native or kind is not BackendClass.NATIVE]
    if said is not None and said not in kinds:
        raise UseError(f"{each.place}: class is {said!r}", "choose from: " + ", ".join(kinds))
    return Declared(
        backend_class=None if said is None else BackendClass(said),
        label=each.labels.get("label"),
        nested=_TRUTH.get(each.labels.get("nested", "")),
    )
