"""The table in the README is that of the run committed beside it, to the byte."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from harness.ledger import reader
from harness.model.trial import TrialStatus
from harness.publish import formats
from harness.report import answer
from harness.report.runs import analysed

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "example"


def test_the_readme_shows_the_table_of_the_committed_run() -> None:
    made = analysed([reader.read_run(EXAMPLE)]).table
    assert formats.render(made, "markdown") in (ROOT / "README.md").read_text()


def test_the_readme_begins_with_what_the_committed_run_says_first() -> None:
    (section,) = analysed([reader.read_run(EXAMPLE)]).table.sections
    said = "\n".join(f"> - {each}" for each in answer.sentences(section))
    top, _, _ = (ROOT / "README.md").read_text().partition("## Two commands")
    assert top.endswith(f"{said}\n\n")


def test_the_picture_in_the_readme_is_of_the_committed_run() -> None:
    """By what stands in it: where its letters come to lie depends on the machine's fonts."""
    run = reader.read_run(EXAMPLE)
    picture = (EXAMPLE / "intervals.svg").read_text()
    assert "](docs/example/intervals.svg)" in (ROOT / "README.md").read_text()
    assert run.manifest.run in picture
    for workload in run.manifest.workloads:
        assert workload.name in picture
    for record in run.manifest.targets:
        assert record.target.name in picture


def test_the_committed_run_is_whole() -> None:
    run = reader.read_run(EXAMPLE)
    assert run.ended == "complete"
    assert len(run.trials) == sum(len(block.cells) for block in run.manifest.plan.blocks)
    assert {trial.status for trial in run.trials} == {TrialStatus.OK}


def test_the_published_run_in_results_is_the_committed_one() -> None:
    published = ROOT / "results" / "published"
    run = reader.read_run(EXAMPLE)
    made = analysed([run]).table
    assert formats.render(made, "markdown") == (published / f"{run.manifest.run}.md").read_text()
    shown = (published / f"{run.manifest.run}.csv").read_text()
    assert rounded(shown) == rounded(formats.render(made, "csv"))
    assert (published / "manifest.json").read_bytes() == (EXAMPLE / "manifest.json").read_bytes()
    assert (published / "intervals.svg").read_bytes() == (EXAMPLE / "intervals.svg").read_bytes()
    page = (ROOT / "results" / "README.md").read_text()
    assert all(f"published/{file.name})" in page for file in published.iterdir() if file.is_file())


def rounded(table: str) -> list[list[str]]:
    """The cells of a CSV, numbers to nine digits: a logarithm's last one is the processor's."""
    return [[_rounded(cell) for cell in line] for line in csv.reader(io.StringIO(table))]


def _rounded(cell: str) -> str:
    try:
        return f"{float(cell):.9g}"
    except ValueError:
        return cell
