"""The same tests over a folder and over an object store."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.dataset import objectstore

_PREFIXES = count()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real S3-compatible server with a bucket."""
    log = tmp_path_factory.mktemp("moto") / "server.log"
    with objectstore.running(log) as endpoint:
        objectstore.make_bucket(endpoint)
        yield endpoint


@pytest.fixture
def s3(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a prefix that nothing is under yet."""
    objectstore.set_environment(monkeypatch, server)
    return f"s3://{objectstore.BUCKET}/place-{next(_PREFIXES)}/dataset"


@pytest.fixture(params=["folder", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a dataset is to be, as a user writes it."""
    if request.param == "s3":
        url: str = request.getfixturevalue("s3")
        return url
    return str(tmp_path / "a place" / "dataset")
