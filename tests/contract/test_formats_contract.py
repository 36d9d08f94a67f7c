"""What every output format must do. A new one is picked up by its module's name."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import get_args

import pytest

from harness.model.run import Missing, Run
from harness.model.trial import TrialStatus
from harness.publish import formats
from harness.report import numbers as report_numbers
from harness.report.runs import analysed
from harness.report.table import Figure, Table
from tests.reading import text_of
from tests.synthetic import DOCKER, NESTED_NATIVE, TCG, example, make_run

FOR_PROGRAMS = {"csv", "json"}
"""Formats that carry figures unrounded; the others show them by the rules of `figures`."""


def small() -> Run:
    """A run with a failure, a target without a result, a missing target, and hostile text."""

    def ending(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        if target == "guest" and workload == "disk-randread":
            return TrialStatus.TIMEOUT, 'over its limit | <b>"60 s"</b>, \x1b[31mred'
        return (TrialStatus.FAILED if block == 2 else TrialStatus.OK), "exit status 1"

    return make_run(
        lambda t, w, m, b: (10.0 + b) * {"lab1": 1.0, "container": 1.1, "guest": 9.0}[t],
        [NESTED_NATIVE, DOCKER, TCG],
        ending=ending,
        missing=[Missing("vbox", "virtualbox", "no kernel module")],
    )


def table(*runs: Run) -> Table:
    return analysed(runs).table


every_format = pytest.mark.parametrize("name", formats.FORMATS)
every_table = pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda: table(small()), id="small"),
        pytest.param(lambda: table(example()), id="example"),
        pytest.param(lambda: table(example(blocks=3)), id="n-too-small"),
        pytest.param(lambda: table(example(), example(host="lab2", seed=5)), id="two-hosts"),
        pytest.param(lambda: replace(table(small()), by_architecture=True), id="by-architecture"),
    ],
)


def squeezed(text: str) -> str:
    """Text without what a format may add for layout: line breaks, blanks, Markdown's escapes."""
    return "".join(text.replace("\\", "").split())


def test_the_formats_of_the_design_are_there() -> None:
    assert {"terminal", "markdown", "csv", "json", "latex", "html", "xlsx"} <= set(formats.FORMATS)


@every_format
@every_table
def test_every_row_label_and_figure_is_there(name: str, made: Callable[[], Table]) -> None:
    shown = replace(made(), full=True)
    text = text_of(formats.render(shown, name), name)
    flat = squeezed(text)
    for section in shown.sections:
        assert section.host in text
        for group in section.groups:
            assert group.resource in text
            for row in group.rows:
                assert row.workload in text
                assert row.metric in text
                assert row.unit in text
                for column, figure in zip(section.columns, row.figures, strict=True):
                    for number in shown_numbers(name, figure, column.native):
                        assert squeezed(number) in flat
            for summary in group.summaries:
                if summary is not None and summary.factor is not None:
                    wanted = (
                        repr(summary.factor.point)
                        if name in FOR_PROGRAMS
                        else report_numbers.mean_effect(summary)
                    )
                    assert squeezed(wanted) in flat


def shown_numbers(name: str, figure: Figure, native: bool) -> list[str]:
    if name not in FOR_PROGRAMS:
        cell = report_numbers.cell(figure, native)
        return [cell.absolute, cell.relative, cell.marks]
    factor, percent = figure.factor, figure.overhead
    numbers = [figure.median, figure.mean, figure.detectable_percent]
    for each in (factor, percent):
        numbers += [each.point, each.low, each.high] if each else []
    return [repr(number) for number in numbers if number is not None]


@every_format
@every_table
def test_no_emulated_or_nested_target_without_its_label(
    name: str, made: Callable[[], Table]
) -> None:
    text = text_of(formats.render(made(), name), name)
    if name == "terminal":  # a header may take two lines, so its parts are sought by themselves
        assert "(qemu-tcg, emulated)" in text
        assert "(nested)" in text
    else:
        assert "guest (qemu-tcg, emulated)" in text
        assert "native (nested)" in text
    assert "not KVM's performance" in " ".join(text.split())
    assert "not to bare metal" in " ".join(text.split())


