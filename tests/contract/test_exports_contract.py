"""What every export format must do. A new one is picked up by its module's name."""

from __future__ import annotations

import re

import pytest

from harness.errors import UseError
from harness.model.run import Missing, Run
from harness.model.trial import TrialStatus
from harness.publish import exports
from harness.publish.exports import Export
from harness.report.runs import analysed
from tests.synthetic import DOCKER, NESTED_NATIVE, TCG, example, make_run

every_format = pytest.mark.parametrize("name", exports.FORMATS)


def export(*runs: Run, fail_slower: float | None = None) -> Export:
    return Export(runs, analysed(runs).table, fail_slower)


def small() -> Run:
    """A run with a failed trial in a block, a cell without a result, a target that is missing,
    native's second trials, and hostile text."""

    def ending(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        if target == "guest" and workload == "disk-randread":
            return TrialStatus.TIMEOUT, 'over its limit | <b>"60 s"</b>, \x1b[31mred\nblue'
        return (TrialStatus.FAILED if block == 2 else TrialStatus.OK), "exit status 1"

    return make_run(
        lambda t, w, m, b: (10.0 + b) * {"container": 1.1, "guest": 9.0}.get(t, 1.0),
        [NESTED_NATIVE, DOCKER, TCG],
        ending=ending,
        missing=[Missing("vbox", "virtualbox", "no kernel module <&>")],
        control=True,
    )


def test_the_formats_that_were_asked_for_are_there() -> None:
    assert {"junit", "openmetrics", "perfkit", "pytest-benchmark"} <= set(exports.FORMATS)


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(UseError) as error:
        exports.render(export(small()), "xml")
    for name in exports.FORMATS:
        assert name in error.value.hint
    for name in ("series", "units", "pytest_benchmark", ""):
        with pytest.raises(UseError):
            exports.require(name)


@every_format
def test_labels_go_along_with_every_target(name: str) -> None:
    text = exports.render(export(small()), name).text
    assert "guest (qemu-tcg, emulated)" in text
    assert "native (nested)" in text


@every_format
def test_the_control_goes_along(name: str) -> None:
    text = exports.render(export(small()), name).text
    assert "control" in text or "native against itself" in text


@every_format
def test_what_does_not_exist_is_no_number(name: str) -> None:
    text = exports.render(export(small()), name).text
    assert not re.search(r"\b(nan|null|none|inf|infinity)\b", text, re.IGNORECASE)


@every_format
def test_no_control_character_gets_out(name: str) -> None:
    assert "\x1b" not in exports.render(export(small()), name).text


@every_format
def test_the_same_runs_give_the_same_bytes(name: str) -> None:
    runs = [example(), example(host="lab2", seed=5)]
    first = exports.render(export(*runs), name)
    assert exports.render(export(*reversed(runs)), name) == first
    assert first.text.endswith("\n")
    assert "lab2" in first.text
