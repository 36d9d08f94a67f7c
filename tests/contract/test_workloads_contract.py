"""What holds for every workload, found by its folder. The files are read here as plain YAML."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import tools
from harness.model.workload import Resource

FOLDER = Path(__file__).parent.parent.parent / "workloads"
FILES = sorted(FOLDER.glob("*/workload.yml"))
PLACEHOLDERS = {"seconds", "vcpus", "memory_mib", "peer", "work"}
PREFIX_BY_RESOURCE = {
    "cpu": "cpu-",
    "memory": "memory-",
    "kernel": "kernel-",
    "disk": "disk-",
    "network": "network-",
}

each = pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)


def load(file: Path) -> dict[str, Any]:
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def placeholders(args: list[str]) -> set[str]:
    return {name for arg in args for _, name, _, _ in string.Formatter().parse(arg) if name}


def test_every_resource_has_workloads() -> None:
    assert {load(file)["resource"] for file in FILES} == {resource.value for resource in Resource}


@each
def test_a_workload_is_named_after_its_resource(file: Path) -> None:
    assert file.parent.name.startswith(PREFIX_BY_RESOURCE[load(file)["resource"]])


@each
def test_a_workload_takes_one_or_two_metrics_its_tool_gives(file: Path) -> None:
    workload = load(file)
    known = tools.load(workload["tool"]).METRICS
    assert 1 <= len(workload["metrics"]) <= 2
    for metric in workload["metrics"]:
        offered = known[metric["name"]]
        assert (metric["unit"], metric["better"]) == (offered.unit, offered.better)


@each
def test_arguments_are_text_with_known_placeholders_and_the_time_asked_for(file: Path) -> None:
    workload = load(file)
    assert all(isinstance(arg, str) for arg in workload["args"])
    assert placeholders(workload["args"]) <= PLACEHOLDERS
    assert "seconds" in placeholders(workload["args"])
    assert ("peer" in placeholders(workload["args"])) == (workload["resource"] == "network")
    for step in workload.get("prepare", []):
        tools.load(step["tool"])
        assert placeholders(step["args"]) <= PLACEHOLDERS - {"seconds"}


def test_a_file_of_one_name_is_prepared_in_one_way() -> None:
    steps: dict[str, dict[str, Any]] = {}
    for file in FILES:
        for step in load(file).get("prepare", []):
            assert steps.setdefault(step["creates"], step) == step


@pytest.mark.parametrize(
    "file",
    [file for file in FILES if load(file)["tool"] == "fio"],
    ids=lambda file: file.parent.name,
)
def test_a_disk_workload_bypasses_the_page_cache_on_the_file_laid_out(file: Path) -> None:
    workload = load(file)
    args = workload["args"]
    assert {"--direct=1", "--time_based", "--randseed=1", "--allow_file_create=0"} <= set(args)
    assert "--filename=disk.dat" in args
    assert [step["creates"] for step in workload["prepare"]] == ["disk.dat"]
    depth = "--iodepth=1" in args
    assert ("--ioengine=psync" in args) == depth
    assert ("--ioengine=libaio" in args) != depth
