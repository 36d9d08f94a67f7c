"""fio's reports in all the forms that there are of them: what is read, and why the rest is not.

Figures are read by eye from the outputs, or are those of the few lines that a test writes.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import ReadError
from harness.model.workload import Sample
from harness.tools import fio

OUTPUTS = Path(__file__).parent.parent / "outputs" / "fio"
GOOD = sorted(
    (
        file
        for file in (*OUTPUTS.glob("*.out"), *OUTPUTS.glob("made/*.out"))
        if file.stem != "version"
    ),
    key=str,
)
P99 = "99.000000"
Json = dict[str, Any]


def text_of(name: str) -> str:
    return (OUTPUTS / f"{name}.out").read_text()


def document_of(text: str) -> Json:
    """The document in an output as fio prints it, with a brace on a line of its own at each end."""
    begin = 0 if text.startswith("{") else text.index("\n{\n")
    document: Json = json.loads(text[begin : text.index("\n}\n") + 2])
    return document


def read(document: Json | str) -> tuple[Sample, ...]:
    text = document if isinstance(document, str) else json.dumps(document)
    return fio.read(text.encode(), b"")


def values(document: Json | str) -> dict[str, float]:
    """Of a report whose samples need no labels."""
    samples = read(document)
    assert all(sample.labels == () for sample in samples)
    return {sample.metric: sample.value for sample in samples}


def refusal(document: Json | str) -> ReadError:
    with pytest.raises(ReadError) as caught:
        read(document)
    return caught.value


# ---------------------------------------------------------------- latencies that were switched off
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("v3.33-gtod-reduce", {"read_iops": 15515.151515, "read_bw_mib_per_s": 63550060 / 2**20}),
        ("made/v3.1-gtod-reduce", {"read_iops": 10002, "read_bw_mib_per_s": 39.0703125}),
        (
            "v3.33-disable-lat",
            {
                "read_iops": 13052.631579,
                "read_bw_mib_per_s": 53463578 / 2**20,
                "read_clat_p99_us": 790.528,
                "write_iops": 13894.736842,
                "write_bw_mib_per_s": 56912842 / 2**20,
                "write_clat_p99_us": 11.072,
            },
        ),
        (
            "v3.33-disable-clat",
            {
                "read_iops": 11022.222222,
                "read_bw_mib_per_s": 45147022 / 2**20,
                "read_lat_mean_us": 77.680919355,
                "write_iops": 11733.333333,
                "write_bw_mib_per_s": 48059733 / 2**20,
                "write_lat_mean_us": 3.391325758,
            },
        ),
    ],
)
def test_a_latency_that_was_switched_off_is_missing(name: str, expected: dict[str, float]) -> None:
    assert values(text_of(name)) == pytest.approx(expected)


OFF = {"min": 0, "max": 0, "mean": 0.0, "stddev": 0.0}


@pytest.mark.parametrize("name", ["made/v2.1.10", "made/v3.1", "v3.39-randrw"])
@pytest.mark.parametrize("kinds", [("lat",), ("clat",), ("lat", "clat"), ("slat",)])
def test_each_latency_can_be_off_in_each_direction(name: str, kinds: tuple[str, ...]) -> None:
    whole = values(text_of(name))
    for side in {metric.split("_")[0] for metric in whole}:
        document = document_of(text_of(name))
        block = document["jobs"][0][side]
        for kind in kinds:
            key = f"{kind}_ns" if f"{kind}_ns" in block else kind
            count = {"N": 0} if "N" in block[key] else {}
            zeros = dict.fromkeys(block[key].get("percentile", {}), 0)
            block[key] = OFF | count | ({"percentile": zeros} if zeros else {})
        gone = tuple(f"{side}_{kind}_" for kind in kinds)
        kept = {metric: v for metric, v in whole.items() if not metric.startswith(gone)}
        assert values(document) == kept


def test_a_latency_that_counts_and_is_zero_is_refused() -> None:
    error = refusal(text_of("made/refused/v3.33-lat-zero-though-counted"))
    assert "jobs[0].write.lat_ns counts 24507 (N) and is zero" in error.message


def test_a_latency_that_counts_nothing_and_is_not_zero_is_refused() -> None:
    document = document_of(text_of("v3.41-json-plus"))
    document["jobs"][0]["read"]["clat_ns"]["N"] = 0
    assert "jobs[0].read.clat_ns.N is zero" in refusal(document).message


def test_jobs_of_one_report_differ_in_what_was_switched_off() -> None:
    document = document_of(text_of("v3.41-two-jobs"))
    writer = next(job for job in document["jobs"] if job["jobname"] == "writer")
    writer["write"]["lat_ns"] = OFF | {"N": 0}
    whole = read(text_of("v3.41-two-jobs"))
    assert read(document) == tuple(s for s in whole if not s.metric.startswith("write_lat_"))


def test_a_percentile_below_a_microsecond_of_fio_2_is_missing() -> None:
    document = document_of(text_of("made/v2.1.10"))
    clat = document["jobs"][0]["read"]["clat"]
    clat |= {"min": 0, "percentile": {P99: 0}}
    assert "read_clat_p99_us" not in values(document)


def test_before_3_11_lat_percentiles_stood_in_the_block_of_completion() -> None:
    """What they are of is then not what the block says, so neither latency has a percentile."""
    document = document_of(text_of("made/v3.1"))
    whole = values(document)
    document["global options"] = {"lat_percentiles": "1"}
    kept = {metric: v for metric, v in whole.items() if not metric.endswith("clat_p99_us")}
    assert values(document) == kept != whole
    document["jobs"][0]["job options"] = {"lat_percentiles": "0"}
    assert values(document) == whole
    document["jobs"][0]["job options"] = {"lat_percentiles": "1"}
    document["fio version"] = "fio-3.11"
    assert values(document)["read_clat_p99_us"] == whole["read_clat_p99_us"]


# ---------------------------------------------------------------- text around the document
REAL = "v3.39-json-normal"
NOISE = [
    "",
    "fio: sprandom sets norandommap=1\n",
    "note: both iodepth >= 1 and synchronous I/O engine are selected\n\n",
    "x: (g=0): rw=read, bs=(R) 4096B-4096B, ioengine=psync, iodepth=1\nfio-3.39\n",
    "3;fio-3.39;x;0;0;0;0;0;0;0;0;0;0.000000\n",
    "hostname=a.example, be=0, 64-bit, os=Linux, arch=x86-64, fio=fio-3.33, flags=1\n\n",
    "Jobs: 1 (f=1): [R(1)][100.0%][r=78.4MiB/s][r=20.1k IOPS][eta 00m:00s]\r",
    "Jobs: 1 (f=1): [R(1)][100.0%][r=78.4MiB/s][r=20.1k IOPS][eta 00m:00s]",
]
BEHIND = [
    "",
    "\n",
    "\n\nx: (groupid=0, jobs=1): err= 0: pid=1: Thu Jan  1 00:00:04 2026\n  read: IOPS=1\n",
    "\nRun status group 0 (all jobs):\n   READ: bw=1KiB/s\n\nDisk stats:\n  sda: ios=1/2",
]


def test_the_text_that_fio_prints_with_its_document_changes_nothing() -> None:
    text = text_of(REAL)
    assert "Run status group 0 (all jobs)" in text.split("\n}\n")[1]
    assert read(text) == read(document_of(text))
    text = text_of("v3.33-terse-json-normal")
    assert "\n3;fio-3.33;x;" in text
    assert read(text) == read(document_of(text))
    assert values(text)["write_lat_mean_us"] == pytest.approx(4.730291667)
    assert values(text_of("made/v3.42-terse-json-normal")) == pytest.approx(
        {
            "write_iops": 5478,
            "write_bw_mib_per_s": 21.3984375,
            "write_lat_mean_us": 912.76675,
            "write_clat_p99_us": 1908.736,
        }
    )


@given(
    file=st.sampled_from(GOOD),
    before=st.lists(st.sampled_from(NOISE), max_size=3),
    behind=st.sampled_from(BEHIND),
    indent=st.sampled_from([None, 2]),
)
def test_any_text_around_any_document_changes_nothing(
    file: Path, before: list[str], behind: str, indent: int | None
) -> None:
    document = document_of(file.read_text())
    text = "".join(before) + json.dumps(document, indent=indent) + behind
    assert read(text) == read(document)


def test_the_text_of_many_jobs_behind_the_document_is_no_part_of_it() -> None:
    """It holds more commas and colons than any object of a report."""
    line = "soak: (groupid=0, jobs=1): err= 0: pid=1, a=1, b=2, c=3, d=4\n"
    text = json.dumps(document_of(text_of("v3.39-group")), indent=2) + "\n\n" + line * 5000
    assert read(text) == read(text_of("v3.39-group"))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("refused/v3.33-status-interval", "two documents, as --status-interval gives them"),
        ("made/refused/v3.42-two-documents", "two documents, as --status-interval gives them"),
        ("made/refused/v3.42-cut-before-text", "not JSON at line 136"),
        ("made/refused/v3.42-verify-behind", "verification failed: verify: bad magic header"),
    ],
)
def test_what_is_not_one_whole_document_is_refused(name: str, says: str) -> None:
    assert says in refusal(text_of(name)).message


@pytest.mark.parametrize("between", ["", "\n", "\nsome text\n"])
@pytest.mark.parametrize("indent", [None, 2])
def test_two_documents_are_refused_in_any_writing(between: str, indent: int | None) -> None:
    one = json.dumps(document_of(text_of("v3.39-group")), indent=indent)
    assert "two documents" in refusal(one + between + one).message
    assert "two documents" in refusal(one + between + one[: len(one) // 2]).message
    assert "two documents" in refusal(f"{one}{between}note: {one}").message


@pytest.mark.parametrize("indent", [None, 2])
def test_the_last_part_of_a_report_before_a_report_is_seen(indent: int | None) -> None:
    one = json.dumps(document_of(text_of("v3.39-group")), indent=indent)
    error = refusal(one[5:] + "\n" + one)
    assert "a part of another report stands before" in error.message


def test_a_list_of_one_document_is_that_document() -> None:
    document = document_of(text_of("v3.39-group"))
    assert read(json.dumps([document])) == read(document)
    assert "a list of 2 documents" in refusal(json.dumps([document] * 2)).message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x: (g=0): rw=read, bs=4096B\nfio-3.33\n", "fio's text for people"),
        ("3;fio-3.33;x;0;0;1;2;3\n", "fio's text for people"),
        ("nothing of fio\n", "stdout holds no JSON document"),
    ],
)
def test_a_report_without_json_is_named_with_the_option(text: str, says: str) -> None:
    error = refusal(text)
    assert says in error.message
    assert error.hint == "run fio with --output-format=json"


# ---------------------------------------------------------------- other shapes
def test_reads_and_writes_in_one_are_named() -> None:
    error = refusal(text_of("refused/v3.33-unified"))
    assert "jobs[0].mixed" in error.message
    assert "unified_rw_reporting" in error.message
    assert "unified_rw_reporting=both" in error.hint


def test_of_reads_writes_and_both_in_one_nothing_is_taken_twice() -> None:
    assert values(text_of("v3.33-unified-both")) == pytest.approx(
        {
            "read_iops": 10122.44898,
            "read_bw_mib_per_s": 41461551 / 2**20,
            "read_lat_mean_us": 83.593076613,
            "read_clat_p99_us": 177.152,
            "write_iops": 10775.510204,
            "write_bw_mib_per_s": 44136489 / 2**20,
            "write_lat_mean_us": 3.799640152,
            "write_clat_p99_us": 15.04,
        }
    )


def test_a_job_that_only_trimmed_is_named() -> None:
    error = refusal(text_of("refused/v3.33-trim"))
    assert "jobs[0] only trimmed, of which there is no metric" in error.message


def side(iops: int, mean_ns: float, p99_ns: int) -> Json:
    """One second of reads of 4 KiB."""
    return {
        "io_bytes": 4096 * iops,
        "io_kbytes": 4 * iops,
        "bw_bytes": 4096 * iops,
        "bw": 4 * iops,
        "iops": float(iops),
        "runtime": 1000,
        "total_ios": iops,
        "clat_ns": {"min": 1, "max": 9**9, "mean": 1.5, "N": iops, "percentile": {P99: p99_ns}},
        "lat_ns": {"min": 1, "max": 9**9, "mean": mean_ns, "N": iops},
    }


IDLE = {"io_bytes": 0, "io_kbytes": 0, "bw_bytes": 0, "bw": 0, "iops": 0.0, "runtime": 0}


def job(name: str, iops: int, **more: object) -> Json:
    read_ = side(iops, 1000.0 * iops, 2000 * iops)
    return {"jobname": name, "error": 0, "read": read_, "write": IDLE} | more


def clients(*entries: Json) -> Json:
    """What fio --client writes; its version states the global options once for each host."""
    return {"fio version": "fio-3.33", "client_stats": list(entries)}


def host(name: str, at: str, iops: int, port: int = 8765) -> Json:
    return job(name, iops, hostname=at, port=port, **{"job options": {"rw": "read"}})


def labels_of(document: Json) -> dict[tuple[tuple[str, str], ...], float]:
    return {s.labels: s.value for s in read(document) if s.metric == "read_iops"}


SUM = job("All clients", 600, hostname="b", port=8765)


def test_a_job_on_each_of_two_hosts_is_told_apart_and_their_sum_is_no_job() -> None:
    document = clients(host("seq", "a", 100), host("seq", "b", 500), SUM)
    assert labels_of(document) == {
        (("host", "a"), ("job", "seq")): 100,
        (("host", "b"), ("job", "seq")): 500,
    }
    assert {s.value for s in read(document) if s.metric == "read_lat_mean_us"} == {100, 500}
    assert {s.value for s in read(document) if s.metric == "read_clat_p99_us"} == {200, 1000}


def test_a_job_on_one_host_is_a_job_alone() -> None:
    assert values(text_of("v3.33-client-one-host")) == pytest.approx(
        {
            "read_iops": 85333.333333,
            "read_bw_mib_per_s": 349525333 / 2**20,
            "read_lat_mean_us": 10.205359375,
            "read_clat_p99_us": 18.816,
        }
    )


def test_two_jobs_on_one_host_need_no_host() -> None:
    document = clients(host("x", "a", 100), host("y", "a", 500), SUM)
    assert labels_of(document) == {(("job", "x"),): 100, (("job", "y"),): 500}


def test_the_report_of_two_servers_with_text_before_and_behind_it() -> None:
    """Their sum is 292571.43 a second."""
    samples = read(text_of("clients/v3.33-two-servers"))
    assert {s.labels: s.value for s in samples if s.metric == "read_iops"} == {
        (("host", "127.0.0.1"), ("port", "8801"), ("job", "seq")): 146285.714286,
        (("host", "127.0.0.1"), ("port", "8802"), ("job", "seq")): 204800,
    }
    assert len(samples) == 8


def test_two_servers_of_one_host_are_told_apart_by_port_and_copies_of_a_job_by_index() -> None:
    document = clients(host("x", "a", 100), host("x", "a", 200, 9000), host("x", "a", 300, 9000))
    assert labels_of(document) == {
        (("host", "a"), ("port", "8765"), ("job", "x")): 100,
        (("host", "a"), ("port", "9000"), ("job", "x"), ("index", "0")): 200,
        (("host", "a"), ("port", "9000"), ("job", "x"), ("index", "1")): 300,
    }


def test_a_job_may_be_called_as_fio_calls_the_sum() -> None:
    document = clients(host("All clients", "a", 100), host("All clients", "b", 500), SUM)
    assert sorted(labels_of(document).values()) == [100, 500]


def test_a_failed_job_of_a_host_and_a_client_without_jobs_are_refused() -> None:
    failed = clients(host("x", "a", 100), host("x", "b", 500) | {"error": 5})
    assert "client_stats[1].error of job 'x' is 5: it failed" in refusal(failed).message
    assert "client_stats has 0 entries" in refusal(clients(SUM)).message
    assert "client_stats has 0 entries" in refusal(clients()).message


# ---------------------------------------------------------------- keys twice, and no numbers
def test_an_option_may_stand_twice() -> None:
    text = json.dumps(document_of(text_of("v3.39-group")))
    whole = read(text)
    twice = text.replace('"job options": {', '"job options": {"bs": "4k", "bs": "8k", ', 1)
    assert twice != text
    assert read(twice) == whole
    twice = text.replace('"jobs"', '"global options": {"a": "1"}, "jobs"', 1)
    assert read(twice) == whole
    assert text_of("v3.33-option-twice").count('        "bs" : ') > 1
    assert values(text_of("v3.33-option-twice"))["read_iops"] == 15058.823529


def test_a_figure_that_stands_twice_must_be_the_same() -> None:
    text = json.dumps(document_of(text_of("v3.39-group")))
    whole = read(text)
    assert read(text.replace('"groupid"', '"error": 0, "groupid"', 1)) == whole
    error = refusal(text.replace('"iops": ', '"iops": 1.5, "iops": ', 1))
    assert "jobs[0].read.iops stands there with two values" in error.message


@pytest.mark.parametrize("word", ["NaN", "-nan", "nan", "inf", "-inf", "Infinity", "null"])
def test_what_is_no_number_matters_only_where_it_is_asked_for(word: str) -> None:
    document = document_of(text_of("v3.39-group"))
    whole = read(document)
    document["jobs"][0]["read"]["bw_dev"] = "HERE"
    assert read(json.dumps(document).replace('"HERE"', word)) == whole
    document["jobs"][0]["read"]["iops"] = "HERE"
    text = json.dumps(document).replace('"HERE"', word)
    if word == "null":
        assert read(text) == tuple(s for s in whole if s.metric != "read_iops")
    else:
        assert "jobs[0].read.iops is" in refusal(text).message


# ---------------------------------------------------------------- rates
def test_before_bw_bytes_there_is_bw_and_after_it_a_report_without_is_not_guessed() -> None:
    document = document_of(text_of("made/v3.1"))
    assert values(document)["read_bw_mib_per_s"] == 20479 / 1024
    document["fio version"] = "fio-3.10"
    assert "read_bw_mib_per_s" not in values(document)


def test_a_job_shorter_than_a_millisecond_has_latencies_and_no_rates() -> None:
    document = clients(job("x", 1))
    document["client_stats"][0]["read"] |= {"runtime": 0, "iops": 0.0, "bw": 0, "bw_bytes": 0}
    assert values(document) == {"read_lat_mean_us": 1, "read_clat_p99_us": 2}


@pytest.mark.parametrize("key", ["iops", "bw_bytes"])
def test_figures_that_contradict_each_other_are_refused(key: str) -> None:
    document = document_of(text_of("v3.39-group"))
    document["jobs"][0]["read"][key] *= 1.5
    assert f"jobs[0].read.{key} contradicts" in refusal(document).message


# ---------------------------------------------------------------- properties
def paths(value: object, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where the members of objects are, at any depth."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield (*above, key)
            yield from paths(each, (*above, key))
    elif isinstance(value, list):
        for at, each in enumerate(value):
            yield from paths(each, (*above, at))


def needed(sample: Sample, document: Json) -> list[tuple[str | int, ...]]:
    """The members that a metric is made of, by its name and the form of the report."""
    list_ = "jobs" if "jobs" in document else "client_stats"
    jobs = document[list_]
    name, index = (dict(sample.labels).get(key) for key in ("job", "index"))
    same = [at for at, each in enumerate(jobs) if name in (None, each["jobname"])]
    job_at = same[int(index or 0)]
    which, _, what = sample.metric.partition("_")
    block: Json = jobs[job_at][which]
    in_job: tuple[str, ...] = (what,)
    if what.startswith("bw"):
        in_job = ("bw_bytes" if "bw_bytes" in block else "bw",)
    elif "lat" in what:
        kind, _, _ = what.partition("_")
        unit = f"{kind}_ns" if f"{kind}_ns" in block else kind
        in_job = (unit, "mean") if "mean" in what else (unit, "percentile", P99)
    return [(list_, job_at, which, *in_job)]


def is_refused(document: Json) -> bool:
    try:
        read(document)
    except ReadError:
        return True
    return False


REQUIRED = {"jobs", "client_stats", "error", "jobname"}
"""Without these a report is refused: whether a job succeeded, and which is which."""


@given(data=st.data())
@settings(max_examples=400)
def test_a_member_that_is_missing_takes_along_only_what_it_is_needed_for(
    data: st.DataObject,
) -> None:
    document = document_of(data.draw(st.sampled_from(GOOD)).read_text())
    whole = read(document)
    path = data.draw(st.sampled_from(list(paths(document))))
    kept = tuple(
        sample
        for sample in whole
        if not any(need[: len(path)] == path for need in needed(sample, document))
    )
    inside: Any = document
    for key in path[:-1]:
        inside = inside[key]
    del inside[path[-1]]
    if not kept or (path[-1] in REQUIRED and is_refused(document)):
        assert str(path[-1]) in refusal(document).message
    else:
        assert read(document) == kept


@given(data=st.data())
def test_order_indentation_and_blanks_change_nothing(data: st.DataObject) -> None:
    document = document_of(data.draw(st.sampled_from(GOOD)).read_text())
    whole = read(document)
    chance = random.Random(data.draw(st.integers(0, 2**32)))

    def shuffled(value: Any) -> Any:
        if isinstance(value, list):
            return [shuffled(each) for each in value]
        if not isinstance(value, dict):
            return value
        keys = list(value)
        chance.shuffle(keys)
        return {key: shuffled(value[key]) for key in keys}

    text = json.dumps(
        shuffled(copy.deepcopy(document)),
        indent=data.draw(st.sampled_from([None, 0, 1, 2, 4, "\t"])),
        separators=data.draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,", " : ")])),
    )
    assert read(text) == whole


@pytest.mark.parametrize("jobs", [24, 256])
def test_many_jobs_in_the_tersest_writing_are_read(jobs: int) -> None:
    """Over 64 KiB in either writing."""
    document = {"fio version": "fio-3.33", "jobs": [job("x", 100 + i) for i in range(jobs)]}
    for each in document["jobs"]:
        bins = {str(10**6 + 64 * i): i % 7 + 1 for i in range(1500 if jobs < 100 else 20)}
        each["read"]["clat_ns"]["bins"] = bins  # type: ignore[index]
    compact = json.dumps(document, separators=(",", ":"))
    assert len(compact) > 64 * 1024
    samples = read(compact)
    assert samples == read(json.dumps(document, indent=2))
    rates = {s.labels: s.value for s in samples if s.metric == "read_iops"}
    assert rates == {(("job", "x"), ("index", str(i))): 100 + i for i in range(jobs)}
