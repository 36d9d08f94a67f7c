"""The columns of a table: which targets it has, in which order, and what they are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.model.estimate import Estimate
from harness.model.run import Run
from harness.model.target import BackendClass
from harness.report.table import Column, Section

Record = Mapping[str, Any]
Accepted = Mapping[str, set[str]]
"""By target, the checks that objected to it and were overruled."""
Headers = Mapping[tuple[str, str, str], str]
"""What a target is called in a table, by host, target and label."""
_CLASSES = [str(each) for each in BackendClass]


def columns(records: list[Record], runs: list[Run], accepted: Accepted) -> tuple[Column, ...]:
    """Native first, then by class and name; declared targets without a result too."""
    found = {column(record, accepted) for record in records}
    measured = {column.target for column in found}
    for run in runs:
        for each in run.manifest.targets:
            if each.target.name in measured:
                continue
            seen = each.fingerprint
            declared = {
                "target": each.target.name,
                "backend": each.target.backend,
                "class": str(seen.backend_class),
                "label": seen.label,
                "native": each.target.native,
                "nested": seen.nested,
                "imported": run.manifest.imported is not None,
                "elsewhere": each.target.elsewhere,
                "adopted": each.target.adopted,
            }
            found.add(column(declared, accepted))
    order = sorted(
        found, key=lambda c: (not c.native, _CLASSES.index(c.backend_class), c.target, c.header)
    )
    return tuple(order)


def column(record: Record, accepted: Accepted) -> Column:
    target, label, kind = record["target"], record["label"], record["class"]
    checks = tuple(sorted(accepted.get(target, ())))
    # A baseline that is itself a guest of a hypervisor, as Xen's dom0 is, is not called native.
    bare = record["native"] and kind == BackendClass.NATIVE
    words = ["adopted" if record["adopted"] else ""] if bare else [kind]
    words += ["nested" if record["nested"] else "", "imported" if record["imported"] else ""]
    words += [f"accepted: {check}" for check in checks]
    return Column(
        target=target,
        backend=record["backend"],
        backend_class=kind,
        label=label,
        native=record["native"],
        nested=record["nested"],
        imported=record["imported"],
        elsewhere=record["elsewhere"],
        adopted=record["adopted"],
        accepted=checks,
        header=called("native", "native", *words) if bare else called(target, label, *words),
    )


def estimate(record: Record, level: float, method: str) -> Estimate:
    """The slowdown of a record with `F`, `F_low`, `F_high` and `n`."""
    return Estimate(record["F"], record["F_low"], record["F_high"], level, record["n"], method)


def called(target: str, label: str, *words: str) -> str:
    """What a target is called: its name, and in brackets its label, unless that is its name, and
    those of `words` that are not empty. Never shortened."""
    inside = ", ".join([*([] if label == target else [label]), *filter(None, words)])
    return f"{target} ({inside})" if inside else target


def headers(sections: Iterable[Section]) -> Headers:
    """What the targets of `sections`, native aside, are called; of several the last counts."""
    return {
        (section.host, column.target, column.label): column.header
        for section in sections
        for column in section.columns
        if not column.native
    }
