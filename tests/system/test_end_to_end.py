"""The main job on real targets: native, a container and a guest, from nothing to a table and back.

The tests of this module tell one story in order; what one leaves up the next one uses. They are the
system tests of `make test`, so they need as little as they can: one workload, of a smoke preset.
"""

from __future__ import annotations

import csv
import io
import json
import signal
from pathlib import Path

import pytest

from harness.ledger import reader
from harness.model.target import BackendClass
from harness.model.trial import TrialStatus
from tests import waiting

from . import machine
from .verbs import Verb, begun, latest, needs_root

ONE = ("-w", "cpu-sysbench-1t")

pytestmark = [*needs_root, pytest.mark.main]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


def test_up_brings_up_native_container_and_guest(baremark: Verb) -> None:
    said = baremark("up").stderr
    for target in ("native", "container", "guest"):
        assert f"{target} is up at 198.18.0." in said


def test_a_run_that_is_killed_in_the_middle_loses_at_most_one_trial(
    baremark: Verb, environment: dict[str, str], results: Path
) -> None:
    process = begun(environment, "run", "--preset", "smoke", *ONE, "--results", str(results))

    def written() -> bool:
        assert process.poll() is None, process.communicate()
        files = (results / "runs").glob("*/ledger.jsonl")
        return sum(file.read_text().count('"record": "trial"') for file in files) >= 2

    waiting.until(written, "two trials")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    run = reader.read_run(latest(results))
    assert run.ended is None
    assert 2 <= len(run.trials) < sum(len(block.cells) for block in run.manifest.plan.blocks)


def test_resume_does_only_what_is_left(baremark: Verb, results: Path) -> None:
    folder = latest(results)
    before = reader.read_run(folder)
    baremark("run", "--resume", folder.name, "--results", str(results))
    run = reader.read_run(folder)
    assert run.ended == "complete"
    assert run.trials[: len(before.trials)] == before.trials
    planned = [
        f"b{block.index:03d}-{position:03d}"
        for block in run.manifest.plan.blocks
        for position in range(len(block.cells))
    ]
    assert [trial.id for trial in run.trials] == planned


def test_a_complete_run_is_not_resumed(baremark: Verb, results: Path) -> None:
    done = baremark("run", "--resume", "latest", "--results", str(results), status=2)
    assert "is complete" in done.stderr


def test_every_trial_is_ok_and_traceable_to_its_raw_output(results: Path) -> None:
    folder = latest(results)
    run = reader.read_run(folder)
    # A noisy machine may have a trial rejected; nothing may go wrong in any other way.
    ended = {TrialStatus.OK, TrialStatus.REJECTED}
    assert {trial.reason for trial in run.trials if trial.status not in ended} == set()
    assert {trial.target for trial in run.trials} == {"native", "container", "guest"}
    assert all(trial.span_s is not None and trial.cpu is not None for trial in run.trials)
    sizes = {record.target.size.vcpus for record in run.manifest.targets}
    assert {trial.cpu.cpus for trial in run.trials if trial.cpu} == sizes
    assert all(trial.apart is not None for trial in run.trials)
    loads = [trial.host_load for trial in run.trials if trial.host_load is not None]
    assert loads
    assert all(load.peer_s is not None for load in loads), "the peer's servers were not seen"
    for trial in run.trials:
        assert reader.read_raw(folder, trial)
        assert trial.guest_s is not None
        assert trial.controller_s is not None
        assert trial.guest_s < trial.controller_s


def test_the_manifest_says_what_each_target_really_is(results: Path) -> None:
    manifest = reader.read_manifest(latest(results))
    seen = {record.target.name: record.fingerprint for record in manifest.targets}
    assert seen["native"].backend_class is BackendClass.NATIVE
    assert seen["container"].backend_class is BackendClass.OS
    assert seen["container"].kernel == seen["native"].kernel
    guest = seen["guest"]
    if guest.accelerator == "kvm":
        assert (guest.backend_class, guest.label) == (BackendClass.TYPE1, "kvm")
    else:
        assert (guest.backend_class, guest.label) == (BackendClass.EMULATED, "qemu-tcg")
    hypervisor = "hypervisor" in Path("/proc/cpuinfo").read_text()
    assert seen["native"].nested is hypervisor
    settings = {name: each.settings for name, each in seen.items()}
    assert settings["container"].cpu_limited is False
    assert settings["guest"].container == "none"
    assert settings["guest"].network == "bridge"
    assert all(each.offloads for each in settings.values())
    assert {each.route for each in settings.values()} == {"on-link"}
    # Huge pages change what memory costs: the guest's kernel is told the host's setting.
    assert settings["guest"].huge_pages == settings["native"].huge_pages
    versions = [tuple(sorted(record.programs.items())) for record in manifest.targets]
    assert len(set(versions)) == 1
    assert "sysbench 1.0" in dict(versions[0])["sysbench"]


def test_the_table_is_the_same_in_every_format_and_every_time(
    baremark: Verb, results: Path
) -> None:
    def table(form: str) -> str:
        return baremark("table", "-f", form, "--results", str(results)).stdout

    told = table("json")
    assert table("json") == told
    (section,) = json.loads(told)["sections"]
    assert section["columns"]
    rows = list(csv.DictReader(io.StringIO(table("csv"))))
    assert {row["workload"] for row in rows if row["kind"] == "metric"} == {"cpu-sysbench-1t"}
    for text in (table("markdown"), table("terminal")):
        assert "container" in text
        assert "emulated" in text or "kvm" in text


def test_the_run_and_its_published_table_are_verified(
    baremark: Verb, results: Path, tmp_path: Path
) -> None:
    folder = latest(results)
    published = tmp_path / "table.md"
    baremark("table", "-f", "markdown", "-o", str(published), "--results", str(results))
    baremark("verify", str(folder), "--table", str(published))
    raw = folder / str(reader.read_run(folder).trials[0].raw)
    kept = raw.read_bytes()
    raw.write_bytes(kept[:-1])
    baremark("verify", str(folder), status=1)
    raw.write_bytes(kept)


def test_down_leaves_nothing_and_can_be_said_again(baremark: Verb) -> None:
    baremark("down")
    state = machine.snapshot()
    assert not {name for name in state["links"] if name.startswith("bm")}
    assert not {line for line in state["namespaces"] if line.startswith("bm")}
    assert not {line for line in state["processes"] if "/run/baremark" in line}
    assert not Path("/run/baremark").exists()
    assert not Path("/var/lib/baremark/targets").exists()
    baremark("down")
