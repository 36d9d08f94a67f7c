"""The way to a Docker daemon: its own socket, or `docker system dial-stdio` over the session.

Docker's library takes 0.3 s to import, so this module is imported where a daemon is asked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import docker
import requests
import urllib3

from harness.backends import _forward
from harness.errors import HarnessError
from harness.remote.session import Session

LIMIT_S = 60


@contextmanager
def daemon(host: Session, path: str) -> Iterator[docker.APIClient]:
    """The daemon that listens at `path` on the host, asked in the newest API that it knows.

    Raises `HarnessError` where it does not answer, or answers with an error.
    """
    command = ["docker", "--host", f"unix://{path}", "system", "dial-stdio"]
    with _forward.reached(host, path, command) as socket:
        try:
            client = docker.APIClient(f"unix://{socket}", version="auto", timeout=LIMIT_S)
            try:
                yield client
            finally:
                client.close()
        except (
            docker.errors.DockerException,
            requests.RequestException,
            urllib3.exceptions.HTTPError,
        ) as error:
            raise trouble(host, path, str(error)) from None


def trouble(host: Session, path: str, why: str) -> HarnessError:
    return HarnessError(
        f"{host.name}: the Docker daemon at {path}: {why}",
        "see whether it runs and has the container; baremark up brings both up",
    )


def stamp(text: str) -> float:
    """A time stamp of the daemon (`2026-11-30T16:07:02.123456789Z`) in seconds since 1970."""
    whole, _, rest = text.removesuffix("Z").partition(".")
    fraction = float(f"0.{rest}") if rest.isdigit() else 0.0
    return math.floor(datetime.fromisoformat(f"{whole}+00:00").timestamp()) + fraction
