"""A night's judgement over the nights before it: what is confirmed, and when nobody is woken.

Only the machine is stood in for: what `bench.whole` would have measured is written as a run, with
truths that are known. Inventory, ledger, history and comparison are the real ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import typer

from harness import inventory as inventories
from harness.cli import nightly as verb
from harness.console import Console
from harness.errors import HarnessError
from harness.ledger import reader
from harness.model.plan import Preset
from harness.model.run import Run
from harness.model.target import BackendClass, Host
from harness.plan.request import Request
from harness.report.night import Summary, lines
from harness.workflow import bench, nightly
from tests.nightly import night, save
from tests.synthetic import CPU, NATIVE, Kind
from tests.unit.cli.test_cli import ROOT, refused
from tests.unit.publish.test_night import SHIFT
from tests.unit.publish.test_night import made as ended

OLD, NEW = "7.2.22", "10.0.7"
GUEST = Kind("guest", "kvm", BackendClass.TYPE1, "kvm")
BESIDE = tuple(
    Kind(f"guest-qemu-{each}", "kvm", BackendClass.TYPE1, "kvm") for each in ("7-2", "10-0")
)
UPGRADE, TONIGHT = 8, 15
OTHER = replace(CPU, name="cpu-other")


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An inventory, and fifteen nights of which the later ones ran a newer QEMU, 8 % slower."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "hosts.yml").write_text(
        "all: {vars: {baremark_vcpus: 1, baremark_memory_mib: 512, baremark_disk_gib: 2}}\n"
        "baremetal: {hosts: {lab1: {ansible_connection: local}}}\n"
        "kvm: {hosts: {guest: {baremark_host: lab1}}}\n"
    )
    for number in range(TONIGHT):
        save(one(number), tmp_path / "results")
    return tmp_path


def one(number: int) -> Run:
    new = number >= UPGRADE
    facts = {"guest": {"release": NEW if new else OLD}}
    return night(number, {"guest": 1.1 * (1.08 if new else 1)}, facts, (NATIVE, GUEST))


def both(number: int, ratio: float) -> Run:
    """Old and new side by side in the same blocks, new being slower by `ratio`."""
    truth = {BESIDE[0].name: 1.1, BESIDE[1].name: 1.1 * ratio}
    facts = {BESIDE[0].name: {"release": OLD}, BESIDE[1].name: {"release": NEW}}
    return night(number, truth, facts, (NATIVE, *BESIDE), blocks=20)


Whole = Callable[..., bench.Bench]


def hold(
    lab: Path,
    monkeypatch: pytest.MonkeyPatch,
    measured: Sequence[Run | HarnessError],
    site: Path | None = None,
) -> tuple[Summary, list[tuple[Host, Request]]]:
    """A night in which the machine gives these runs, one after another; and what it was asked."""
    asked: list[tuple[Host, Request]] = []
    left = list(measured)

    def whole(
        inventory: Path,
        hosts: Sequence[Host],
        request: Request,
        results: Path,
        console: Console,
        *,
        needed: Sequence[str] = (),
    ) -> bench.Bench:
        assert needed in ((), tuple(each.name for each in BESIDE))
        asked.extend((host, request) for host in hosts)
        given = left.pop(0)
        if isinstance(given, HarnessError):
            raise given
        return bench.Bench(bench.Measured((save(given, results),), True, ()), {}, {})

    monkeypatch.setattr("harness.workflow.bench.run", whole)
    hosts = inventories.load(lab / "hosts.yml")
    request = Request(Preset("nightly", 8, 1, 8), (CPU, OTHER))
    plan = nightly.Night(lab / "hosts.yml", hosts, request, lab / "results", site, True)
    made = nightly.run(plan, Console())
    assert not left
    return made, asked


def test_a_shift_at_a_new_release_is_confirmed_by_comparing_old_and_new(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, asked = hold(lab, monkeypatch, [one(TONIGHT), both(TONIGHT + 1, 1.08)])
    (_, tonight), (host, confirming) = asked
    assert {target.name for target in host.targets[1:]} == {each.name for each in BESIDE}
    # What shifted alone, and over more blocks than one night has.
    assert (tonight.preset.blocks, tonight.workloads) == (8, (CPU, OTHER))
    assert confirming.preset == replace(tonight.preset, blocks=16, max_blocks=16)
    assert confirming.workloads == (CPU,)
    assert (tonight.releases, confirming.releases) == ("", "qemu=7.2,10.0")
    (shift,) = made.regressions
    assert (shift.target, shift.workload, shift.status) == ("guest", "cpu-one", "confirmed")
    assert shift.low < 1.08 < shift.high
    assert made.exit_code == 1
    assert made.confirming == (made.regressions[0].told,)


def test_the_run_that_confirms_does_not_take_the_night_s_place_on_the_site(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has what shifted alone, on targets that nobody keeps."""
    confirming = both(TONIGHT + 1, 1.08)
    manifest = replace(confirming.manifest, releases="qemu=7.2,10.0")
    made, _ = hold(
        lab, monkeypatch, [one(TONIGHT), replace(confirming, manifest=manifest)], lab / "site"
    )
    tonight = one(TONIGHT).manifest.run
    assert (made.verdict, made.confirming) == ("a regression is confirmed", (manifest.run,))
    newest = json.loads((lab / "site" / "data" / "newest.json").read_text())
    assert [run["run"] for run in newest["runs"]] == [tonight]
    for page in ("index.html", "workloads/cpu-one.html", "backends/kvm.html"):
        first = re.search(r"runs/(\d{8}T\d{6}Z-lab1)", (lab / "site" / page).read_text())
        assert first is not None, page
        assert first[1] == tonight, page
    assert list((lab / "site" / "runs").rglob(f"*{manifest.run}*"))
    run = reader.read_run(lab / "results" / "runs" / manifest.run)
    assert run.manifest.releases == "qemu=7.2,10.0"


