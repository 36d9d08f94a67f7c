"""What is done before the first trial: which files a target needs."""

from __future__ import annotations

from dataclasses import replace

from harness.execute import prepare
from harness.model.plan import Cell
from harness.model.workload import Step
from tests.synthetic import CPU, DISK

FILE = Step("data", "fio", ("--rw=write",))
OTHER = Step("other", "fio", ("--rw=write",))
WORKLOADS = {
    "cpu": CPU,
    "read": replace(DISK, name="read", prepare=(FILE,)),
    "both": replace(DISK, name="both", prepare=(FILE, OTHER)),
}


def test_a_file_that_several_workloads_need_is_made_once_and_only_where_they_run() -> None:
    cells = (
        *(Cell(name, "lab1") for name in WORKLOADS),
        *(Cell("cpu", "guest"), Cell("read", "container"), Cell("read", "container")),
    )
    assert prepare.steps(cells, WORKLOADS, "lab1") == [FILE, OTHER]
    assert prepare.steps(cells, WORKLOADS, "container") == [FILE]
    assert prepare.steps(cells, WORKLOADS, "guest") == []
