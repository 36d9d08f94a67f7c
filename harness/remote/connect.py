"""How a session is opened: the host key is pinned, and a wrong one ends it before any
authentication.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import paramiko
import stamina

from harness.errors import HarnessError
from harness.model.target import Endpoint, Host, Target
from harness.remote import ssh_config
from harness.remote.keys import TRUSTED, Key, key_file, load_key
from harness.remote.session import CONNECT_TIMEOUT_S, ConnectionLost, Session

MARK = ".baremark-made"
"""Lies in each folder that Baremark made on an adopted target; lists what else was made for it."""
FOLDER_LIMIT_S = 60.0


def to(
    target: Target,
    host: Host,
    endpoint: Endpoint,
    key: Key,
    through: Callable[[], Session] | None = None,
) -> Session:
    """Connect to a target in the way that it is reached. Raises `HarnessError`.

    An adopted one is reached as its inventory says, with its own key; another of a machine that
    is not the controller's through the session of that machine's native target, which `through`
    gives and which is asked for only then; all others directly.
    """
    if target.adopted:
        return to_adopted(target.name, endpoint)
    if host.local or target.native or through is None:
        return connect(target.name, endpoint, key)
    return connect(target.name, endpoint, key, through=through())


def adopted_key(endpoint: Endpoint) -> Key:
    """The client key for an adopted target: the one it names, else Baremark's own."""
    named = endpoint.facts.get("private_key")
    file = Path(named) if named else key_file()
    try:
        return load_key(file)
    except HarnessError as error:
        raise HarnessError(
            error.message,
            "baremark_private_key (or, without it, ansible_private_key_file) must name an ed25519 "
            "key without a passphrase"
            if named
            else "baremark key makes one and shows the line for its authorized_keys",
        ) from None


def to_adopted(name: str, endpoint: Endpoint) -> Session:
    """Connect to an adopted target with its pinned key. Raises `HarnessError` with what to type."""
    where = f"{endpoint.user}@{endpoint.address}:{endpoint.port}"
    try:
        own_key = adopted_key(endpoint)
    except HarnessError as error:
        raise HarnessError(f"{name}, at {where}: {error.message}", error.hint) from None
    try:
        return connect(name, endpoint, own_key)
    except WrongHostKey as error:
        raise WrongHostKey(
            error.message,
            f"find out which key is the right one: {TRUSTED}; then set baremark_host_key",
        ) from None
    except KeyRefused:
        own = "its public half" if "private_key" in endpoint.facts else "what baremark key prints"
        raise KeyRefused(
            f"{name}: {where} lets the key not in",
            f"put {own} into ~{endpoint.user}/.ssh/authorized_keys there; no password is used",
        ) from None
    except HarnessError as error:
        raise HarnessError(
            error.message,
            f"try it: ssh -p {endpoint.port} {endpoint.user}@{endpoint.address}; mend "
            "ansible_host, ansible_port or ansible_user, or what is between here and there"
            + _passed_by(endpoint.address),
        ) from None


def _passed_by(address: str) -> str:
    """What ssh would take from the user's own configuration and Baremark does not."""
    said = ", ".join(f"{key} {value}" for key, value in ssh_config.settings(address).items())
    return f"; ~/.ssh/config, which is not read here, says of {address}: {said}" if said else ""


def require_folders(opened: Session, endpoint: Endpoint) -> None:
    """Raise `HarnessError` where Baremark's folders are not there any more."""
    for place in places(endpoint):
        if opened.run(["test", "-e", f"{place}/{MARK}"], limit_s=FOLDER_LIMIT_S).exit_status != 0:
            raise HarnessError(f"{opened.name}: Baremark's folder {place} is gone", "baremark up")


def places(endpoint: Endpoint) -> tuple[str, str]:
    return endpoint.work, endpoint.store


stamina.instrumentation.set_on_retry_hooks([])  # a connection that came up late is no news


class WrongHostKey(HarnessError):
    """Something answers, and it has not the key that is pinned."""


class KeyRefused(HarnessError):
    """The target lets this controller's key not in."""


def connect(name: str, endpoint: Endpoint, key: Key, *, through: Session | None = None) -> Session:
    """Connect to a target, directly or through the session of its host's native target.

    A refused or broken connection is tried again for a short while; a wrong host key or a
    refused client key is not. Raises `HarnessError` saying which of these it was.

    An endpoint's fact `patience` is how many times longer than usual everything may take there:
    a guest that is interpreted needs seconds for what takes others milliseconds.
    """
    where = f"{endpoint.address}:{endpoint.port}"
    try:
        for attempt in stamina.retry_context(
            on=(OSError, EOFError, ConnectionLost, _Broken),
            attempts=4,
            timeout=60.0 * _patience(endpoint),
            wait_initial=0.3,
        ):
            with attempt:
                return _connect_once(name, endpoint, key, through)
    except (OSError, EOFError, ConnectionLost, _Broken) as error:
        raise HarnessError(
            f"{name}: no SSH connection to {where}: {error or type(error).__name__}",
            "see whether the target is up (baremark up), and what baremark doctor says",
        ) from None
    raise AssertionError("unreachable: the retry context returns or raises")


def _patience(endpoint: Endpoint) -> float:
    return float(endpoint.facts.get("patience", 1))


class _Broken(Exception):
    """An SSH handshake that did not complete; worth another try."""


def _connect_once(name: str, endpoint: Endpoint, key: Key, through: Session | None) -> Session:
    stream: socket.socket | paramiko.Channel
    limit_s = CONNECT_TIMEOUT_S * _patience(endpoint)
    if through is None:
        stream = socket.create_connection((endpoint.address, endpoint.port), limit_s)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    else:
        stream = through.tunnel(endpoint.address, endpoint.port)
    transport = paramiko.Transport(stream)
    transport.banner_timeout = limit_s
    transport.auth_timeout = max(limit_s, transport.auth_timeout)
    transport.get_security_options().key_types = ("ssh-ed25519",)
    try:
        transport.start_client(timeout=limit_s)
        shown = transport.get_remote_server_key()
        pinned = endpoint.host_key.split()[:2]
        if [shown.get_name(), shown.get_base64()] != pinned:
            raise WrongHostKey(
                f"{name}: wrong host key at {endpoint.address}:{endpoint.port}: it shows "
                f"{shown.get_name()} {shown.get_base64()[-12:]}, pinned is …{pinned[-1][-12:]}",
                "something else answers at this address; baremark down, then baremark up",
            )
        transport.auth_publickey(endpoint.user, key)
    except paramiko.AuthenticationException:
        transport.close()
        raise KeyRefused(
            f"{name}: {endpoint.user}@{endpoint.address}:{endpoint.port} refuses this run's key",
            "the target belongs to another run; baremark down, then baremark up",
        ) from None
    except HarnessError:
        transport.close()
        raise
    except (paramiko.SSHException, EOFError, OSError) as error:
        transport.close()
        raise _Broken(f"{error or type(error).__name__}") from None
    return Session(name, transport, endpoint.facts.get("confine", ""), _patience(endpoint))
