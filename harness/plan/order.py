"""The order in which workloads are kept where time is short: `workloads/order.yml`, validated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from harness.errors import UseError

FILE = "order.yml"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    workload: str
    because: Annotated[str, Field(min_length=1)]


def load(folder: Path, known: Collection[str]) -> tuple[str, ...]:
    """The names of workloads in their order; none where `folder` states no order.

    Raises `UseError` with all mistakes at once: an entry without a reason, a name that is not
    among the `known` workloads, or is there twice.
    """
    file = folder / FILE
    if not file.exists():
        return ()
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        entries = TypeAdapter(list[_Entry]).validate_python(document)
    except ValidationError as error:
        raise _mistakes(
            f"{file}: {'.'.join(map(str, item['loc']))}: {item['msg'].lower()}"
            for item in error.errors()
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise _mistakes([f"{file}: cannot be read: {error}"]) from None
    names = Counter(entry.workload for entry in entries)
    wrong = [
        f"{file}: {name} is named {number} times" for name, number in names.items() if number > 1
    ]
    wrong += [f"{file}: there is no workload {name!r}" for name in names if name not in known]
    if wrong:
        raise _mistakes(wrong)
    return tuple(names)


def _mistakes(lines: Iterable[str]) -> UseError:
    return UseError(
        "the order of the workloads has mistakes:\n" + "\n".join(f"  {line}" for line in lines),
        "mend them; the file is described in CONTRIBUTING.md, 'Add a workload'",
    )
