"""Imported figures: the same statistics, their label everywhere, and nothing that nobody saw."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from harness.analyze.overhead import overhead
from harness.dataset import dataset
from harness.errors import ReadError, UseError
from harness.importing import Source, options, programs, run, table
from harness.ledger import reader, writer
from harness.model.run import Run
from harness.model.target import BackendClass
from harness.model.trial import TrialStatus
from harness.model.workload import Resource, Sample
from harness.publish import formats
from harness.report.assemble import assemble
from harness.report.runs import analysed
from harness.report.table import Table
from tests import waiting
from tests.reading import text_of
from tests.synthetic import CPU, DISK, DOCKER, KVM, NATIVE, make_run, noisy

ROOT = Path(__file__).parents[3]
OUTPUTS = Path(__file__).parents[1] / "outputs"
HOST = NATIVE.name
BASE = {("cpu-one", "events"): 1e3, ("disk-randread", "iops"): 9e3}
BASE |= {("disk-randread", "latency_p99"): 120.0}
VALUE = noisy(
    {HOST: 1, f"{HOST}+control": 1, "docker": 1.2, "kvm": 1.05}, BASE, {"latency_p99"}, seed=1
)
MEASURED = make_run(
    VALUE,
    [NATIVE, type(DOCKER)("docker", "docker", BackendClass.OS, "docker"), KVM],
    control=True,
)
HEADER = "backend,host,workload,metric,unit,better,block,value"


def tidy(measured: Run = MEASURED) -> pl.DataFrame:
    """The values of a run as somebody else would hand them over."""
    backends = {r.target.name: r.target.backend for r in measured.manifest.targets}
    resources = {w.name: str(w.resource) for w in measured.manifest.workloads}
    return pl.DataFrame(
        [
            {
                "backend": backends[trial.target],
                "host": trial.host,
                "target": None if trial.target == trial.host else trial.target,
                "workload": trial.workload,
                "resource": resources[trial.workload],
                "metric": sample.metric,
                "unit": sample.unit,
                "better": sample.better,
                "block": trial.block,
                "control": trial.control,
                "value": sample.value,
            }
            for trial in measured.trials
            for sample in trial.samples
        ]
    )


def put(path: Path, frame: pl.DataFrame) -> Path:
    if path.suffix == ".csv":
        frame.write_csv(path)
    else:
        frame.write_parquet(path)
    return path


def bring(source: Path, results: Path, request: Source | None = None) -> list[Path]:
    asked = request or Source()
    return run.save(run.read(source, asked), asked, results)


def shown(folder: Path) -> Table:
    found = reader.read_run(folder)
    return analysed([found]).table


def refused(source: Path, results: Path, request: Source | None = None) -> str:
    """The message and hint of the refusal; nothing is written then."""
    with pytest.raises(UseError) as error:
        bring(source, results, request)
    assert error.value.hint
    assert not list(results.glob("runs/*")), "something was left behind"
    return f"{error.value.message} | {error.value.hint}"


# ------------------------------------------------------------------ the round trip
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_overhead_of_imported_values_is_that_of_the_same_values_measured(
    tmp_path: Path, suffix: str
) -> None:
    (folder,) = bring(put(tmp_path / f"measured.{suffix}", tidy()), tmp_path)
    mine = overhead(dataset.frame(reader.read_run(folder)).lazy())
    theirs = overhead(dataset.frame(MEASURED).lazy())
    of_import = {"imported", "nested", "label", "title"}
    frames = [
        frame.with_columns(pl.col(pl.Categorical).cast(pl.String)).drop(*of_import, "run")
        for frame in (mine, theirs)
    ]
    assert frames[0]["F"].count() > 0
    assert_frame_equal(*frames, check_exact=True)
    assert mine["imported"].all()
    assert not theirs["imported"].any()


def test_a_file_of_several_hosts_is_a_run_for_each(tmp_path: Path) -> None:
    frame = tidy()
    both = pl.concat([frame, frame.with_columns(host=pl.lit("lab2"), value=pl.col("value") * 2)])
    folders = bring(put(tmp_path / "two.csv", both), tmp_path)
    assert [reader.read_manifest(folder).host for folder in folders] == [HOST, "lab2"]


def test_nothing_is_said_that_nobody_saw(tmp_path: Path) -> None:
    (folder,) = bring(put(tmp_path / "measured.csv", tidy()), tmp_path)
    read = reader.read_run(folder)
    assert (read.ended, read.used_s) == ("imported", None)
    assert read.manifest.imported is not None
    assert read.manifest.imported.name == "measured.csv"
    for record in read.manifest.targets:
        seen = record.fingerprint
        known = (seen.nested, seen.release, seen.accelerator, seen.kernel, seen.cpu_model)
        assert {*known, seen.vcpus, seen.memory_mib, seen.clocksource} == {None}
        assert (dict(seen.inside), dict(seen.outside), dict(record.programs)) == ({}, {}, {})
    rows = dataset.frame(read)
    for column in ("nested", "position", "preset", "controller_s", "guest_s"):
        assert rows[column].null_count() == rows.height
    facts = shown(folder).runs[0]
    unknown = (facts.preset, facts.seed, facts.plan, facts.bundle, facts.planned_s, facts.used_s)
    assert set(unknown) == {None}
    assert not [check for section in shown(folder).sections for check in section.checks]


@pytest.mark.parametrize("format", formats.FORMATS)
def test_every_format_says_that_it_was_imported(tmp_path: Path, format: str) -> None:
    (folder,) = bring(put(tmp_path / "measured.csv", tidy()), tmp_path)
    text = text_of(formats.render(shown(folder), format), format)
    flat = " ".join(text.split())
    if format == "terminal":
        assert "(imported)" in flat
        assert "(type1, imported)" in flat
    else:
        assert "native (imported)" in flat
        assert "kvm (type1, imported)" in flat
    assert "Baremark did not measure this" in flat
    assert "cannot check clock, steal, other load, bundle or order" in flat
    assert "seed" not in flat or format in {"json", "xlsx"}
    if format == "json":
        document = json.loads(text)
        assert document["runs"][0]["seed"] is None
        assert document["runs"][0]["imported"]["name"] == "measured.csv"
        assert {c["imported"] for s in document["sections"] for c in s["columns"]} == {True}
    if format == "csv":
        lines = list(csv.DictReader(io.StringIO(text)))
        assert {line["imported"] for line in lines if line["kind"] != "note"} == {"true"}


def test_imported_and_measured_runs_of_a_host_share_no_table_and_are_not_pooled(
    tmp_path: Path,
) -> None:
    (folder,) = bring(put(tmp_path / "measured.csv", tidy()), tmp_path)
    runs = [reader.read_run(folder), MEASURED]
    frame = overhead(pl.concat([dataset.frame(each) for each in runs]).lazy())
    assert frame["runs"].max() == 1
    with pytest.raises(UseError, match=r"was imported and run .* was measured"):
        assemble(frame, [], runs, [])


def test_the_same_source_twice_is_refused_and_another_is_not(tmp_path: Path) -> None:
    source = put(tmp_path / "measured.csv", tidy())
    (folder,) = bring(source, tmp_path)
    with pytest.raises(UseError, match=f"imported before, as .*{folder.name}"):
        bring(source, tmp_path)
    shutil.rmtree(folder)
    assert bring(source, tmp_path)


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    source = put(tmp_path / "measured.csv", tidy())
    monkeypatch.setattr(writer.Ledger, "record_all", full)
    with pytest.raises(Exception, match=r"cannot write to .*No space left"):
        bring(source, tmp_path)
    assert not list((tmp_path / "runs").iterdir())


# ------------------------------------------------------------------ tables that are refused
def rows(*lines: str) -> str:
    return "\n".join([HEADER, *lines]) + "\n"


GOOD = [
    f"{backend},h1,w,m,1/s,higher,{block},{10 + block}"
    for block in range(3)
    for backend in ("baremetal", "kvm")
]
ALL_CPU = Source(resources={"": Resource.CPU})


def test_the_good_rows_are_good(tmp_path: Path) -> None:
    source = tmp_path / "t.csv"
    source.write_text(rows(*GOOD))
    assert bring(source, tmp_path, ALL_CPU)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("kvm,h1,w,m,1/s,faster,7,1", "line 8: better is 'faster' | say higher"),
        ("kvm,h1,w,m,1/s,,7,1", "line 8: better is None"),
        ("kvm,h1,w,m,1/s,higher,7,nan", "line 8: value is nan, which has no ratio"),
        ("kvm,h1,w,m,1/s,higher,7,-2", "line 8: value is -2, which has no ratio"),
        ("kvm,h1,w,m,1/s,higher,7,0", "line 8: value is 0, which has no ratio"),
        ("kvm,h1,w,m,1/s,higher,7,inf", "line 8: value is inf, which has no ratio"),
        ("kvm,h1,w,m,1/s,higher,7,", "line 8: value is missing | write numbers"),
        ('kvm,h1,w,m,1/s,higher,7,"1,5"', "line 8: value '1,5' is no number"),
        ("kvm,h1,w,m,1/s,higher,7,1_000", "line 8: value '1_000' is no number"),
        ("kvm,h1,w,m,1/s,higher,7,١٢", "line 8: value '١٢' is no number"),
        ("kvm,h1,w,m,1/s,higher,7,0x10", "line 8: value '0x10' is no number"),
        ("kvm,h1,w,m,1/s,higher,7,1e999", "line 8: value is 1e999, which has no ratio"),
        ("kvm,h1,w,m,1/s,higher,1_0,1", "line 8: block is '1_0'"),
        ("kvm,h1,w,m,,higher,7,1", "line 8: unit of w, m is '1', but '1/s' in"),
        ("kvm,h1,w,m,1/s,higher,7,fast", "line 8: value 'fast' is no number"),
        ("kvm,h1,w,m,1/s,higher,-1,1", "line 8: block is '-1' | number the blocks"),
        ("kvm,h1,w,m,1/s,higher,1.5,1", "line 8: block is '1.5'"),
        ("kvm,h1,w,m,1/s,higher,,1", "line 8: block is None"),
        ("kvm,h1,w,m,ms,higher,7,1", "line 8: unit of w, m is 'ms', but '1/s' in"),
        ("kvm,h1,w,m,1/s,lower,7,1", "line 8: better of w, m is 'lower', but 'higher' in"),
        ("kvm,h1,w,m,1/s,higher,2,1", "line 8 gives m of w on kvm of h1 in block 2 once more"),
        ("kvm,h1,,m,1/s,higher,7,1", "line 8: workload is empty"),
        ("kvm,h1, w,m,1/s,higher,7,1", "line 8: workload is ' w'"),
        ("kvm,../h1,w,m,1/s,higher,7,1", "line 8: host is '../h1'"),
        ("kvm,h1,w\x1b[31m,m,1/s,higher,7,1", "characters that do not print"),
        ("kvm,h2,w,m,1/s,higher,7,1", "host h2 has nothing of native, only of: kvm"),
        ("hurd,h1,w,m,1/s,higher,1,1", "no backend 'hurd', so its class is not known | --class"),
        ("h1,h1,w,m,1/s,higher,1,1", "the target h1 is called as its host"),
        ("kvm,h1,w,m,1/s,higher,7,1,9", "is no CSV"),
    ],
)
def test_a_bad_row_is_named_with_its_cure(tmp_path: Path, line: str, said: str) -> None:
    source = tmp_path / "t.csv"
    source.write_text(rows(*GOOD, line))
    assert said in refused(source, tmp_path, ALL_CPU).replace(f"{source}, ", "")


@pytest.mark.parametrize("column", table.REQUIRED)
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    source = put(tmp_path / "t.csv", tidy().drop(column))
    assert f"has no column {column}; it has: " in refused(source, tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("t.csv", b"", "t.csv is empty"),
        ("t.csv", b" \n\n", "t.csv is empty"),
        ("t.csv", HEADER.encode() + b"\n", "has a header and no rows"),
        ("t.csv", b"\xff\xfe\x00", "is no CSV in UTF-8"),
        ("t.csv", HEADER.replace(",", ";").encode() + b"\n1;2\n", "has no column backend, host"),
        ("t.parquet", rows(*GOOD).encode(), "t.parquet is no Parquet"),
        ("t.xlsx", b"PK", "is neither a folder nor called .csv or .parquet"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, file: str, content: bytes, said: str) -> None:
    (tmp_path / file).write_bytes(content)
    assert said in refused(tmp_path / file, tmp_path)


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    source = tmp_path / "t.csv"
    source.write_text(rows(*GOOD), encoding="utf-8-sig")
    assert bring(source, tmp_path, ALL_CPU)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "cannot read" in refused(tmp_path / "none.csv", tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.with_columns(value=pl.lit(True)), "column value is of type Boolean"),
        (lambda f: f.with_columns(value=pl.concat_list("value")), "column value is of type List"),
        (lambda f: f.with_columns(unit=pl.lit(1)), "column unit is of type Int32"),
        (lambda f: f.with_columns(value=pl.lit(None)), "row 1: value is missing"),
        (lambda f: f.with_columns(value=pl.lit("x")), "row 1: value 'x' is no number"),
        (lambda f: f.with_columns(block=pl.col("block") + 0.5), "row 1: block is 0.5"),
        (lambda f: f.with_columns(control=pl.lit("maybe")), "row 1: control is 'maybe'"),
        (lambda f: f.with_columns(resource=pl.lit("gpu")), "row 1: resource is 'gpu'"),
        (lambda f: f.with_columns(unit=pl.lit(None, pl.String)), "row 1: unit is missing"),
    ],
)  # fmt: skip
def test_parquet_of_wrong_types_or_values(
    tmp_path: Path, change: Callable[[pl.DataFrame], pl.DataFrame], said: str
) -> None:
    assert said in refused(put(tmp_path / "t.parquet", change(tidy())), tmp_path)


def test_parquet_with_categories_and_whole_numbers_is_as_good(tmp_path: Path) -> None:
    frame = tidy().with_columns(
        pl.col("backend", "unit").cast(pl.Categorical), pl.col("block").cast(pl.Float64)
    )
    assert bring(put(tmp_path / "t.parquet", frame), tmp_path)


def test_what_a_workload_stresses_is_asked_for(tmp_path: Path) -> None:
    source = put(tmp_path / "t.csv", tidy().drop("resource"))
    assert "what cpu-one stresses is not known | --resource cpu-one=cpu|" in refused(
        source, tmp_path
    )
    given = Source(resources={"": Resource.DISK, "cpu-one": Resource.CPU})
    (folder,) = bring(source, tmp_path, given)
    found = {w.name: w.resource for w in reader.read_manifest(folder).workloads}
    assert found == {CPU.name: Resource.CPU, DISK.name: Resource.DISK}


def test_a_class_is_given_to_what_is_not_known_and_never_against_what_is(tmp_path: Path) -> None:
    frame = tidy().with_columns(pl.col("backend").replace("docker", "gvisor"))
    source = put(tmp_path / "t.csv", frame)
    assert "no backend 'gvisor'" in refused(source, tmp_path)
    for classes, said in (
        ({"gvisor": BackendClass.SANDBOX, "kvm": BackendClass.OS}, "--class kvm=os: it is type1"),
        ({"gvisor": BackendClass.NATIVE}, "gvisor is native, and native is called 'baremetal'"),
    ):
        assert said in refused(source, tmp_path, Source(classes=classes))
    (folder,) = bring(
        source,
        tmp_path,
        Source(classes={"gvisor": BackendClass.SANDBOX, "kvm": BackendClass.EMULATED}),
    )
    headers = [column.header for column in shown(folder).sections[0].columns]
    assert headers == [
        "native (imported)", "docker (gvisor, sandbox, imported)", "kvm (emulated, imported)",
    ]  # fmt: skip


def test_native_may_have_another_name(tmp_path: Path) -> None:
    frame = tidy().filter(~pl.col("control"))
    frame = frame.with_columns(pl.col("backend").replace("baremetal", "host"))
    source = put(tmp_path / "t.csv", frame)
    assert "has nothing of native, only of: docker, host, kvm | " in refused(source, tmp_path)
    assert bring(source, tmp_path, Source(native="host"))


def test_two_natives_of_a_host_are_refused(tmp_path: Path) -> None:
    frame = tidy().with_columns(
        target=pl.when(pl.col("backend") == "baremetal")
        .then(pl.when(pl.col("block") < 3).then(pl.lit("a")).otherwise(pl.lit("b")))
        .otherwise("target")
    )
    assert "native target of lab1 is 'b', but 'a'" in refused(
        put(tmp_path / "t.csv", frame), tmp_path
    )


# ------------------------------------------------------------------ folders of outputs
def lay_out(folder: Path, tool: str, output: str, blocks: int = 3) -> Path:
    """Real outputs of a tool, the same ones for native and a guest."""
    for arm in ("native", "guest"):
        (folder / arm).mkdir(parents=True)
        for block in range(blocks):
            for ending, extension in ((".out", "txt"), (".err", "err")):
                shutil.copy(
                    OUTPUTS / tool / f"{output}{ending}",
                    folder / arm / f"{output}.{block}.{extension}",
                )
    return folder


def asked(tool: str, **more: Any) -> Source:
    return Source(native="native", tool=tool, backends={"guest": "kvm"}, host="lab1", **more)


@pytest.mark.parametrize(
    ("tool", "output", "resource", "version"),
    [
        ("fio", "disk-randread-4k-qd1", "disk", "fio-3.33"),
        ("iperf3", "network-tcp-send", "network", "iperf 3.12"),
        ("sockperf", "network-rr", "network", "3.7-no.git"),
        ("sysbench", "cpu-sysbench-1t", "cpu", "sysbench 1.0.20"),
        ("sysbench", "memory-read", "memory", "sysbench 1.0.20"),
        ("sysbench", "fileio-rndrw", "disk", "sysbench 1.0.20"),
        ("sysbench", "threads", "kernel", "sysbench 1.0.20"),
        ("fio", "v3.41-two-jobs", "disk", "fio-3.41"),
        ("iperf3", "v3.18-bidir", "network", "iperf 3.18"),
        ("stress-ng", "kernel-switch", "kernel", "0.15.06"),
    ],
)
def test_outputs_of_a_tool_become_a_run_with_their_bytes(
    tmp_path: Path, tool: str, output: str, resource: str, version: str
) -> None:
    source = lay_out(tmp_path / "outputs", tool, output)
    not_told = tool == "stress-ng" or output == "threads"
    if not_told:
        said = refused(source, tmp_path, asked(tool))
        assert f"what {output} stresses is not known" in said
    given = asked(tool, resources={output: Resource.KERNEL} if not_told else {})
    (folder,) = bring(source, tmp_path, given)
    read = reader.read_run(folder)
    (workload,) = read.manifest.workloads
    assert (workload.name, str(workload.resource), workload.tool) == (output, resource, tool)
    assert len(read.trials) == 6
    for trial in read.trials:
        assert trial.status is TrialStatus.OK
        assert reader.read_raw(folder, trial) == (OUTPUTS / tool / f"{output}.out").read_bytes()
    assert {record.programs[tool] for record in read.manifest.targets} == {version}
    headers = [column.header for column in shown(folder).sections[0].columns]
    assert headers == ["native (imported)", "guest (kvm, type1, imported)"]
    figure = shown(folder).sections[0].groups[0].rows[0].figures[1]
    assert figure.factor is not None
    assert figure.factor.point == 1
    with pytest.raises(UseError, match="imported before"):
        bring(source, tmp_path, given)


def test_other_versions_are_refused_unless_accepted_and_then_told(tmp_path: Path) -> None:
    source = lay_out(tmp_path / "outputs", "fio", "disk-randread-4k-qd1")
    for file in (source / "guest").glob("*.txt"):
        file.write_bytes(file.read_bytes().replace(b"fio-3.33", b"fio-3.36"))
    said = refused(source, tmp_path, asked("fio"))
    assert "programs: guest did not run native's fio: fio-3.33 (" in said
    assert "--accept programs" in said
    (folder,) = bring(source, tmp_path, asked("fio", accepted=("programs",)))
    assert reader.read_manifest(folder).accepted == ("programs",)
    headers = [column.header for column in shown(folder).sections[0].columns]
    assert headers[1] == "guest (kvm, type1, imported, accepted: programs)"
    text = " ".join(formats.render(shown(folder), "markdown").split())
    assert "its fio is fio-3.36, native's fio-3.33" in text


def test_two_versions_on_one_target_are_refused(tmp_path: Path) -> None:
    source = lay_out(tmp_path / "outputs", "sysbench", "cpu-sysbench-1t")
    file = source / "native" / "cpu-sysbench-1t.1.txt"
    file.write_bytes(file.read_bytes().replace(b"sysbench 1.0.20", b"sysbench 1.0.11"))
    assert "programs: native ran several versions of sysbench: sysbench 1.0.20 (" in refused(
        source, tmp_path, asked("sysbench")
    )


def test_several_versions_that_are_accepted_mark_the_table_even_where_native_has_them_too(
    tmp_path: Path,
) -> None:
    source = lay_out(tmp_path / "outputs", "fio", "disk-randread-4k-qd1")
    for arm in ("native", "guest"):
        file = source / arm / "disk-randread-4k-qd1.1.txt"
        file.write_bytes(file.read_bytes().replace(b"fio-3.33", b"fio-3.36"))
    (folder,) = bring(source, tmp_path, asked("fio", accepted=("programs",)))
    headers = [column.header for column in shown(folder).sections[0].columns]
    assert all("accepted: programs" in header for header in headers)
    text = " ".join(formats.render(shown(folder), "markdown").split())
    assert "made by several versions of fio: fio-3.33, fio-3.36" in text


@pytest.mark.parametrize(
    ("tool", "output", "old", "new", "says"),
    [
        (
            "fio",
            "disk-randread-4k-qd1",
            b'"bs" : "4k"',
            b'"bs" : "128k"',
            "its bs is 4k in ",
        ),
        ("iperf3", "network-tcp-send", b'"reverse":\t0', b'"reverse":\t1', "its reverse is 0 in "),
        (
            "sysbench",
            "cpu-sysbench-1t",
            b"Prime numbers limit: 10000",
            b"Prime numbers limit: 20000",
            "its Prime numbers limit is 10000 in ",
        ),
    ],
)
def test_what_was_run_with_other_arguments_is_no_one_workload(
    tmp_path: Path, tool: str, output: str, old: bytes, new: bytes, says: str
) -> None:
    source = lay_out(tmp_path / "outputs", tool, output)
    for file in (source / "guest").glob("*.txt"):
        assert old in file.read_bytes()
        file.write_bytes(file.read_bytes().replace(old, new))
    said = refused(source, tmp_path, asked(tool))
    assert f"arguments: {output} is not one workload: {says}" in said
    assert "another name" in said


def test_a_version_that_is_not_stated_is_not_known() -> None:
    assert programs.stated("fio", b"{}") is None
    assert programs.stated("another", b"another 1.0") is None


def test_an_output_without_a_number_is_a_failed_trial_with_its_reason(tmp_path: Path) -> None:
    source = lay_out(tmp_path / "outputs", "fio", "disk-randread-4k-qd1")
    shutil.copy(
        OUTPUTS / "fio" / "refused" / "io-error.out",
        source / "guest" / "disk-randread-4k-qd1.1.txt",
    )
    (folder,) = bring(source, tmp_path, asked("fio"))
    (failed,) = [t for t in reader.read_run(folder).trials if t.status is TrialStatus.FAILED]
    assert (failed.target, failed.block, failed.samples) == ("guest", 1, ())
    assert str(failed.reason).startswith("fio: ")


def test_native_may_have_its_second_trial(tmp_path: Path) -> None:
    source = lay_out(tmp_path / "outputs", "sysbench", "memory-read")
    shutil.copytree(source / "native", source / "native+control")
    (folder,) = bring(source, tmp_path, asked("sysbench"))
    assert sum(trial.control for trial in reader.read_run(folder).trials) == 3


def broken(spoil: str) -> Callable[[Path], None]:
    def of(source: Path) -> None:
        guest = source / "guest"
        match spoil:
            case "name":
                (guest / "memory-read.txt").write_text("x")
            case "folder":
                (guest / "0").mkdir()
            case "twice":
                shutil.copy(guest / "memory-read.0.txt", guest / "memory-read.0.log")
            case "err alone":
                (guest / "memory-read.0.txt").unlink()
            case "empty":
                shutil.rmtree(guest)
                guest.mkdir()
            case "no native":
                (source / "native").rename(source / "metal")
            case "no number":
                for file in source.glob("*/*.txt"):
                    file.write_text("nothing")
            case "control":
                guest.rename(source / "guest+control")

    return of


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("name", "does not tell its workload and block | call it <target>/<workload>.<block>"),
        ("folder", "does not tell its workload and block"),
        ("twice", "are of one workload and block"),
        ("err alone", "has no output beside it"),
        ("empty", "guest holds no output"),
        ("no native", "has no sub-folder 'native' of native's outputs; it has: guest, metal"),
        ("no number", "no output of memory-read gives a number"),
        ("control", "only native has a second trial"),
    ],
)
def test_a_folder_that_is_laid_out_otherwise(tmp_path: Path, spoil: str, said: str) -> None:
    source = lay_out(tmp_path / "outputs", "sysbench", "memory-read")
    broken(spoil)(source)
    assert said in refused(source, tmp_path, asked("sysbench"))


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (Source(native="native"), "whose outputs it holds is not said | --tool fio"),
        (Source(native="native", tool="dd"), "there is no tool 'dd'"),
        (Source(native="native", tool="sysbench", backends={"x": "kvm"}), "no such sub-folder"),
        (Source(native="native", tool="sysbench"), "no backend 'guest', so its class"),
        (Source(native="native", tool="sysbench", host="a b"), "cannot be part of a"),
    ],
)  # fmt: skip
def test_what_a_folder_does_not_tell_is_asked_for(
    tmp_path: Path, request_: Source, said: str
) -> None:
    source = lay_out(tmp_path / "outputs", "sysbench", "memory-read")
    assert said in refused(source, tmp_path, request_)


def test_what_is_for_folders_is_refused_for_a_table(tmp_path: Path) -> None:
    source = put(tmp_path / "t.csv", tidy())
    for given in (
        Source(tool="fio"),
        Source(host="h"),
        Source(backends={"a": "kvm"}),
        Source(passed=("a",)),
    ):
        assert "is for folders" in refused(source, tmp_path, given)


def test_labels_get_into_the_name_of_the_metric(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.tools import sysbench

    def samples(*labels: str) -> Callable[[bytes, bytes], tuple[Sample, ...]]:
        return lambda stdout, stderr: tuple(
            Sample("events_per_s", 5.0, "1/s", "higher", (("job", each),)) for each in labels
        )

    source = lay_out(tmp_path / "outputs", "sysbench", "cpu-sysbench-1t")
    monkeypatch.setattr(sysbench, "read", samples("a", "a"))
    assert "several values of events_per_s (job a), which nothing tells apart" in refused(
        source, tmp_path, asked("sysbench")
    )
    monkeypatch.setattr(sysbench, "read", samples("a", "b"))
    given = asked("sysbench", resources={"": Resource.CPU})
    (folder,) = bring(source, tmp_path, given)
    (workload,) = reader.read_manifest(folder).workloads
    assert [m.name for m in workload.metrics] == ["events_per_s (job a)", "events_per_s (job b)"]


def test_a_reader_that_refuses_everything_is_told_as_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.tools import sysbench

    def read(stdout: bytes, stderr: bytes) -> tuple[Sample, ...]:
        raise ReadError("sysbench: not today")

    monkeypatch.setattr(sysbench, "read", read)
    source = lay_out(tmp_path / "outputs", "sysbench", "memory-read")
    assert "sysbench: not today" in refused(source, tmp_path, asked("sysbench"))


# ------------------------------------------------------------------ the command line
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"backends": ["guest"]}, "--backend 'guest' is no pair"),
        ({"classes": ["a=fast"]}, "--class 'fast' is none"),
        ({"resources": ["w=gpu"]}, "--resource 'gpu' is none"),
        ({"accepted": ["clock"]}, "--accept clock: importing has no such check"),
        ({"accepted": ["arguments"]}, "--accept arguments: other work is no comparison"),
    ],
)
def test_options_that_say_nothing(given: dict[str, list[str]], said: str) -> None:
    whole: dict[str, Any] = {"backends": [], "classes": [], "resources": [], "accepted": []}
    with pytest.raises(UseError, match=re.escape(said)):
        options.request("baremetal", None, None, **(whole | given))


def baremark(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness.cli.app", *shlex.split(command)[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=waiting.GUARD_S,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_the_commands_of_the_documentation_work(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "import.md").read_text()
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    lay_out(tmp_path / "outputs", "fio", "disk-randread-4k-qd1")
    commands = [
        line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
    ]  # fmt: skip
    assert len(commands) == 6
    for command in commands:
        done = baremark(command, tmp_path)
        assert done.returncode == 0, done.stderr
        if command.startswith("baremark table"):
            assert "imported" in done.stdout


def test_the_documentation_names_the_columns() -> None:
    text = (ROOT / "docs" / "import.md").read_text()
    for column in (*table.REQUIRED, *table.OPTIONAL):
        assert f"`{column}`" in text


def test_a_refusal_is_one_message_and_exit_code_2(tmp_path: Path) -> None:
    done = baremark("baremark import none.csv", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: cannot read none.csv")
    assert "\nto do: " in done.stderr
    assert not (tmp_path / "results").exists()


def test_columns_that_were_passed_over_are_named(tmp_path: Path) -> None:
    put(tmp_path / "t.csv", tidy().with_columns(note=pl.lit("x")))
    done = baremark("baremark import t.csv", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "not read: column note" in done.stderr
    (folder,) = (tmp_path / "results" / "runs").iterdir()
    assert done.stdout == f"{folder.name}\n"
