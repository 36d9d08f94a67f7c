"""`show` and `verify`: a run that is whole is found to be so, and each kind of damage is named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zstandard

from harness.dataset import dataset
from harness.errors import UseError
from harness.importing import Source
from harness.importing import run as importing
from harness.ledger import folders, reader
from harness.ledger.writer import Ledger
from harness.model.allocation import Rule
from harness.publish import formats
from harness.report import provenance, runs
from harness.workflow.verify import Result, Verified, verify
from tests import command
from tests.allocated import carried_out
from tests.synthetic import CPU, make_run

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs" / "example"
OUTPUTS = Path(__file__).parents[1] / "outputs"
BAREMARK = Path(sys.executable).with_name("baremark")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Results with one run that has raw outputs, real ones of fio, and its published tables."""
    source = tmp_path / "outputs"
    for arm in ("native", "guest"):
        (source / arm).mkdir(parents=True)
        for block in range(6):
            for ending, extension in ((".out", "txt"), (".err", "err")):
                shutil.copy(
                    OUTPUTS / "fio" / f"disk-randread-4k-qd1{ending}",
                    source / arm / f"disk-randread-4k-qd1.{block}.{extension}",
                )
    request = Source(native="native", tool="fio", backends={"guest": "kvm"}, host="lab1")
    results = tmp_path / "results"
    (folder,) = importing.save(importing.read(source, request), request, results)
    dataset.build(results, runs.judged)
    table = runs.read([folder]).table
    for format, ending in (("markdown", "md"), ("csv", "csv"), ("json", "json")):
        path = results / "published" / f"{folder.name}.{ending}"
        formats.write(formats.render(table, format), path)
    return results


def run_of(results: Path) -> Path:
    return folders.find(results / "runs", "latest")


def found(results: Path) -> dict[str, Verified]:
    return {each.what.split("/")[-1]: each for each in verify(run_of(results), results)}


def test_a_whole_run_is_what_its_ledger_says(results: Path) -> None:
    seen = found(results)
    differing = {name: each.seen for name, each in seen.items() if each.came is Result.DIFFERS}
    assert not differing
    assert seen["raw outputs"].seen == "12 of 12 have the recorded sha256"
    assert seen["samples"].seen == "12 outputs give the recorded values again"
    name = run_of(results).name
    for ending in ("md", "csv", "json"):
        assert seen[f"{name}.{ending}"].came is Result.SAME


def test_a_raw_output_that_was_changed_is_named(results: Path) -> None:
    file = next((run_of(results) / "raw").glob("*.out.zst"))
    data = zstandard.ZstdDecompressor().decompress(file.read_bytes())
    file.write_bytes(zstandard.ZstdCompressor().compress(data.replace(b"1", b"2", 1)))
    seen = found(results)["raw outputs"]
    assert seen.came is Result.DIFFERS
    assert file.name.split(".")[0] in seen.seen
    assert "sha256 differs" in seen.seen


def test_a_value_that_was_changed_in_the_ledger_differs_from_output_dataset_and_tables(
    results: Path,
) -> None:
    file = run_of(results) / folders.LEDGER
    records = [json.loads(line) for line in file.read_text().splitlines()]
    trial = next(
        each for each in records if each["record"] == "trial" and each["target"] == "guest"
    )
    trial["samples"][0]["value"] *= 1.5
    file.write_text("".join(json.dumps(each) + "\n" for each in records))
    seen = found(results)
    name = run_of(results).name
    for what in ("samples", "dataset file", f"{name}.md", f"{name}.csv", f"{name}.json"):
        assert seen[what].came is Result.DIFFERS, what
    assert trial["id"] in seen["samples"].seen


def test_a_published_table_that_was_touched_up_differs(results: Path) -> None:
    file = results / "published" / f"{run_of(results).name}.md"
    file.write_text(file.read_text().replace("1", "2", 1))
    assert found(results)[file.name].came is Result.DIFFERS


def test_outputs_that_are_not_there_are_said_to_be_not_there(results: Path) -> None:
    shutil.rmtree(run_of(results) / "raw")
    seen = found(results)["raw outputs"]
    assert (seen.came, seen.seen) == (Result.ABSENT, "none of 12 raw outputs is here")


def damaged(folder: Path, **changes: object) -> dict[str, Verified]:
    """The committed run with its manifest changed, verified."""
    shutil.copytree(EXAMPLE, folder)
    file = folder / folders.MANIFEST
    document = json.loads(file.read_text())
    document["plan"] |= changes
    file.write_text(json.dumps(document))
    return {each.what: each for each in verify(folder, folder.parent)}


def test_a_plan_that_was_changed_has_another_digest_and_misplaces_its_trials(
    tmp_path: Path,
) -> None:
    run = reader.read_run(EXAMPLE)
    whole = damaged(tmp_path / "whole")
    assert whole["plan digest"].came is Result.SAME
    assert whole["trials"].came is Result.SAME
    seconds = dict.fromkeys(run.manifest.plan.seconds, 99.0)
    assert damaged(tmp_path / "times", seconds=seconds)["plan digest"].came is Result.DIFFERS
    document = json.loads((EXAMPLE / folders.MANIFEST).read_text())
    blocks = document["plan"]["blocks"]
    blocks[0]["cells"][0], blocks[0]["cells"][1] = blocks[0]["cells"][1], blocks[0]["cells"][0]
    moved = damaged(tmp_path / "order", blocks=blocks)
    assert moved["plan digest"].came is Result.DIFFERS
    assert moved["trials"].came is Result.DIFFERS


