"""What an inventory says of an adopted target: where it answers, its pinned key, its folders. Pure.

Nothing of it is made or removed but two folders of Baremark's own inside those that it names, so
everything that provisioning would hand back must be told here, the host key above all.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from harness.inventory.connection import in_new_names, written
from harness.model.target import NATIVE_BACKEND, Endpoint
from harness.remote.keys import TRUSTED

WORK, STORE = "baremark-work", "baremark-bundle"
"""What Baremark makes in the folders that an adopted target gives it."""

_PLAIN = r"^[A-Za-z0-9_.:-]+$"
_FOLDER = r"^/[A-Za-z0-9_+-][A-Za-z0-9_.+-]*(/[A-Za-z0-9_+-][A-Za-z0-9_.+-]*)*$"
"""An absolute path that no shell reads as anything else; no part begins with a dot."""
_NO_TEMPLATE = r"^[^{}]+$"
_NEEDED = {
    "baremark_host_key": f"the ed25519 host key of an adopted target; {TRUSTED}",
    "baremark_work": "a folder on the adopted target in which Baremark may make its own",
}
_PATTERNS = {
    "ansible_host": "a plain name or address (a template is not read)",
    "ansible_user": "a plain name (a template is not read)",
    "ansible_private_key_file": "a path (a template is not read)",
    "baremark_work": "an absolute path of plain letters, and not the root folder",
    "baremark_store": "an absolute path of plain letters, and not the root folder",
}


def ed25519(value: str) -> str:
    """A public ed25519 key without its comment. Raises `ValueError`."""
    words = value.split()[:2]
    kind = b"ssh-ed25519"
    try:
        raw = base64.b64decode(words[1], validate=True)
    except (IndexError, binascii.Error):
        raw = b""
    if words[:1] != [kind.decode()] or len(raw) != 51 or raw[4:15] != kind:
        raise ValueError(f"must be 'ssh-ed25519 AAAA…'; {TRUSTED}")
    return " ".join(words)


class AdoptedVars(BaseModel):
    """The variables of an adopted target, Ansible's own words for where it is among them."""

    model_config = ConfigDict(extra="ignore")

    ansible_host: Annotated[str, Field(pattern=_PLAIN)] | None = None
    ansible_port: Annotated[int, Field(ge=1, le=65535)] = 22
    ansible_user: Annotated[str, Field(pattern=_PLAIN)] = "root"
    ansible_private_key_file: Annotated[str, Field(pattern=_NO_TEMPLATE)] | None = None
    baremark_host_key: Annotated[str, AfterValidator(ed25519)]
    baremark_private_key: Path | None = None
    baremark_work: Annotated[str, Field(pattern=_FOLDER)]
    baremark_store: Annotated[str, Field(pattern=_FOLDER)] | None = None
    baremark_same_machine: bool | None = None


def read(
    name: str, backend: str, variables: Mapping[str, Any], mistake: Callable[[str, str, str], None]
) -> Endpoint | None:
    """Where the adopted target `name` answers and which folders it gives.

    What is wrong is told to `mistake` (target, key, what); None where too much is.
    """
    try:
        said = AdoptedVars.model_validate(in_new_names(variables))
    except ValidationError as error:
        for item in error.errors():
            key = str(item["loc"][0])
            mistake(name, written(variables, key), _told(item["type"], key, item["msg"], variables))
        return None
    if backend == NATIVE_BACKEND:
        if variables.get("ansible_connection") == "local":
            mistake(name, "baremark_adopt", "the controller's own machine is not adopted")
    elif said.baremark_same_machine is None:
        mistake(
            name,
            "baremark_same_machine",
            "is missing: true where it runs on the machine of baremark_host, false where that is "
            "another machine; nobody can see that from inside, and only on one and the same "
            "machine is there an overhead",
        )
    facts = {"adopted": "yes"}
    if said.baremark_private_key is not None:
        facts["private_key"] = str(said.baremark_private_key.expanduser())
    elif said.ansible_private_key_file is not None:
        facts["private_key"] = str(Path(said.ansible_private_key_file).expanduser())
    return Endpoint(
        address=said.ansible_host or name,
        port=said.ansible_port,
        user=said.ansible_user,
        host_key=said.baremark_host_key,
        work=f"{said.baremark_work}/{WORK}",
        store=f"{said.baremark_store or said.baremark_work}/{STORE}",
        facts=facts,
    )


def _told(kind: str, key: str, message: str, variables: Mapping[str, Any]) -> str:
    if kind == "missing":
        return f"is missing: {_NEEDED[key]}"
    shown = f" (is {variables[written(variables, key)]!r})"
    if kind == "string_pattern_mismatch":
        return f"must be {_PATTERNS[key]}{shown}"
    return message.removeprefix("Value error, ") + shown
