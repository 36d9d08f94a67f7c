"""The ledger: append-only, durable record by record, never half believed."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.errors import HarnessError, UseError
from harness.ledger import reader, writer
from harness.ledger.folders import LEDGER, MANIFEST, RAW, find, passed_over, without_manifest
from harness.ledger.writer import Ledger
from harness.model.fingerprint import Fingerprint
from harness.model.run import Manifest, Missing, TargetRecord
from harness.model.target import BackendClass, Host, Size, Target
from harness.model.trial import ClockOffset, Trial, TrialStatus
from harness.model.workload import Metric, Resource, Sample, Step, Workload
from harness.plan.plan import make, preset

SIZE = Size(2, 1024, 2, (0, 1))
NATIVE = Target("native", "baremetal", "native", SIZE, "198.18.0.1")
WORKLOAD = Workload(
    "cpu-one",
    "CPU, one thread",
    1,
    Resource.CPU,
    "sysbench",
    ("cpu", "run"),
    (Metric("events_per_s", "1/s", "higher"),),
    (Step("disk.dat", "fio", ("--name=x",)),),
    {"smoke": 1},
)


def manifest(run: str = "20260102T030405Z-native") -> Manifest:
    seen = Fingerprint(
        backend="baremetal",
        backend_class=BackendClass.NATIVE,
        label="native",
        nested=True,
        release=None,
        accelerator=None,
        kernel="6.1",
        cpu_model="µ-architecture",
        vcpus=2,
        memory_mib=1024,
        clocksource="tsc",
        inside={"kernel": "6.1", "governor": None},
    )
    made = make(Host("native", (NATIVE,), True, "198.18.0.2"), (WORKLOAD,), preset("smoke"), 5)
    return Manifest(
        schema=writer.SCHEMA,
        run=run,
        created_at="2026-01-02T03:04:05+00:00",
        baremark="0.1.0",
        scenario="overhead",
        host="native",
        preset="smoke",
        seed=5,
        plan=made,
        planned_s=3.0,
        bundle="ab" * 32,
        targets=(TargetRecord(NATIVE, seen, {"sysbench": "sysbench 1.0.20"}),),
        missing=(Missing("guest", "kvm", "no disk space"),),
        workloads=(WORKLOAD,),
    )


def trial(name: str = "b000-000", value: float = 1234.5) -> Trial:
    return Trial(
        id=name,
        scenario="overhead",
        host="native",
        block=0,
        position=0,
        workload="cpu-one",
        target="native",
        status=TrialStatus.OK,
        started_at="2026-01-02T03:04:06+00:00",
        controller_s=1.01,
        guest_s=1.0,
        exit_status=0,
        samples=(Sample("events_per_s", value, "1/s", "higher"),),
        raw=f"raw/{name}.out.zst",
        raw_sha256="00",
        reason=None,
    )


def test_what_was_written_is_read_back_equal(tmp_path: Path) -> None:
    lost = replace(trial("b000-001"), status=TrialStatus.LOST, samples=(), reason="gone “away”")
    with Ledger.create(tmp_path, manifest()) as record:
        record.record(trial())
        record.record(lost)
        record.end("complete", 2.5)
    run = reader.read_run(record.folder)
    assert run.manifest == manifest()
    assert run.trials == (trial(), lost)
    assert (run.ended, run.used_s) == ("complete", 2.5)


def test_each_trial_has_the_calibration_of_its_own_session(tmp_path: Path) -> None:
    with Ledger.create(tmp_path, manifest()) as record:
        record.note("calibrated", target="native", apart_s=[0.25, 0.5, 1.0])
        record.record(replace(trial("b000-000"), apart=ClockOffset(0.5, 0.75)))
    with Ledger.resume(record.folder) as record:
        record.note("calibrated", target="native", apart_s=[0.0, 0.0])
        record.record(replace(trial("b000-001"), apart=ClockOffset(0.0, 0.0)))
    wanted = [ClockOffset(0.5, 0.75), ClockOffset(0.0, 0.0)]
    assert [each.apart for each in reader.read_run(record.folder).trials] == wanted


def test_a_torn_last_line_loses_only_the_trial_in_flight(tmp_path: Path) -> None:
    with Ledger.create(tmp_path, manifest()) as record:
        record.record(trial())
        record.record(trial("b000-001"))
    file = record.folder / LEDGER
    whole = file.read_bytes()
    second = whole.index(b"\n") + 1
    for end in range(second, len(whole)):
        file.write_bytes(whole[:end])
        assert [t.id for t in reader.read_run(record.folder).trials] == ["b000-000"]


def test_resuming_cuts_the_torn_line_off_and_goes_on_behind_it(tmp_path: Path) -> None:
    with Ledger.create(tmp_path, manifest()) as record:
        record.record(trial())
    with (record.folder / LEDGER).open("ab") as file:
        file.write(b'{"record": "trial", "id": "b000-0')
    with Ledger.resume(record.folder) as again:
        again.record(trial("b000-001"))
        again.end("complete", 1.0)
    run = reader.read_run(record.folder)
    assert [t.id for t in run.trials] == ["b000-000", "b000-001"]
    assert run.ended == "complete"


def test_a_run_that_was_killed_has_no_end(tmp_path: Path) -> None:
    with Ledger.create(tmp_path, manifest()) as record:
        record.record(trial())
        record.end("interrupted", 1.0)
    with Ledger.resume(record.folder):
        pass
    assert reader.read_run(record.folder).ended is None


def test_a_damaged_line_is_refused_with_its_number(tmp_path: Path) -> None:
    with Ledger.create(tmp_path, manifest()) as record:
        record.record(trial())
    file = record.folder / LEDGER
    file.write_bytes(file.read_bytes() + b'{"record": "trial"}\n')
    with pytest.raises(HarnessError, match=r"ledger\.jsonl:2: not a ledger record"):
        reader.read_run(record.folder)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("null", "it is no JSON object"),
        ("[1]", "it is no JSON object"),
        ("{}", "it has no 'record'"),
        ('{"record": "trial", "samples": [], "status": "ok", "apart": null}', "a field is "),
        ('{"record": "tri', "Unterminated string"),
    ],
)
def test_a_damaged_line_is_described_in_words(tmp_path: Path, line: str, why: str) -> None:
    with Ledger.create(tmp_path, manifest()) as record:
        record.record(trial())
    file = record.folder / LEDGER
    file.write_text(f"{file.read_text()}{line}\n")
    with pytest.raises(HarnessError) as caught:
        reader.read_run(record.folder)
    assert f"{LEDGER}:2: not a ledger record: {why}" in caught.value.message


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"[1, 2]", "it is no JSON object"),
        (b"{}", "it has no 'schema'"),
        (b"\x80\xff", "it is no UTF-8 text"),
    ],
)
def test_a_damaged_manifest_is_described_in_words(tmp_path: Path, text: bytes, why: str) -> None:
    (tmp_path / MANIFEST).write_bytes(text)
    with pytest.raises(HarnessError, match=f"is not a manifest: {why}"):
        reader.read_manifest(tmp_path)


def test_a_run_of_the_format_before_has_a_plan_without_a_rule(tmp_path: Path) -> None:
    with Ledger.create(tmp_path, manifest()) as record:
        record.record(trial())
    file = record.folder / MANIFEST
    document = json.loads(file.read_text())
    del document["plan"]["rule"]
    document |= {"schema": 2, "precision": {"cpu": 0.01}, "least_blocks": 10}
    file.write_text(json.dumps(document))
    run = reader.read_run(record.folder)
    assert (run.manifest.schema, run.manifest.plan.rule, run.allocated) == (2, None, ())
    assert len(run.trials) == 1


@pytest.mark.parametrize("schema", [1, 99])
def test_another_format_is_refused_and_says_which(tmp_path: Path, schema: int) -> None:
    with Ledger.create(tmp_path, manifest()) as record:
        pass
    file = record.folder / MANIFEST
    document = json.loads(file.read_text())
    document["schema"] = schema
    file.write_text(json.dumps(document))
    with pytest.raises(HarnessError, match=f"format {schema}, this Baremark reads format 2 or 3"):
        reader.read_run(record.folder)


def test_a_manifest_with_a_wrong_field_says_where(tmp_path: Path) -> None:
    with Ledger.create(tmp_path, manifest()) as record:
        pass
    file = record.folder / MANIFEST
    document = json.loads(file.read_text())
    document["targets"][0]["fingerprint"]["vcpus"] = "many"
    file.write_text(json.dumps(document))
    with pytest.raises(HarnessError, match=r"targets\.0\.fingerprint\.vcpus"):
        reader.read_run(record.folder)


def test_raw_output_comes_back_as_it_was_and_a_changed_one_is_refused(tmp_path: Path) -> None:
    printed = os.urandom(100_000) + b"\0text\n" * 1000
    with Ledger.create(tmp_path, manifest()) as record:
        raw, digest = record.keep_raw("b000-000", printed, b"a word on the side")
        record.record(replace(trial(), raw=raw, raw_sha256=digest))
    (kept,) = reader.read_run(record.folder).trials
    assert reader.read_raw(record.folder, kept) == printed
    assert (record.folder / "raw" / "b000-000.err.zst").exists()
    with pytest.raises(HarnessError, match="not what the trial printed"):
        reader.read_raw(record.folder, replace(kept, raw_sha256="00"))


def test_no_value_that_is_not_a_number_gets_into_the_ledger(tmp_path: Path) -> None:
    with Ledger.create(tmp_path, manifest()) as record, pytest.raises(ValueError, match="JSON"):
        record.record(trial(value=float("nan")))


def test_two_processes_cannot_write_one_run(tmp_path: Path) -> None:
    with (
        Ledger.create(tmp_path, manifest()) as record,
        pytest.raises(UseError, match="written by another process"),
    ):
        Ledger.resume(record.folder)


def test_a_folder_that_cannot_be_made_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file is in the way")
    with pytest.raises(HarnessError, match="cannot write to"):
        Ledger.create(tmp_path / "runs", manifest())


def test_runs_are_found_by_name_by_path_and_as_the_latest(tmp_path: Path) -> None:
    for day in ("20260101", "20260103", "20260102"):
        Ledger.create(tmp_path, manifest(f"{day}T000000Z-native")).close()
    assert find(tmp_path, "latest").name == "20260103T000000Z-native"
    by_name = find(tmp_path, "20260101T000000Z-native")
    assert find(tmp_path, str(by_name)) == by_name
    for name in ("yesterday", "a/b", "x" * 5000):
        with pytest.raises(UseError, match="there is no run"):
            find(tmp_path, name)


def test_a_run_that_was_copied_without_its_manifest_is_not_called_absent(tmp_path: Path) -> None:
    folder = Ledger.create(tmp_path, manifest()).folder
    (folder / MANIFEST).unlink()
    assert without_manifest(tmp_path) == (folder,)
    with pytest.raises(HarnessError, match=r"has no manifest\.json, so it was copied in part"):
        find(tmp_path, folder.name)


def test_what_is_newer_than_the_latest_run_and_has_no_manifest_is_passed_over(
    tmp_path: Path,
) -> None:
    days = ["20260101", "20260102", "20260103"]
    folders = [Ledger.create(tmp_path, manifest(f"{day}T000000Z-native")).folder for day in days]
    assert passed_over(tmp_path) == ()
    for place in (0, 2):
        (folders[place] / MANIFEST).unlink()
    assert find(tmp_path, "latest") == folders[1]
    assert passed_over(tmp_path) == (folders[2],)
    (folders[1] / MANIFEST).unlink()
    assert passed_over(tmp_path) == tuple(folders)


def test_a_run_is_named_by_when_it_began_and_where() -> None:
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert writer.run_id("metal", when) == "20260102T030405Z-metal"


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A file system of 256 KiB, unmounted afterwards."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system takes root")
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], capture_output=True
    )
    if done.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {done.stderr.decode().strip()}")
    return place


def test_a_full_disk_leaves_no_half_output(small_disk: Path) -> None:
    try:
        with Ledger.create(small_disk, manifest()) as record:
            noise = os.urandom(400 * 1024)
            with pytest.raises(HarnessError, match="No space left"):
                record.keep_raw("b000-000", noise, b"")
            assert list((record.folder / RAW).iterdir()) == []
    finally:
        subprocess.run(["umount", str(small_disk)], check=True)


def test_how_long_a_killed_part_took_is_not_known(tmp_path: Path) -> None:
    with Ledger.create(tmp_path, manifest()) as record:
        record.record(trial("b000-000"))
    with Ledger.resume(record.folder) as record:
        record.end("complete", 1.0)
    assert reader.read_run(record.folder).used_s is None


def test_the_parts_of_a_run_that_was_ended_add_up(tmp_path: Path) -> None:
    with Ledger.create(tmp_path, manifest()) as record:
        record.end("interrupted", 2.0)
    with Ledger.resume(record.folder) as record:
        record.end("complete", 1.0)
    assert reader.read_run(record.folder).used_s == 3.0


def test_a_full_disk_is_told_and_leaves_no_half_record(small_disk: Path) -> None:
    try:
        with Ledger.create(small_disk, manifest()) as record:
            recorded = 0
            said = ""
            while not said:
                try:
                    record.record(trial(f"b000-{recorded:03d}"))
                except HarnessError as error:
                    said = error.message
                else:
                    recorded += 1
            assert "cannot write to" in said
            assert "No space left" in said
        assert recorded > 10
        text = (record.folder / LEDGER).read_bytes()
        assert text.endswith(b"\n")
        assert len(reader.read_run(record.folder).trials) == recorded
    finally:
        subprocess.run(["umount", str(small_disk)], check=True)
