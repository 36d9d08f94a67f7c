"""A file of pytest-benchmark as trials: of Baremark's own export, or of anybody's benchmarks.

An export of Baremark has the measured values, their unit and their blocks in `extra_info`. Of any
other file a benchmark with its parameters is a workload with one metric, `time` in seconds; what
`--target-label` and `--block-label` name is looked for in its `params`, its `extra_info` and its
plain fields. Rounds
follow each other on one target, so they are no blocks by themselves: without a label of the block a
benchmark's rounds are repeats, whose mean is one value, and `--block-label round` says that the
rounds of all targets were made side by side.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UseError
from harness.importing import Content, Source, labels
from harness.importing.labels import Labelled

ROUND = "round"
METRIC = "time"

_OWN = ("workload", "metric", "unit", "seconds_are", "runs", "blocks", "values")
_NEAR = 1e-9


def read(path: Path, request: Source) -> Content:
    """The trials of the benchmarks in `path`. UseError naming the one that is not as it must be."""
    whole, sha256 = labels.content(path)
    try:
        document = json.loads(whole)
    except ValueError as error:
        raise UseError(
            f"{path} is not JSON: {error}", "it was cut short or changed: export it again"
        ) from None
    benchmarks = document.get("benchmarks") if isinstance(document, dict) else None
    if not isinstance(benchmarks, list) or not benchmarks:
        raise UseError(
            f"{path} has no list of benchmarks",
            "pytest-benchmark writes one with --benchmark-json or --benchmark-save",
        )
    values = [
        value
        for count, each in enumerate(benchmarks)
        for value in _values(each, f"{path}, benchmark {count}", request)
    ]
    return labels.content_of(path, sha256, values, request)


def _values(benchmark: object, place: str, request: Source) -> Iterator[Labelled]:
    name = benchmark.get("name") if isinstance(benchmark, dict) else None
    if not isinstance(benchmark, dict) or not isinstance(name, str):
        raise UseError(f"{place} has no name", "it is not as pytest-benchmark writes it")
    place = f"{place} ({name})"
    stats = benchmark.get("stats")
    if not isinstance(stats, dict):
        raise UseError(f"{place} has no stats", "it is not as pytest-benchmark writes it")
    extra = benchmark.get("extra_info")
    extra = extra if isinstance(extra, dict) else {}
    if all(key in extra for key in _OWN):
        yield from _own(extra, stats, place)
    else:
        yield from _foreign(benchmark, extra, stats, place, request)


def _own(extra: Mapping[str, Any], stats: Mapping[str, Any], place: str) -> Iterator[Labelled]:
    """The values as they were measured, in their own unit."""
    lists = [*(extra[key] for key in ("runs", "blocks", "values")), stats.get("data")]
    kept = [each for each in lists if isinstance(each, list)]
    if len(kept) < len(lists) or len({len(each) for each in kept}) != 1:
        raise UseError(
            f"{place}: runs, blocks, values and data are not as many",
            "the file was changed after it was exported: export it again",
        )
    runs, blocks, values, data = kept
    measured = [labels.number(each, place) for each in values]
    seconds = [labels.number(each, place) for each in data]
    if not _agree(measured, seconds, inverted=extra["seconds_are"] != "s"):
        raise UseError(
            f"{place}: its data are not the seconds of its values",
            "the file was changed after it was exported: export it again",
        )
    told = _plain(extra)
    for run, block, value in zip(runs, blocks, measured, strict=True):
        yield Labelled(
            place=place,
            labels={**told, "block": labels.text(block)},
            run=labels.text(run),
            workload=labels.text(extra["workload"]),
            metric=labels.text(extra["metric"]),
            unit=labels.text(extra["unit"]),
            value=value,
        )


def _agree(values: Sequence[float], seconds: Sequence[float], inverted: bool) -> bool:
    """Whether `seconds` are `values` in another unit, or their reciprocals."""
    pairs = list(zip(values, seconds, strict=True))
    if any(not (math.isfinite(value) and value > 0 and second > 0) for value, second in pairs):
        return True  # the value itself is refused, which tells more
    factors = [value * second if inverted else second / value for value, second in pairs]
    wanted = 1.0 if inverted else factors[0]
    return all(math.isclose(factor, wanted, rel_tol=_NEAR) for factor in factors)


def _foreign(
    benchmark: Mapping[str, Any],
    extra: Mapping[str, Any],
    stats: Mapping[str, Any],
    place: str,
    request: Source,
) -> Iterator[Labelled]:
    parameters = _texts(benchmark.get("params"))
    timed = _Timed(
        place,
        {**_plain(benchmark), **parameters, **_texts(extra)},
        str(benchmark["name"]).partition("[")[0],
        parameters,
        _about(benchmark, extra),
    )
    told = timed.labels
    data = stats.get("data")
    rounds = data if isinstance(data, list) else None
    if request.block_label == ROUND:
        if not rounds:
            raise UseError(
                f"{place} has no data, so no round is known",
                "save the rounds too: pytest --benchmark-save-data, or --benchmark-json",
            )
        for count, second in enumerate(rounds):
            yield timed.value(second, {ROUND: str(count)})
        return
    if request.block_label is None and "block" not in told:
        raise UseError(
            f"{place}: which label tells the block is not said; it has: {', '.join(sorted(told))}",
            f"--block-label KEY, or --block-label {ROUND} where the rounds of all targets were "
            "made side by side",
        )
    if rounds:
        seconds = [labels.number(each, place) for each in rounds]
        yield timed.value(sum(seconds) / len(seconds))
    elif stats.get("mean") is not None:
        yield timed.value(stats["mean"])
    else:
        raise UseError(f"{place} has neither data nor a mean", "save it again")


@dataclass(frozen=True, slots=True)
class _Timed:
    """A benchmark whose seconds become values."""

    place: str
    labels: Mapping[str, str]
    workload: str
    parameters: Mapping[str, str]
    about: Mapping[str, str]

    def value(self, seconds: object, more: Mapping[str, str] | None = None) -> Labelled:
        return Labelled(
            place=self.place,
            labels={**self.labels, **(more or {})},
            run="",
            workload=self.workload,
            metric=METRIC,
            unit="s",
            value=labels.number(seconds, self.place),
            better="lower",
            parameters=self.parameters,
            about=self.about,
        )


def _about(benchmark: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, str]:
    """What besides its parameters may say what a benchmark is: the module (and class) that it
    stands in, its group, its options, and what its author noted."""
    name, fullname = str(benchmark["name"]), str(benchmark.get("fullname") or "")
    machine, options = benchmark.get("machine_info"), benchmark.get("options")
    group = benchmark.get("group")
    _, bracket, identity = name.removesuffix("]").partition("[")
    nameless = bracket and not benchmark.get("params")
    return {
        **({"param": identity} if nameless else {}),
        **({"fullname": fullname.removesuffix(name).rstrip(":")} if fullname else {}),
        **({"group": labels.text(group)} if group is not None else {}),
        **{f"options.{key}": said for key, said in _texts(options).items()},
        **(
            {"node": str(machine["node"])}
            if isinstance(machine, dict) and "node" in machine
            else {}
        ),
        **_texts(extra),
    }


def _texts(of: object) -> dict[str, str]:
    """All of it as text; what is neither text, number nor truth as JSON."""
    if not isinstance(of, dict):
        return {}
    return {
        str(key): labels.text(v) if isinstance(v, str | int | float) else json.dumps(v)
        for key, v in of.items()
    }


def _plain(of: Mapping[str, Any]) -> dict[str, str]:
    """What of it is plain text, a number or a truth, as text."""
    return {key: labels.text(v) for key, v in of.items() if isinstance(v, str | int | float)}
