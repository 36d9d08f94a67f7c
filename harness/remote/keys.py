"""Client keys: made, loaded, and the line that lets them in."""

from __future__ import annotations

import os
from pathlib import Path

import paramiko

from harness import state
from harness.errors import HarnessError


def key_file() -> Path:
    """Baremark's own client key for adopted targets. `down` leaves it: their owners let it in."""
    return state.home() / "adopted_ed25519"


def public_key() -> str:
    """The line that goes into `authorized_keys` of an adopted target; the key is made if needed."""
    file = key_file()
    if file.exists():
        return public_line(load_key(file))
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return make_key(file)


TRUSTED = (
    "get it over a channel that you trust, never from the network: on the machine's own console "
    "(or its cloud's or hypervisor's) cat /etc/ssh/ssh_host_ed25519_key.pub"
)

Key = paramiko.PKey
"""A client's private key."""


def make_key(path: Path) -> str:
    """Write a new ed25519 client key to `path` (mode 0600); its public line is returned."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    text = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)
    return public_line(load_key(path))


def load_key(path: Path) -> Key:
    """The client key of this controller. Raises `HarnessError` when there is none."""
    try:
        return paramiko.Ed25519Key.from_private_key_file(str(path))
    except (OSError, paramiko.SSHException) as error:
        raise HarnessError(
            f"no usable client key {path}: {error}",
            "baremark down removes it, and baremark up makes a new one",
        ) from None


def public_line(key: Key) -> str:
    return f"{key.get_name()} {key.get_base64()} baremark"
