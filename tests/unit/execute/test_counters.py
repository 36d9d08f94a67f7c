"""What a host did during a trial, as its kernel's counters tell it."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from harness.execute import counters
from harness.execute.counters import difference, parse
from harness.model.trial import HostLoad
from tests import waiting

COUNTERS = """\
/proc/stat:cpu  9 9 9 9 9 9 9 9 0 0
/proc/stat:cpu0 100 0 50 1000 0 0 0 {steal} 0 0
/proc/stat:cpu1 0 0 0 {idle} 0 0 0 0 0 0
/proc/stat:intr 5 0 0
/proc/diskstats: 254 0 vda 1 0 {read} 4 5 0 {written} 8 0 0 0
/proc/diskstats:   7 0 loop0 1 0 999999 4 5 0 999999 8 0 0 0
/proc/77/stat:77 (CPU 0/TCG) S 1 1 1 0 -1 1 1 1 1 1 {user} 20 0 0 20
/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq:3000000
/sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq:2000000
/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count:{heat}
/sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count:0
"""


def test_what_a_host_did_is_read_from_its_counters() -> None:
    zero = dict.fromkeys(("steal", "idle", "read", "written", "user", "heat"), 0)
    later = {"steal": 10, "idle": 100, "read": 2048, "written": 20, "user": 50, "heat": 3}
    before, after = (parse(COUNTERS.format(**values)) for values in (zero, later))
    load = difference(before, after, [0, 1], "77")
    assert load == HostLoad(
        total_s=1.1,
        busy_s=0.0,
        steal_s=0.1,
        process_s=0.5,
        read_bytes=2048 * 512,
        written_bytes=20 * 512,
        mhz=2500.0,
        thermal=3,
        user_s=0.0,
        process_user_s=0.5,
    )
    bare = parse("/proc/stat:cpu0 1 0 0 0 0 0 0 0\n")
    assert difference(bare, bare, [0], "77") == HostLoad(0.0, 0.0, 0.0, user_s=0.0)
    assert difference(None, after, [0]) is None
    assert difference(before, after, [0, 1, 2]) is None
    assert difference(parse(""), after, [0]) is None


FREQUENCIES = """\
/proc/stat:cpu0 1 0 0 0 0 0 0 0
/proc/pressure/cpu:some avg10=0.00 avg60=0.00 avg300=0.00 total={waited}
/proc/pressure/cpu:full avg10=0.00 avg60=0.00 avg300=0.00 total=0
/proc/8/stat:8 (iperf3) S 1 1 1 0 -1 1 1 1 1 1 {user} 30 0 0 20
/proc/9/stat:9 (sockperf) S 1 1 1 0 -1 1 1 1 1 1 5 5 0 0 20
/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_avg_freq:1900000
/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq:3000000
/sys/devices/system/cpu/cpu0/cpufreq/stats/time_in_state:3000000 {fast}
/sys/devices/system/cpu/cpu0/cpufreq/stats/time_in_state:1000000 100
/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor:{governor}
"""


def test_waiting_the_peer_and_the_mean_frequency_are_read_where_the_host_tells_them() -> None:
    values = {"waited": 0, "user": 0, "fast": 0, "governor": "powersave"}
    before = parse(FREQUENCIES.format(**values))
    values = {"waited": 250_000, "user": 70, "fast": 40, "governor": "performance"}
    later = FREQUENCIES.format(**values).replace("1000000 100", "1000000 140")
    load = difference(before, parse(later), [0], None, ["8", "9"])
    assert load is not None
    assert (load.pressure_s, load.peer_s, load.peer_user_s) == (0.25, 0.7, 0.7)
    assert (load.mhz, load.mhz_mean) == (1900.0, 2000.0)
    assert load.governor == "performance, powersave"


EVERYBODY = """\
/proc/stat:cpu0 {busy} 0 0 {idle} 0 0 0 0
/proc/7/stat:7 (qemu) S 1 1 1 0 -1 1 1 1 1 1 {own} 0 0 0 20
everybody:{all}
"""


def test_the_time_of_all_other_processes_is_what_everybody_used_less_the_target() -> None:
    before = parse(EVERYBODY.format(busy=100, idle=100, own=50, all=10_000_000_000))
    after = parse(EVERYBODY.format(busy=400, idle=300, own=250, all=10_000_000_210))
    load = difference(before, after, [0], "7")
    assert load is not None
    assert (load.busy_s, load.process_s, load.others_s) == (3.0, 2.0, 0.1)
    untold = difference(before, parse(EVERYBODY.split("everybody")[0].format(
        busy=400, idle=300, own=250)), [0], "7")  # fmt: skip
    assert untold is not None
    assert untold.others_s is None
    no_process = difference(before, after, [0])
    assert no_process is not None
    assert no_process.others_s is None


def test_this_machine_tells_what_everybody_used() -> None:
    """By the command itself, in the shell that a session has; more than this process used."""

    def told() -> int:
        text = subprocess.run(["sh", "-c", counters._SUM], capture_output=True, text=True).stdout
        everybody = parse(text).everybody
        assert everybody is not None
        return everybody

    before, used = told(), time.process_time()
    while time.process_time() < used + 0.3:
        pass
    # A child that was waited for counts too.
    subprocess.run([sys.executable, "-c", "for n in range(3_000_000): pass"], check=True)
    assert told() - before >= 30


@pytest.mark.parametrize(
    "line",
    [
        "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq:<unknown>",
        "/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count:?",
        "/sys/devices/system/cpu/cpu0/cpufreq/stats/time_in_state:total trans",
        "/proc/diskstats: 8 0 sda 1 0 x 4 5 0 y 8 0 0 0",
        "/proc/7/stat:7 (x",
        "/proc/stat:cpu0 a b c",
        "/proc/stat:",
        "/proc/pressure/cpu:some",
    ],
)
def test_a_kernel_s_unknown_text_is_not_observable_and_no_error(line: str) -> None:
    read = parse(f"{line}\n")
    assert (read.cpus, read.disks, read.processes, read.heat) == ({}, {}, {}, {})
    assert (read.current_khz, read.at_khz, read.pressure_us) == ({}, {}, None)


PROGRAMS = """\
/proc/stat:cpu0 {busy} 0 0 {idle} 0 0 0 0
program:7 {own} qemu
program:8 {one} a (strange) name
program:9 {two} sleeper
"""


def test_the_busiest_programs_are_named_without_ones_own() -> None:
    before = parse(PROGRAMS.format(busy=0, idle=0, own=10, one=100, two=5))
    after = parse(PROGRAMS.format(busy=150, idle=50, own=190, one=196, two=9))
    assert counters.busiest(before, after, {"7"}) == ("a (strange) name (pid 8, 48 % of a CPU)",)
    assert counters.busiest(before, after, {"8"}) == ("qemu (pid 7, 90 % of a CPU)",)
    assert counters.busiest(before, before, ()) == ()
    assert counters.busiest(None, after, ()) == counters.busiest(before, None, ()) == ()


def test_this_machine_tells_the_name_of_a_program_that_works() -> None:
    """By the command itself, in the shell that a session has."""
    command = ["sh", "-c", f"sed 's|^|/proc/stat:|' /proc/stat; {counters._SUM}"]

    def told() -> counters.Counters:
        return parse(subprocess.run(command, capture_output=True, text=True).stdout)

    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        waiting.until(lambda: str(busy.pid) in told().programs, "a program that works")
        before = told()
        waiting.until(
            lambda: any(
                f"(pid {busy.pid}, " in each for each in counters.busiest(before, told(), ())
            ),
            "its name",
        )
        assert not any(
            f"(pid {busy.pid}, " in each
            for each in counters.busiest(before, told(), {str(busy.pid)})
        )
    finally:
        busy.kill()
        busy.wait()
