"""What the readers take from real outputs, and what they refuse. Figures are read by eye."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import tools
from harness.errors import ReadError, UseError

OUTPUTS = Path(__file__).parent / "outputs"


def streams(tool: str, name: str) -> tuple[bytes, bytes]:
    return (
        (OUTPUTS / tool / f"{name}.out").read_bytes(),
        (OUTPUTS / tool / f"{name}.err").read_bytes(),
    )


def read(tool: str, name: str) -> dict[str, tuple[float, str]]:
    samples = tools.load(tool).read(*streams(tool, name))
    return {sample.metric: (sample.value, sample.unit) for sample in samples}


def refusal(tool: str, stdout: bytes, stderr: bytes = b"") -> str:
    with pytest.raises(ReadError) as caught:
        tools.load(tool).read(stdout, stderr)
    assert caught.value.message.startswith(f"{tool}: ")
    return caught.value.message


def altered(tool: str, name: str, old: str, new: str) -> tuple[bytes, bytes]:
    """A real output with `old` in its standard output replaced."""
    stdout, stderr = streams(tool, name)
    assert old.encode() in stdout
    return stdout.replace(old.encode(), new.encode()), stderr


def test_tools_are_found_by_their_module_and_shared_modules_are_none() -> None:
    assert tools.names() == ("fio", "iperf3", "sockperf", "stress-ng", "sysbench")
    assert tools.load("stress-ng").PROGRAM == "stress-ng"


@pytest.mark.parametrize("name", ["nope", "stress_ng", "_text", "../fio", ""])
def test_an_unknown_tool_is_a_use_error_that_lists_the_known_ones(name: str) -> None:
    with pytest.raises(UseError) as caught:
        tools.load(name)
    assert "fio, iperf3, sockperf, stress-ng, sysbench" in caught.value.hint


# ---------------------------------------------------------------- what is taken
def test_sysbench_cpu_gives_events_and_their_95th_percentile() -> None:
    assert read("sysbench", "cpu-sysbench-1t") == {
        "events_per_s": (3132.25, "1/s"),
        "latency_p95_ms": (0.27, "ms"),
    }


def test_sysbench_memory_gives_the_bandwidth() -> None:
    assert read("sysbench", "memory-read")["bandwidth_mib_per_s"] == (26645.46, "MiB/s")
    assert read("sysbench", "memory-write")["bandwidth_mib_per_s"] == (24963.38, "MiB/s")


def test_sysbench_latency_below_what_it_prints_is_missing_and_not_zero() -> None:
    stdout, stderr = altered(
        "sysbench",
        "memory-read",
        "95th percentile:                        6.67",
        "95th percentile:                        0.00",
    )
    samples = tools.load("sysbench").read(stdout, stderr)
    assert [sample.metric for sample in samples] == ["bandwidth_mib_per_s"]


def test_fio_read_gives_total_latency_in_microseconds() -> None:
    found = read("fio", "disk-randread-4k-qd1")
    assert found["read_iops"] == (17355.644356, "1/s")
    assert found["read_bw_mib_per_s"] == (71088719 / 2**20, "MiB/s")
    assert found["read_lat_mean_us"][0] == pytest.approx(57.273356415)
    assert found["read_lat_p99_us"] == (119.296, "µs")
    assert not any(name.startswith(("write", "sync")) for name in found)


def test_fio_sync_latency_is_taken_although_fio_counts_no_sync_ios() -> None:
    found = read("fio", "disk-fdatasync")
    assert found["sync_lat_mean_us"][0] == pytest.approx(158.531829454)
    assert found["sync_lat_p99_us"][0] == pytest.approx(3883.008)
    assert found["write_iops"][0] == 4206.793207


def test_fio_gives_the_values_of_several_jobs_apart() -> None:
    samples = tools.load("fio").read(*streams("fio", "two-jobs"))
    iops = {s.labels: s.value for s in samples if s.metric == "read_iops"}
    assert set(iops) == {(("job", "a"),), (("job", "b"),)}
    stdout, stderr = altered("fio", "two-jobs", '"jobname" : "b"', '"jobname" : "a"')
    labels = {sample.labels for sample in tools.load("fio").read(stdout, stderr)}
    assert labels == {(("job", "a"), ("index", "0")), (("job", "a"), ("index", "1"))}


@pytest.mark.parametrize(
    "before",
    [
        b"\xef\xbb\xbf",
        b"fio: this platform does not support process shared mutexes\n",
        b"note: both iodepth >= 1 and synchronous I/O engine are selected, queue depth will be\n"
        b"  capped at 1\n",
    ],
)
def test_fio_may_print_text_before_its_report(before: bytes) -> None:
    stdout, stderr = streams("fio", "disk-fdatasync")
    fio = tools.load("fio")
    assert fio.read(before + stdout, stderr) == fio.read(stdout, stderr)
    assert "not JSON at line" in refusal("fio", stdout + b"fio: done", stderr)


def test_blocks_that_did_not_verify_are_no_measurement() -> None:
    stdout, stderr = streams("fio", "disk-fdatasync")
    said = b"verify: bad magic header 0, wanted acca at file disk.dat offset 0, length 4096\n"
    assert "verify: bad magic header" in refusal("fio", said + stdout, stderr)


def test_fio_2_gives_microseconds_and_kibibytes() -> None:
    found = read("fio", "made/fio-2.1.10")
    assert found == {
        "read_iops": (2560.0, "1/s"),
        "read_bw_mib_per_s": (10.0, "MiB/s"),
        "read_lat_mean_us": (389.5, "µs"),
        "write_iops": (1280.0, "1/s"),
        "write_bw_mib_per_s": (5.0, "MiB/s"),
        "write_lat_mean_us": (780.25, "µs"),
    }


def test_fio_without_lat_percentiles_gives_a_mean_and_no_p99() -> None:
    assert set(read("fio", "lay-out")) == {
        "write_iops",
        "write_bw_mib_per_s",
        "write_lat_mean_us",
    }


def test_stress_ng_gives_operations_per_second_of_real_time() -> None:
    assert read("stress-ng", "cpu-matrix-all") == {"bogo_ops_per_s": (586.763926, "1/s")}
    assert read("stress-ng", "kernel-switch") == {"bogo_ops_per_s": (261110.569978, "1/s")}
    assert read("stress-ng", "memory-latency") == {"bogo_ops_per_s": (1.080274, "1/s")}


def test_iperf3_gives_what_the_receiver_got_in_both_directions() -> None:
    sent = read("iperf3", "network-tcp-send")
    assert sent["throughput_mbit_per_s"][0] == pytest.approx(21764.130084648777)
    assert sent["retransmits"] == (0, "1")
    received = read("iperf3", "network-tcp-receive")
    assert received["throughput_mbit_per_s"][0] == pytest.approx(22265.999242017429)


def test_iperf3_gives_both_directions_apart_and_streams_together() -> None:
    samples = tools.load("iperf3").read(*streams("iperf3", "bidir"))
    assert {(s.metric, s.labels, s.value) for s in samples if s.metric == "retransmits"} == {
        ("retransmits", (("direction", "forward"),), 6),
        ("retransmits", (("direction", "reverse"),), 14),
    }
    together = read("iperf3", "parallel")["throughput_mbit_per_s"][0]
    assert together == pytest.approx(18019.199824)


def test_iperf3_gives_jitter_and_losses_of_udp() -> None:
    found = read("iperf3", "udp")
    assert found["throughput_mbit_per_s"][0] == pytest.approx(10.221684101704778)
    assert found["jitter_ms"][0] == pytest.approx(0.08250803971893123)
    assert found["lost_datagrams"] == (0, "1")
    assert read("iperf3", "made/udp-3.1") == {
        "throughput_mbit_per_s": (9.0, "Mbit/s"),
        "jitter_ms": (0.25, "ms"),
        "lost_datagrams": (100, "1"),
    }


def test_iperf3_is_read_from_its_text() -> None:
    assert read("iperf3", "text") == {
        "throughput_mbit_per_s": (19100.0, "Mbit/s"),
        "retransmits": (1, "1"),
    }
    assert read("iperf3", "text-parallel") == {
        "throughput_mbit_per_s": (15600.0, "Mbit/s"),
        "retransmits": (15, "1"),
    }
    assert read("iperf3", "text-udp") == {
        "throughput_mbit_per_s": (10.2, "Mbit/s"),
        "jitter_ms": (0.334, "ms"),
        "lost_datagrams": (0, "1"),
    }


def test_sysbench_gives_what_each_of_its_tests_is_about() -> None:
    assert read("sysbench", "threads")["events_per_s"][0] == pytest.approx(779 / 1.0047)
    assert read("sysbench", "mutex")["events_per_s"][0] == pytest.approx(2 / 0.3864)
    assert read("sysbench", "fileio") == {
        "reads_per_s": (5644.37, "1/s"),
        "read_bw_mib_per_s": (88.19, "MiB/s"),
        "writes_per_s": (3762.91, "1/s"),
        "write_bw_mib_per_s": (58.80, "MiB/s"),
        "latency_p95_ms": (0.01, "ms"),
    }
    assert read("sysbench", "made/oltp-1.0.20") == {
        "transactions_per_s": (125.0, "1/s"),
        "queries_per_s": (2500.0, "1/s"),
        "latency_p95_ms": (16.0, "ms"),
    }


def test_sysbench_0_4_is_read_too() -> None:
    assert read("sysbench", "made/cpu-0.4.12") == {
        "events_per_s": (1000.0, "1/s"),
        "latency_p95_ms": (1.25, "ms"),
    }
    assert read("sysbench", "made/memory-0.4.12")["bandwidth_mib_per_s"] == (2048.0, "MiB/s")


def test_stress_ng_is_read_from_its_text_on_either_stream() -> None:
    assert read("stress-ng", "text-brief") == {"bogo_ops_per_s": (5317.53, "1/s")}
    assert read("stress-ng", "made/text-0.05") == {"bogo_ops_per_s": (400.0, "1/s")}
    stdout, stderr = streams("stress-ng", "text-two")
    for one, other in ((stdout, stderr), (stderr, stdout)):
        samples = tools.load("stress-ng").read(one, other)
        assert {(s.labels, s.value) for s in samples} == {
            ((("stressor", "matrix"),), 2667.80),
            ((("stressor", "switch"),), 81602.55),
        }
    lacking = stderr.replace(b"switch            81633", b"switch            x1633")
    assert "started were matrix, switch, reported are matrix" in refusal(
        "stress-ng", stdout, lacking
    )


def test_sockperf_gives_whole_round_trips() -> None:
    assert read("sockperf", "network-rr") == {
        "latency_mean_us": (15.798, "µs"),
        "latency_p99_us": (22.984, "µs"),
    }


@pytest.mark.parametrize(
    ("tool", "line"),
    [
        ("fio", "fio-3.33"),
        ("iperf3", "iperf 3.12 (cJSON 1.7.15)"),
        ("sockperf", "sockperf, version 3.7-no.git"),
        ("stress-ng", "stress-ng, version 0.15.06"),
        ("sysbench", "sysbench 1.0.20"),
    ],
)
def test_a_version_names_the_program_and_nothing_of_the_machine(tool: str, line: str) -> None:
    assert tools.load(tool).version(*streams(tool, "version")) == line


# ---------------------------------------------------------------- what is refused
@pytest.mark.parametrize(
    ("tool", "name", "says"),
    [
        ("fio", "missing-file", "jobs[0] neither read nor wrote"),
        ("fio", "unknown-option", "stdout is empty"),
        ("fio", "io-error", "jobs[0].error of job 'x' is 28: it failed"),
        ("iperf3", "refused-connection", "unable to connect to server: Connection refused"),
        ("iperf3", "text-refused", "it failed: iperf3: error - unable to receive"),
        ("sockperf", "refused-connection", "errno=111 Connection refused"),
        ("sockperf", "half-round-trips", "half round trips"),
        ("sockperf", "no-observations", "No valid observations"),
        ("stress-ng", "failed-stressor", "mkdir '/proc/tmp-stress-ng-hdd"),
        ("stress-ng", "unsupported", "No stress workers invoked"),
        ("sysbench", "unknown-test", "FATAL: Cannot find benchmark 'nope'"),
        ("sysbench", "bad-option", "no result of a test that is known"),
    ],
)
def test_a_real_failure_is_refused_and_says_why(tool: str, name: str, says: str) -> None:
    assert says in refusal(tool, *streams(tool, f"refused/{name}"))


@pytest.mark.parametrize("tool", tools.names())
@pytest.mark.parametrize(
    ("stdout", "says"),
    [
        (b"", "stdout is empty"),
        (b" \n\t\n", "stdout is empty"),
        (b"\xff\xfe{\x00}\x00", "stdout is UTF-16, not UTF-8"),
        (b"fine \xc3(", "stdout is not UTF-8 at byte 5"),
        (b"fine\nnot\x00fine", "stdout line 2 holds control character '\\x00'"),
    ],
)
def test_output_that_is_no_text_is_refused_with_its_place(
    tool: str, stdout: bytes, says: str
) -> None:
    assert says in refusal(tool, stdout, b"")


IPERF3_RATE = '"bits_per_second":\t21764130084.648777'


@pytest.mark.parametrize(
    ("tool", "name", "old", "new", "says"),
    [
        ("fio", "disk-randread-4k-qd1", ": 17355.644356", ": NaN", "stdout holds NaN"),
        ("fio", "disk-randread-4k-qd1", ": 17355.644356", ": 1e999", "out of range"),
        (
            "fio",
            "disk-randread-4k-qd1",
            ": 17355.644356",
            ": -1.0",
            "jobs[0].read.iops is -1.0, which cannot be",
        ),
        (
            "fio",
            "disk-randread-4k-qd1",
            ": 17355.644356",
            ": 27355.644356",
            "jobs[0].read.iops contradicts total_ios and runtime",
        ),
        (
            "fio",
            "disk-randread-4k-qd1",
            ": 57273.356415",
            ": 1.0",
            "jobs[0].read.lat_ns.mean is not between min and max",
        ),
        (
            "fio",
            "disk-randread-4k-qd1",
            '"iops" : 17355.644356',
            '"iops" : "17355"',
            "jobs[0].read.iops is not a number",
        ),
        (
            "fio",
            "disk-randread-4k-qd1",
            '"bw_bytes" : 71088719',
            '"bytes" : 71088719',
            "jobs[0].read.bw_bytes is missing",
        ),
        ("fio", "disk-randread-4k-qd1", '"error" : 0', '"error" : 5', "jobs[0].error"),
        ("fio", "disk-randread-4k-qd1", '"error" : 0', '"errer" : 0', "jobs[0].error is missing"),
        ("iperf3", "network-tcp-send", IPERF3_RATE, '"bits_per_second":\t1', "contradicts bytes"),
        (
            "iperf3",
            "network-tcp-send",
            '"sum_received"',
            '"sum_recieved"',
            "end.sum_received is missing",
        ),
        ("sockperf", "network-rr", "trip is 15.798", "trip is nan", "'nan', not a number"),
        ("sockperf", "network-rr", "trip is 15.798", "trip is 0.798", "not between"),
        ("sockperf", "network-rr", "dropped messages = 0", "dropped messages = 7", "astray"),
        (
            "stress-ng",
            "cpu-matrix-all",
            "real-time: 586.763926",
            "real-time: inf",
            "'bogo-ops-per-second-real-time' of matrix is 'inf', not a number",
        ),
        ("stress-ng", "cpu-matrix-all", "real-time: 586", "real-time: -586", "cannot be"),
        ("stress-ng", "cpu-matrix-all", "bogo-ops: 587", "bogo-ops: 0", "nothing was measured"),
        ("sysbench", "cpu-sysbench-1t", "second:  3132.25", "second:  nan", "not a number"),
        ("sysbench", "cpu-sysbench-1t", "second:  3132.25", "second:  0.00", "is zero"),
        (
            "sysbench",
            "cpu-sysbench-1t",
            "second:  3132.25",
            "second:  99999999999999999",
            "which cannot be",
        ),
    ],
)
def test_a_figure_that_cannot_be_is_refused_with_its_place(
    tool: str, name: str, old: str, new: str, says: str
) -> None:
    assert says in refusal(tool, *altered(tool, name, old, new))


def test_an_empty_end_of_iperf3_is_refused() -> None:
    stdout = b'{"start": {"test_start": {"protocol": "TCP"}}, "intervals": [], "end": {}}'
    assert "end.sum_received is missing" in refusal("iperf3", stdout)


def test_stress_ng_that_does_not_say_that_it_succeeded_is_refused() -> None:
    stdout, _ = streams("stress-ng", "cpu-matrix-all")
    assert "'successful run completed'" in refusal("stress-ng", stdout)


@pytest.mark.parametrize(
    ("stdout", "says"),
    [
        (b"[" * 60_000, "nested too deeply"),
        (b"[" * 200_000, "nothing but brackets"),
        (b'{"jobs": ' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"jobs": [], "jobs": [1]}', "the key 'jobs' twice"),
        (b'{"jobs": []} {"jobs": []}', "not JSON at line 1 column 14"),
        (b"[1]", "the document is not an object"),
        (b'{"fio version": "fio-3.33", "jobs": {}}', "jobs is not an array"),
        (b'{"fio version": "fio-3.33", "jobs": []}', "jobs has 0 entries"),
        (b'{"fio version": "fio-9.1", "jobs": []}', "is 'fio-9.1', fio 2 or 3 is read"),
        (b'{"fio version": "fio-3.33", "jpbs": []}', "jobs is missing, 'jpbs' is in its place"),
        (b'{"a\\u0007": 1}', "which cannot be"),
    ],
)
def test_json_that_is_no_report_is_refused(stdout: bytes, says: str) -> None:
    assert says in refusal("fio", stdout)
