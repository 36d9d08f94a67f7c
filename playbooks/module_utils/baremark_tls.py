"""Connections to a hypervisor's API whose certificate is checked: by a pinned fingerprint, by a
given authority, or by the system's authorities. There is no way to leave the check out.
"""

from __future__ import annotations

import hashlib
import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

LIMIT_S = 30
CHUNK_BYTES = 1 << 20
TOLD_EVERY_S = 5
ALGORITHMS = {64: hashlib.sha256, 40: hashlib.sha1}
"""By the length of a fingerprint. SHA-1 is what vCenter tells over a connection that is checked."""


class Refused(Exception):
    """The connection or its certificate is not what it must be; `fix` says what to do."""

    def __init__(self, why: str, fix: str = "") -> None:
        super().__init__(why)
        self.fix = fix


def context(
    address: str, port: int, fingerprint: str | None = None, ca_file: str | None = None
) -> ssl.SSLContext:
    """What connections to the API are made with; the certificate has been checked once already.

    With a fingerprint the one certificate that has it is trusted and no other, whatever name it
    carries. Raises `Refused`.
    """
    if not fingerprint:
        if ca_file and not Path(ca_file).is_file():
            raise Refused(f"there is no file {ca_file} on the controller")
        made = ssl.create_default_context(cafile=ca_file or None)
        _handshake(made, address, port)
        return made
    wanted = fingerprint.replace(":", "").lower()
    algorithm = ALGORITHMS.get(len(wanted))
    if algorithm is None:
        raise Refused(f"{fingerprint!r} is no SHA-256 fingerprint of 64 hexadecimal digits")
    shown = _certificate(address, port)
    found = algorithm(shown).hexdigest()
    if found != wanted:
        raise Refused(
            f"the certificate of {address}:{port} has the fingerprint {found}, not the pinned one",
            "find out why at the machine's own console before you pin another",
        )
    made = ssl.create_default_context(cadata=ssl.DER_cert_to_PEM_cert(shown))
    made.check_hostname = False
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    made.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    _handshake(made, address, port)
    return made


def send(
    tls: ssl.SSLContext,
    method: str,
    at: tuple[str, int, str],
    file: Path,
    headers: dict[str, str],
    told: Callable[[int], None],
) -> None:
    """Send a file to (address, port, path); `told` hears now and then the percentage that is sent.

    Raises `Refused` when the server does not take it.
    """
    address, port, path = at
    size = file.stat().st_size

    def parts() -> Iterator[bytes]:
        sent, last = 0, time.monotonic()
        with file.open("rb") as stream:
            while part := stream.read(CHUNK_BYTES):
                yield part
                sent += len(part)
                if time.monotonic() - last > TOLD_EVERY_S:
                    told(sent * 100 // size)
                    last = time.monotonic()

    connection = http.client.HTTPSConnection(address, port, context=tls, timeout=600)
    try:
        connection.request(method, path, parts(), {**headers, "Content-Length": str(size)})
        answer = connection.getresponse()
        said = answer.read(500).decode(errors="replace")
    finally:
        connection.close()
    if answer.status not in {200, 201, 204}:
        raise Refused(f"{address} does not take the disk: {answer.status} {answer.reason} {said}")


def fetch(tls: ssl.SSLContext, at: tuple[str, int, str], headers: dict[str, str]) -> bytes | None:
    """What (address, port, path) holds; None where there is nothing."""
    address, port, path = at
    connection = http.client.HTTPSConnection(address, port, context=tls, timeout=LIMIT_S)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.read() if answer.status == 200 else None
    finally:
        connection.close()


def _certificate(address: str, port: int) -> bytes:
    """The certificate that is shown, not yet believed: it is only compared with what is pinned."""
    shy = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    shy.check_hostname = False
    shy.verify_mode = ssl.CERT_NONE
    return _handshake(shy, address, port)


def _handshake(tls: ssl.SSLContext, address: str, port: int) -> bytes:
    try:
        with (
            socket.create_connection((address, port), timeout=LIMIT_S) as plain,
            tls.wrap_socket(plain, server_hostname=address) as secured,
        ):
            return secured.getpeercert(binary_form=True) or b""
    except ssl.SSLCertVerificationError as error:
        raise Refused(
            f"the certificate of {address}:{port} is not trusted: {error.verify_message}",
            "set baremark_hypervisor_fingerprint to its SHA-256 fingerprint, read at the machine "
            "itself, or baremark_hypervisor_ca_file to its authority",
        ) from None
    except OSError as error:
        raise Refused(
            f"{address}:{port} cannot be reached from the controller: {error}",
            f"try it: openssl s_client -connect {address}:{port}",
        ) from None
