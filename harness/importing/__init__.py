"""Other people's figures become runs: a table of values, a folder of what a tool printed, or what
another harness wrote.

What comes in is only what the source says. Nothing is filled in for what nobody saw: such a run
has no plan, no seed, no bundle, no fingerprint and no times, and every table says `imported`.
Nothing here touches a machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.model.target import NATIVE_BACKEND, BackendClass
from harness.model.workload import Resource, Sample


@dataclass(frozen=True, slots=True)
class Source:
    """What the source itself does not tell.

    `native` is how it calls native: a value of `backend`, a sub-folder, or a value of
    `target_label`. `host`, `tool` and `backends` (by target) are for folders and for the files of
    other harnesses. `resources` is by workload, "" being any other; `classes` by backend.
    `accepted` are checks that are overruled. The rest is for the files of other harnesses: which
    label tells the target and which the block, and by metric, "" being any other, whether `higher`
    or `lower` is better; `passed` names labels, and options of a
    folder's outputs, that say nothing of the work.
    """

    native: str = NATIVE_BACKEND
    host: str | None = None
    tool: str | None = None
    backends: Mapping[str, str] = field(default_factory=dict)
    classes: Mapping[str, BackendClass] = field(default_factory=dict)
    resources: Mapping[str, Resource] = field(default_factory=dict)
    accepted: tuple[str, ...] = ()
    target_label: str | None = None
    block_label: str | None = None
    better: Mapping[str, str] = field(default_factory=dict)
    passed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Declared:
    """What a source says that a target is, beyond its backend. None: it says nothing of it."""

    backend_class: BackendClass | None = None
    label: str | None = None
    nested: bool | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """What a program printed, and the version that it states there of itself."""

    stdout: bytes
    stderr: bytes
    program: str | None


@dataclass(frozen=True, slots=True)
class ImportedTrial:
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
    declared: Declared = Declared()


@dataclass(frozen=True, slots=True)
class Content:
    """All that a source holds; `ignored` names its parts that were not read, `notes` are sentences
    on what nobody could check. `differing` names what was not read and differs between native and a
    target: the table tells it."""

    name: str
    sha256: str
    trials: tuple[ImportedTrial, ...]
    ignored: tuple[str, ...]
    notes: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()
