"""Outputs of other work under one name are not compared, whatever they differ in."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness.errors import UseError
from harness.importing import ImportedTrial, Output, arguments, stated
from harness.model.workload import Sample

OUTPUTS = Path(__file__).parents[1] / "outputs"
SAMPLES = (Sample("m", 1.0, "1/s", "higher"),)


def trial(tool: str, target: str | None, stdout: str, stderr: str = "") -> ImportedTrial:
    output = Output(stdout.encode(), stderr.encode(), None)
    place = f"{target or 'native'}/w.0.txt"
    return ImportedTrial(
        place, "h", target, "kvm", "w", None, 0, SAMPLES, tool=tool, output=output
    )  # fmt: skip


def compare(tool: str, native: str, guest: str, native_err: str = "", guest_err: str = "") -> None:
    arguments.require_native_s(
        [trial(tool, "guest", guest, guest_err), trial(tool, None, native, native_err)]
    )


def refused(tool: str, native: str, guest: str, native_err: str = "", guest_err: str = "") -> str:
    with pytest.raises(UseError, match=r"^arguments: w is not one workload: its ") as error:
        compare(tool, native, guest, native_err, guest_err)
    assert "another name" in (error.value.hint or "")
    return error.value.message.removeprefix("arguments: w is not one workload: its ")


def real(file: str) -> str:
    return (OUTPUTS / file).read_text()


# ------------------------------------------------------------------ fio
COMMON = {"name": "job", "rw": "randwrite", "bs": "4k", "ioengine": "libaio", "filename": "/dev/a"}


def fio(*jobs: dict[str, str], common: dict[str, str] | None = None) -> str:
    report = {
        "fio version": "fio-3.33",
        **({"global options": common} if common else {}),
        "jobs": [{"jobname": "job", "job options": COMMON | job} for job in jobs],
    }
    return json.dumps(report, indent=2)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("direct", "1"), ("buffered", "0"), ("iodepth", "32"), ("numjobs", "4"), ("sync", "1")),
        *(("fsync", "1"), ("fdatasync", "1"), ("end_fsync", "1"), ("fsync_on_close", "1")),
        *(("size", "16g"), ("io_size", "1g"), ("time_based", ""), ("runtime", "30")),
        *(("ramp_time", "5"), ("nrfiles", "8"), ("random_distribution", "zipf:1.2")),
        *(("zonemode", "strided"), ("thinktime", "1000"), ("bssplit", "4k/10:64k/90")),
        *(("bsrange", "4k-64k"), ("rate_min", "1m"), ("rate_iops", "1000"), ("rwmixread", "70")),
        *(("norandommap", ""), ("randrepeat", "0"), ("invalidate", "0"), ("refill_buffers", "")),
        *(("thread", ""), ("iodepth_batch", "8"), ("percentage_random", "50"), ("offset", "1g")),
        *(("cpus_allowed", "0"), ("gtod_reduce", "1"), ("exec_prerun", "drop"), ("mem", "mmap")),
        *(("an_option_of_the_future", "x"), ("filename", "/dev/a:/dev/b")),
    ],
)
def test_an_option_of_fio_on_one_side_only_is_a_difference(option: str, value: str) -> None:
    own = {"buffered": "direct"}.get(option, option)
    for native, guest in ((fio({option: value}), fio({})), (fio({}), fio({option: value}))):
        assert refused("fio", native, guest).startswith(f"{own} is ")


def test_what_each_side_says_is_in_the_message_with_the_default() -> None:
    assert refused("fio", fio({"direct": "1"}), fio({})) == (
        "direct is 1 in native/w.0.txt and not given (0 by default) in guest/w.0.txt"
    )
    assert refused("fio", fio({}), fio({"size": "1g"})) == (
        "size is not given in native/w.0.txt and 1g in guest/w.0.txt"
    )
    assert refused("fio", fio({}), fio({"size": "1g", "direct": "1"})).endswith(
        "; they differ in size too"
    )


@pytest.mark.parametrize(
    ("native", "guest"),
    [
        ({"filename": "/dev/sdb"}, {"filename": "/dev/vdb"}),
        ({"directory": "/srv/a"}, {"directory": "/srv/b"}),
        ({"name": "metal"}, {"name": "guest"}),
        ({"description": "x", "group_reporting": ""}, {}),
        ({"write_bw_log": "a", "log_avg_msec": "500", "per_job_logs": "0"}, {}),
        ({"clat_percentiles": "1", "percentile_list": "50:99"}, {}),
        ({"randseed": "1"}, {"randseed": "2"}),
        ({"iodepth": "1", "direct": "0", "numjobs": "1", "fsync": "0"}, {}),
        ({"sync": "none"}, {"sync": "0"}),
        ({"buffered": "1"}, {}),
        ({"buffered": "0"}, {"direct": "1"}),
        ({"rw": "randrw", "rwmixwrite": "30"}, {"rw": "randrw", "rwmixread": "70"}),
        ({"bs": "4096"}, {"bs": "4k"}),
        ({"bs": "4k,4k"}, {"bs": "4K"}),
        ({"size": "1g"}, {"size": "1024m"}),
        ({"runtime": "60", "time_based": ""}, {"runtime": "1m", "time_based": "1"}),
        ({"thinktime": "2ms"}, {"thinktime": "2000"}),
        ({"stonewall": ""}, {}),
    ],
)
def test_what_changes_nothing_of_the_work_of_fio_is_no_difference(
    native: dict[str, str], guest: dict[str, str]
) -> None:
    compare("fio", fio(native), fio(guest))


def test_a_size_of_fio_is_not_a_duration_and_a_minute_is_no_megabyte() -> None:
    assert refused("fio", fio({"size": "1m"}), fio({"size": "60"}))
    assert refused("fio", fio({"runtime": "1m"}), fio({"runtime": "1048576"}))


def test_global_options_of_fio_are_the_job_s_where_it_has_none_of_its_own() -> None:
    compare("fio", fio({}, common={"direct": "1"}), fio({"direct": "1"}))
    compare("fio", fio({"direct": "0"}, common={"direct": "1"}), fio({}))
    assert refused("fio", fio({}, common={"direct": "1"}), fio({}))


def test_each_job_of_fio_is_compared_and_their_number() -> None:
    two = fio({}, {"iodepth": "8"})
    assert refused("fio", two, fio({}, {"iodepth": "4"})).startswith("jobs[1] iodepth is 8 in ")
    assert "number of jobs" in refused("fio", two, fio({}))
    assert refused("fio", two, fio({}, {"iodepth": "8", "stonewall": ""})).startswith(
        "jobs[1] stonewall is not given (0 by default)"
    )


def test_fio_s_options_are_found_with_text_around_the_report_and_in_a_client_s() -> None:
    around = f"fio: note\n{{ no JSON\n{fio({'direct': '1'})}\nw4k: (groupid=0, jobs=1): err= 0\n"
    assert refused("fio", around, fio({}))
    client = fio({}).replace('"jobs"', '"client_stats"')
    compare("fio", client, fio({}))
    assert refused("fio", client, fio({"iodepth": "2"}))


def test_an_option_is_passed_over_where_it_is_said_to_be_no_part_of_the_work() -> None:
    pinned = fio({"cpus_allowed": "0-3"}, {"cpus_allowed": "0-3"})
    trials = [trial("fio", None, pinned), trial("fio", "guest", fio({}, {}))]
    with pytest.raises(UseError) as error:
        arguments.require_native_s(trials)
    assert str(error.value.hint).endswith("--ignore cpus_allowed")
    arguments.require_native_s(trials, ("cpus_allowed",))
    with pytest.raises(UseError, match=r"its jobs\[0\] cpus_allowed is 0-3"):
        arguments.require_native_s(trials, ("cpus",))


# ------------------------------------------------------------------ the others
def stated_by(tool: str, file: str) -> dict[str, str]:
    text = real(f"{tool}/{file}.out").encode(), real(f"{tool}/{file}.err").encode()
    return {name: given.text for name, given in stated.read(tool, *text).given.items()}


CHANGES = [
    ("sysbench/fileio-rndrw", "open flags: (none)", "open flags: directio", "Extra file open"),
    ("sysbench/fileio-rndrw", "2 files, 2MiB each", "4 files, 1MiB each", "files"),
    ("sysbench/fileio-rndrw", "Block size 16KiB", "Block size 4KiB", "block size"),
    ("sysbench/fileio-rndrw", "each 100 requests", "each 1 requests", "periodic fsync()"),
    ("sysbench/fileio-rndrw", "synchronous I/O", "asynchronous I/O", "I/O mode"),
    ("sysbench/fileio-rndrw", "random r/w test", "random read test", "test"),
    ("sysbench/memory-read", "operation: read", "operation: write", "operation"),
    ("sysbench/memory-read", "scope: local", "scope: global", "scope"),
    ("sysbench/cpu-sysbench-1t", "threads: 1", "threads: 2", "Number of threads"),
    ("sysbench/made/v0.4.12-cpu", "CPU test: 10000", "CPU test: 20000", "Prime numbers limit"),
    ("iperf3/network-tcp-send", '"protocol":\t"TCP"', '"protocol":\t"UDP"', "protocol"),
    ("iperf3/network-tcp-send", '"num_streams":\t1', '"num_streams":\t4', "num_streams"),
    ("iperf3/network-tcp-send", '"omit":\t0', '"omit":\t2', "omit"),
    ("iperf3/network-tcp-send", '"duration":\t1', '"duration":\t10', "duration"),
    ("iperf3/network-tcp-send", '"sock_bufsize":\t0', '"sock_bufsize":\t9', "sock_bufsize"),
    ("iperf3/network-tcp-send", '"tcp_mss_default"', '"tcp_mss"', "tcp_mss"),
    ("iperf3/network-tcp-send", '"tos":\t0', '"tos":\t16', "tos"),
    ("sockperf/network-rr", "# TCP", "# UDP", "protocol"),
    ("sockperf/network-rr", "using recvfrom()", "using epoll_wait()", "waiting"),
    ("sockperf/network-rr", "Warm up time=400", "Warm up time=0", "warm-up time"),
    ("stream/made/v5.10", "Array size = 10000000", "Array size = 1000000", "array size"),
    ("stream/made/v5.10", "counted = 2", "counted = 4", "threads"),
]


@pytest.mark.parametrize(("file", "old", "new", "name"), CHANGES)
def test_what_another_tool_s_output_states_is_compared(
    file: str, old: str, new: str, name: str
) -> None:
    tool, text = file.split("/")[0], real(f"{file}.out")
    assert old in text
    changed = text.replace(old, new)
    compare(tool, text, text)
    assert refused(tool, text, changed).startswith(name)


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("hogs: 1 switch", "hogs: 2 switch", "stressors"),
        ("to a 1 second run", "to a 1 hour run", "time of a run"),
        ("(pipe method)", "(sem-sysv method)", "method of switch"),
    ],
)
def test_what_stress_ng_s_log_states_is_compared(old: str, new: str, name: str) -> None:
    out, err = (real(f"stress-ng/kernel-switch.{end}") for end in ("out", "err"))
    assert old in err
    changed = err.replace(old, new)
    assert refused("stress-ng", out, out, err, changed).startswith(f"{name} is ")


def test_times_of_stress_ng_are_the_same_in_all_its_spellings() -> None:
    log = "stress-ng: info:  [7] setting to a {} run per stressor\n"
    hogs = "stress-ng: info:  [7] dispatching hogs: 2 cpu, 1 pipe\n"
    swapped = "stress-ng: info:  [9] dispatching hogs: 1 pipe, 2 cpu\n"
    for one, other in (
        ("90 second (1 min, 30.00 secs)", "1 min, 30 secs"),
        ("1 second", "1 sec"),
        ("3600 second (1 hour, 0.00 secs)", "1 hour"),
    ):
        compare("stress-ng", "", "", log.format(one) + hogs, log.format(other) + swapped)
    assert "time of a run is 1 min" in refused(
        "stress-ng", "", "", log.format("1 min") + hogs, log.format("61 secs") + hogs
    )


def test_warnings_seeds_and_reports_meanwhile_are_no_options_of_sysbench() -> None:
    text = real("sysbench/cpu-sysbench-1t.out")
    seed = "Initializing random number generator from current time"
    noisy = text.replace(
        seed,
        "WARNING: Both event and time limits are disabled, this may run forever\n"
        "Report intermediate results every 1 second(s)\n"
        "Initializing random number generator from seed (42).",
    )
    assert noisy != text
    compare("sysbench", text, noisy)
    warmed = text.replace(seed, f"Warmup time: 5s\n{seed}")
    assert refused("sysbench", text, warmed).startswith(
        "Warmup time is not given (0s by default) in native/w.0.txt and 5s in "
    )
    unknown = text.replace(seed, f"Using a thing of the future\n{seed}")
    assert "“Using a thing of the future” is not given in native" in refused(
        "sysbench", text, unknown
    )


def test_every_test_in_a_report_of_sysbench_is_compared() -> None:
    text = real("sysbench/cpu-sysbench-1t.out")
    twice = text + text.replace("limit: 10000", "limit: 20000")
    assert refused("sysbench", text + text, twice).startswith("tests[1] Prime numbers limit is 1")


def test_iperf3_in_both_directions_is_not_one_direction_in_any_version() -> None:
    """iperf3 3.12 says so nowhere but in its sums."""
    both = stated_by("iperf3", "v3.12-udp-bidir")
    assert (both["bidir"], both["protocol"]) == ("1", "UDP")
    assert stated_by("iperf3", "v3.18-text-bidir")["bidir"] == "1"
    assert stated_by("iperf3", "v3.18-text-bidir")["num_streams"] == "1"
    assert stated_by("iperf3", "v3.22-text-bidir-streams")["bidir"] == "1"
    assert stated_by("iperf3", "v3.18-text-streams") == {
        "protocol": "TCP", "num_streams": "2", "bidir": "0", "reverse": "0",
    }  # fmt: skip
    assert stated_by("iperf3", "v3.18-text-udp")["protocol"] == "UDP"


# ------------------------------------------------------------------ what cannot be compared is told
def test_an_output_that_states_nothing_is_told_and_compared_with_nothing() -> None:
    early = real("fio/made/v2.1.10.out")
    trials = [trial("fio", None, early), trial("fio", "guest", fio({"direct": "1"}))]
    arguments.require_native_s(trials)
    assert arguments.untold(trials) == (
        "w on guest: its options are not compared: native/w.0.txt states none",
    )


def test_what_one_form_has_no_way_to_state_is_told() -> None:
    json_, text = real("iperf3/network-tcp-receive.out"), real("iperf3/v3.18-text-bytes.out")
    trials = [trial("iperf3", None, json_), trial("iperf3", "guest", text)]
    arguments.require_native_s(trials)
    (said,) = arguments.untold(trials)
    assert re.match(
        r"w on guest: not compared: blksize, .*: only one of native/w.0.txt \(JSON\)", said
    )
    streams = real("iperf3/v3.18-text-streams.out")
    assert refused("iperf3", json_, streams) == (
        "num_streams is 1 in native/w.0.txt and 2 in guest/w.0.txt; they differ in reverse too"
    )


def test_congestion_control_is_told_as_nobody_knows_who_chose_it() -> None:
    text = real("iperf3/network-tcp-send.out")
    other = text.replace('congestion":\t"bbr"', 'congestion":\t"cubic"')
    assert other != text
    trials = [trial("iperf3", None, text), trial("iperf3", "guest", other)]
    arguments.require_native_s(trials)
    (said,) = arguments.untold(trials)
    assert "tcp_congestion is cubic, native's bbr" in said
    assert arguments.untold([trial("iperf3", None, text), trial("iperf3", "guest", text)]) == ()


def test_a_tool_without_options_in_its_output_states_none() -> None:
    assert stated.read("another", b"x", b"") == stated.Stated()
    for tool in ("fio", "iperf3", "stress-ng", "sysbench", "sockperf", "stream"):
        for text in (b"", b"{}", b"{", b"\xff{\n", b"[1]"):
            assert stated.read(tool, text, b"").form == ""
