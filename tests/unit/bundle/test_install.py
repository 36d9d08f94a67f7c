"""What is told of a target whose programs do not say what they are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness.bundle import install
from harness.errors import HarnessError
from harness.remote.session import Reply


@pytest.mark.parametrize(
    ("reply", "how"),
    [
        (Reply(137, b"", b"Killed\n", 1.0), "exit status 137: Killed"),
        (Reply(0, b"", b"", 1.0), "exit status 0"),
        (
            Reply(1, b"a clock that stands still\n", b"", 1.0),
            "exit status 1: a clock that stands still",
        ),
        (Reply(None, b"", b"", 60.2, timed_out=True), "no end within 60 s"),
    ],
)
def test_how_a_program_ended_is_told_where_it_says_no_version(reply: Reply, how: str) -> None:
    session: Any = SimpleNamespace(name="box", run=lambda *_, **__: reply)
    with pytest.raises(HarnessError) as caught:
        install.versions(session, "/bundle", ["sockperf"])
    assert caught.value.message.startswith("box: sockperf does not say its version: ")
    assert caught.value.message.endswith(f"({how})")
