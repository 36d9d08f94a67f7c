"""The seconds of a trial that a pilot chose, and the file that carries them to other runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import UseError

_HEAD = """\
# Written by baremark pilot: seconds of a trial by workload, by the variances that the run `pilot`
# measured on this machine. baremark run, bench, nightly and compare take it: --seconds-from FILE.
"""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    pilot: Annotated[str, Field(min_length=1)]
    host: str
    cpu_model: str
    seconds: dict[str, Annotated[int, Field(ge=1)]]


@dataclass(frozen=True, slots=True)
class Lengths:
    """Seconds of a trial by workload, as the run `pilot` on `host` chose them. `cpu_model` is
    native's, "" where it was not observable."""

    pilot: str
    host: str
    cpu_model: str
    seconds: Mapping[str, int]

    def require(self, host: str, workloads: Collection[str]) -> None:
        """Raise `UseError` where they are another host's, or of none of these workloads."""
        if host != self.host:
            raise UseError(
                f"the pilot {self.pilot} was made on {self.host}, not on {host}",
                f"make one there (baremark pilot), or measure {self.host} alone",
            )
        if not any(name in workloads for name in self.seconds):
            raise UseError(
                f"the pilot {self.pilot} has seconds of none of these workloads: "
                f"{', '.join(self.seconds)}",
                "choose among them with -w, or leave --seconds-from out",
            )

    def require_machine(self, cpu_model: str | None) -> None:
        """Raise `UseError` where native has another CPU now than it had then."""
        if self.cpu_model and cpu_model and cpu_model != self.cpu_model:
            raise UseError(
                f"the pilot {self.pilot} was made on a {self.cpu_model}, this is a {cpu_model}",
                "make a new one: baremark pilot",
            )


def as_text(lengths: Lengths) -> str:
    """The file, which `read` takes."""
    return _HEAD + yaml.safe_dump(asdict(lengths), sort_keys=False, allow_unicode=True)


def read(file: Path) -> Lengths:
    """Raises `UseError` with all mistakes of the file at once."""
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        return Lengths(**_File.model_validate(document).model_dump())
    except ValidationError as error:
        wrong = "; ".join(
            ": ".join(filter(None, (".".join(map(str, item["loc"])), item["msg"].lower())))
            for item in error.errors()
        )
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        wrong = f"not YAML: {' '.join(str(error).split())}"
    except OSError as error:
        wrong = str(error.strerror)
    raise UseError(f"cannot take seconds from {file}: {wrong}", "baremark pilot writes such files")
