"""What the command line says of a source, as a request."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TypeVar, get_args

from harness.errors import UseError
from harness.importing import Source, arguments
from harness.importing.programs import CHECK
from harness.model.target import BackendClass
from harness.model.workload import Better, Resource

Choice = TypeVar("Choice", bound=StrEnum)


def request(
    native: str,
    host: str | None,
    tool: str | None,
    backends: Sequence[str],
    classes: Sequence[str],
    resources: Sequence[str],
    accepted: Sequence[str],
    target_label: str | None = None,
    block_label: str | None = None,
    better: Sequence[str] = (),
    passed: Sequence[str] = (),
) -> Source:
    """The request that the options ask for; UseError naming the one that is not as it must be."""
    for check in accepted:
        if check == arguments.CHECK:
            raise UseError(
                f"--accept {check}: other work is no comparison, whoever accepts it",
                "give it another name, or say of a label or an option that it is no part of the "
                "work: --ignore NAME",
            )
        if check != CHECK:
            raise UseError(f"--accept {check}: importing has no such check", f"--accept {CHECK}")
    of_class = [_pair("--class", each) for each in classes]
    return Source(
        native=native,
        host=host,
        tool=tool,
        backends=dict(_pair("--backend", each) for each in backends),
        classes={name: _one(BackendClass, "--class", said) for name, said in of_class},
        resources=dict(_resource(each) for each in resources),
        accepted=tuple(sorted(set(accepted))),
        target_label=target_label,
        block_label=block_label,
        better=dict(_better(each) for each in better),
        passed=tuple(passed),
    )


def _pair(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise UseError(f"{option} {text!r} is no pair", f"write it as {option} name=value")
    return name, value


def _resource(text: str) -> tuple[str, Resource]:
    name, _, value = text.rpartition("=")
    return name, _one(Resource, "--resource", value)


def _better(text: str) -> tuple[str, str]:
    name, _, value = text.rpartition("=")
    if value not in get_args(Better):
        raise UseError(f"--better {text!r} is none", "choose from: " + ", ".join(get_args(Better)))
    return name, value


def _one(kind: type[Choice], option: str, text: str) -> Choice:
    try:
        return kind(text)
    except ValueError:
        raise UseError(f"{option} {text!r} is none", "choose from: " + ", ".join(kind)) from None
