"""A refusal names its check and the two values that differ, and whether it can be overruled."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.errors import HarnessError
from harness.execute.measurement import _refuse_if_changed
from harness.fingerprint.observe import _is_guest
from tests.synthetic import CPU, make_run


def test_a_run_is_not_continued_on_another_kernel_and_both_are_named() -> None:
    before = make_run(lambda *_: 1.0, workloads=[CPU]).manifest.targets[0]
    before = replace(before, fingerprint=replace(before.fingerprint, kernel="6.1.0-49"))
    _refuse_if_changed(before, before)
    after = replace(before, fingerprint=replace(before.fingerprint, kernel="6.1.0-50"))
    with pytest.raises(HarnessError) as caught:
        _refuse_if_changed(before, after)
    assert caught.value.message == (
        "lab1 is no longer what the run began on (check: same): kernel was 6.1.0-49, is 6.1.0-50"
    )
    assert caught.value.hint == "begin a new run; what the check same finds cannot be accepted"


@pytest.mark.parametrize(
    ("container", "bit", "guest"),
    [
        ("none", "no", False),
        ("none", "yes", True),
        ("other", "no", True),
        (None, "yes", True),
        (None, "no", None),
        ("none", None, None),
        (None, None, None),
    ],
)
def test_bare_metal_is_called_so_only_where_both_signs_were_seen(
    container: str | None, bit: str | None, guest: bool | None
) -> None:
    assert _is_guest({"container": container, "hypervisor_bit": bit}, {}) is guest
