"""PerfKitBenchmarker's samples, a JSON object a line, as trials.

A sample's metadata, as `labels` (`|key:value|,|key:value|`) or as `metadata`, and its plain fields
(`run_uri`, `product_name`, …) are what `--target-label` and `--block-label` name. `test` is the
workload, with those labels of its metadata that tell several apart. A sample that is labelled as
an estimate is no measurement and is passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import UseError
from harness.importing import Content, Source, labels
from harness.importing.labels import Labelled

REQUIRED = ("metric", "value", "unit", "test")

_FIELDS = frozenset(
    (
        *REQUIRED,
        *("timestamp", "product_name", "official", "owner", "run_uri", "sample_uri"),
    )
)
"""What every sample has, and that says nothing of the work but its name."""
_OWN = "baremark_version"
"""A label of Baremark's own exports, in which the workload's name says all."""
_PAIR = re.compile(r"\|([^:|]+):([^|]*)\|(?:,|$)")
_ESCAPED, _BAR = "%7C", "|"


def read(path: Path, request: Source) -> Content:
    """The trials of the samples in `path`. UseError naming the line that is not as it must be."""
    whole, sha256 = labels.content(path)
    values = []
    passed = 0
    for count, line in enumerate(whole.splitlines(), 1):
        if not line.strip():
            continue
        place = f"{path}, line {count}"
        sample = _sample(line, place)
        metadata = _metadata(sample, place)
        plain = _plain(sample)
        told = {**plain, **metadata}
        others = {key: said for key, said in plain.items() if key not in _FIELDS}
        if told.get("kind") == "estimate":
            passed += 1
            continue
        values.append(
            Labelled(
                place=place,
                labels=told,
                run=labels.text(sample.get("run_uri", "")),
                workload=labels.text(sample["test"]),
                metric=labels.text(sample["metric"]),
                unit=labels.text(sample["unit"]),
                value=labels.number(sample["value"], place),
                about={} if _OWN in metadata else {**others, **metadata},
            )
        )
    if not values:
        raise UseError(f"{path} holds no measured value", "export it again")
    estimates = (f"{passed} estimates: they are made anew from the values",) if passed else ()
    return labels.content_of(path, sha256, values, request, *estimates)


def _sample(line: str, place: str) -> Mapping[str, Any]:
    try:
        sample = json.loads(line)
    except ValueError as error:
        raise UseError(
            f"{place} is not JSON: {error}",
            "each line is one sample; a file that ends within one was cut short: export it again",
        ) from None
    if not isinstance(sample, dict):
        raise UseError(f"{place} is no sample: {line[:40]!r}", "each line is one JSON object")
    lacking = [key for key in REQUIRED if sample.get(key) is None]
    if lacking:
        raise UseError(
            f"{place} has no {', '.join(lacking)}; it has: {', '.join(sample)}",
            f"a sample has {', '.join(REQUIRED)} and labels",
        )
    return sample


def _plain(sample: Mapping[str, Any]) -> dict[str, str]:
    """A sample's plain fields."""
    return {
        key: labels.text(value)
        for key, value in sample.items()
        if isinstance(value, str | int | float) and key not in {"labels", "value"}
    }


def _metadata(sample: Mapping[str, Any], place: str) -> dict[str, str]:
    """A sample's metadata, in either form."""
    metadata = sample.get("metadata") or {}
    collapsed = sample.get("labels") or ""
    if not isinstance(metadata, dict) or not isinstance(collapsed, str):
        raise UseError(
            f"{place}: its labels are neither text nor an object",
            "`labels` is |key:value|,|key:value|, `metadata` an object",
        )
    pairs = _PAIR.findall(collapsed)
    if collapsed and sum(len(key) + len(value) + 4 for key, value in pairs) - 1 != len(collapsed):
        raise UseError(
            f"{place}: its labels are not |key:value|,|key:value|: {collapsed[:60]!r}",
            "a bar inside a value is written %7C",
        )
    told = {key: value.replace(_ESCAPED, _BAR) for key, value in pairs}
    return {**{key: labels.text(value) for key, value in metadata.items()}, **told}
