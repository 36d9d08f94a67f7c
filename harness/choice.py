"""The choice of things by shell patterns of their names (`disk-*`): one meaning in all verbs.

A pattern that matches nothing is a mistake, also beside others that match: `require` refuses it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from harness.errors import UseError

_LISTED = 20
"""How many names a hint lists; of more it lists as many that are nearest."""


def includes(names: Sequence[str], patterns: Sequence[str]) -> bool:
    """Whether any pattern matches the first of a thing's names, or is one of the others (the
    backend of a target); everything is chosen where there is no pattern."""
    name, *others = names
    return not patterns or any(
        fnmatchcase(name, pattern) or pattern in others for pattern in patterns
    )


def require(kind: str, patterns: Iterable[str], things: Iterable[Sequence[str]]) -> None:
    """Raise `UseError` for the first pattern that chooses none of `things`, given by their names;
    `kind` is what one of them is called."""
    known = list(things)
    for pattern in patterns:
        if not any(includes(names, [pattern]) for names in known):
            raise UseError(
                f"no {kind} matches {pattern!r}", offer(pattern, (names[0] for names in known))
            )


def offer(pattern: str, names: Iterable[str]) -> str:
    """The hint of what there is to choose from instead of `pattern`."""
    every = list(dict.fromkeys(names))
    if not every:
        return "there is nothing to choose from"
    if len(every) <= _LISTED:
        return f"choose from: {', '.join(every)}"
    near = difflib.get_close_matches(pattern, every, _LISTED, cutoff=0.0)
    return f"the nearest of {len(every)}: {', '.join(near)}"