def test_a_shift_that_is_not_there_side_by_side_is_refuted_and_wakes_nobody(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = hold(lab, monkeypatch, [one(TONIGHT), both(TONIGHT + 1, 0.97)])
    assert [shift.status for shift in made.shifts] == ["refuted"]
    assert (made.exit_code, made.verdict) == (0, "quiet")


def test_a_comparison_that_fails_leaves_the_shift_unconfirmed_and_is_told(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble = HarnessError("no suite has QEMU 7.2", "look at the mirror")
    made, _ = hold(lab, monkeypatch, [one(TONIGHT), trouble])
    assert [shift.status for shift in made.shifts] == ["unconfirmed"]
    assert made.exit_code == 0
    assert any("no suite has QEMU 7.2" in each for each in made.warnings)


def test_what_was_compared_once_is_not_compared_every_night(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The release that can be had is not quite the one that was: the shift stays unconfirmed."""
    other = both(TONIGHT + 1, 1.08)
    records = tuple(
        replace(record, fingerprint=replace(record.fingerprint, release="7.2.23"))
        if record.target.name == BESIDE[0].name
        else record
        for record in other.manifest.targets
    )
    other = replace(other, manifest=replace(other.manifest, targets=records))
    first, _ = hold(lab, monkeypatch, [one(TONIGHT), other])
    assert [shift.status for shift in first.shifts] == ["unconfirmed"]
    second, asked = hold(lab, monkeypatch, [one(TONIGHT + 2)])
    assert [host.name for host, _ in asked] == ["lab1"]
    assert second.confirming == ()


def test_an_acknowledged_regression_wakes_nobody(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lab / "results" / "acknowledged.yml").write_text(
        "- {target: guest, workload: cpu-one, who: me, why: known, until: 2099-01-01}\n"
    )
    made, _ = hold(lab, monkeypatch, [one(TONIGHT)])
    assert [shift.status for shift in made.shifts] == ["acknowledged"]
    assert made.exit_code == 0


def test_a_night_without_a_machine_is_partial_and_still_tells(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = hold(lab, monkeypatch, [HarnessError("no machine can be measured", "doctor")])
    assert (made.exit_code, made.table) == (3, None)
    assert made.absent == (("lab1", "no machine can be measured"),)


def test_a_night_whose_history_cannot_be_made_is_not_quiet(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a mistake in the acknowledgements nobody knows whether anything shifted."""
    (lab / "results" / "acknowledged.yml").write_text("- {target: guest}\n")
    made, _ = hold(lab, monkeypatch, [one(TONIGHT)])
    assert (made.exit_code, made.verdict) == (3, "partial")
    text = "\n".join(lines(made))
    assert "Took no part: the history (results/acknowledged.yml" in text.replace(f"{lab}/", "")
    assert "Shifts: none" not in text


def test_a_night_that_could_not_publish_is_not_quiet(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = lab / "thesis"
    mine.mkdir()
    (mine / "chapter.tex").write_text("dear")
    comparison = HarnessError("no suite has QEMU 7.2", "look at the mirror")
    made, _ = hold(lab, monkeypatch, [one(TONIGHT), comparison], mine)
    assert (made.exit_code, made.verdict) == (3, "partial")
    assert "Took no part: the site (" in "\n".join(lines(made))
    assert [each.name for each in mine.iterdir()] == ["chapter.tex"]


def test_a_site_that_is_not_ours_is_told_before_anything_is_measured(lab: Path) -> None:
    (lab / "thesis").mkdir()
    (lab / "thesis" / "chapter.tex").write_text("dear")
    asked = ("nightly", "-i", str(lab / "hosts.yml"), "--results", str(lab / "results"))
    said = refused(*asked, "--site", str(lab / "thesis"))
    assert "not a site that baremark published" in said
    said = refused(*asked, "--site", str(lab / "results" / "published"))
    assert "which is not for a site" in said


@pytest.mark.parametrize(("shifted", "status"), [(False, 3), (True, 1)])
def test_a_summary_that_cannot_be_written_is_no_regression(
    lab: Path, monkeypatch: pytest.MonkeyPatch, shifted: bool, status: int
) -> None:
    """Exit status 1 says that a regression is confirmed, and nothing else."""
    shift = replace(SHIFT, status="confirmed" if shifted else "acknowledged")
    monkeypatch.setattr("harness.workflow.nightly.run", lambda *of: ended(shift))
    (lab / "file").write_text("")
    with pytest.raises(typer.Exit) as left:
        verb.nightly(
            inventory=lab / "hosts.yml",
            results=lab / "results",
            summary=[lab / "file" / "night.md", lab / "night.md"],
            workloads=ROOT / "workloads",
        )
    assert left.value.exit_code == status
    assert (lab / "night.md").is_file()
