"""A grid of parameters is several workloads; what differs from native otherwise is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from math import isclose
from pathlib import Path
from typing import Any

import pytest

from harness.analyze.overhead import overhead
from harness.dataset import dataset
from harness.errors import UseError
from harness.importing import Source, run
from harness.ledger import reader
from harness.model.workload import Resource

BLOCKS = 6


def refused(source: Path, request: Source) -> str:
    with pytest.raises(UseError) as error:
        run.save(run.read(source, request), request, source.parent)
    assert not list(source.parent.glob("runs/*"))
    return f"{error.value.message} | {error.value.hint}"


def factors(source: Path, request: Source) -> dict[str, float | None]:
    """By workload, the slowdown of the only target that is not native."""
    (folder,) = run.save(run.read(source, request), request, source.parent)
    frame = overhead(dataset.frame(reader.read_run(folder)).lazy()).filter(~_native())
    return dict(zip(frame["workload"].cast(str).to_list(), frame["F"].to_list(), strict=True))


def _native() -> Any:
    import polars as pl

    return pl.col("native")


# ------------------------------------------------------------------ pytest-benchmark
PYTEST = Source(
    native="native",
    host="rack7",
    tool="pytest-benchmark",
    target_label="backend",
    block_label="round",
    resources={"": Resource.DISK},
)


def benchmark(backend: str, seconds: float, size: Any = None, **more: Any) -> dict[str, Any]:
    """One of `test_copy`, whose six rounds take `seconds` and a little more each."""
    params = {"backend": backend, **({"size": size} if size is not None else {})}
    name = f"test_copy[{'-'.join(map(str, params.values()))}]"
    return {
        "group": None,
        "name": name,
        "fullname": f"tests/test_disk.py::{name}",
        "params": params,
        "param": name[10:-1],
        "extra_info": {},
        "options": {"timer": "perf_counter", "warmup": False},
        "stats": {"data": [seconds * (1 + block / 1000) for block in range(BLOCKS)]},
        **more,
    }


def saved(folder: Path, benchmarks: Sequence[dict[str, Any]]) -> Path:
    file = folder / "saved.json"
    file.write_text(json.dumps({"benchmarks": list(benchmarks)}))
    return file


def in_module(module: str, of: dict[str, Any]) -> dict[str, Any]:
    return {**of, "fullname": f"{module}::{of['name']}"}


def test_a_grid_of_parameters_is_a_workload_for_each(tmp_path: Path) -> None:
    source = saved(
        tmp_path,
        [
            benchmark("native", 0.020, 64),
            benchmark("native", 0.300, 1024),
            benchmark("kvm", 0.025, 64),
            benchmark("kvm", 0.330, 1024),
        ],
    )
    found = factors(source, PYTEST)
    assert found.keys() == {"test_copy (size 64)", "test_copy (size 1024)"}
    assert isclose(found["test_copy (size 64)"] or 0, 0.025 / 0.020, rel_tol=1e-9)
    assert isclose(found["test_copy (size 1024)"] or 0, 0.330 / 0.300, rel_tol=1e-9)


def test_a_parameter_that_is_a_list_or_nothing_counts_too(tmp_path: Path) -> None:
    source = saved(
        tmp_path, [benchmark(b, s, [64, None]) for b, s in (("native", 0.1), ("kvm", 0.2))]
    )
    assert factors(source, PYTEST).keys() == {"test_copy (size [64, null])"}


def test_a_name_that_gets_too_long_is_cut_and_stays_one_of_its_own(tmp_path: Path) -> None:
    long = ["x" * 200 + end for end in "ab"]
    pairs = [(b, s, size) for b, s in (("native", 0.1), ("kvm", 0.2)) for size in long]
    found = factors(saved(tmp_path, [benchmark(*each) for each in pairs]), PYTEST)
    assert len(found) == 2
    assert all(len(name) <= 120 for name in found)


def test_what_a_workload_stresses_can_be_said_for_all_its_parameters(tmp_path: Path) -> None:
    source = saved(tmp_path, [benchmark("native", 0.1, 64), benchmark("kvm", 0.2, 64)])
    assert factors(source, replace(PYTEST, resources={"test_copy": Resource.CPU}))


@pytest.mark.parametrize(
    ("guest", "said"),
    [
        (
            benchmark("kvm", 0.3, 1024),
            "kvm ran nothing that native ran: test_copy (size 1024) (",
        ),
        (
            in_module("tests/test_net.py", benchmark("kvm", 0.08, 64)),
            "its fullname is tests/test_d",
        ),
        (benchmark("kvm", 0.08, 64, group="net"), "its group is not given in "),
        (benchmark("kvm", 0.08, 64, extra_info={"pool": 8}), "its pool is not given in "),
        (benchmark("kvm", 0.08, 64, options={"timer": "time", "warmup": False}), "options.timer"),
        (benchmark("kvm", 0.08, 64, options={"timer": "perf_counter", "warmup": True}), "warmup"),
    ],
)
def test_what_differs_between_a_target_and_native_only_is_refused(
    tmp_path: Path, guest: dict[str, Any], said: str
) -> None:
    source = saved(tmp_path, [benchmark("native", 0.02, 64), guest])
    message = refused(source, PYTEST)
    assert message.startswith("arguments: ")
    assert said in message
    assert "--ignore " in message


def test_a_name_in_two_files_is_two_workloads(tmp_path: Path) -> None:
    modules = "tests/test_disk.py", "tests/test_net.py"
    source = saved(
        tmp_path,
        [
            in_module(module, benchmark(backend, seconds * (1 + at), 64))
            for at, module in enumerate(modules)
            for backend, seconds in (("native", 0.02), ("kvm", 0.03))
        ],
    )
    found = factors(source, PYTEST)
    assert found.keys() == {f"test_copy (size 64) (fullname {module})" for module in modules}
    assert all(isclose(factor or 0, 1.5, rel_tol=1e-9) for factor in found.values())


def test_a_label_that_only_repeats_the_target_s_name_is_no_difference(tmp_path: Path) -> None:
    source = saved(
        tmp_path,
        [
            in_module(f"tests/{b}/test_disk.py", benchmark(b, s, 64, group=f"io-{b}"))
            for b, s in (("native", 0.02), ("kvm", 0.03))
        ],
    )
    assert factors(source, PYTEST).keys() == {"test_copy (size 64)"}


def test_a_label_is_passed_over_where_it_is_said_to_be_no_part_of_the_work(tmp_path: Path) -> None:
    guest = benchmark("kvm", 0.03, 64, extra_info={"kernel": "6.8"})
    source = saved(tmp_path, [benchmark("native", 0.02, 64), guest])
    assert "--ignore kernel" in refused(source, PYTEST)
    assert "no value has such a label | choose from: backend, fullname, kernel, " in refused(
        source, replace(PYTEST, passed=("kernle",))
    )
    assert factors(source, replace(PYTEST, passed=("kernel",)))
    (folder,) = (tmp_path / "runs").iterdir()
    imported = reader.read_manifest(folder).imported
    assert imported is not None
    assert imported.name == "saved.json (without regard to kernel)"


def test_what_native_did_not_run_is_named(tmp_path: Path) -> None:
    source = saved(
        tmp_path,
        [benchmark("native", 0.02, 64), benchmark("kvm", 0.03, 64), benchmark("kvm", 0.5, 1024)],
    )
    assert run.read(source, PYTEST).notes == (
        "kvm: no overhead of what native did not run: test_copy (size 1024)",
    )


def test_parameters_that_only_the_name_tells_count_too(tmp_path: Path) -> None:
    """pytest-benchmark leaves out what it cannot write as JSON."""
    told = [
        benchmark(b, s, size, params=None, extra_info={"where": b})
        for size in (64, 1024)
        for b, s in (("native", size / 100), ("kvm", size / 80))
    ]
    found = factors(saved(tmp_path, told), replace(PYTEST, target_label="where"))
    assert found.keys() == {"test_copy (param *-64)", "test_copy (param *-1024)"}


def test_a_parameter_that_is_the_target_s_name_may_be_said_by_another_label(tmp_path: Path) -> None:
    source = saved(tmp_path, [benchmark("native", 0.02), benchmark("kvm", 0.03)])
    assert factors(source, replace(PYTEST, target_label="param")).keys() == {"test_copy"}


def test_the_machine_of_files_that_were_joined_is_told(tmp_path: Path) -> None:
    """A guest has a host name of its own, so it is no difference of the work."""
    source = saved(
        tmp_path,
        [
            benchmark("native", 0.02, machine_info={"node": "rack7"}),
            benchmark("kvm", 0.03, machine_info={"node": "guest"}),
        ],
    )
    (said,) = run.read(source, PYTEST).notes
    assert "what differs from native in node is taken to be the target" in said


# ------------------------------------------------------------------ PerfKitBenchmarker
PERFKIT = Source(
    native="metal",
    host="rack7",
    tool="perfkit",
    target_label="machine_type",
    block_label="attempt",
    backends={"vm": "kvm"},
    resources={"": Resource.NETWORK},
    better={"": "higher"},
)


def sample(machine: str, block: int, value: float, unit: str = "Mbits/sec", **labels: Any) -> str:
    told = {"machine_type": machine, "attempt": block, **labels}
    return json.dumps(
        {"metric": "Throughput", "value": value, "unit": unit, "test": "iperf", "metadata": told}
    )


def lines(folder: Path, samples: Sequence[str]) -> Path:
    file = folder / "samples.json"
    file.write_text("\n".join(samples))
    return file


def test_labels_of_samples_that_make_a_grid_make_workloads(tmp_path: Path) -> None:
    source = lines(
        tmp_path,
        [
            sample(machine, block, value * threads, threads=threads, zone=machine)
            for block in range(BLOCKS)
            for threads in (1, 8)
            for machine, value in (("metal", 900.0), ("vm", 900.0 / (1 + threads / 10)))
        ],
    )
    found = factors(source, PERFKIT)
    assert found.keys() == {"iperf (threads 1)", "iperf (threads 8)"}
    assert isclose(found["iperf (threads 1)"] or 0, 1.1, rel_tol=1e-9)
    assert isclose(found["iperf (threads 8)"] or 0, 1.8, rel_tol=1e-9)


def test_a_label_that_changes_with_the_block_makes_workloads_unless_it_only_names_it(
    tmp_path: Path,
) -> None:
    source = lines(
        tmp_path,
        [
            sample(machine, block, value, threads=1 + block % 2, day=f"d{block}")
            for block in range(BLOCKS)
            for machine, value in (("metal", 900.0), ("vm", 800.0))
        ],
    )
    assert factors(source, PERFKIT).keys() == {"iperf (threads 1)", "iperf (threads 2)"}


def test_a_label_of_one_side_only_is_refused_and_one_of_the_machine_is_told(tmp_path: Path) -> None:
    def both(**of_vm: Any) -> Path:
        return lines(
            tmp_path,
            [
                sample(machine, block, value, **labels)
                for block in range(BLOCKS)
                for machine, value, labels in (
                    ("metal", 900.0, {"threads": 1}),
                    ("vm", 800.0, {"threads": 1, **of_vm}),
                )
            ],
        )

    assert "iperf is not one workload: its threads is 1 in " in refused(both(threads=8), PERFKIT)
    assert "its tls is not given in " in refused(both(tls="on"), PERFKIT)
    (said,) = run.read(both(server_image="debian", num_cpus=4), PERFKIT).notes
    assert "in num_cpus, server_image is taken to be the target" in said


def test_a_field_that_is_none_of_perfkitbenchmarker_s_is_a_label_too(tmp_path: Path) -> None:
    def with_threads(line: str, threads: int) -> str:
        return json.dumps({**json.loads(line), "owner": f"o{threads}", "threads": threads})

    source = lines(
        tmp_path,
        [with_threads(sample("metal", 0, 9.0), 1), with_threads(sample("vm", 0, 8.0), 8)],
    )
    assert "iperf is not one workload: its threads is 1 in " in refused(source, PERFKIT)


def test_a_score_without_a_unit_has_the_unit_of_a_count(tmp_path: Path) -> None:
    source = lines(
        tmp_path,
        [
            sample(machine, block, value + block, unit=" "[:empty])
            for block, empty in enumerate((0, 1) * 3)
            for machine, value in (("metal", 61440.0), ("vm", 57600.0))
        ],
    )
    (folder,) = run.save(run.read(source, PERFKIT), PERFKIT, tmp_path)
    (workload,) = reader.read_manifest(folder).workloads
    assert workload.metrics[0].unit == "1"


def test_an_integer_beyond_all_numbers_is_refused_as_one(tmp_path: Path) -> None:
    source = lines(tmp_path, [sample("metal", 0, 10**400)])
    assert "value is inf, which has no ratio" in refused(source, PERFKIT)
