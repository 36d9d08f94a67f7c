"""The events and counters of a host side: what is told is kept as told, and nothing is made up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness import backends
from harness.backends import _docker_api, _lxc_life, docker, lxc, names
from harness.backends._live import Change, Event, Watch, total
from harness.backends.kvm import life
from harness.errors import HarnessError

ENDED = HarnessError("it tells of no more events", "look at it")


def test_modules_that_serve_several_backends_are_no_backends() -> None:
    assert [name for name in names() if name.startswith("_")] == []
    assert {name for name in names() if backends.live(name)} == {"docker", "kvm", "lxc"}


def test_events_come_in_their_order_and_the_end_is_told_every_time() -> None:
    watch = Watch()
    first, second = (Event(Change.PAUSED, "pause", 1.0), Event(Change.RESUMED, "unpause", 2.0))
    watch.follow([first, second], ENDED)
    assert [watch.next(5), watch.next(5)] == [first, second]
    for _ in range(2):
        with pytest.raises(HarnessError, match="no more events"):
            watch.next(5)


def test_waiting_for_an_event_ends_without_one() -> None:
    assert Watch().next(0.01) is None


def test_what_breaks_the_events_is_told_in_their_place() -> None:
    def broken() -> Iterator[Event]:
        yield Event(Change.STARTED, "start", 1.0)
        raise HarnessError("the connection is lost")

    watch = Watch()
    watch.follow(broken(), ENDED)
    assert watch.next(5) is not None
    with pytest.raises(HarnessError, match="the connection is lost"):
        watch.next(5)


def test_a_sum_of_which_a_part_is_unknown_is_unknown() -> None:
    assert total([1, 2]) == 3
    assert total([0]) == 0
    assert total([1, None]) is None
    assert total([]) is None


DOCKER = {
    "read": "2026-11-30T16:12:35.25Z",
    "cpu_stats": {
        "cpu_usage": {
            "total_usage": 1_500_000_000,
            "usage_in_usermode": 1_000_000_000,
            "usage_in_kernelmode": 250_000_000,
            "percpu_usage": [1, 2],
        }
    },
    "memory_stats": {"usage": 4096, "stats": {"inactive_file": 7, "total_inactive_file": 1024}},
    "blkio_stats": {
        "io_service_bytes_recursive": [
            {"major": 8, "minor": 0, "op": "Read", "value": 512},
            {"major": 8, "minor": 0, "op": "Write", "value": 1024},
            {"major": 8, "minor": 0, "op": "Total", "value": 1536},
            {"major": 8, "minor": 16, "op": "read", "value": 8},
            {"major": 8, "minor": 16, "op": "write", "value": 16},
        ],
        "io_serviced_recursive": [],
    },
    "networks": {
        "eth0": {"rx_bytes": 10, "rx_packets": 1, "tx_bytes": 20, "tx_packets": 2},
        "eth1": {"rx_bytes": 30, "rx_packets": 3, "tx_bytes": 40, "tx_packets": 4},
    },
}


def test_a_docker_daemons_counters_are_read_in_their_units() -> None:
    used = docker.usage(DOCKER, 12.5)
    assert (used.at_s, used.cpu_s, used.cpu_user_s, used.cpu_system_s) == (12.5, 1.5, 1.0, 0.25)
    assert (used.memory_bytes, used.memory_cache_bytes) == (4096, 1024)
    assert (used.block_read_bytes, used.block_written_bytes) == (520, 1040)
    assert (used.net_received_bytes, used.net_sent_bytes) == (40, 60)
    assert (used.net_received_packets, used.net_sent_packets) == (4, 6)


def test_a_table_without_a_device_is_not_taken_for_no_reads() -> None:
    """Seen on Linux 6.18 with control groups of version 1: `Total 0` after megabytes."""
    used = docker.usage(DOCKER)
    assert (used.block_reads, used.block_writes) == (None, None)
    used = _lxc_life.usage(FIRST)
    assert (used.block_read_bytes, used.block_written_bytes) == (None, None)
    used = _lxc_life.usage("at 1.0\nio.stat\nticks 100\n")
    assert (used.block_reads, used.block_written_bytes) == (None, None)


def test_what_a_docker_daemon_leaves_out_is_none() -> None:
    bare: dict[str, dict[str, object]] = {
        "cpu_stats": {"cpu_usage": {}},
        "memory_stats": {},
        "blkio_stats": {},
    }
    used = docker.usage(bare)
    told = {name: getattr(used, name) for name in used.__slots__ if name != "arrived_s"}
    assert set(told.values()) == {None}


def test_a_stamp_of_the_daemon_keeps_its_fraction() -> None:
    # 2026-11-30 is 20,787 days after 1970-01-01.
    assert _docker_api.stamp("2026-11-30T00:00:01.123456789Z") == pytest.approx(
        20_787 * 86_400 + 1.123456789, abs=1e-6
    )
    assert _docker_api.stamp("2026-11-30T00:00:01Z") == 20_787 * 86_400 + 1


def test_old_daemons_are_not_asked_for_what_they_do_not_know() -> None:
    assert docker._once("1.40") == {}
    assert docker._once("1.41") == docker._once("1.100") == {"one_shot": True}


LIBVIRT = {
    "cpu.time": 3_000_000_000,
    "cpu.user": 2_000_000_000,
    "balloon.current": 524_288,
    "balloon.rss": 2,
    "block.count": 2,
    "block.0.rd.reqs": 1,
    "block.0.rd.bytes": 512,
    "block.0.wr.bytes": 7,
    "block.1.rd.reqs": 2,
    "block.1.rd.bytes": 1024,
    "net.count": 1,
    "net.0.rx.bytes": 5,
    "net.0.tx.pkts": 6,
}


def test_libvirts_statistics_are_read_in_their_units_and_a_disk_without_a_count_makes_none() -> (
    None
):
    used = life.usage(LIBVIRT)
    assert (used.cpu_s, used.cpu_user_s, used.cpu_system_s) == (3.0, 2.0, None)
    assert (used.memory_bytes, used.memory_cache_bytes) == (2048, None)
    assert (used.block_reads, used.block_read_bytes) == (3, 1536)
    assert used.block_written_bytes is None
    assert (used.net_received_bytes, used.net_sent_packets) == (5, 6)
    assert used.net_sent_bytes is None


FIRST = """at 100.5
cpuacct.usage 1500000000
cpuacct.stat user 75
cpuacct.stat system 25
memory.usage_in_bytes 4096
memory.stat inactive_file 1
memory.stat total_inactive_file 1024
blkio.throttle.io_serviced_recursive 8:0 Read 2
blkio.throttle.io_serviced_recursive 8:0 Write 0
blkio.throttle.io_serviced_recursive Total 2
blkio.throttle.io_service_bytes_recursive Total 0
net lo 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0
net eth0 10 1 0 0 0 0 0 0 20 2 0 0 0 0 0 0
ticks 100
"""

SECOND = """at 100.5
cpu.stat usage_usec 1500000
cpu.stat user_usec 1000000
cpu.stat system_usec 500000
memory.current 4096
memory.stat inactive_file 1024
io.stat 8:0 rbytes=512 wbytes=7 rios=1 wios=2 dbytes=0 dios=0
io.stat 8:16 rbytes=512 wbytes=0 rios=1 wios=0 dbytes=0 dios=0
net eth0 10 1 0 0 0 0 0 0 20 2 0 0 0 0 0 0
ticks 100
"""


def test_control_groups_of_either_version_tell_the_same_in_the_same_units() -> None:
    first, second = _lxc_life.usage(FIRST), _lxc_life.usage(SECOND)
    assert (first.cpu_s, first.cpu_user_s, first.cpu_system_s) == (1.5, 0.75, 0.25)
    assert (second.cpu_s, second.cpu_user_s, second.cpu_system_s) == (1.5, 1.0, 0.5)
    for used in (first, second):
        assert (used.at_s, used.memory_bytes, used.memory_cache_bytes) == (100.5, 4096, 1024)
        assert (used.net_received_bytes, used.net_sent_bytes) == (10, 20)
        assert (used.net_received_packets, used.net_sent_packets) == (1, 2)
    assert (first.block_reads, first.block_writes) == (2, 0)
    assert (second.block_reads, second.block_writes) == (2, 2)
    assert (second.block_read_bytes, second.block_written_bytes) == (1024, 7)


def test_a_control_group_without_a_counter_gives_none() -> None:
    used = _lxc_life.usage("at 1.0\nticks 100\n")
    assert (used.cpu_s, used.memory_bytes, used.block_reads, used.net_sent_bytes) == (None,) * 4


def test_a_state_that_lxc_tells_twice_is_one_event() -> None:
    states = ("STARTING", "RUNNING", "FROZEN", "FROZEN", "THAWED", "THAWED", "RUNNING", "STOPPED")
    lines = [f"{n}.5 'one' changed state to [{state}]\n" for n, state in enumerate(states)]
    events = list(_lxc_life._changes(lines))
    assert [(event.at_s, event.change) for event in events] == [
        (1.5, Change.STARTED),
        (2.5, Change.PAUSED),
        (4.5, Change.RESUMED),
        (7.5, Change.STOPPED),
    ]
    assert lxc.watch is _lxc_life.watch
