"""What an output states of the options that its program was given: a module for each tool.

The module of a tool has `read(stdout, stderr)`. It names every option that the output states, but
for those that say nothing of the work: names, places, logs and what is reported.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

_OBJECT = re.compile(r"^[ \t]*\{", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Given:
    """An option as the output states it, and what that means: two spellings of one value mean
    the same."""

    text: str
    means: str


@dataclass(frozen=True, slots=True)
class Stated:
    """The options that an output states, by name.

    `form` is that of the output. An option that one output states and another of the same form
    does not was not given there, and so had its default. Of two forms one may not state it at
    all. `defaults` are those that the program's documentation tells. `seen` holds what the output
    tells that is an option or the system's own choice.
    """

    form: str = ""
    given: Mapping[str, Given] = field(default_factory=dict)
    defaults: Mapping[str, Given] = field(default_factory=dict)
    seen: Mapping[str, str] = field(default_factory=dict)

    def means(self, name: str) -> str | None:
        """The value of an option, by default where it is not given; None where nobody knows."""
        given = self.given.get(name) or self.defaults.get(name)
        return given.means if given else None

    def as_text(self, name: str) -> str:
        """The option for a message."""
        if name in self.given:
            return self.given[name].text
        default = self.defaults.get(name)
        return f"not given ({default.text} by default)" if default else "not given"


def plain(own: Mapping[str, str]) -> dict[str, Given]:
    """Options whose values mean what they say."""
    return {name: Given(said, said) for name, said in own.items()}


def read(tool: str, stdout: bytes, stderr: bytes) -> Stated:
    """What an output of `tool` states; nothing where that tool has no module here."""
    name = tool.replace("-", "_")
    if name not in {module.name for module in iter_modules(__path__)}:
        return Stated()
    module = import_module(f"{__name__}.{name}")
    found: Stated = module.read(stdout.decode(errors="replace"), stderr.decode(errors="replace"))
    return found


def documents(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in `text`, each beginning a line; text around them is passed over."""
    at, decoder = 0, json.JSONDecoder()
    while begin := _OBJECT.search(text, at):
        try:
            found, at = decoder.raw_decode(text, begin.end() - 1)
        except (ValueError, RecursionError):
            at = begin.end()
            continue
        if isinstance(found, dict):
            yield found


def member(of: object, key: str) -> dict[str, Any]:
    """The object under `key`; empty where there is none."""
    found = of.get(key) if isinstance(of, dict) else None
    return found if isinstance(found, dict) else {}
