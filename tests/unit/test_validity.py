"""The validity checks: each finds its threat, says by which figures, and lets the rest pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from harness.analyze import validity
from harness.analyze.overhead import overhead
from harness.analyze.validity import About, Finding, Outcome
from harness.dataset import frame
from harness.errors import UseError
from harness.marks import cpu_time
from harness.metering import between, parse
from harness.model import CpuTime, HostLoad, Probe, Resource, Run, Trial, TrialStatus, Workload
from harness.publish.table import build
from tests.synthetic import CPU, DOCKER, NATIVE, TCG, make_run, workload

SYNC = workload("disk-fdatasync", Resource.DISK, [("sync_lat_mean_us", "µs", "lower")])
APART = (0.010, 0.012, 0.011, 0.014, 0.012)


def trial(**changed: Any) -> Trial:
    return replace(make_run(lambda *_: 1.0, workloads=[CPU]).trials[0], **changed)


def judged(check: str, *trials: Trial, about: About | None = None) -> list[Finding]:
    known = about or About((), {CPU.name: CPU}, {NATIVE.name: APART})
    return list(validity.load(check).findings(trials, known))


def test_the_checks_are_found_by_their_folder() -> None:
    assert {"clock", "steal", "foreign_load", "mitigations", "flush"} <= set(validity.names())


@pytest.mark.parametrize("drift", [-0.03, 0.03])
def test_a_clock_that_drifts_is_rejected_with_both_times(drift: float) -> None:
    (found,) = judged("clock", trial(guest_s=10 * (1 + drift), span_s=10.012))
    assert found.outcome is Outcome.REJECTED
    assert found.figures["guest_s"] == pytest.approx(10 * (1 + drift))
    assert found.figures["controller_s"] == 10.012
    assert found.figures["offset_s"] == 0.012
    assert f"{10 * (1 + drift):.3f} s" in found.text


@pytest.mark.parametrize("apart_s", [0.0, 0.04, -0.04])
def test_a_clock_within_half_a_percent_and_the_jitter_passes(apart_s: float) -> None:
    assert judged("clock", trial(guest_s=10.0, span_s=10.012 + apart_s)) == []


def test_the_jitter_is_what_programs_that_do_nothing_showed() -> None:
    late = trial(guest_s=2.0, span_s=2.2)
    assert len(judged("clock", late)) == 1
    wide = About((), {}, {NATIVE.name: (0.0, 0.06)})
    assert judged("clock", late, about=wide) == []


@pytest.mark.parametrize(("drift", "believed"), [(0.004, True), (-0.008, False), (0.02, False)])
def test_a_clock_that_is_a_little_wrong_all_the_time_is_refused(
    drift: float, believed: bool
) -> None:
    run = make_run(lambda *_: 1.0, workloads=[CPU])
    drifting = tuple(
        replace(each, span_s=5.0, guest_s=5.0 * (1 + drift * (each.target == DOCKER.name)))
        for each in run.trials
    )
    apart = dict.fromkeys((NATIVE.name, DOCKER.name), (0.0, 0.001))
    run = replace(run, trials=drifting, calibrations=apart)
    found = validity.of_runs([run])
    assert [(each.target, each.outcome) for each in found] == (
        [] if believed else [(DOCKER.name, Outcome.REFUSED)]
    )
    section = build(overhead(frame(run).lazy()), [run]).sections[0]
    assert (section.groups[0].rows[0].figures[1].verdict == "suspect") is not believed


def test_a_clock_that_could_not_be_compared_is_not_judged() -> None:
    assert judged("clock", trial(guest_s=9.0, span_s=None)) == []
    assert judged("clock", trial(guest_s=9.0, span_s=10.0), about=About()) == []


@pytest.mark.parametrize(
    ("share", "outcome"),
    [(0.005, None), (0.02, Outcome.FLAGGED), (0.06, Outcome.REJECTED)],
)
def test_steal(share: float, outcome: Outcome | None) -> None:
    found = judged("steal", trial(cpu=CpuTime(20.0, 10.0, 20.0 * share, 10.0)))
    assert [each.outcome for each in found] == ([outcome] if outcome else [])
    assert [each.figures["share"] for each in found] == ([share] if outcome else [])


@pytest.mark.parametrize(
    ("other_s", "outcome"),
    [(0.0, None), (0.2, None), (0.5, Outcome.FLAGGED), (1.2, Outcome.REJECTED)],
)
def test_foreign_load(other_s: float, outcome: Outcome | None) -> None:
    loaded = trial(cpu=CpuTime(20.0, 10.0 + other_s, 0.0, 10.0))
    assert [each.outcome for each in judged("foreign_load", loaded)] == (
        [outcome] if outcome else []
    )


def test_a_trial_too_short_for_the_kernels_count_of_time_is_not_judged_by_it() -> None:
    short = trial(cpu=CpuTime(0.4, 0.3, 0.05, 0.01))
    assert judged("foreign_load", short) == judged("steal", short) == []


def test_work_on_the_host_that_is_not_the_guests_own_is_foreign() -> None:
    calm = trial(host_load=HostLoad(20.0, 10.0, 0.0, process_s=9.95))
    assert judged("foreign_load", calm) == []
    (found,) = judged("foreign_load", trial(host_load=HostLoad(20.0, 13.0, 0.0, process_s=9.95)))
    assert found.outcome is Outcome.REJECTED
    assert "on its host" in found.text
    unknown = trial(host_load=HostLoad(20.0, 13.0, 0.0, process_s=None))
    assert judged("foreign_load", unknown) == []


def test_a_quota_that_stopped_the_target_is_told_with_its_periods() -> None:
    assert judged("throttling", trial(cpu=CpuTime(20.0, 10.0, 0.0, 10.0, throttled=0))) == []
    assert judged("throttling", trial(cpu=CpuTime(20.0, 10.0, 0.0, 10.0, throttled=None))) == []
    (found,) = judged("throttling", trial(cpu=CpuTime(20.0, 10.0, 0.0, 10.0, throttled=7)))
    assert (found.outcome, found.figures) == (Outcome.FLAGGED, {"throttled_periods": 7.0})


MIB = 1024 * 1024


def read_at(rate: float, device_bytes: float | None, **changed: Any) -> Trial:
    load = HostLoad(10.0, 5.0, 0.0, read_bytes=device_bytes, written_bytes=0.0)
    return trial(guest_s=5.0, host_load=load, claimed_mib_per_s=(rate, 0.0), **changed)


def test_a_page_cache_posing_as_a_disk_is_suspect() -> None:
    assert judged("page_cache", read_at(100.0, 480.0 * MIB)) == []
    assert judged("page_cache", read_at(100.0, None)) == []
    (found,) = judged("page_cache", read_at(100.0, 2.0 * MIB))
    assert found.suspect
    assert found.figures["device_share"] == pytest.approx(0.004)
    assert "of the bytes that it says were read" in found.text


def test_a_native_disk_that_is_cached_makes_every_overhead_against_it_suspect() -> None:
    run = make_run(lambda *_: 1.0, workloads=[SYNC])
    cached = tuple(
        replace(each, guest_s=5.0, claimed_mib_per_s=(0.0, 50.0), host_load=HostLoad(1, 1, 0))
        if each.target != NATIVE.name
        else replace(
            each,
            guest_s=5.0,
            claimed_mib_per_s=(0.0, 50.0),
            host_load=HostLoad(1, 1, 0, read_bytes=0.0, written_bytes=0.0),
        )
        for each in run.trials
    )
    run = replace(run, trials=cached)
    section = build(overhead(frame(run).lazy()), [run]).sections[0]
    assert section.groups[0].rows[0].figures[1].verdict == "suspect"


def test_a_host_that_is_not_idle_before_a_block_is_told() -> None:
    run = make_run(lambda *_: 1.0, workloads=[CPU])
    assert validity.of_runs([replace(run, probes=(Probe(0, 0.02, 0.0),))]) == []
    probes = (Probe(0, 0.02, 0.0), Probe(1, 0.4, 30.0))
    (found,) = validity.of_runs([replace(run, probes=probes)])
    assert (found.check, found.target, found.outcome) == ("busy_host", "lab1", Outcome.FLAGGED)
    assert "before 1 of 2 blocks" in found.text


def test_processors_at_another_frequency_and_heat_are_told() -> None:
    run = make_run(lambda *_: 1.0, workloads=[CPU])

    def at(mhz: dict[str, float], thermal: int) -> Run:
        trials = tuple(
            replace(each, host_load=HostLoad(1, 1, 0, mhz=mhz[each.target], thermal=thermal))
            for each in run.trials
        )
        return replace(run, trials=trials)

    assert validity.of_runs([at({"lab1": 3000.0, "container": 3010.0}, 0)]) == []
    (found,) = validity.of_runs([at({"lab1": 3000.0, "container": 2800.0}, 0)])
    assert found.figures == {"mhz": 2800.0, "native_mhz": 3000.0}
    hot = validity.of_runs([at({"lab1": 3000.0, "container": 3000.0}, 2)])
    assert {(each.target, each.check) for each in hot} == {
        ("lab1", "frequency"),
        ("container", "frequency"),
    }


PEER = replace(
    workload("network-tcp", Resource.NETWORK, [("throughput", "Mbit/s", "higher")]),
    args=("--client", "{peer}"),
)


@pytest.mark.parametrize(("busy_s", "flagged"), [(6.0, False), (8.0, True)])
def test_a_network_figure_that_is_the_processors_is_told(busy_s: float, flagged: bool) -> None:
    run = make_run(lambda *_: 1.0, workloads=[PEER])
    trials = tuple(
        replace(each, cpu=CpuTime(10.0, busy_s if each.target == DOCKER.name else 1.0, 0.0, 1.0))
        for each in run.trials
    )
    found = validity.of_runs([replace(run, trials=trials)])
    assert [(each.target, each.check) for each in found] == (
        [(DOCKER.name, "network_path")] if flagged else []
    )


@pytest.mark.parametrize(
    ("mode", "taken", "told"), [("nat", PEER, True), ("bridged", PEER, False), ("nat", CPU, False)]
)
def test_a_way_through_a_nat_is_told_where_a_workload_takes_it(
    mode: str, taken: Workload, told: bool
) -> None:
    run = make_run(lambda *_: 1.0, workloads=[taken])
    targets = tuple(
        replace(
            each,
            fingerprint=replace(each.fingerprint, outside={"network_mode": mode}),
        )
        if each.target.name == DOCKER.name
        else each
        for each in run.manifest.targets
    )
    run = replace(run, manifest=replace(run.manifest, targets=targets))
    found = [each for each in validity.of_runs([run]) if "NAT" in each.text]
    assert [(each.target, each.check) for each in found] == (
        [(DOCKER.name, "network_path")] if told else []
    )


def test_another_mtu_is_told() -> None:
    run = with_inside(
        make_run(lambda *_: 1.0), lab1={"nic_mtu": "1500"}, container={"nic_mtu": "9000"}
    )
    assert ["MTU" in each.text for each in validity.of_runs([run])] == [True]


def smaller(run: Run, accepted: tuple[str, ...] = ()) -> Run:
    """The run with a container that has one vCPU where two are declared."""
    targets = tuple(
        replace(record, fingerprint=replace(record.fingerprint, vcpus=1))
        if record.target.name == DOCKER.name
        else record
        for record in run.manifest.targets
    )
    return replace(run, manifest=replace(run.manifest, targets=targets, accepted=accepted))


def test_targets_of_unequal_size_are_refused_and_may_be_accepted_which_marks_the_table() -> None:
    run = make_run(lambda *_: 1.0, workloads=[CPU])
    (found,) = validity.of_runs([smaller(run)])
    assert (found.check, found.outcome, found.suspect) == ("size", Outcome.REFUSED, True)
    assert found.figures == {"vcpus": 1.0, "declared_vcpus": 2.0}
    taken = smaller(run, ("size",))
    (found,) = validity.of_runs([taken])
    assert (found.outcome, found.suspect, found.accepted) == (Outcome.FLAGGED, False, True)
    section = build(overhead(frame(taken).lazy()), [taken]).sections[0]
    assert "accepted: size" in section.columns[1].header
    assert any("accepted (--accept size) (size): it has 1 vCPUs" in n.text for n in section.notes)


def test_a_trial_that_an_accepted_check_objects_to_counts() -> None:
    stolen = trial(cpu=CpuTime(10.0, 5.0, 1.0, 5.0))
    assert validity.of_trial(stolen, About((), {CPU.name: CPU}, {}), ["steal"]) is None


@pytest.mark.parametrize(
    ("name", "says"), [("flush", "it cannot be overruled"), ("nope", "there is no such check")]
)
def test_only_what_is_honest_can_be_accepted(name: str, says: str) -> None:
    with pytest.raises(UseError, match=says):
        validity.require_acceptable([name])


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
"""


