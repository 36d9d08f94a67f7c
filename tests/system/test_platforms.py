"""`make bench` as a new user types it, in a clone on a fresh machine of another Debian release."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.ledger import folders, reader
from tests import platforms, waiting

TOOL = Path(__file__).with_name("fresh-root")
WORKLOADS = ("cpu-sysbench-1t", "network-rr")
COMMAND = "make bench BENCH_OPTIONS='--preset smoke " + " ".join(f"-w {w}" for w in WORKLOADS) + "'"
WANTED = {"native", "container", "guest"}

pytestmark = [
    pytest.mark.system,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="a fresh root takes root"),
    *(
        pytest.mark.skipif(shutil.which(name) is None, reason=f"there is no {name}")
        for name in ("mmdebstrap", "ip", "iptables", "unshare")
    ),
]


def fresh_root(suite: str, out: Path) -> None:
    done = subprocess.run(
        [str(TOOL), suite, str(out), COMMAND],
        capture_output=True,
        text=True,
        timeout=waiting.VERB_S,
        check=False,
    )
    said = out / "output"
    printed = said.read_text(errors="replace")[-6000:] if said.exists() else ""
    assert done.returncode == 0, done.stdout + done.stderr + printed


@pytest.mark.parametrize("suite", ["trixie", "sid"])
def test_make_bench_gives_a_table_of_all_three_and_leaves_nothing(
    suite: str, tmp_path: Path
) -> None:
    fresh_root(suite, tmp_path)
    folder = folders.find(tmp_path / "results" / "runs", "latest")
    run = reader.read_run(folder)
    assert run.ended == "complete"
    assert {trial.target for trial in run.trials} == WANTED
    table = tmp_path / "results" / "published" / f"{run.manifest.run}.csv"
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert {each["workload"] for each in rows if each["kind"] == "metric"} == {*WORKLOADS}
    assert WANTED - {"native"} <= {each["target"] for each in rows}

    before, after = ({*(tmp_path / name).read_text().splitlines()} for name in ("before", "after"))
    assert after - before == set()

    labels = {each.target.name: each.fingerprint.label for each in run.manifest.targets}
    told = ", ".join(f"{name} ({labels[name]})" for name in sorted(labels))
    report = platforms.facts((tmp_path / "facts").read_text()) | {
        "run": f"`{COMMAND}`",
        "outcome": f"a table with {told}; nothing left",
    }
    platforms.REPORTS.mkdir(parents=True, exist_ok=True)
    (platforms.REPORTS / f"{suite}.json").write_text(json.dumps(report, indent=1))
