"""The command line: every mistake is one clear message, its cure, and exit code 2."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness import inventory
from tests import command

ROOT = Path(__file__).parents[3]
BAREMARK = Path(sys.executable).with_name("baremark")


def baremark(
    *args: str, folder: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    return command.run(*args, folder=folder or ROOT, **environment)


def refused(*args: str, folder: Path | None = None, **environment: str) -> str:
    done = baremark(*args, folder=folder, **environment)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "\nto do: " in done.stderr
    return done.stderr


@pytest.fixture
def workloads(tmp_path: Path) -> Path:
    folder = tmp_path / "workloads" / "mine"
    folder.mkdir(parents=True)
    (folder / "workload.yml").write_text(
        "title: Mine\nversion: 1\nresource: cpu\ntool: sysbench\n"
        "args: [cpu, '--time={seconds}', run]\n"
        "metrics:\n  - {name: events_per_s, unit: 1/s, better: higher}\n"
    )
    return folder.parent


def test_help_names_every_verb() -> None:
    done = baremark("--help")
    assert done.returncode == 0
    for verb in ("doctor", "up", "down", "run", "bench", "table"):
        assert f"\n  {verb}" in done.stdout


def test_init_writes_an_inventory_that_reads_well_and_nothing_over_another(tmp_path: Path) -> None:
    said = baremark("init", "lab", folder=tmp_path).stderr
    assert "baremark doctor -i lab" in said
    assert inventory.load(tmp_path / "lab")
    assert "lab is there already" in refused("init", "lab", folder=tmp_path)
    (tmp_path / "file").write_text("mine")
    assert "file is there already" in refused("init", "file", folder=tmp_path)
    assert (tmp_path / "file").read_text() == "mine"


def test_init_into_the_empty_folder_where_it_is_said(tmp_path: Path) -> None:
    assert baremark("init", ".", folder=tmp_path).returncode == 0
    assert inventory.load(tmp_path)


def test_from_another_folder_the_programs_own_inventory_and_workloads_are_taken(
    tmp_path: Path,
) -> None:
    done = subprocess.run([BAREMARK, "run"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert str(ROOT / "inventories" / "localhost") in done.stderr


def test_targets_that_need_a_collection_are_refused_with_what_to_type() -> None:
    for verb in ("doctor", "up", "bench", "down"):
        said = refused(
            *(verb, "-i", "inventories/hyperv.example"),
            ANSIBLE_COLLECTIONS_SCAN_SYS_PATH="0",
            ANSIBLE_COLLECTIONS_PATH="/nowhere",
        )
        assert "Ansible's collection ansible.windows" in said
        assert f"{ROOT}/bootstrap.sh --extra windows" in said


def test_help_imports_nothing_heavy() -> None:
    """What makes it answer at once; the time itself is measured in tests/bench."""
    code = "import sys, harness.cli.app; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    heavy = {"paramiko", "polars", "scipy", "numpy", "pydantic", "ansible_runner", "yaml"}
    heavy |= {"docker", "libvirt", "requests"}
    assert not loaded & heavy


@pytest.mark.parametrize("precision", ["1", "0%", "120%", "few", "%"])
def test_a_precision_that_is_no_share(precision: str) -> None:
    assert "is no share" in refused("run", "--precision", precision)


OUTPUTS = Path(__file__).parents[1] / "outputs"


def test_parse_prints_the_samples_of_a_tool(tmp_path: Path) -> None:
    done = baremark("parse", "sysbench", str(OUTPUTS / "sysbench" / "memory-read.out"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "metric                       value  unit   better  labels",
        "bandwidth_mib_per_s  26671.9840479  MiB/s  higher",
        "latency_p95_ms                6.67  ms     lower",
    ]
    done = baremark("parse", "fio", str(OUTPUTS / "fio" / "disk-fdatasync.out"), "-f", "json")
    assert {"metric", "value", "unit", "better", "labels"} == set(json.loads(done.stdout)[0])


def test_parse_tells_the_samples_of_one_metric_apart_by_their_labels() -> None:
    file = str(OUTPUTS / "fio" / "v3.39-numjobs.out")
    rows = baremark("parse", "fio", file).stdout.splitlines()
    assert [row.split()[-2:] for row in rows if row.startswith("read_iops")] == [
        ["job=both", "index=0"],
        ["job=both", "index=1"],
    ]
    assert len({row.index("job=both") for row in rows[1:]} | {rows[0].index("labels")}) == 1
    samples = json.loads(baremark("parse", "fio", file, "--format", "json").stdout)
    assert samples[0]["labels"] == {"job": "both", "index": "0"}


def test_parse_reads_a_report_that_came_on_standard_error(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    table = str(OUTPUTS / "stress-ng" / "v0.15.06-brief.err")
    done = baremark("parse", "stress-ng", str(tmp_path / "empty"), "--stderr", table)
    assert done.stdout.splitlines()[1].split() == ["bogo_ops_per_s", "3856.85", "1/s", "higher"]
    failed = str(OUTPUTS / "iperf3" / "refused" / "v3.18-text.err")
    done = baremark("parse", "iperf3", str(tmp_path / "empty"), "--stderr", failed)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Connection refused" in done.stderr


def test_parse_says_why_there_are_no_samples(tmp_path: Path) -> None:
    whole = (OUTPUTS / "fio" / "disk-fdatasync.out").read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    done = baremark("parse", "fio", str(tmp_path / "cut"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "fio: stdout is not JSON at line" in done.stderr
    assert "there is no tool 'nothing'" in refused("parse", "nothing", str(tmp_path / "cut"))
    assert "cannot read" in refused("parse", "fio", str(tmp_path / "none"))


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_a_verb_that_is_ended_takes_down_what_is_up_and_says_so(number: str) -> None:
    code = (
        "import harness.cli.app as c, os, signal, sys\n"
        "@c.app.command()\n"
        "def wait():\n"
        "    try:\n"
        f"        os.kill(os.getpid(), signal.{number})\n"
        "    finally:\n"
        "        print('taken down')\n"
        "sys.argv = ['baremark', 'wait']\n"
        "c.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (130, "taken down\n")
    assert done.stderr.startswith("error: interrupted\nto do: baremark down")


def test_a_state_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = baremark("down", XDG_STATE_HOME=str(tmp_path / "file"))
    assert done.returncode == 1
    assert "cannot write to" in done.stderr
    assert "XDG_STATE_HOME" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_table_that_cannot_be_written_to_its_end_is_told(tmp_path: Path) -> None:
    example = str(ROOT / "docs" / "example")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [str(BAREMARK), "table", example, "--results", str(tmp_path)],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot write the output: No space left")
    assert "Traceback" not in done.stderr


def test_a_run_named_twice_is_one_run(tmp_path: Path) -> None:
    example = str(ROOT / "docs" / "example")
    once, twice = (
        baremark("table", *([example] * n), "-f", "csv", "--results", str(tmp_path)).stdout
        for n in (1, 2)
    )
    assert once == twice != ""


@pytest.mark.parametrize(
    "given",
    [
        ("--preset", "smoke"),
        ("-w", "cpu-*"),
        ("--accept", "steal"),
        ("--seed", "0"),
        ("--budget", "5m"),
    ],
)
def test_what_a_run_fixed_cannot_be_changed_when_it_is_resumed(given: tuple[str, str]) -> None:
    assert "cannot be given with --resume" in refused("run", "--resume", "latest", *given)


def test_the_table_of_many_runs_has_a_short_file_name() -> None:
    from harness.publish.formats import name_of

    assert name_of(["a", "b"]) == "a+b"
    assert name_of([f"20260101T000000Z-host{n}" for n in range(40)]) == (
        "20260101T000000Z-host0+39-more"
    )


def test_an_unknown_preset() -> None:
    assert "no preset 'fast'" in refused("run", "--preset", "fast")


def test_an_unknown_workload_names_the_known_ones(workloads: Path) -> None:
    said = refused("run", "-w", "nothing-*", "--workloads", str(workloads))
    assert "no workload matches 'nothing-*'" in said
    assert "choose from: mine" in said


def test_an_unknown_target() -> None:
    assert "no target matches 'xen'" in refused("run", "-t", "xen")


@pytest.mark.parametrize("budget", ["10", "-5m", "ten", "0s", "infh", "nans"])
def test_a_budget_that_is_no_time(budget: str) -> None:
    assert "is no time" in refused("run", f"--budget={budget}")


def test_an_inventory_that_is_not_there() -> None:
    assert "there is no inventory nowhere" in refused("up", "-i", "nowhere")


def test_a_results_folder_that_cannot_be_written_is_told_before_anything_is_done(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("")
    said = refused("bench", "--results", str(tmp_path / "file" / "results"))
    assert "cannot write to" in said


def test_running_with_nothing_up(tmp_path: Path) -> None:
    said = refused("run", "--results", str(tmp_path), XDG_STATE_HOME=str(tmp_path))
    assert "no target of inventories/localhost is up" in said
    assert "baremark up -i inventories/localhost" in said


def test_a_table_of_a_run_that_is_not_there(tmp_path: Path) -> None:
    assert "there is no run 'latest'" in refused("table", "--results", str(tmp_path))


def test_an_unknown_format(tmp_path: Path) -> None:
    assert "no table format 'pdf'" in refused("table", "-f", "pdf", "--results", str(tmp_path))


def test_no_workload_folder(tmp_path: Path) -> None:
    said = refused("run", "--workloads", str(tmp_path))
    assert "no workload found" in said


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("version: 1", "version: one"), "workload.yml: version: "),
        (("resource: cpu", "resource: gpu"), "workload.yml: resource: "),
        (("tool: sysbench", "tool: cinebench"), "tool: no tool 'cinebench'; there are fio"),
        (("title: Mine", "titel: Mine"), "workload.yml: titel: extra inputs are not permitted"),
        (("unit: 1/s", "unit: kHz"), "metrics.events_per_s: unit 'kHz'"),
        (("better: higher", "better: lower"), "better 'lower' here, but sysbench gives"),
        (("events_per_s", "events"), "sysbench has no metric 'events'; there are "),
        (("{seconds}", "{second}"), "unknown placeholder {second}; there are memory_mib"),
        (("{seconds}", "{seconds:d}"), "'--time={seconds:d}': write {seconds} with nothing after"),
        (("{seconds}", "{seconds!z}"), "'--time={seconds!z}': write {seconds} with nothing after"),
        (("metrics:", "seconds: {smok: 2}\nmetrics:"), "seconds.smok: no preset 'smok'; there are"),
        (("title: Mine", "title: [Mine"), "workload.yml:2: not YAML"),
    ],
)
def test_a_workload_file_with_a_mistake_says_file_and_key(
    workloads: Path, change: tuple[str, str], expected: str
) -> None:
    file = workloads / "mine" / "workload.yml"
    file.write_text(file.read_text().replace(*change))
    assert expected in refused("run", "--workloads", str(workloads))


def test_all_mistakes_of_all_workload_files_are_told_at_once(workloads: Path) -> None:
    first = workloads / "mine" / "workload.yml"
    (workloads / "other").mkdir()
    (workloads / "other" / "workload.yml").write_text(
        first.read_text().replace("tool: sysbench", "tool: nothing")
    )
    first.write_text(first.read_text().replace("unit: 1/s", "unit: kHz"))
    said = refused("run", "--workloads", str(workloads))
    assert "mine/workload.yml" in said
    assert "other/workload.yml" in said


def test_files_of_one_name_must_have_one_content(workloads: Path) -> None:
    first = workloads / "mine" / "workload.yml"
    step = "prepare:\n  - {{creates: a.dat, tool: fio, args: [--size={}]}}\n"
    (workloads / "other").mkdir()
    (workloads / "other" / "workload.yml").write_text(first.read_text() + step.format("1g"))
    first.write_text(first.read_text() + step.format("2g"))
    said = refused("run", "--workloads", str(workloads))
    assert "prepares 'a.dat' otherwise than mine does" in said


@pytest.mark.parametrize("text", ["1", "4,1", "0,2", "1,1", "1.5,3", "a,b"])
def test_a_pilot_needs_two_lengths_in_whole_seconds(workloads: Path, text: str) -> None:
    said = refused("pilot", "--workloads", str(workloads), "--seconds", text)
    assert f"--seconds '{text}' is not two lengths" in said


def test_a_pilot_that_is_estimated_again_measures_nothing() -> None:
    assert "--target, --blocks cannot be given with --of" in refused(
        "pilot", "--of", "some", "--blocks", "5", "-t", "docker"
    )


def test_seconds_from_a_file_that_is_none_are_refused_before_anything(workloads: Path) -> None:
    said = refused("bench", "--workloads", str(workloads), "--seconds-from", str(ROOT / "Makefile"))
    assert "cannot take seconds from" in said
