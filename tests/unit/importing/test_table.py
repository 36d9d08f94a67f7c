"""A table of single values, as others publish them, is a run without intervals."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from harness.analyze.overhead import overhead
from harness.dataset import dataset
from harness.errors import UseError
from harness.importing import Source, run
from harness.ledger import reader
from harness.model.workload import Resource
from harness.report.runs import analysed

CPU = Source(resources={"": Resource.CPU})


def table(
    folder: Path, *rows: str, header: str = "backend,host,workload,metric,unit,better,value"
) -> Path:
    file = folder / "published.csv"
    file.write_text("\n".join((header, *rows)) + "\n")
    return file


def row(backend: str, value: float, more: str = "") -> str:
    return f"{backend},h1,w,score,,higher,{value}{more}"


def verdicts(source: Path) -> dict[str, tuple[str, float | None, str]]:
    """By target, its slowdown in six digits, the lower end of the interval and the verdict."""
    (folder,) = run.save(run.read(source, CPU), CPU, source.parent)
    frame = overhead(dataset.frame(reader.read_run(folder)).lazy()).filter(~pl.col("native"))
    rows = frame.with_columns(pl.col("target", "verdict").cast(str))
    columns = rows.select("target", "F", "F_low", "verdict").iter_rows()
    return {target: (f"{factor:.6g}", low, said) for target, factor, low, said in columns}


def test_one_value_a_cell_needs_no_block_and_has_no_interval(tmp_path: Path) -> None:
    source = table(tmp_path, row("baremetal", 100), row("kvm", 80), row("docker", 100))
    assert run.read(source, CPU).notes == (
        "h1: single values, one of each cell: how much they vary is not known, so there is no "
        "interval and no test",
    )
    found = verdicts(source)
    assert found["kvm"] == ("1.25", None, "n too small")
    assert found["docker"] == ("1", None, "n too small")


def test_single_values_may_say_their_block(tmp_path: Path) -> None:
    header = "backend,host,workload,metric,unit,better,value,block"
    source = table(tmp_path, row("baremetal", 100, ",4"), row("kvm", 80, ",4"), header=header)
    assert verdicts(source)["kvm"][2] == "n too small"


def test_more_than_half_again_as_fast_as_native_is_suspect_without_an_interval(
    tmp_path: Path,
) -> None:
    source = table(tmp_path, row("baremetal", 100), row("kvm", 151), row("docker", 149))
    found = verdicts(source)
    assert found["kvm"] == ("0.662252", None, "suspect")
    assert found["docker"][2] == "n too small"
    (folder,) = (tmp_path / "runs").iterdir()
    read = reader.read_run(folder)
    shown = analysed([read]).table
    assert any("more than 1.5 times as fast as native" in text for text in shown.notes)
    assert any("single values" in text for text in shown.notes)


def test_a_cell_twice_in_a_table_without_blocks_is_told_what_blocks_are(tmp_path: Path) -> None:
    source = table(tmp_path, row("baremetal", 100), row("kvm", 80), row("kvm", 81))
    with pytest.raises(UseError, match="once more, after") as error:
        run.read(source, CPU)
    assert "a table without a column `block` has one value" in str(error.value.hint)


def test_a_column_that_was_passed_over_is_named_where_a_cell_has_two_values(tmp_path: Path) -> None:
    header = "backend,host,workload,metric,unit,better,value,block,threads"
    rows = [row(b, v, f",0,{n}") for b, v in (("baremetal", 9), ("kvm", 8)) for n in (1, 8)]
    with pytest.raises(UseError, match="once more, after") as error:
        run.read(table(tmp_path, *rows, header=header), CPU)
    assert "what threads says of the work belongs into the workload's name" in str(error.value.hint)


def test_an_empty_unit_is_that_of_a_count_and_a_missing_column_is_not(tmp_path: Path) -> None:
    source = table(tmp_path, row("baremetal", 100), row("kvm", 80))
    units = {s.unit for trial in run.read(source, CPU).trials for s in trial.samples}
    assert units == {"1"}
    without = source.read_text().replace(",unit,", ",").replace("score,,", "score,")
    source.write_text(without)
    with pytest.raises(UseError, match="has no column unit"):
        run.read(source, CPU)


def test_a_column_that_is_not_read_and_differs_from_native_s_is_told_in_the_table(
    tmp_path: Path,
) -> None:
    header = "backend,host,workload,metric,unit,better,value,block,threads,date,os"
    rows = [
        row(backend, 100 - block, f",{block},{threads},d{number},debian")
        for number, (backend, threads, block) in enumerate(
            (backend, threads, block)
            for backend, threads in (("baremetal", 1), ("kvm", 4))
            for block in (0, 1)
        )
    ]
    source = table(tmp_path, *rows, header=header)
    content = run.read(source, CPU)
    assert content.ignored == (
        "column threads, which in w says '1' of baremetal, '4' of kvm: if that is another work, "
        "give it another workload's name",
        "column date",
        "column os",
    )
    (folder,) = run.save(content, CPU, tmp_path)
    notes = [
        note.text
        for section in analysed([reader.read_run(folder)]).table.sections
        for note in section.notes
    ]
    assert any("published.csv (not read, though it differs: threads)" in text for text in notes)
