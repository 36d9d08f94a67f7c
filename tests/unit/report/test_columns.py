"""What a target is called, in tables, comparisons, histories and charts."""

from __future__ import annotations

import pytest

from harness.report.columns import called


@pytest.mark.parametrize(
    ("label", "words", "expected"),
    [
        ("qemu-tcg", ("emulated",), "guest (qemu-tcg, emulated)"),
        ("guest", ("emulated", ""), "guest (emulated)"),
        ("qemu-tcg", ("emulated", "", "nested"), "guest (qemu-tcg, emulated, nested)"),
        ("guest", ("guest",), "guest (guest)"),
        ("guest", ("", ""), "guest"),
    ],
)
def test_a_label_is_told_unless_it_is_the_name(
    label: str, words: tuple[str, ...], expected: str
) -> None:
    assert called("guest", label, *words) == expected