def baremark(*args: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return command.run(*args, folder=folder)


def test_the_readme_is_verified_by_the_command(tmp_path: Path) -> None:
    done = baremark(
        *("verify", "docs/example", "--table", "README.md", "--results", str(tmp_path / "none"))
    )
    assert done.returncode == 0, done.stdout
    assert "same      table README.md: contains the markdown table to the byte" in done.stdout
    assert not (tmp_path / "none").exists()


def test_a_difference_ends_the_command_with_1(results: Path) -> None:
    shutil.copy(ROOT / "README.md", results / "published" / f"{run_of(results).name}.md")
    done = baremark("verify", "--results", str(results), "-f", "json")
    assert done.returncode == 1
    assert "differs" in {each["came"] for each in json.loads(done.stdout)}


def test_show_tells_who_when_with_what_and_what_the_checks_say() -> None:
    run = reader.read_run(EXAMPLE)
    text = baremark("show", "docs/example").stdout
    assert run.manifest.created_at in text
    assert f"seed {run.manifest.seed}" in text
    for digest in (run.manifest.plan.digest, run.manifest.bundle):
        assert digest in text
    for record in run.manifest.targets:
        assert f"target {record.target.name} ({record.target.backend}; seen: " in text
        assert record.fingerprint.kernel is not None
        assert record.fingerprint.kernel in text
        for said in record.programs.values():
            assert said in text
    document = json.loads(baremark("show", "docs/example", "-f", "json").stdout)
    assert document["manifest"]["seed"] == run.manifest.seed
    assert document["planned_trials"] == sum(len(b.cells) for b in run.manifest.plan.blocks)
    judged = {(each["check"], each["target"]): each["outcome"] for each in document["judgements"]}
    assert judged == {
        (each.check, each.target): str(each.outcome)
        for each in provenance.of_run(EXAMPLE).judgements
    }


@pytest.mark.parametrize(
    ("name", "why"), [("gone.md", "there is no file"), ("table.doc", "has the ending '.doc'")]
)
def test_a_table_that_was_named_and_cannot_be_looked_at_is_no_success(
    results: Path, name: str, why: str
) -> None:
    (results / "table.doc").touch()
    with pytest.raises(UseError, match=why):
        verify(run_of(results), results, [results / name])


@pytest.fixture
def by_rule(tmp_path: Path) -> Path:
    """The folder of a run whose rule left out cells of its later blocks."""
    rng = np.random.default_rng(1)
    made = make_run(
        lambda _, workload, *__: float(rng.lognormal(sigma=0.001 if workload == CPU.name else 0.2)),
        blocks=12,
        control=True,
    )
    run = carried_out(made, Rule({"cpu": 0.01, "disk": 0.03}, 8, budget_s=600.0))
    with Ledger.create(tmp_path / "results" / "runs", run.manifest) as ledger:
        for each in run.allocated:
            ledger.allocate(each)
            ledger.record_all(trial for trial in run.trials if trial.block == each.block)
        ledger.end(str(run.ended), run.used_s)
    assert reader.read_run(ledger.folder) == run
    assert len(run.trials) < sum(len(block.cells) for block in run.manifest.plan.blocks)
    return ledger.folder


def of_rule(folder: Path) -> dict[str, Verified]:
    return {each.what: each for each in verify(folder, folder.parents[1])}


def test_the_choices_of_a_rule_come_out_again(by_rule: Path) -> None:
    found = of_rule(by_rule)
    for what in ("plan digest", "trials", "rule settle 2"):
        assert found[what].came is Result.SAME, found[what].seen
    assert found["rule settle 2"].seen == "13 choices come out again"
    assert found["trials"].seen == "60 trials of 60 planned, each in its place"


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"choice": {"positions": [0, 1, 2], "ended": None}}, "trials"),
        ({"choice": {"positions": [0, 1, 2], "ended": None}}, "rule settle 2"),
        ({"spent_s": 599.9}, "rule settle 2"),
    ],
)
def test_a_block_that_is_not_what_the_rule_gives_is_named(
    by_rule: Path, changed: dict[str, object], what: str
) -> None:
    file = by_rule / folders.LEDGER
    records = [json.loads(line) for line in file.read_text().splitlines()]
    (ninth,) = (e for e in records if e["record"] == "allocated" and e["block"] == 9)
    ninth |= changed
    file.write_text("".join(json.dumps(each) + "\n" for each in records))
    seen = of_rule(by_rule)[what]
    assert seen.came is Result.DIFFERS
    assert ("block 9" in seen.seen) == (what != "trials")


def test_a_rule_of_another_version_is_not_judged(by_rule: Path) -> None:
    file = by_rule / folders.MANIFEST
    document = json.loads(file.read_text())
    document["plan"]["rule"]["version"] = 99
    file.write_text(json.dumps(document))
    assert of_rule(by_rule)["rule settle 99"].came is Result.ABSENT