def test_what_a_host_did_is_read_from_its_counters() -> None:
    zero = dict.fromkeys(("steal", "idle", "read", "written", "user", "heat"), 0)
    later = {"steal": 10, "idle": 100, "read": 2048, "written": 20, "user": 50, "heat": 3}
    before, after = (parse(COUNTERS.format(**values)) for values in (zero, later))
    load = between(before, after, [0, 1], "77")
    assert load == HostLoad(
        total_s=1.1,
        busy_s=0.0,
        steal_s=0.1,
        process_s=0.5,
        read_bytes=2048 * 512,
        written_bytes=20 * 512,
        mhz=2500.0,
        thermal=3,
    )
    bare = parse("/proc/stat:cpu0 1 0 0 0 0 0 0 0\n")
    assert between(bare, bare, [0], "77") == HostLoad(0.0, 0.0, 0.0)
    assert between(None, after, [0]) is None
    assert between(parse(""), after, [0]) is None


def test_the_kernels_work_for_a_disk_workload_is_not_foreign() -> None:
    about = About((), {SYNC.name: SYNC}, {})
    loaded = trial(workload=SYNC.name, cpu=CpuTime(20.0, 19.0, 0.0, 1.0))
    assert judged("foreign_load", loaded, about=about) == []


def test_cpu_time_is_read_from_the_marks() -> None:
    said = (
        b"baremark begin 7 1\nbaremark end 2 0\n"
        b"baremark stat cpu  100 0 50 1000 5 1 2 0 0 0 to cpu  290 0 60 1195 5 1 2 4 0 0\n"
        b"0m0.000000s 0m0.000000s\n0m1.900000s 1m0.100000s\n"
    )
    assert cpu_time(said) == CpuTime(total_s=3.99, busy_s=2.0, steal_s=0.04, own_s=62.0)
    assert cpu_time(b"baremark stat  to \n0m0.0s 0m0.0s\n0m0.0s 0m0.0s\n") is None
    assert cpu_time(b"") is None


