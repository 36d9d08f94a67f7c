"""A pilot from its request to the file that other runs take their seconds from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.analyze.components import Length
from harness.errors import UseError
from harness.ledger.writer import Ledger
from harness.model.run import Run
from harness.plan import lengths, plan
from harness.plan.lengths import Lengths
from harness.plan.request import Request, rule_of
from harness.workflow import pilot
from tests.synthetic import CPU, DISK, DOCKER, NATIVE
from tests.unit.analyze.test_components import Noise
from tests.unit.analyze.test_components import pilot as pilot_run
from tests.unit.plan.test_plan import HOST

SAID = Length("cpu-one", (1, 4), 0.1, 1.0, (), 2, 1, 4, 0.9)


def stored(run: Run, folder: Path) -> Path:
    with Ledger.create(folder, run.manifest) as ledger:
        ledger.record_all(run.trials)
        ledger.end(run.ended or "", run.used_s)
        return ledger.folder


def test_each_workload_is_in_every_block_at_both_lengths() -> None:
    asked = Request(plan.preset("quick"), (CPU, DISK), order=(CPU.name,))
    made = pilot.request_of(asked, (1, 4), 6)
    assert rule_of(made) is None
    planned = plan.make(HOST, made.workloads, made.preset, 7)
    names = {f"{each.name}-{seconds}s": seconds for each in (CPU, DISK) for seconds in (1, 4)}
    assert planned.seconds == names
    assert len(planned.blocks) == 6
    for block in planned.blocks:
        assert {(c.workload, c.target) for c in block.cells} == {
            (name, target.name) for name in names for target in HOST.targets
        }


def test_the_file_of_a_pilot_carries_its_seconds_run_and_machine(tmp_path: Path) -> None:
    run = pilot_run({"lab1": Noise(0.0, 0.03)}, blocks=40)
    again, found = pilot.estimate(stored(run, tmp_path / "runs"))
    path = pilot.write(again.manifest, found, tmp_path)
    assert path == tmp_path / "pilots" / f"{run.manifest.run}.yml"
    cpu = run.manifest.targets[0].fingerprint.cpu_model or ""
    assert lengths.read(path) == Lengths(run.manifest.run, "lab1", cpu, {CPU.name: 4})


def test_what_could_not_be_estimated_is_in_no_file(tmp_path: Path) -> None:
    manifest = pilot_run({"lab1": Noise(0, 0.1)}).manifest
    lost = replace(SAID, workload="disk", reason="no trial gave a value")
    assert pilot.write(manifest, [lost], tmp_path) is None
    path = pilot.write(manifest, [SAID, lost], tmp_path)
    assert path is not None
    assert lengths.read(path).seconds == {"cpu-one": 2}


def test_a_run_that_is_no_pilot_is_refused(tmp_path: Path) -> None:
    run = pilot_run({"lab1": Noise(0, 0.1)})
    folder = stored(replace(run, manifest=replace(run.manifest, preset="quick")), tmp_path)
    with pytest.raises(UseError, match=r"is no pilot \(preset quick\)"):
        pilot.estimate(folder)


def test_the_report_fits_80_columns_and_says_what_is_open_or_missing(tmp_path: Path) -> None:
    noise = {"lab1": Noise(0.02, 0.03), "container": Noise(0.02, 0.05)}
    run, found = pilot.estimate(stored(pilot_run(noise, blocks=4), tmp_path / "one"))
    lost = replace(SAID, workload="disk-one", reason="no trial gave a value")
    lines = list(pilot.sentences(run, [*found, lost]))
    assert max(map(len, lines)) <= 80
    assert "open, either length may be the best (--blocks): cpu-one" in lines
    assert "disk-one: no trial gave a value; the preset's seconds stay" in lines
    assert any(line.startswith("native against itself") for line in lines)
    several = pilot_run(noise, kinds=(NATIVE, DOCKER), blocks=4)
    run, found = pilot.estimate(stored(several, tmp_path / "several"))
    assert not any(line.startswith("native against") for line in pilot.sentences(run, found))
