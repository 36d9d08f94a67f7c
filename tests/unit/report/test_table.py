"""The table: every declared row and column has its place, and says why where it has no figure."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.analyze.overhead import overhead
from harness.dataset import dataset
from harness.errors import HarnessError, UseError
from harness.model.allocation import Rule
from harness.model.estimate import Estimate
from harness.model.run import OVER_BUDGET, LeftOut, Missing, Run
from harness.model.target import BackendClass
from harness.model.trial import TrialStatus
from harness.publish import formats
from harness.publish.formats import terminal
from harness.report import answer, numbers
from harness.report.assemble import assemble
from harness.report.runs import analysed
from harness.report.table import Figure, Row, Section, Table
from tests.allocated import under
from tests.synthetic import (
    CPU,
    DISK,
    DOCKER,
    KVM,
    NATIVE,
    NESTED_NATIVE,
    TCG,
    Kind,
    example,
    make_run,
)


def table(*runs: Run) -> Table:
    return analysed(runs).table


def figure(section: Section, target: str, metric: str) -> Figure:
    column = [c.target for c in section.columns].index(target)
    rows = [row for group in section.groups for row in group.rows if row.metric == metric]
    return rows[0].figures[column]


def notes(section: Section, of: Figure) -> str:
    return " ".join(note.text for note in section.notes if note.number in of.notes)


def test_native_comes_first_and_headers_carry_the_labels() -> None:
    made = table(make_run(lambda *_: 1.0, [TCG, DOCKER, NESTED_NATIVE]))
    headers = [column.header for column in made.sections[0].columns]
    assert headers == ["native (nested)", "container (docker, os)", "guest (qemu-tcg, emulated)"]


def test_targets_of_one_backend_are_told_apart_by_what_was_seen_of_them() -> None:
    other = Kind("a-guest", TCG.backend, TCG.backend_class, TCG.label)
    seen: dict[str, dict[str, str | None]] = {
        "guest": {"release": "7.2.22", "disk_format": "raw", "vhost": "no", "process": "11"},
        "a-guest": {"release": "10.0.13", "disk_format": None, "vhost": "no", "process": "12"},
    }

    def told(*kinds: Kind) -> list[str]:
        run = make_run(lambda *_: 1.0, [NATIVE, *kinds])
        targets = tuple(
            replace(
                each, fingerprint=replace(each.fingerprint, outside=seen.get(each.target.name, {}))
            )
            for each in run.manifest.targets
        )
        made = table(replace(run, manifest=replace(run.manifest, targets=targets)))
        return [note.text for note in made.sections[0].notes if "differ, in" in note.text]

    assert told(DOCKER, TCG, other) == [
        "a-guest and guest, all kvm, differ, in this order, in release (10.0.13, 7.2.22)."
    ]
    assert told(DOCKER, TCG) == []


def test_a_target_named_like_its_label_says_it_once() -> None:
    docker = Kind("docker", "docker", DOCKER.backend_class, "docker", nested=True)
    made = table(make_run(lambda *_: 1.0, [NATIVE, docker]))
    assert [c.header for c in made.sections[0].columns] == ["native", "docker (os, nested)"]


def test_rows_are_grouped_by_resource_and_the_first_metric_leads() -> None:
    section = table(example()).sections[0]
    assert [g.resource for g in section.groups] == ["cpu", "memory", "kernel", "disk", "network"]
    disk = section.groups[3].rows
    assert [(r.metric, r.headline) for r in disk if r.workload == "disk-randread-4k-qd1"] == [
        ("iops", True),
        ("latency_p99", False),
    ]


def test_target_without_any_ok_trial_says_so_with_its_reason() -> None:
    def ending(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        return (TrialStatus.FAILED if target == "guest" else TrialStatus.OK), "no reply\nat all."

    section = table(make_run(lambda *_: 1.0, [NATIVE, TCG], ending=ending)).sections[0]
    found = figure(section, "guest", "iops")
    assert (found.median, found.factor, found.verdict) == (None, None, "no result")
    assert notes(section, found) == "no result: 8 of 8 trials failed (no reply at all)."
    assert numbers.cell(found, native=False) == ("no result", "", "¹")


def test_target_and_workload_that_were_never_tried_keep_their_places() -> None:
    run = make_run(lambda *_: 1.0, [NATIVE, TCG])
    kept = tuple(t for t in run.trials if t.target == "lab1" and t.workload == CPU.name)
    section = table(Run(run.manifest, kept, "interrupted", 4.0)).sections[0]
    assert [column.target for column in section.columns] == ["lab1", "guest"]
    assert [row.workload for group in section.groups for row in group.rows] == [
        CPU.name,
        DISK.name,
        DISK.name,
    ]
    assert notes(section, figure(section, "guest", "iops")) == "no result: no trial was made."
    assert section.groups[1].summaries[1] is not None
    assert section.groups[1].summaries[1].workloads == 1


def test_lost_trials_are_counted_beside_the_figure() -> None:
    def ending(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        if target == "container" and block in (1, 4):
            return TrialStatus.FAILED, "exit status 1" if block == 1 else "exit status 2"
        if target == "container" and block == 2:
            return TrialStatus.TIMEOUT, "over 60 s"
        return TrialStatus.OK, None

    section = table(make_run(lambda *_: 1.0, blocks=10, ending=ending)).sections[0]
    found = figure(section, "container", "events")
    assert (found.n, found.missing, found.failed, found.timeout) == (7, 3, 2, 1)
    assert notes(section, found) == (
        "2 of 10 trials failed (most often: exit status 1); 1 of 10 trials timed out (over 60 s)."
    )


def test_native_failure_is_told_where_it_costs_pairs() -> None:
    def ending(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        lost = target == "lab1" and block == 3
        return (TrialStatus.LOST if lost else TrialStatus.OK), "connection reset"

    section = table(make_run(lambda *_: 1.0, blocks=8, ending=ending)).sections[0]
    assert notes(section, figure(section, "container", "events")) == (
        "1 of 8 blocks gave no pair with native."
    )
    assert "1 of 8 trials lost the connection" in notes(section, figure(section, "lab1", "events"))


def test_value_of_zero_is_shown_and_not_paired() -> None:
    section = table(make_run(lambda t, *_: 0.0 if t == "container" else 1.0)).sections[0]
    found = figure(section, "container", "events")
    assert (found.median, found.factor) == (0.0, None)
    assert "zero or less" in notes(section, found)
    assert numbers.cell(found, native=False).relative == "not paired"


def test_notes_tell_nesting_emulation_and_missing_targets() -> None:
    missing = [Missing("vbox", "virtualbox", "no kernel module.")]
    section = table(make_run(lambda *_: 1.0, [NESTED_NATIVE, TCG], missing=missing)).sections[0]
    text = " ".join(note.text for note in section.notes)
    assert "relative to a nested native, not to bare metal" in text
    assert "not KVM's performance" in text
    assert "vbox (virtualbox) took no part: no kernel module." in text


def test_nesting_that_could_not_be_observed_is_not_called_bare_metal() -> None:
    unknown = Kind("lab1", "baremetal", NATIVE.backend_class, "baremetal", None)
    section = table(make_run(lambda *_: 1.0, [unknown, DOCKER])).sections[0]
    assert any("could not be observed" in note.text for note in section.notes)


def adopted(label: str, outside: dict[str, str | None]) -> Section:
    """A section with an adopted container beside native, observed so from its host."""
    theirs = Kind("theirs", "docker", BackendClass.OS, label)
    made = make_run(lambda *_: 10.0, [NATIVE, theirs])
    records = tuple(
        replace(
            record,
            target=replace(record.target, adopted=record.target.name == "theirs"),
            fingerprint=replace(record.fingerprint, outside=outside),
        )
        for record in made.manifest.targets
    )
    left = (LeftOut(CPU.name, "theirs", "it does not reach the peer"),)
    trials = tuple(t for t in made.trials if (t.target, t.workload) != ("theirs", CPU.name))
    manifest = replace(made.manifest, targets=records, left_out=left)
    (section,) = table(replace(made, manifest=manifest, trials=trials)).sections
    return section


@pytest.mark.parametrize(
    ("label", "outside", "said"),
    [
        ("docker, adopted", {}, "Only its inside was seen"),
        ("docker, adopted", {"same_kernel": "yes"}, "It shares native's kernel"),
        ("docker, adopted", {"platform": "kvm"}, "its host, which runs it by kvm"),
        ("docker, adopted, other machine", {}, "is no overhead"),
    ],
)
def test_notes_tell_what_nobody_saw_of_an_adopted_target(
    label: str, outside: dict[str, str | None], said: str
) -> None:
    section = adopted(label, outside)
    assert section.columns[1].header == f"theirs ({label}, os)"
    assert said in " ".join(note.text for note in section.notes)


def test_a_cell_that_was_left_out_says_why() -> None:
    section = adopted("docker, adopted", {})
    found = figure(section, "theirs", "events")
    assert found.verdict == "no result"
    assert "it does not reach the peer" in notes(section, found)


def test_architectures_are_in_one_order_and_none_is_averaged_over_targets() -> None:
    two = Kind("second", "xen", BackendClass.TYPE1, "xen")
    made = table(make_run(lambda *_: 10.0, [NATIVE, TCG, DOCKER, KVM, two]))
    (section,) = made.sections
    found = [
        (each.name, [section.columns[place].target for place in each.columns])
        for each in section.architectures
    ]
    assert found == [
        ("native", ["lab1"]),
        ("type 1", ["kvm", "second"]),
        ("OS-level", ["container"]),
        ("emulated", ["guest"]),
    ]


def test_several_hosts_are_several_sections() -> None:
    other = Kind("lab2", "baremetal", NATIVE.backend_class, "baremetal")
    made = table(
        make_run(lambda *_: 1.0), make_run(lambda *_: 2.0, [other, TCG], host="lab2", run="second")
    )
    assert [(s.host, [c.target for c in s.columns]) for s in made.sections] == [
        ("lab1", ["lab1", "container"]),
        ("lab2", ["lab2", "guest"]),
    ]
    assert [run.run for run in made.runs] == ["20261101T000000Z-lab1", "second"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bundle": "0" * 64}, "the bundle is sha256:cdcdc… in the one and 000000000000…"),
        ({"kernel": "6.1"}, None),
        ({"kernels": ("6.1", "6.12")}, "the kernel of container is 6.1 in the one and 6.12"),
        ({"vcpus": 4}, "the number of vCPUs of lab1 is 2 in the one and 4 in the other"),
        ({"seconds": 1.0}, "the time of a trial of cpu-one is 5 s in the one and 1 s"),
    ],
)
def test_runs_that_nobody_may_compare_are_not_pooled(change: dict[str, Any], said: str) -> None:
    """What is not observable in one of them is not known to differ."""
    one = make_run(lambda *_: 1.0, workloads=[CPU])
    other = make_run(lambda *_: 1.0, workloads=[CPU], run="20261102T000000Z-lab1")
    before, after = change.get("kernels", (None, change.get("kernel")))
    runs = [
        with_kernel(one, before),
        with_kernel(other, after),
    ]
    manifest = runs[1].manifest
    if "bundle" in change:
        manifest = replace(manifest, bundle=change["bundle"])
    if "seconds" in change:
        manifest = replace(manifest, plan=replace(manifest.plan, seconds={CPU.name: 1.0}))
    if "vcpus" in change:
        first = manifest.targets[0]
        size = replace(first.target.size, vcpus=change["vcpus"])
        record = replace(first, target=replace(first.target, size=size))
        manifest = replace(manifest, targets=(record, *manifest.targets[1:]))
    runs[1] = replace(runs[1], manifest=manifest)
    if said is None:
        assert table(*runs).sections[0].groups[0].rows[0].figures[1].n == 16
        return
    with pytest.raises(UseError, match="cannot be pooled \\(check: comparable\\)") as caught:
        table(*runs)
    assert said in caught.value.message
    assert "a table of its own" in caught.value.hint


def with_kernel(run: Run, kernel: str | None) -> Run:
    records = tuple(
        replace(each, fingerprint=replace(each.fingerprint, kernel=kernel))
        if each.target.name == DOCKER.name
        else each
        for each in run.manifest.targets
    )
    return replace(run, manifest=replace(run.manifest, targets=records))


def test_a_precision_that_was_not_reached_is_told() -> None:
    rough = {b: 1 + 0.2 * (b % 2) for b in range(8)}
    run = make_run(
        lambda target, *rest: rough[rest[-1]] if target == DOCKER.name else 1.0, workloads=[CPU]
    )
    asked = under(run, Rule({"cpu": 0.01}, 8))
    notes = [note.text for note in table(asked).sections[0].notes]
    assert any(
        "was to reach ±1 % and ended after 8 blocks (complete) without it for 1 headline figures: "
        "cpu-one on container" in text
        for text in notes
    )
    assert not any("was to reach" in note.text for note in table(run).sections[0].notes)


def test_how_many_trials_were_made_up_is_told() -> None:
    """Ten blocks where eight were to have values: of three that gave none two were made up."""

    def ending(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        bad = target == DOCKER.name and block in {1, 3, 4}
        return (TrialStatus.REJECTED, "busy") if bad else (TrialStatus.OK, None)

    run = make_run(lambda *_: 1.0, workloads=[CPU], blocks=10, ending=ending)
    notes = [note.text for note in table(under(run, Rule({"cpu": 0.01}, 8))).sections[0].notes]
    assert any(
        text.endswith(": 3 of 20 trials gave no value, 2 of them made up in later blocks.")
        for text in notes
    )
    assert not any("made up" in note.text for note in table(run).sections[0].notes)


def test_what_a_budget_had_no_time_for_is_told() -> None:
    run = make_run(lambda *_: 1.0, workloads=[CPU])
    left = tuple(LeftOut("disk-one", name, OVER_BUDGET) for name in ("lab1", "container"))
    cut = replace(run, manifest=replace(run.manifest, left_out=left))
    (told,) = (e.text for e in table(cut).sections[0].notes if "had no time" in e.text)
    assert "had no time for 1 workloads (disk-one)" in told


def test_frame_made_run_by_run_is_no_table() -> None:
    runs = [make_run(lambda *_: 1.0, run=name) for name in "ab"]
    frame = overhead(dataset.frame(runs[0]).vstack(dataset.frame(runs[1])).lazy(), by_run=True)
    with pytest.raises(ValueError, match="pool its runs"):
        assemble(frame, [], runs, [])


def test_where_the_figures_come_from() -> None:
    run = make_run(lambda *_: 1.0, ended=None)
    text = formats.render(table(run), "markdown")
    for told in ("seed 7", "plan abababababab", "bundle cdcdcdcdcdcd", "preset quick"):
        assert told in text
    assert "planned 10 min, used 10 min 12 s" in text
    assert "its record just stops, 32 of 32 planned trials made" in text


# ---------------------------------------------------------------- how numbers are written
@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"), (0.043214, "0.04321"), (0.5, "0.5000"), (9.9999, "10.00"), (987.65, "987.6"),
        (1234.4, "1234"), (9999.4, "9999"), (12345.0, "12.35k"), (4.3e6, "4.300M"),
        (2.5e10, "25.00G"), (-12.0, "−12.00"), (3.21e-5, "3.210e−05"),
    ],
)  # fmt: skip
def test_values_have_four_significant_digits(number: float, text: str) -> None:
    assert numbers.value(number) == text


@pytest.mark.parametrize(
    ("point", "low", "high", "text"),
    [
        (1.123, 1.110, 1.139, "+12.3 % [+11.0, +13.9]"),
        (0.98, 0.97, 0.99, "−2.0 % [−3.0, −1.0]"),
        (1.01, 0.995, 1.02, "+1.0 % [−0.5, +2.0]"),
        (7.8, 7.512, 8.12, "7.80× [7.51, 8.12]"),
        (2.0, 1.9, 2.1, "2.00× [1.90, 2.10]"),
        (1.999, 1.9, 2.1, "+99.9 % [+90.0, +110.0]"),
        (123.4, 120.0, 130.0, "123× [120, 130]"),
        (1.0012, 1.0002, 1.0031, "+0.12 % [+0.02, +0.31]"),
        (1.05, None, None, "+5.0 % (n too small)"),
        (3.0, None, None, "3.00× (n too small)"),
    ],
)
def test_overheads_are_percent_under_100_and_factors_from_there(
    point: float, low: float | None, high: float | None, text: str
) -> None:
    assert numbers.effect(Estimate(point, low, high, 0.95, 8, "")) == text


# ---------------------------------------------------------------- the terminal
@pytest.mark.parametrize("width", [72, 80, 100, 140, 200])
def test_terminal_keeps_to_its_width_and_cuts_nothing_off(width: int) -> None:
    made = replace(table(example()), full=True)
    text = terminal.render(made, width=width, color=False)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "…" not in text
    for cell in _cells(made):
        assert cell.absolute in text
        assert cell.relative in text
    for row in _rows(made):
        assert row.workload in text
        assert row.metric in text


def test_terminal_repeats_native_where_it_takes_two_tables() -> None:
    text = terminal.render(replace(table(example()), full=True), width=80, color=False)
    assert len(re.findall(r"^ +native", text, re.MULTILINE)) == 2


@pytest.mark.parametrize("width", [80, 120])
def test_terminal_has_a_row_a_workload_that_fits(width: int) -> None:
    made = table(example())
    text = terminal.render(made, width=width, color=False)
    assert max(len(line) for line in text.splitlines()) <= width
    lines = text.splitlines()
    for row in _rows(made):
        of = [line for line in lines if line.startswith(f"  {row.workload} ")]
        assert len(of) == (1 if width == 120 else 2)  # or a table a target
        for figure in row.figures[1:] if row.headline else ():
            assert numbers.cell(figure, native=False).relative in " ".join(of)
        if row.headline and width == 120:
            assert numbers.value(row.figures[0].median or 0) in of[0]
    assert not any(note in text for note in made.notes)
    assert squeezed(made.notes[0]) in squeezed(
        terminal.render(replace(made, legend=True), width=width, color=False)
    )


def test_terminal_says_the_answer_first_and_where_it_is_long_last() -> None:
    made = table(example())
    lines = terminal.render(made, width=200, color=False).splitlines()
    (section,) = made.sections
    said = list(answer.sentences(section))
    assert lines[1 : 1 + len(said)] == said
    assert [line for line in lines if line in said] == said * 2
    short = table(make_run(lambda *_: 1.0, [NATIVE, DOCKER], [CPU]))
    few = terminal.render(short, width=200, color=False).splitlines()
    assert few.count(answer.sentences(short.sections[0])[0]) == 1


def squeezed(text: str) -> str:
    return "".join(text.split())


def test_terminal_colours_follow_verdicts() -> None:
    made = replace(table(example()), full=True)
    text = terminal.render(made, width=140, color=True)
    for colour, verdict in (("31", "slower"), ("32", "equivalent"), ("33", "suspect")):
        told = {
            numbers.cell(f, native=False).relative
            for row in _rows(made)
            for f in row.figures
            if f.verdict == verdict
        }
        coloured = set(re.findall(rf"\x1b\[{colour}m *([^\x1b]*?) *\x1b", text))
        assert {each for each in coloured if "%" in each or "×" in each} == told


def test_terminal_has_no_colour_where_it_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert "\x1b" not in formats.render(table(example()), "terminal")


def _rows(made: Table) -> list[Row]:
    return [row for section in made.sections for group in section.groups for row in group.rows]


def _cells(made: Table) -> list[numbers.CellText]:
    return [numbers.cell(f, i == 0) for row in _rows(made) for i, f in enumerate(row.figures)]


# ---------------------------------------------------------------- formats and files
def test_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(UseError, match="'excel'") as error:
        formats.render(table(make_run(lambda *_: 1.0)), "excel")
    for name in ("csv", "json", "markdown", "terminal"):
        assert name in error.value.hint


@pytest.mark.parametrize("name", ["table", "figures", "../cli", ""])
def test_what_is_no_renderer_is_no_format(name: str) -> None:
    with pytest.raises(UseError):
        formats.render(table(make_run(lambda *_: 1.0)), name)


def test_files_are_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "published" / "table.md"
    formats.write("å\n", path)
    assert path.read_bytes() == "å\n".encode()
    assert list(path.parent.iterdir()) == [path]
    (tmp_path / "file").touch()
    with pytest.raises(HarnessError, match=r"cannot write table\.md in .*file"):
        formats.write("x", tmp_path / "file" / "table.md")
