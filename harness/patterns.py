"""The names that there are to choose from, and their choice by shell patterns (`disk-*`).

One meaning in all verbs. A pattern that matches nothing is a mistake, also beside others that
match: `require_match` refuses it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pkgutil import iter_modules

from harness.errors import UseError

_LISTED = 20
"""How many names a hint lists; of more it lists as many that are nearest."""


def modules(path: Iterable[str]) -> tuple[str, ...]:
    """The plug-ins in the package with that `__path__`, sorted: each module without a leading
    underscore. The name is the module, so there is no list to keep."""
    return tuple(sorted(each.name for each in iter_modules(path) if not each.name.startswith("_")))


def matches(names: Sequence[str], patterns: Sequence[str]) -> bool:
    """Whether any pattern matches the first of a thing's names, or is one of the others (the
    backend of a target); everything is chosen where there is no pattern."""
    name, *others = names
    return not patterns or any(
        fnmatchcase(name, pattern) or pattern in others for pattern in patterns
    )


def require_match(kind: str, patterns: Iterable[str], things: Iterable[Sequence[str]]) -> None:
    """Raise `UseError` for the first pattern that chooses none of `things`, given by their names;
    `kind` is what one of them is called."""
    known = list(things)
    for pattern in patterns:
        if not any(matches(names, [pattern]) for names in known):
            raise UseError(
                f"no {kind} matches {pattern!r}", suggest(pattern, (names[0] for names in known))
            )


def suggest(pattern: str, names: Iterable[str]) -> str:
    """The hint of what there is to choose from instead of `pattern`."""
    every = list(dict.fromkeys(names))
    if not every:
        return "there is nothing to choose from"
    if len(every) <= _LISTED:
        return f"choose from: {', '.join(every)}"
    near = difflib.get_close_matches(pattern, every, _LISTED, cutoff=0.0)
    return f"the nearest of {len(every)}: {', '.join(near)}"
