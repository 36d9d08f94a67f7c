"""What the readers take from real outputs, and what they refuse. Figures are read by eye."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import tools
from harness.errors import ReadError, UseError

OUTPUTS = Path(__file__).parents[1] / "outputs"


def streams(tool: str, name: str) -> tuple[bytes, bytes]:
    return (
        (OUTPUTS / tool / f"{name}.out").read_bytes(),
        (OUTPUTS / tool / f"{name}.err").read_bytes(),
    )


def read(tool: str, name: str) -> dict[str, tuple[float, str]]:
    samples = tools.load(tool).read(*streams(tool, name))
    assert len({sample.metric for sample in samples}) == len(samples)
    return {sample.metric: (sample.value, sample.unit) for sample in samples}


def labelled(tool: str, name: str, metric: str) -> dict[tuple[tuple[str, str], ...], float]:
    """The values of one metric by their labels."""
    samples = tools.load(tool).read(*streams(tool, name))
    return {sample.labels: sample.value for sample in samples if sample.metric == metric}


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
    assert tools.names() == ("fio", "iperf3", "sockperf", "stream", "stress-ng", "sysbench")
    assert tools.bundled() == ("fio", "iperf3", "sockperf", "stress-ng", "sysbench")
    assert tools.load("stress-ng").PROGRAM == "stress-ng"


@pytest.mark.parametrize("name", ["nope", "stress_ng", "_text", "../fio", ""])
def test_an_unknown_tool_is_a_use_error_that_lists_the_known_ones(name: str) -> None:
    with pytest.raises(UseError) as caught:
        tools.load(name)
    assert "fio, iperf3, sockperf, stream, stress-ng, sysbench" in caught.value.hint


# ---------------------------------------------------------------- what is taken
def test_sysbench_cpu_gives_events_and_their_95th_percentile() -> None:
    assert read("sysbench", "cpu-sysbench-1t") == {
        "events_per_s": (3144 / 1.0008, "1/s"),
        "latency_p95_ms": (0.27, "ms"),
    }


def test_sysbench_memory_gives_the_bandwidth() -> None:
    assert read("sysbench", "memory-read")["bandwidth_mib_per_s"] == (26752.0 / 1.0030, "MiB/s")
    assert read("sysbench", "memory-write")["bandwidth_mib_per_s"] == (25088.0 / 1.0040, "MiB/s")


def test_sysbench_states_a_rate_that_its_own_end_is_in_so_the_total_time_is_taken() -> None:
    """Real, from a guest whose processor VirtualBox interpreted."""
    assert read("sysbench", "cpu-slow") == {
        "events_per_s": (4 / 1.1082, "1/s"),
        "latency_p95_ms": (282.25, "ms"),
    }
    stdout, stderr = altered("sysbench", "cpu-slow", "second:     1.92", "second:     0.92")
    assert "0.92 where the figures beside it give 3.60946" in refusal("sysbench", stdout, stderr)
    stdout, stderr = altered("sysbench", "cpu-slow", "second:     1.92", "second:     4.92")
    assert "4.92 where the figures beside it give 3.60946" in refusal("sysbench", stdout, stderr)


def test_sysbench_latency_below_what_it_prints_is_missing_and_not_zero() -> None:
    assert read("sysbench", "fileio-seqrd") == {
        "read_iops": (1236637.16, "1/s"),
        "read_bw_mib_per_s": (19322.46, "MiB/s"),
    }
    stdout, stderr = altered("sysbench", "memory-read", "6.67", "0.00")
    assert "'95th percentile' is not between min and max" in refusal("sysbench", stdout, stderr)


def test_sysbench_fileio_gives_what_it_read_and_what_it_wrote() -> None:
    assert read("sysbench", "fileio-rndrw") == {
        "read_iops": (86105.59, "1/s"),
        "read_bw_mib_per_s": (1345.4, "MiB/s"),
        "write_iops": (57403.73, "1/s"),
        "write_bw_mib_per_s": (896.93, "MiB/s"),
    }
    for version in ("v0.4.12", "v1.1.0"):
        found = read("sysbench", f"made/{version}-fileio")
        assert found["read_iops"][0] == pytest.approx(2400, rel=1e-4)
        assert found["write_bw_mib_per_s"] == (25.0, "MiB/s")


def test_sysbench_threads_and_mutex_give_events_over_total_time() -> None:
    assert read("sysbench", "threads")["events_per_s"] == (779 / 1.0047, "1/s")
    assert read("sysbench", "mutex")["events_per_s"] == (2 / 0.0420, "1/s")
    assert "too short" in refusal("sysbench", *streams("sysbench", "refused/mutex-too-short"))


def test_sysbench_without_a_percentile_gives_none() -> None:
    assert read("sysbench", "no-percentile") == {"events_per_s": (5280 / 1.0002, "1/s")}


@pytest.mark.parametrize("name", ["histogram", "interval"])
def test_sysbench_tells_the_result_from_what_it_prints_along_the_way(name: str) -> None:
    assert set(read("sysbench", name)) == {"events_per_s", "latency_p95_ms"}


def test_sysbench_0_4_prints_no_rate_of_cpu_so_it_is_events_over_total_time() -> None:
    found = read("sysbench", "made/v0.4.12-cpu")
    assert found["events_per_s"] == (10000 / 4.8125, "1/s")
    assert found["latency_p95_ms"] == (1.02, "ms")


def test_sysbench_0_4_and_0_5_mean_mib_by_mb() -> None:
    """8192 blocks of 1024 × 1024 bytes are called 8192 MB."""
    assert read("sysbench", "made/v0.4.12-memory")["bandwidth_mib_per_s"] == (8192 / 1.5, "MiB/s")
    assert read("sysbench", "made/v0.5-memory")["bandwidth_mib_per_s"] == (5120.0, "MiB/s")


@pytest.mark.parametrize(
    ("name", "transactions", "queries"),
    [
        ("v0.4.12", 500.0, 80000 / 10.0004),
        ("v0.5", 409.96, 82000 / 10.0010),
        ("v1.0.20", 299.93, 60000 / 10.0023),
        ("v1.1.0", 299.93, 60000 / 10.0023),
    ],
)
def test_sysbench_oltp_gives_transactions_and_queries(
    name: str, transactions: float, queries: float
) -> None:
    found = read("sysbench", f"made/{name}-oltp")
    assert found["transactions_per_s"] == (transactions, "1/s")
    assert found["queries_per_s"][0] == pytest.approx(queries)


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


def test_fio_without_lat_percentiles_gives_a_mean_and_no_p99() -> None:
    assert set(read("fio", "lay-out")) == {
        "write_iops",
        "write_bw_mib_per_s",
        "write_lat_mean_us",
        "write_clat_p99_us",
    }


def test_fio_2_states_microseconds_and_kib() -> None:
    found = read("fio", "made/v2.1.10")
    assert found["read_iops"] == (10400, "1/s")
    assert found["read_bw_mib_per_s"] == (41601 / 1024, "MiB/s")
    assert found["read_lat_mean_us"] == (94.62, "µs")
    assert found["read_clat_p99_us"] == (197, "µs")
    assert "read_lat_p99_us" not in found


def test_fio_3_1_states_nanoseconds_and_has_no_bw_bytes() -> None:
    found = read("fio", "made/v3.1")
    assert found["read_bw_mib_per_s"] == (20479 / 1024, "MiB/s")
    assert found["write_lat_mean_us"][0] == pytest.approx(97.4185)


def test_fio_gives_each_job_its_samples_by_name_and_where_names_repeat_by_index() -> None:
    assert labelled("fio", "v3.41-two-jobs", "read_iops").keys() == {(("job", "reader"),)}
    assert labelled("fio", "v3.41-two-jobs", "write_iops").keys() == {(("job", "writer"),)}
    assert labelled("fio", "made/v2.2.10-two-jobs", "write_iops") == {(("job", "rand"),): 5013.49}
    numbered = {(("job", "both"), ("index", index)) for index in "01"}
    assert labelled("fio", "v3.39-numjobs", "read_iops").keys() == numbered
    assert labelled("fio", "v3.39-group", "read_iops") == {(): pytest.approx(66064.516129)}


@pytest.mark.parametrize("name", ["v3.33-json-plus", "v3.41-json-plus"])
def test_fio_json_plus_is_read_as_json(name: str) -> None:
    assert read("fio", name)["read_bw_mib_per_s"] == (500, "MiB/s")


def test_fio_json_plus_with_as_many_buckets_as_there_can_be_is_read() -> None:
    buckets = "".join(f'\n            "{9000000 + 64 * i}" : {i % 7 + 1},' for i in range(2500))
    stdout, stderr = altered("fio", "v3.41-json-plus", '"bins" : {', '"bins" : {' + buckets)
    assert len(stdout) > 64 * 1024
    assert tools.load("fio").read(stdout, stderr)


def test_fio_after_text_and_after_a_byte_order_mark() -> None:
    stdout, stderr = streams("fio", "v3.33-text-before")
    assert stdout.startswith(b"note: both iodepth")
    whole = tools.load("fio").read(stdout, stderr)
    assert tools.load("fio").read(stdout[stdout.index(b"{") :], stderr) == whole
    assert tools.load("fio").read(b"\xef\xbb\xbf" + stdout, stderr) == whole


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


def test_stress_ng_gives_each_stressor_its_sample() -> None:
    assert labelled("stress-ng", "two-stressors", "bogo_ops_per_s") == {
        (("stressor", "null"),): 53519.588348,
        (("stressor", "fork"),): 279.906571,
    }
    assert labelled("stress-ng", "made/v0.11.07", "bogo_ops_per_s") == {
        (("stressor", "cpu"),): 602.0,
        (("stressor", "pipe"),): 407000.0,
    }


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("v0.15.06-brief", 3856.85),
        ("v0.19.02-stderr", 2148.65),
        ("v0.19.02-yaml", 1245.497561),
        ("v0.22.01-brief", 3908.12),
        ("made/v0.13-minutes", 600.07),
    ],
)
def test_stress_ng_speaks_on_either_stream_in_table_or_yaml(name: str, rate: float) -> None:
    assert read("stress-ng", name) == {"bogo_ops_per_s": (rate, "1/s")}


def test_stress_ng_that_skipped_a_stressor_is_refused() -> None:
    stdout, stderr = altered(
        "stress-ng",
        "v0.22.01-brief",
        "dispatching hogs",
        "x86syscall stressor will be skipped\nstress-ng: info:  [21803] dispatching hogs",
    )
    assert "will be skipped" in refusal("stress-ng", stdout, stderr)


def test_iperf3_text_gives_what_the_receiver_got() -> None:
    assert read("iperf3", "v3.12-text")["throughput_mbit_per_s"] == (24500, "Mbit/s")
    assert read("iperf3", "v3.18-text-streams") == {
        "throughput_mbit_per_s": (32593, "Mbit/s"),
        "retransmits": (6, "1"),
    }
    megabytes = read("iperf3", "v3.18-text-bytes")["throughput_mbit_per_s"][0]
    assert megabytes == pytest.approx(3208 * 2**20 * 8 / 1e6)
    assert read("iperf3", "made/v3.0.11-text")["throughput_mbit_per_s"] == (939, "Mbit/s")


def test_iperf3_udp_gives_jitter_and_loss() -> None:
    assert read("iperf3", "v3.18-text-udp") == {
        "throughput_mbit_per_s": (100, "Mbit/s"),
        "jitter_ms": (0.011, "ms"),
        "lost_packets": (0, "1"),
        "lost_share": (0, "1"),
    }
    found = read("iperf3", "v3.22-udp")
    assert found["throughput_mbit_per_s"][0] == pytest.approx(99.994615774821162)
    assert found["jitter_ms"][0] == pytest.approx(0.0049799995693812042)


@pytest.mark.parametrize("name", ["made/v3.1.3-udp", "made/v3.1.3-text-udp"])
def test_iperf3_before_3_2_states_what_was_sent_so_the_lost_share_is_taken_off(name: str) -> None:
    found = read("iperf3", name)
    assert found["lost_share"] == (40 / 3200, "1")
    assert found["throughput_mbit_per_s"][0] == pytest.approx(105 * (1 - 40 / 3200), rel=2e-3)


@pytest.mark.parametrize("name", ["v3.18-bidir", "v3.18-text-bidir", "v3.22-text-bidir-streams"])
def test_iperf3_in_both_directions_labels_each(name: str) -> None:
    found = labelled("iperf3", name, "throughput_mbit_per_s")
    assert found.keys() == {(("direction", "send"),), (("direction", "receive"),)}
    assert labelled("iperf3", name, "retransmits").keys() == found.keys()


def test_stream_gives_mib_of_its_megabytes() -> None:
    found = read("stream", "made/v5.10")
    assert found["copy_mib_per_s"] == (16000.0 * 1e6 / 2**20, "MiB/s")
    assert set(found) == {"copy_mib_per_s", "scale_mib_per_s", "add_mib_per_s", "triad_mib_per_s"}
    assert read("stream", "made/v5.9")["triad_mib_per_s"][0] == pytest.approx(7383.285)


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
        ("stream", "STREAM version $Revision: 5.10 $"),
        ("stress-ng", "stress-ng, version 0.15.06"),
        ("sysbench", "sysbench 1.0.20"),
    ],
)
def test_a_version_names_the_program_and_nothing_of_the_machine(tool: str, line: str) -> None:
    place = "made/version" if tool == "stream" else "version"
    assert tools.load(tool).version(*streams(tool, place)) == line


# ---------------------------------------------------------------- what is refused
@pytest.mark.parametrize(
    ("tool", "name", "says"),
    [
        ("fio", "missing-file", "jobs[0] neither read nor wrote"),
        ("fio", "unknown-option", "stdout is empty"),
        ("fio", "io-error", "jobs[0].error of job 'x' is 28: it failed"),
        ("fio", "v3.39-verify", "jobs[0].error of job 'v' is 84: verification failed"),
        ("iperf3", "refused-connection", "unable to connect to server: Connection refused"),
        ("iperf3", "v3.18-text", "Connection refused"),
        ("iperf3", "v3.18-json-stream", "unable to connect to server - server may have"),
        ("iperf3", "v3.12-interrupted", "it was interrupted: interrupt - the client"),
        ("iperf3", "v3.12-interrupted-json", "it was interrupted: interrupt - the client"),
        ("sockperf", "refused-connection", "errno=111 Connection refused"),
        ("sockperf", "half-round-trips", "half round trips"),
        ("sockperf", "no-observations", "No valid observations"),
        ("stress-ng", "failed-stressor", "mkdir '/proc/tmp-stress-ng-hdd"),
        ("stress-ng", "unsupported", "No stress workers invoked"),
        ("stress-ng", "v0.15.06-quiet", "the YAML has no 'metrics', and nothing says how"),
        ("stress-ng", "v0.19.02-failed", "mkdir '/proc/tmp-stress-ng-hdd"),
        ("sysbench", "unknown-test", "FATAL: Cannot find benchmark 'nope'"),
        ("sysbench", "bad-option", "stdout does not say 'Threads started!'"),
        ("sysbench", "no-files", "FATAL: Cannot open file 'test_file.0'"),
        ("sysbench", "checkpoints", "begins a report of --report-checkpoints"),
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
        (b"\x00{\x00}", "stdout is UTF-16, not UTF-8"),
        (b"fine\n\xff", "stdout is not UTF-8 at byte 5"),
        (b"fine\nnot\x00fine", "stdout line 2 holds control character '\\x00'"),
    ],
)
def test_output_that_is_no_text_is_refused_with_its_place(
    tool: str, stdout: bytes, says: str
) -> None:
    assert says in refusal(tool, stdout)


IPERF3_RATE = '"bits_per_second":\t21764130084.648777'


@pytest.mark.parametrize(
    ("tool", "name", "old", "new", "says"),
    [
        ("fio", "disk-randread-4k-qd1", ": 17355.644356", ": NaN", "iops is nan, which cannot be"),
        (
            "fio",
            "disk-randread-4k-qd1",
            ": 17355.644356",
            ": 1e999",
            "iops is inf, which cannot be",
        ),
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
        ("fio", "disk-randread-4k-qd1", '"error" : 0', '"error" : 5', "jobs[0].error"),
        ("fio", "disk-randread-4k-qd1", '"error" : 0', '"errer" : 0', "jobs[0].error is missing"),
        (
            "fio",
            "disk-randread-4k-qd1",
            '"total_ios" : 17373',
            '"total_ios" : 0',
            "jobs[0].read.total_ios is zero beside figures that are not",
        ),
        (
            "iperf3",
            "v3.12-text",
            "iperf Done.",
            "",
            "stdout has its summary, but not 'iperf Done.'",
        ),
        ("iperf3", "v3.12-text", "Retr\n[", "Rxtr\n[", "is not the summary's heading"),
        ("iperf3", "v3.18-text-streams", "[SUM]", "[ 9]", "not of the streams connected"),
        ("iperf3", "network-tcp-send", '"protocol":\t"TCP"', '"protocol":\t"SCTP"', "SCTP"),
        ("stream", "made/v5.10", "Solution Validates", "Solution Differs", "is missing"),
        ("stream", "made/v5.10", "16000.0 ", "-16000.0 ", "cannot be"),
        ("sysbench", "threads", "Threads fairness:", "Thread fairness:", "of none"),
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
            "'events per second' is 1e+17 where the figures beside it give 3141.49",
        ),
    ],
)
def test_a_figure_that_cannot_be_is_refused_with_its_place(
    tool: str, name: str, old: str, new: str, says: str
) -> None:
    assert says in refusal(tool, *altered(tool, name, old, new))


def test_an_empty_end_of_iperf3_is_refused() -> None:
    stdout = (
        b'{"start": {"version": "iperf 3.12", "test_start": {"protocol": "TCP"}},'
        b' "intervals": [], "end": {}}'
    )
    assert "end.sum_received is missing" in refusal("iperf3", stdout)
    stdout = stdout.replace(b"TCP", b"UDP")
    assert "end.sum_received is missing" in refusal("iperf3", stdout)
    stdout = stdout.replace(b"3.12", b"3.1")
    assert "end.sum is missing" in refusal("iperf3", stdout)
    stdout = stdout.replace(b"iperf 3.1", b"iperf 2.1")
    assert "start.version is not 'iperf 3'" in refusal("iperf3", stdout)


@pytest.mark.parametrize(
    ("tool", "name", "old", "new", "says"),
    [
        ("iperf3", "v3.12-text", "Gbits/sec", "bits/sec", "contradicts transfer and interval"),
        ("iperf3", "v3.12-udp", '"sum_received"', '"sum_receivd"', "sum_received is missing"),
        ("iperf3", "v3.12-udp-bidir", "received_bidir_r", "receivd_bidir_r", "is missing"),
        (
            "sysbench",
            "made/v0.4.12-threads",
            "              10000",
            "              1000",
            "contradicts",
        ),
        ("sysbench", "threads", "events:              779", "events:              77", "contra"),
        ("stream", "made/v5.10", "16000.0 ", "1600.0 ", "of other arrays"),
    ],
)
def test_a_lost_character_is_seen_by_what_stands_beside_it(
    tool: str, name: str, old: str, new: str, says: str
) -> None:
    assert says in refusal(tool, *altered(tool, name, old, new))


def test_stress_ng_that_does_not_say_that_it_succeeded_is_refused() -> None:
    stdout, _ = streams("stress-ng", "cpu-matrix-all")
    assert "'successful run completed'" in refusal("stress-ng", stdout)


@pytest.mark.parametrize(
    ("stdout", "says"),
    [
        (b"[" * 200_000, "nested too deeply"),
        (b'{"jobs": [' + b"[]," * 30_000 + b"0]}", "more values in one place than any report"),
        (b'{"jobs": ' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"jobs": [], "jobs": [1]}', "jobs stands there with two values"),
        (b'{"jobs": []} {"jobs": []}', "two documents"),
        (b'{"jobs": []}, 1', "not JSON at line 1 column 13: Extra data"),
        (b"[1]", "stdout holds no JSON document"),
        (b'{"jobs": {}}', "jobs is not an array"),
        (b'{"jobs": []}', "jobs has 0 entries"),
    ],
)
def test_json_that_is_no_report_is_refused(stdout: bytes, says: str) -> None:
    assert says in refusal("fio", stdout)
