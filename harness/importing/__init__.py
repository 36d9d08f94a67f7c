"""Other people's figures become runs: a table of values, or a folder of what a tool printed.

What comes in is only what the source says. Nothing is filled in for what nobody saw: such a run
has no plan, no seed, no bundle, no fingerprint and no times, and every table says `imported`.
Nothing here touches a machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.model import NATIVE_BACKEND, BackendClass, Resource, Sample


@dataclass(frozen=True, slots=True)
class Request:
    """What the source itself does not tell.

    `native` is how it calls native: a value of `backend`, or a sub-folder. `host`, `tool` and
    `backends` (by target) are for folders. `resources` is by workload, "" being any other;
    `classes` by backend. `accepted` are checks that are overruled.
    """

    native: str = NATIVE_BACKEND
    host: str | None = None
    tool: str | None = None
    backends: Mapping[str, str] = field(default_factory=dict)
    classes: Mapping[str, BackendClass] = field(default_factory=dict)
    resources: Mapping[str, Resource] = field(default_factory=dict)
    accepted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Output:
    """What a program printed, and the version that it states there of itself."""

    stdout: bytes
    stderr: bytes
    program: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """One trial as a source tells it. `place` names where, for messages.

    `target` is None for native, `control` native's second trial in the block. `reason` says why
    there are no samples.
    """

    place: str
    host: str
    target: str | None
    backend: str
    workload: str
    resource: Resource | None
    block: int
    samples: tuple[Sample, ...]
    control: bool = False
    tool: str = ""
    output: Output | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """All that a source holds; `ignored` names its parts that were not read."""

    name: str
    sha256: str
    trials: tuple[Found, ...]
    ignored: tuple[str, ...]
