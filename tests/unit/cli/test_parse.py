"""`baremark parse`: notes, the fields of each value, and one of several reports in a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from harness import tools
from harness.cli.app import app
from harness.errors import UseError

OUTPUTS = Path(__file__).parent.parent / "outputs"
TWO_CPUS = ("p99", "cpu-sysbench-1t")
"""Real reports of sysbench's cpu test, with the 99th and the 95th percentile."""


def parse(tool: str, file: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["parse", tool, str(file), *options])


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """Two reports of sysbench in one file, each behind a line of a shell."""
    file = tmp_path / "log"
    texts = [(OUTPUTS / "sysbench" / f"{name}.out").read_text() for name in TWO_CPUS]
    file.write_text("".join(f"+ sysbench cpu run\n{text}" for text in texts))
    return file


def test_explain_says_from_which_fields_each_value_was_taken() -> None:
    rows = parse("sysbench", OUTPUTS / "sysbench" / "p99.out", "--explain").stdout.splitlines()
    at = rows[0].index("fields")
    assert [row[at:] for row in rows[1:]] == [
        "'total number of events' / 'total time'",
        "'99th percentile'",
    ]


def test_explain_puts_the_fields_into_json_too() -> None:
    file = OUTPUTS / "iperf3" / "v3.12-verbose-json.out"
    rows = json.loads(parse("iperf3", file, "--explain", "-f", "json").stdout)
    assert {row["metric"]: row["fields"] for row in rows} == {
        "throughput_mbit_per_s": "end.sum_received.bits_per_second",
        "retransmits": "end.sum_sent.retransmits",
    }


@pytest.mark.parametrize("tool", tools.names())
def test_every_reader_says_the_fields_of_each_of_its_samples(tool: str) -> None:
    for file in sorted((OUTPUTS / tool).glob("*.out")):
        if file.stem != "version":
            stderr = file.with_suffix(".err").read_bytes()
            found = tools.explain(tool, file.read_bytes(), stderr)
            assert all(found.fields), file
            assert found.samples == tools.load(tool).read(file.read_bytes(), stderr)


def test_a_note_goes_to_standard_error_and_leaves_the_table_as_it_is() -> None:
    file = OUTPUTS / "stress-ng" / "v0.15.06-ended-early.out"
    done = parse("stress-ng", file, "--stderr", str(file.with_suffix(".err")))
    assert done.exit_code == 0
    assert done.stderr.startswith("note: cpu ran 0.999863 s of the 5 s")
    assert "note" not in done.stdout


@pytest.mark.parametrize(("number", "rank"), [("1", 99), ("2", 95)])
def test_one_of_several_reports_is_chosen_by_its_number(
    several: Path, number: str, rank: int
) -> None:
    rows = parse("sysbench", several, "--report", number).stdout.splitlines()
    assert [row.split()[0] for row in rows[1:]] == ["events_per_s", f"latency_p{rank}_ms"]


def test_a_report_that_is_not_there_is_refused(several: Path) -> None:
    done = parse("sysbench", several, "--report", "3")
    assert isinstance(done.exception, UseError)
    assert "holds 2 reports" in done.exception.message
    done = parse("sockperf", OUTPUTS / "sockperf" / "network-rr.out", "--report", "2")
    assert isinstance(done.exception, UseError)
    assert "holds 1 report" in done.exception.message
