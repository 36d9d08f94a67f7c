"""The validity checks: each finds its threat, says by which figures, and lets the rest pass."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from harness import validity
from harness.errors import UseError
from harness.fingerprint import settings
from harness.model.run import Probe, Run
from harness.model.trial import ClockOffset, CpuTime, HostLoad, Trial, TrialStatus
from harness.model.workload import Resource
from harness.publish import formats
from harness.report import notes
from harness.report.runs import analysed
from harness.validity import About, Check, Finding, LiveCheck, Outcome
from tests.synthetic import CPU, DOCKER, NATIVE, TCG, make_run, workload

SYNC = workload("disk-fdatasync", Resource.DISK, [("sync_lat_mean_us", "µs", "lower")])
PEER = replace(
    workload("network-tcp", Resource.NETWORK, [("throughput", "Mbit/s", "higher")]),
    args=("--client", "{peer}"),
)
APART = ClockOffset(offset_s=0.012, jitter_s=0.004)


def trial(**changed: Any) -> Trial:
    made = make_run(lambda *_: 1.0, workloads=[CPU]).trials[0]
    return replace(made, **{"apart": APART, **changed})


def judged(check: str, *trials: Trial, about: About | None = None) -> list[Finding]:
    known = about or About((), {CPU.name: CPU})
    found = validity.load(check)
    alone = [of_one(trial, known) for trial in trials] if (of_one := _of_trial(found)) else []
    return [*filter(None, alone), *found.findings(trials, known)]


def _of_trial(check: Check) -> Callable[[Trial, About], Finding | None] | None:
    return cast(LiveCheck, check).of_trial if check.LIVE else None


def objections(runs: Sequence[Run]) -> list[Finding]:
    return [each for run in runs for each in validity.judge(run)[1]]


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
    assert judged("clock", replace(late, apart=ClockOffset(0.03, 0.06))) == []


@pytest.mark.parametrize(("drift", "believed"), [(0.004, True), (-0.008, False), (0.02, False)])
def test_a_clock_that_is_a_little_wrong_all_the_time_is_refused(
    drift: float, believed: bool
) -> None:
    run = make_run(lambda *_: 1.0, workloads=[CPU])
    drifting = tuple(
        replace(
            each,
            span_s=5.0,
            guest_s=5.0 * (1 + drift * (each.target == DOCKER.name)),
            apart=ClockOffset(0.0, 0.001),
        )
        for each in run.trials
    )
    run = replace(run, trials=drifting)
    found = objections([run])
    assert [(each.target, each.outcome) for each in found] == (
        [] if believed else [(DOCKER.name, Outcome.REFUSED)]
    )
    section = analysed([run]).table.sections[0]
    assert (section.groups[0].rows[0].figures[1].verdict == "suspect") is not believed


def test_a_clock_that_could_not_be_compared_is_not_judged() -> None:
    assert judged("clock", trial(guest_s=9.0, span_s=None)) == []
    assert judged("clock", trial(guest_s=9.0, span_s=10.0, apart=None)) == []


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


def test_what_the_clocks_tick_charges_beyond_all_processes_is_not_foreign() -> None:
    """3 s by samples, of which all other processes together counted .1 s, or 2 s."""
    load = HostLoad(20.0, 13.0, 0.0, process_s=10.0, others_s=0.1)
    assert judged("foreign_load", trial(host_load=load)) == []
    (found,) = judged("foreign_load", trial(host_load=replace(load, others_s=2.0)))
    assert found.outcome is Outcome.REJECTED
    assert found.figures["busy_s"] == 12.0
    # Others on other CPUs are not in this target's way.
    assert judged("foreign_load", trial(host_load=replace(load, busy_s=10.0, others_s=9.0))) == []


def test_time_stolen_from_the_host_of_a_guest_counts_as_its_own() -> None:
    stolen = HostLoad(20.0, 10.0, 2.0, process_s=9.9)
    (found,) = judged("steal", trial(cpu=CpuTime(20.0, 10.0, 0.0, 10.0), host_load=stolen))
    assert (found.outcome, found.figures) == (Outcome.REJECTED, {"share": 0.1})
    assert "from its host" in found.text


def native_and_container() -> About:
    run = make_run(lambda *_: 1.0, workloads=[CPU, SYNC, PEER])
    return About(run.manifest.targets, {each.name: each for each in run.manifest.workloads})


def test_a_program_that_shares_its_cpus_with_another_is_rejected_by_what_both_used() -> None:
    about = native_and_container()
    calm = HostLoad(10.0, 10.0, 0.0)
    beside = CpuTime(10.0, 9.0, 0.0, 5.0, cpus=2)
    (found,) = judged("foreign_load", trial(cpu=beside, host_load=calm), about=about)
    assert (found.outcome, found.figures["own_s"]) == (Outcome.REJECTED, 5.0)
    assert found.figures["total_s"] == 10.0
    alone = CpuTime(10.0, 5.02, 0.0, 5.0, cpus=2)
    assert judged("foreign_load", trial(cpu=alone, host_load=calm), about=about) == []


@pytest.mark.parametrize(
    ("workload", "peer_user_s", "user_s", "outcome"),
    [
        ("disk-fdatasync", None, 1.0, None),
        ("disk-fdatasync", None, 4.0, Outcome.FLAGGED),
        ("network-tcp", 3.0, 4.0, None),
        ("network-tcp", 0.5, 4.0, Outcome.FLAGGED),
        ("network-tcp", None, 4.0, None),
    ],
)
def test_where_the_kernel_works_for_the_program_only_time_outside_it_is_another_s(
    workload: str, peer_user_s: float | None, user_s: float, outcome: Outcome | None
) -> None:
    cpu = CpuTime(10.0, 9.0, 0.0, 1.5, cpus=2, user_s=user_s, own_user_s=1.0)
    load = HostLoad(10.0, 9.0, 0.0, peer_s=peer_user_s, peer_user_s=peer_user_s)
    found = judged(
        "foreign_load",
        trial(workload=workload, cpu=cpu, host_load=load),
        about=native_and_container(),
    )
    assert [each.outcome for each in found] == ([outcome] if outcome else [])


def test_tasks_that_waited_for_a_cpu_longer_than_usual_are_told() -> None:
    run = make_run(lambda *_: 1.0, workloads=[SYNC])

    def waited(each: Trial) -> float:
        return 2.0 if each.target == DOCKER.name and each.block == 3 else 0.4

    trials = tuple(
        replace(each, host_load=HostLoad(10.0, 5.0, 0.0, pressure_s=waited(each)))
        for each in run.trials
    )
    (found,) = objections([replace(run, trials=trials)])
    assert (found.check, found.target, found.outcome) == (
        "foreign_load",
        DOCKER.name,
        Outcome.FLAGGED,
    )
    assert found.figures == {"waiting_share": 0.4, "usual_waiting_share": 0.08}


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
    section = analysed([run]).table.sections[0]
    assert section.groups[0].rows[0].figures[1].verdict == "suspect"


def test_a_host_that_is_not_idle_before_a_block_is_told() -> None:
    run = make_run(lambda *_: 1.0, workloads=[CPU])
    assert objections([replace(run, probes=(Probe(0, 0.02, 0.0),))]) == []
    probes = (Probe(0, 0.02, 0.0), Probe(1, 0.4, 30.0))
    (found,) = objections([replace(run, probes=probes)])
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

    assert objections([at({"lab1": 3000.0, "container": 3010.0}, 0)]) == []
    (found,) = objections([at({"lab1": 3000.0, "container": 2800.0}, 0)])
    assert found.figures == {"mhz": 2800.0, "native_mhz": 3000.0}
    hot = objections([at({"lab1": 3000.0, "container": 3000.0}, 2)])
    assert {(each.target, each.check) for each in hot} == {
        ("lab1", "frequency"),
        ("container", "frequency"),
    }


@pytest.mark.parametrize(("busy_s", "flagged"), [(6.0, False), (8.0, True)])
def test_a_network_figure_that_is_the_processors_is_told(busy_s: float, flagged: bool) -> None:
    run = make_run(lambda *_: 1.0, workloads=[PEER])
    trials = tuple(
        replace(each, cpu=CpuTime(10.0, busy_s if each.target == DOCKER.name else 1.0, 0.0, 1.0))
        for each in run.trials
    )
    found = objections([replace(run, trials=trials)])
    assert [(each.target, each.check) for each in found] == (
        [(DOCKER.name, "network_path")] if flagged else []
    )


def test_a_peer_that_is_full_is_told() -> None:
    run = make_run(lambda *_: 1.0, workloads=[PEER])
    trials = tuple(
        replace(
            each,
            host_load=HostLoad(10.0, 4.0, 0.0, peer_s=4.5 if each.target == DOCKER.name else 1.0),
        )
        for each in run.trials
    )
    (found,) = objections([replace(run, trials=trials)])
    assert (found.target, found.figures) == (DOCKER.name, {"peer: network-tcp": 0.9})
    assert "by the peer's server" in found.text


@pytest.mark.parametrize(
    ("name", "mine", "base", "said"),
    [
        (
            "peer_route",
            "198.18.0.2 via 10.0.2.2 dev eth0",
            "198.18.0.2 dev bmk0",
            "route on its way to the peer: routed, native's: on-link",
        ),
        (
            "nic_offloads",
            "gso=on tso=off",
            "gso=on tso=on",
            "offloads on its way to the peer: tso off, native's: tso on",
        ),
    ],
)
def test_another_way_to_the_peer_is_told(name: str, mine: str, base: str, said: str) -> None:
    run = make_run(lambda *_: 1.0, workloads=[PEER])
    run = with_inside(run, lab1={name: base}, container={name: mine})
    (found,) = objections([run])
    assert (found.check, found.outcome) == ("network_path", Outcome.FLAGGED)
    assert found.text == said
    assert objections([with_inside(run, lab1={}, container={name: mine})]) == []


def test_another_mtu_is_told() -> None:
    run = with_inside(
        make_run(lambda *_: 1.0, workloads=[PEER]),
        lab1={"nic_mtu": "1500"},
        container={"nic_mtu": "9000"},
    )
    assert ["MTU" in each.text for each in objections([run])] == [True]


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
    (found,) = objections([smaller(run)])
    assert (found.check, found.outcome, found.suspect) == ("size", Outcome.REFUSED, True)
    assert found.figures == {"vcpus": 1.0, "declared_vcpus": 2.0}
    taken = smaller(run, ("size",))
    (found,) = objections([taken])
    assert (found.outcome, found.suspect, found.accepted) == (Outcome.FLAGGED, False, True)
    section = analysed([taken]).table.sections[0]
    assert "accepted: size" in section.columns[1].header
    assert any("accepted (--accept size) (size): it has 1 vCPUs" in n.text for n in section.notes)


def test_a_trial_that_an_accepted_check_objects_to_counts() -> None:
    stolen = trial(cpu=CpuTime(10.0, 5.0, 1.0, 5.0))
    assert validity.of_trial(stolen, About((), {CPU.name: CPU}), ["steal"]) is None


@pytest.mark.parametrize(
    ("name", "says"), [("flush", "it cannot be overruled"), ("nope", "there is no such check")]
)
def test_only_what_is_honest_can_be_accepted(name: str, says: str) -> None:
    with pytest.raises(UseError, match=says):
        validity.require_acceptable([name])


def test_memory_of_other_numa_nodes_is_refused_and_more_memory_of_native_is_told() -> None:
    run = with_inside(
        make_run(lambda *_: 1.0, [NATIVE, DOCKER, TCG]),
        lab1={"mems_allowed": "0"},
        container={"mems_allowed": "0-1"},
        guest={"mems_allowed": "0-1", "numa_nodes": "0-1"},
    )
    found = {each.target: each for each in objections([run])}
    assert (found["container"].outcome, found["container"].suspect) == (Outcome.REFUSED, True)
    assert found["container"].figures == {"memory_nodes": "0,1", "native_memory_nodes": "0"}
    assert (found["guest"].outcome, found["guest"].suspect) == (Outcome.FLAGGED, False)
    native, *others = run.manifest.targets
    large = replace(native, fingerprint=replace(native.fingerprint, memory_mib=24105))
    targets = (large, *(replace(each) for each in others))
    run = with_inside(replace(run, manifest=replace(run.manifest, targets=targets)))
    assert {(each.target, each.outcome, each.text) for each in objections([run])} == {
        (name, Outcome.FLAGGED, "it may use 2048 MiB of memory, native 24105")
        for name in ("container", "guest")
    }


def test_the_kernels_work_for_a_disk_workload_is_not_foreign() -> None:
    about = About((), {SYNC.name: SYNC})
    loaded = trial(workload=SYNC.name, cpu=CpuTime(20.0, 19.0, 0.0, 1.0))
    assert judged("foreign_load", loaded, about=about) == []


def with_inside(run: Run, **inside: dict[str, str]) -> Run:
    targets = tuple(
        replace(
            record,
            fingerprint=replace(
                record.fingerprint,
                inside=inside.get(record.target.name, {}),
                settings=settings.read(inside.get(record.target.name, {}), {}),
            ),
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
    (found,) = objections([run])
    assert (found.check, found.target, found.outcome) == ("mitigations", "guest", Outcome.FLAGGED)
    assert found.figures == {
        "mitigation_mds": "Not affected (native: Mitigation: Clear CPU buffers)"
    }


MEMORY = workload("memory-read", Resource.MEMORY, [("bandwidth", "MiB/s", "higher")])


@pytest.mark.parametrize(
    ("native", "guest", "said"),
    [
        (
            {"transparent_hugepage": "madvise"},
            {"transparent_hugepage": "always"},
            "transparent huge pages: always, native's madvise",
        ),
        ({}, {"balloon": "yes"}, "memory balloon"),
        ({}, {"ksm": "1"}, "page merging (KSM) is on:"),
    ],
)
def test_what_makes_memory_cost_otherwise_refuses_memory_rows_and_flags_the_others(
    native: dict[str, str], guest: dict[str, str], said: str
) -> None:
    run = make_run(lambda *_: 1.0, [NATIVE, TCG], workloads=[CPU, MEMORY])
    run = with_inside(run, lab1=native, guest=guest)
    found = objections([run])
    assert [(each.workload, each.outcome, each.suspect) for each in found] == [
        (None, Outcome.FLAGGED, False),
        (MEMORY.name, Outcome.REFUSED, True),
    ]
    assert all(said in each.text for each in found)
    section = analysed([run]).table.sections[0]
    verdicts = {row.workload: row.figures[1].verdict for g in section.groups for row in g.rows}
    assert verdicts[MEMORY.name] == "suspect"
    assert verdicts[CPU.name] != "suspect"
    accepted = replace(run, manifest=replace(run.manifest, accepted=("memory_settings",)))
    assert not any(each.suspect for each in objections([accepted]))


def test_page_merging_on_the_host_is_a_guest_s_and_not_a_container_s() -> None:
    run = make_run(lambda *_: 1.0, [NATIVE, DOCKER, TCG], workloads=[MEMORY])
    run = with_inside(run, lab1={"ksm": "1"}, container={"ksm": "1"}, guest={"ksm": "0"})
    assert [(each.target, each.outcome) for each in objections([run])] == [
        ("lab1", Outcome.FLAGGED),
        ("guest", Outcome.FLAGGED),
        ("guest", Outcome.REFUSED),
    ]


def synced(container: Callable[[int], float]) -> Run:
    def value(target: str, workload: str, metric: str, block: int) -> float:
        return container(block) if target == DOCKER.name else 100.0

    return make_run(value, workloads=[SYNC], blocks=6)


def test_a_flush_faster_than_native_is_suspect_in_the_table() -> None:
    run = synced(lambda _: 20.0)
    (found,) = objections([run])
    assert (found.check, found.suspect, found.workload) == ("flush", True, SYNC.name)
    assert (found.figures["sync_us"], found.figures["native_sync_us"]) == (20.0, 100.0)
    section = analysed([run]).table.sections[0]
    assert section.groups[0].rows[0].figures[1].verdict == "suspect"
    assert any("nothing shows that data reached the device" in n.text for n in section.notes)
    assert section.checks == (found,)


def test_a_flush_that_is_sometimes_slower_is_not() -> None:
    assert objections([synced(lambda block: 120.0 if block == 3 else 90.0)]) == []


def test_live_and_from_the_ledger_the_answer_is_the_same() -> None:
    stolen = trial(cpu=CpuTime(10.0, 5.0, 1.0, 5.0))
    live = validity.of_trial(stolen, About((), {CPU.name: CPU}))
    assert live is not None
    run = make_run(lambda *_: 1.0, workloads=[CPU])
    recorded = replace(stolen, status=TrialStatus.REJECTED, reason=live.text)
    assert objections([replace(run, trials=(recorded,))]) == [live]


@pytest.mark.parametrize(("mode", "suspect"), [("unsafe", True), ("writeback", False)])
def test_a_cache_mode_that_keeps_flushes_from_the_disk_is_told(mode: str, suspect: bool) -> None:
    run = make_run(lambda *_: 1.0, [NATIVE, TCG], workloads=[SYNC])
    assert objections([with_outside(run, guest={"disk_cache": "none"})]) == []
    run = with_outside(run, guest={"disk_cache": mode})
    (found,) = objections([run])
    assert (found.check, found.target, found.suspect) == ("flush", "guest", suspect)
    assert found.figures == {"disk_cache": mode}
    section = analysed([run]).table.sections[0]
    assert (section.groups[0].rows[0].figures[1].verdict == "suspect") is suspect


def with_outside(run: Run, **outside: dict[str, str]) -> Run:
    targets = tuple(
        replace(
            record,
            fingerprint=replace(
                record.fingerprint, settings=settings.read({}, outside.get(record.target.name, {}))
            ),
        )
        for record in run.manifest.targets
    )
    return replace(run, manifest=replace(run.manifest, targets=targets))


def test_another_governor_is_told_and_so_is_one_that_changed() -> None:
    run = make_run(lambda *_: 1.0, workloads=[CPU])

    def under(**governors: str) -> list[Finding]:
        trials = tuple(
            replace(each, host_load=HostLoad(1, 1, 0, governor=governors[each.target]))
            for each in run.trials
        )
        return objections([replace(run, trials=trials)])

    assert under(lab1="performance", container="performance") == []
    (found,) = under(lab1="performance", container="powersave")
    assert found.figures == {"governor": "powersave", "native_governor": "performance"}
    both = under(lab1="performance, powersave", container="performance, powersave")
    assert [each.target for each in both] == ["lab1", "container"]


def test_the_frequency_says_whether_it_is_a_mean_or_what_was_read_at_the_end() -> None:
    run = make_run(lambda *_: 1.0, workloads=[CPU])

    def text(mhz: float, mean: float | None) -> str:
        def at(slow: float) -> HostLoad:
            return HostLoad(1, 1, 0, mhz=mhz * slow, mhz_mean=None if mean is None else mean * slow)

        trials = tuple(
            replace(each, host_load=at(0.9 if each.target == DOCKER.name else 1.0))
            for each in run.trials
        )
        (found,) = objections([replace(run, trials=trials)])
        return found.text

    assert "mean over each trial" in text(3000.0, 2000.0)
    assert "as read at the end of each trial" in text(3000.0, None)


def judgements(run: Run) -> dict[tuple[str, str], validity.Judgement]:
    made = validity.of_targets([run], objections([run]))
    return {(each.check, each.target): each for each in made}


def test_every_check_comes_to_an_outcome_for_every_target() -> None:
    """What could not be looked at is not ok."""
    nothing = make_run(lambda *_: 1.0, workloads=[CPU, SYNC, PEER])
    unseen = judgements(nothing)
    assert {check for check, _ in unseen} == set(validity.names())
    looked = {"size", "flush"}
    assert {each.check for each in unseen.values() if each.outcome is Outcome.OK} == looked
    assert all(each.text for each in unseen.values() if each.outcome is Outcome.UNSEEN)
    assert ("flush", NATIVE.name) not in unseen

    cpu = CpuTime(10.0, 5.0, 0.0, 5.0, 0, 2, 4.0, 4.0)
    load = HostLoad(10.0, 5.0, 0.0, 5.0, 6e9, 6e9, 3000.0, 0, 4.0, 4.0, 1.0, 1.0, 0.0)
    claimed = {SYNC.name: (500.0, 500.0)}
    trials = tuple(
        replace(
            each,
            cpu=cpu,
            host_load=load,
            span_s=5.0,
            apart=ClockOffset(0.0, 0.001),
            claimed_mib_per_s=claimed.get(each.workload),
        )
        for each in nothing.trials
    )
    told = {"mitigation_mds": "Not affected", "ksm": "0", "nic_mtu": "1500"}
    run = with_inside(
        replace(nothing, trials=trials, probes=(Probe(0, 0.01, 0.0),)),
        lab1=told,
        container=told,
    )
    targets = tuple(replace(record, programs={"fio": "3.33"}) for record in run.manifest.targets)
    run = replace(run, manifest=replace(run.manifest, targets=targets))
    seen = judgements(run)
    assert {check for check, _ in seen} == set(validity.names())
    assert {each.outcome for each in seen.values()} == {Outcome.OK}
    assert seen["steal", "container"].figures == {"trials": 24.0, "worst_share": 0.0}
    assert seen["clock", "container"].figures == {"trials": 24.0, "drift": 0.0}


def test_the_worst_outcome_of_a_check_is_the_target_s() -> None:
    run = make_run(lambda *_: 1.0, workloads=[CPU])
    stolen = {0: 0.2, 1: 1.0}
    trials = tuple(
        replace(each, cpu=CpuTime(10.0, 5.0, stolen.get(each.block, 0.0), 5.0))
        for each in run.trials
    )
    made = judgements(replace(run, trials=trials))["steal", NATIVE.name]
    assert (made.outcome, made.figures["share"]) == (Outcome.REJECTED, 0.1)
    assert made.figures["trials"] == 8.0


def test_what_could_not_be_judged_is_said_once_below_the_table_and_is_in_its_json() -> None:
    run = make_run(lambda *_: 1.0, workloads=[CPU])
    made = analysed([run]).table
    (note,) = [n.text for n in made.sections[0].notes if n.text.startswith("Could not be judged")]
    assert "clock (container, lab1: its clock was not compared with the controller's)" in note
    document = json.loads(formats.render(made, "json"))
    outcomes = {
        (each["check"], each["target"]): each["outcome"]
        for each in document["sections"][0]["judgements"]
    }
    assert outcomes["clock", "container"] == "not observable"
    assert outcomes["size", "container"] == "ok"


def test_the_worst_trial_is_told_and_each_trial_counted_once() -> None:
    """Two objections to one trial, and figures that have no share."""
    run = make_run(lambda *_: 1.0, workloads=[CPU])
    trials = tuple(
        replace(
            each,
            cpu=CpuTime(10.0, 5.2, 0.0, 5.0, throttled=each.block),
            host_load=HostLoad(10.0, 5.4, 0.0, process_s=5.0, pressure_s=3.0 * (each.block == 2)),
        )
        for each in run.trials
    )
    run = replace(run, trials=trials)
    again = replace(run, manifest=replace(run.manifest, run="20261102T000000Z-lab1"))
    found = [each for each in objections([run]) if each.target == "container"]
    assert len([each for each in found if each.check == "foreign_load"]) == 9
    texts = [note.text for note in notes.about_checks(found, [run])]
    assert any(
        text.startswith("container: flagged (throttling) in 7 of 8 trials; the worst: a CPU quota")
        and text.endswith("in 7 periods.")
        for text in texts
    )
    assert any("(foreign_load) in 8 of 8 trials" in text for text in texts)
    pooled = notes.about_checks(objections([run, again]), [run, again])
    assert any("container: flagged (foreign_load) in 16 of 16" in note.text for note in pooled)


def test_flagged_trials_are_counted_in_the_notes() -> None:
    run = make_run(lambda *_: 1.0, workloads=[CPU])
    marked: Sequence[Trial] = [
        replace(each, cpu=CpuTime(10.0, 5.0, 0.2 if each.block < 3 else 0.0, 5.0))
        for each in run.trials
    ]
    run = replace(run, trials=tuple(marked))
    section = analysed([run]).table.sections[0]
    assert any(
        note.text.startswith("container: flagged (steal) in 3 of 8 trials; the worst: 2.0 %")
        for note in section.notes
    )


def test_what_the_ledger_calls_ok_and_a_check_rejects_counts_in_no_figure() -> None:
    run = make_run(lambda *_: 10.0, workloads=[CPU])
    stolen = tuple(
        replace(each, cpu=CpuTime(10.0, 5.0, 4.0, 5.0))
        if each.target == DOCKER.name and each.block < 3
        else each
        for each in run.trials
    )
    run = replace(run, trials=stolen)
    again = validity.judged_again(run)
    made = analysed([again]).table
    native, container = made.sections[0].groups[0].rows[0].figures
    assert (native.rejected, container.rejected, container.n) == (0, 3, 5)
    assert any("stolen by a hypervisor" in note.text for note in made.sections[0].notes)
    assert validity.judged_again(again) == again
    accepted = replace(run, manifest=replace(run.manifest, accepted=("steal",)))
    assert validity.judged_again(accepted) == accepted


def test_an_overhead_that_a_check_doubts_enters_no_mean() -> None:
    run = make_run(lambda *_: 1.0, workloads=[SYNC])
    cached = tuple(
        replace(
            each,
            guest_s=5.0,
            claimed_mib_per_s=(0.0, 50.0),
            host_load=HostLoad(1, 1, 0, read_bytes=0.0, written_bytes=0.0),
        )
        if each.target != NATIVE.name
        else each
        for each in run.trials
    )
    run = replace(run, trials=cached)
    made = analysed([run]).table
    (group,) = made.sections[0].groups
    assert group.rows[0].figures[1].verdict == "suspect"
    mean = group.summaries[1]
    assert mean is not None
    assert (mean.factor, mean.entered, mean.workloads) == (None, 0, 1)
