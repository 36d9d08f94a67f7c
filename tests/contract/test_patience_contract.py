"""No test may fail because a machine is slow or busy: time is judged in tests/bench alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
HOMES = {"bench", "waiting.py", "conftest.py"}
FILES = sorted(path for path in TESTS.rglob("*.py") if not HOMES & {*path.parts})
CLOCKS = {"monotonic", "perf_counter"}


def offences(tree: ast.AST) -> Iterator[ast.AST]:
    """Time-outs that are no guard of tests/waiting.py, things done after so many seconds whatever
    has happened, and assertions on how long a thing took."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            limits = [word.value for word in node.keywords if word.arg == "timeout"]
            yield from (limit for limit in limits if isinstance(limit, ast.Constant))
            if ast.unparse(node.func).endswith("Timer"):
                yield node
        if isinstance(node, ast.Assert):
            used = {each.attr for each in ast.walk(node.test) if isinstance(each, ast.Attribute)}
            less = any(isinstance(each, ast.Lt | ast.LtE) for each in ast.walk(node.test))
            if used & CLOCKS and less:
                yield node
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("settings"):
            yield from (word.value for word in node.keywords if word.arg == "deadline")


def test_no_test_judges_how_fast_this_machine_is() -> None:
    found = {
        f"{path.relative_to(TESTS)}:{getattr(node, 'lineno', 0)}": ast.unparse(node)
        for path in FILES
        for node in offences(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        "run(['true'], timeout=5)",
        "assert time.monotonic() - begin < 60",
        "assert 0 < perf.perf_counter() - begin <= 60",
        "settings(deadline=None)",
        "threading.Timer(1.0, interrupt).start()",
    ],
)
def test_what_judges_is_found(text: str) -> None:
    assert list(offences(ast.parse(text)))