def with_inside(run: Run, **inside: dict[str, str]) -> Run:
    targets = tuple(
        replace(
            record,
            fingerprint=replace(record.fingerprint, inside=inside.get(record.target.name, {})),
        )
        for record in run.manifest.targets
    )
    return replace(run, manifest=replace(run.manifest, targets=targets))


def test_mitigations_that_differ_are_told_with_both_values() -> None:
    run = with_inside(
        make_run(lambda *_: 1.0, [NATIVE, DOCKER, TCG]),
        lab1={"mitigation_mds": "Mitigation: Clear CPU buffers", "mitigation_l1tf": "Not affected"},
        container={"mitigation_mds": "Mitigation: Clear CPU buffers"},
        guest={"mitigation_mds": "Not affected"},
    )
    (found,) = validity.of_runs([run])
    assert (found.check, found.target, found.outcome) == ("mitigations", "guest", Outcome.FLAGGED)
    assert found.figures == {
        "mitigation_mds": "Not affected (native: Mitigation: Clear CPU buffers)"
    }


def test_huge_pages_and_page_merging_are_told() -> None:
    run = with_inside(
        make_run(lambda *_: 1.0),
        lab1={"transparent_hugepage": "madvise", "ksm": "1"},
        container={"transparent_hugepage": "always"},
    )
    assert [(each.target, each.check) for each in validity.of_runs([run])] == [
        ("lab1", "memory_settings"),
        ("container", "memory_settings"),
    ]


