"""What was known of a target night by night, and where it changed: a history is cut there.

Compared is what may change a target's speed and was observed, of the target and of the native
target of its run. What was not observed in either of two nights is not known to differ: the last
value that was seen holds until another one is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from harness.model.facts import FACTS, differing_parts, text

State = Mapping[str, str]
"""What is known of a target: facts by name; native's are called `native's …`."""

_TITLES = {
    **{"preset": "preset", "bundle": "bundle", "seconds": "seconds of a trial of"},
    **{fact.name: fact.title for fact in FACTS},
}
"""What messages call the columns of `harness.dataset.targets.SCHEMA` that are compared."""

_OF_NATIVE = tuple(fact.name for fact in FACTS if fact.of_native)
_NEAR = {fact.title: fact.near for fact in FACTS if fact.near}
_MAPS = frozenset({"seconds", *(fact.name for fact in FACTS if fact.kind == "map")})
_NATIVE = "native's "
_DIGEST = 12
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class States:
    """`numbers` has a row a run and target: `run`, `target`, `started` and `state`, the place of
    what was known then in `known`."""

    numbers: pl.DataFrame
    known: tuple[State, ...]


def states(observed: pl.DataFrame) -> States:
    """What was known of each target in each of its runs.

    `observed` has the columns of `harness.dataset.targets.SCHEMA`. In the order of time a target
    keeps its state until something that is known of it differs.
    """
    columns = list(_TITLES)
    plain = observed.sort("host", "scenario", "target", "label", "started", "run").with_columns(
        pl.col(pl.Categorical).cast(pl.String)
    )
    facts = plain.select(columns).rows()
    base = {
        run: dict(zip(columns, row, strict=True))
        for run, native, row in zip(plain["run"], plain["native"], facts, strict=True)
        if native
    }
    chains = plain.select("host", "scenario", "target", "label").rows()
    known: list[dict[str, str]] = []
    numbers: list[int] = []
    last: tuple[Any, ...] | None = None
    for chain, run, native, row in zip(chains, plain["run"], plain["native"], facts, strict=True):
        under = {} if native else base.get(run, {})
        whole = (chain, row, *(under.get(name) for name in _OF_NATIVE))
        if whole != last:
            now = _state(dict(zip(columns, row, strict=True)), under)
            if last is None or last[0] != chain or differences(known[-1], now):
                # What this night does not tell is as it was before, on the same target.
                before = known[-1] if last is not None and last[0] == chain else {}
                known.append({**before, **now})
            else:
                known[-1].update(now)
            last = whole
        numbers.append(len(known) - 1)
    table = plain.select("run", "target", "started").with_columns(
        pl.Series("state", numbers, dtype=pl.Int64)
    )
    return States(table, tuple(known))


def differences(before: State, after: State) -> dict[str, tuple[str, str]]:
    """What is known of both and differs: old and new value by name."""
    return {
        name: (before[name], value)
        for name, value in after.items()
        if name in before and not _same(name, before[name], value)
    }


def _same(name: str, one: str, other: str) -> bool:
    near = _NEAR.get(name.removeprefix(_NATIVE))
    if near is None:
        return one == other
    return abs(float(one) - float(other)) <= near * max(float(one), float(other))


def changed(before: State, after: State) -> str | None:
    """What is new, in words; None where nothing is that is known.

    What changed alike for native is not said twice: a container runs on native's own kernel.
    """
    found = differences(before, after)
    parts = [
        "{} {} → {}".format(name, *map(_short, differing_parts(old, new)))
        for name, (old, new) in found.items()
        if found.get(name.removeprefix(_NATIVE)) != (old, new) or not name.startswith(_NATIVE)
    ]
    return "; ".join(parts) or None


def _state(own: Mapping[str, Any], native: Mapping[str, Any]) -> dict[str, str]:
    known: dict[str, str] = {}
    for name, value in own.items():
        known.update(_facts(name, value))
    for name in _OF_NATIVE:
        known.update(
            {f"{_NATIVE}{word}": text for word, text in _facts(name, native.get(name)).items()}
        )
    return known


def _facts(name: str, value: Any) -> dict[str, str]:  # noqa: ANN401 - a cell of any column
    """A cell as facts: none where it is null, several for a map."""
    if value is None:
        return {}
    if name in _MAPS:
        return {f"{_TITLES[name]} {key}": text(of) for key, of in json.loads(value).items()}
    return {_TITLES[name]: text(value)}


def _short(told: str) -> str:
    """A digest by its first characters; a long list cut."""
    kind, colon, digest = told.partition(":")
    if colon and kind == "sha256":
        return f"{digest[:_DIGEST]}…"
    return told if len(told) <= _LONGEST else f"{told[:_LONGEST]}…"
