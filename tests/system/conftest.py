"""Real parts for the tests in this folder; what a machine lacks is a skip with its reason."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness import state
from harness.bundle import pack
from harness.bundle.archive import Bundle
from harness.remote import connect
from harness.remote.session import Session

from . import labbox, machine, sshd, verbs
from .labs import Lab

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session", autouse=True)
def clean_start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test meets what a suite that was killed left; what a user has up ends the suite."""
    if os.geteuid() != 0 and not os.environ.get("BAREMARK_TEST_SUDO"):
        yield
        return
    with machine.suite(state.home().parent, tmp_path_factory.mktemp("before")) as trouble:
        if trouble is not None:
            pytest.exit(trouble, returncode=1)
        yield


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Sshd]:
    """An sshd on loopback, shared by the tests that do not hurt it."""
    if sshd.program() is None:
        pytest.skip("there is no sshd: apt-get install openssh-server")
    with sshd.running(tmp_path_factory.mktemp("sshd")) as one:
        yield one


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[sshd.Sshd]:
    """An sshd that the test may end."""
    if sshd.program() is None:
        pytest.skip("there is no sshd: apt-get install openssh-server")
    with sshd.running(tmp_path / "sshd") as one:
        yield one


@pytest.fixture
def opened(server: sshd.Sshd) -> Iterator[Session]:
    with connect.connect("here", server.endpoint, server.key) as one:
        yield one


@pytest.fixture(scope="session")
def packed() -> Bundle:
    """The bundle of the trees that provisioning built: in this clone's cache, or the user's."""
    for cache in (ROOT / ".cache" / "baremark", state.cache_folder()):
        trees = sorted(cache.glob("bundle-tree-*.tar"), key=lambda path: path.stat().st_mtime)
        if trees:
            return pack.pack(trees[-1], cache)
    pytest.skip("no bundle was built on this machine yet: baremark up builds it")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Images are kept in the clone between two `make test`; all else is temporary."""
    return {
        **os.environ,
        "XDG_CACHE_HOME": str(ROOT / ".cache"),
        "XDG_STATE_HOME": str(tmp_path_factory.mktemp("state")),
    }


@pytest.fixture(scope="module")
def baremark(environment: dict[str, str]) -> Iterator[verbs.Verb]:
    """Run a verb; at the end of the module everything is down and the machine as it was."""
    with verbs.verbs(environment) as verb:
        yield verb


@pytest.fixture(scope="module")
def boot() -> Iterator[Callable[[Lab], labbox.LabBox]]:
    """Boots a lab host in a box, which is taken down after the module's tests."""
    if missing := labbox.missing_programs():
        pytest.skip(f"no lab host in a box without {', '.join(missing)}")
    with ExitStack() as running:
        yield lambda lab: running.enter_context(labbox.running(lab, ROOT / ".cache" / "labbox"))
