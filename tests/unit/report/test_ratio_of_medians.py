"""The ratio of medians, which others publish, stands beside the overhead where it is asked for."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.importing import Source, run
from harness.ledger import reader
from harness.model.workload import Resource
from harness.publish import formats
from harness.report.runs import analysed
from harness.report.table import Table, with_ratio_of_medians
from tests.reading import text_of

RATE = {"baremetal": (10, 20, 60), "kvm": (15, 18, 90)}
TIME = {"baremetal": (10, 20, 60), "kvm": (15, 50, 90)}
"""Medians 20 and 18, 20 and 50: slowdowns of 20 / 18 and 50 / 20."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = ["backend,host,workload,metric,unit,better,block,value"]
    for metric, better, values in (("rate", "higher", RATE), ("time", "lower", TIME)):
        for backend, of_blocks in values.items():
            lines += [
                f"{backend},h1,w,{metric},u,{better},{block},{value}"
                for block, value in enumerate(of_blocks)
            ]
    source = tmp_path / "t.csv"
    source.write_text("\n".join(lines) + "\n")
    request = Source(resources={"": Resource.CPU})
    (made,) = run.save(run.read(source, request), request, tmp_path)
    return made


def table(folder: Path) -> Table:
    read = reader.read_run(folder)
    return analysed([read]).table


def test_it_is_the_ratio_of_both_medians_as_slowdown(folder: Path) -> None:
    (section,) = with_ratio_of_medians(table(folder)).sections
    found = {row.metric: row.figures for row in section.groups[0].rows}
    assert found["rate"][1].ratio_of_medians == pytest.approx(20 / 18)
    assert found["time"][1].ratio_of_medians == pytest.approx(50 / 20)
    assert {row[0].ratio_of_medians for row in found.values()} == {None}


@pytest.mark.parametrize(
    "format", [each for each in formats.FORMATS if each not in {"csv", "json"}]
)
def test_every_format_for_people_shows_it_and_says_what_it_is(folder: Path, format: str) -> None:
    made = table(folder)
    text = " ".join(text_of(formats.render(with_ratio_of_medians(made), format), format).split())
    assert "medians +11.1" in text.replace("\\", "")
    assert "medians 2.50" in text
    assert "no verdict rests on it" in text
    assert "medians +11.1" not in text_of(formats.render(made, format), format).replace("\\", "")


def test_programs_get_it_unrounded(folder: Path) -> None:
    made = with_ratio_of_medians(table(folder))
    lines = csv.DictReader(io.StringIO(text_of(formats.render(made, "csv"), "csv")))
    by_metric = {(line["target"], line["metric"]): line["ratio_of_medians"] for line in lines}
    assert float(by_metric["kvm", "time"]) == pytest.approx(2.5)
    assert by_metric["h1", "time"] == ""
    rows = json.loads(text_of(formats.render(made, "json"), "json"))["sections"][0]["groups"][0]
    figures = {row["metric"]: row["figures"] for row in rows["rows"]}
    assert figures["rate"][1]["ratio_of_medians"] == pytest.approx(20 / 18)
    assert figures["rate"][0]["ratio_of_medians"] is None


def test_another_estimate_is_refused_and_this_one_shown(folder: Path) -> None:
    where = ["table", str(folder), "--results", str(folder.parents[1])]
    shown = CliRunner().invoke(app, [*where, "--estimate", "ratio-of-medians", "-f", "markdown"])
    assert shown.exit_code == 0
    assert "medians +11.1 %" in shown.stdout
    refused = CliRunner().invoke(app, [*where, "--estimate", "mean"])
    assert "--estimate 'mean' is none" in str(refused.exception or refused.output)
