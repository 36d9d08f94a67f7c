"""What the user's own `~/.ssh/config` says of a name. Ansible's ssh goes by it; Baremark's own
sessions do not, so a message must be able to say what is passed by.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import paramiko

_LEADS = ("hostname", "port", "user", "proxyjump", "proxycommand", "identityfile")
"""The settings that change where a connection goes, or as whom, in the order to tell them."""


def settings(name: str) -> Mapping[str, str]:
    """Where the user's `~/.ssh/config` leads for `name`; nothing where it says nothing of it.

    A file that cannot be read or understood says nothing: ssh itself tells what is wrong with it.
    """
    try:
        said = paramiko.SSHConfig.from_path(str(Path.home() / ".ssh" / "config")).lookup(name)
    except (OSError, RuntimeError, UnicodeDecodeError, paramiko.SSHException, ImportError):
        return {}
    found = {key: said[key] for key in _LEADS if key in said}
    if found.get("hostname") == name:
        del found["hostname"]  # that is what a name without an entry gets
    return {key: " ".join(value) if isinstance(value, list) else value
            for key, value in found.items()}  # fmt: skip