@every_format
def test_by_architecture_each_is_named_in_its_order_with_its_means(name: str) -> None:
    made = replace(table(example()), by_architecture=True)
    text = text_of(formats.render(made, name), name)
    (section,) = made.sections
    names = [each.name for each in section.architectures]
    assert names == ["native", "OS-level", "emulated"]
    if name == "csv":
        lines = [line for line in csv.DictReader(io.StringIO(text)) if line["kind"] != "note"]
        found = [line["architecture"] for line in lines]
        assert found == sorted(found, key=names.index)
        assert set(found) == set(names)
        return
    if name == "json":
        told = json.loads(text)["sections"][0]["architectures"]
        assert [each["name"] for each in told] == names
        means = told[2]["columns"][0]["geometric_means"]
        for place, group in enumerate(section.groups):
            summary = section.groups[place].summaries[2]
            assert summary is not None
            assert summary.factor is not None
            assert means[group.resource]["factor"] == asdict(summary.factor)
        return
    begins = text[: text.index("cpu-prime-1")]
    # The answer in front names some of them too.
    places = [begins.rindex(f"\n{each}\n" if name == "terminal" else each) for each in names]
    assert places == sorted(places)
    for group in section.groups:
        for summary in group.summaries:
            if summary is not None:
                # A terminal breaks them into lines, so their parts are sought by themselves.
                for part in re.split(r" (?=[\[(])", report_numbers.mean_effect(summary)):
                    assert squeezed(part) in squeezed(begins)


@every_format
def test_reasons_and_missing_targets_are_told(name: str) -> None:
    flat = squeezed(text_of(formats.render(table(small()), name), name))
    assert squeezed("no result: 8 of 8 trials timed out") in flat
    assert squeezed("2 of 8 trials failed") not in flat
    assert squeezed("1 of 8 trials failed (exit status 1)") in flat
    assert squeezed("vbox (virtualbox) took no part: no kernel module") in flat


@every_format
def test_what_a_program_printed_cannot_steer_a_terminal(name: str) -> None:
    assert "\x1b" not in text_of(formats.render(table(small()), name), name)


@every_format
def test_the_same_ledger_gives_the_same_bytes(name: str) -> None:
    runs = [example(), example(host="lab2", seed=5)]
    first = formats.render(table(*runs), name)
    assert formats.render(table(*reversed(runs)), name) == first
    if isinstance(first, str):
        assert first.endswith("\n")
        assert not first.endswith("\n\n")


@every_format
def test_a_format_is_bytes_where_it_says_so(name: str) -> None:
    assert isinstance(formats.render(table(small()), name), bytes) == formats.binary(name)
    assert (name in get_args(formats.Text)) != formats.binary(name)


def test_json_holds_every_field_of_the_table() -> None:
    shown = table(small())
    document = json.loads(formats.render(shown, "json"))
    assert document["runs"] == [asdict(run) for run in shown.runs]
    for section, read in zip(shown.sections, document["sections"], strict=True):
        for group, group_read in zip(section.groups, read["groups"], strict=True):
            for row, row_read in zip(group.rows, group_read["rows"], strict=True):
                for figure, figure_read in zip(row.figures, row_read["figures"], strict=True):
                    plain = json.loads(json.dumps(asdict(figure)))
                    assert {key: figure_read[key] for key in plain} == plain


def test_csv_has_a_line_for_each_target_and_metric() -> None:
    shown = table(small())
    lines = list(csv.DictReader(io.StringIO(formats.render(shown, "csv"))))
    metric = [line for line in lines if line["kind"] == "metric"]
    assert len(metric) == 3 * 3
    silent = [line for line in metric if line["verdict"] == "no result"]
    assert {line["header"] for line in silent} == {"guest (qemu-tcg, emulated)"}
    for line in silent:
        assert (line["value_median"], line["F"], line["n"]) == ("", "", "0")
        assert line["notes"].startswith("no result: 8 of 8 trials timed out")


def test_markdown_rows_all_have_as_many_cells_as_their_header() -> None:
    lines = formats.render(table(small()), "markdown").splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {9}
    assert "<b>" not in "\n".join(lines).replace("\\<b", "")