def synced(container: Callable[[int], float]) -> Run:
    def value(target: str, workload: str, metric: str, block: int) -> float:
        return container(block) if target == DOCKER.name else 100.0

    return make_run(value, workloads=[SYNC], blocks=6)


def test_a_flush_faster_than_native_is_suspect_in_the_table() -> None:
    run = synced(lambda _: 20.0)
    (found,) = validity.of_runs([run])
    assert (found.check, found.suspect, found.workload) == ("flush", True, SYNC.name)
    assert (found.figures["sync_us"], found.figures["native_sync_us"]) == (20.0, 100.0)
    section = build(overhead(frame(run).lazy()), [run]).sections[0]
    assert section.groups[0].rows[0].figures[1].verdict == "suspect"
    assert any("nothing shows that data reached the device" in n.text for n in section.notes)
    assert section.checks == (found,)


def test_a_flush_that_is_sometimes_slower_is_not() -> None:
    assert validity.of_runs([synced(lambda block: 120.0 if block == 3 else 90.0)]) == []


def test_live_and_from_the_ledger_the_answer_is_the_same() -> None:
    stolen = trial(cpu=CpuTime(10.0, 5.0, 1.0, 5.0))
    live = validity.of_trial(stolen, About((), {CPU.name: CPU}, {}))
    assert live is not None
    run = make_run(lambda *_: 1.0, workloads=[CPU])
    recorded = replace(stolen, status=TrialStatus.REJECTED, reason=live.text)
    assert validity.of_runs([replace(run, trials=(recorded,))]) == [live]


def test_flagged_trials_are_counted_in_the_notes() -> None:
    run = make_run(lambda *_: 1.0, workloads=[CPU])
    marked: Sequence[Trial] = [
        replace(each, cpu=CpuTime(10.0, 5.0, 0.2 if each.block < 3 else 0.0, 5.0))
        for each in run.trials
    ]
    run = replace(run, trials=tuple(marked))
    section = build(overhead(frame(run).lazy()), [run]).sections[0]
    assert any(
        note.text.startswith("container: flagged (steal) in 3 of 8 trials; the worst: 2.0 %")
        for note in section.notes
    )
