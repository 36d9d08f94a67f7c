"""Variance components and the seconds that follow: found again from runs with known ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

from harness.analyze import components
from harness.analyze.components import Length, lengths, rows, variants
from harness.model.run import Run
from harness.model.trial import Trial, TrialStatus
from harness.text import aligned
from tests.synthetic import CPU, DISK, DOCKER, KVM, NATIVE, Ending, Kind, make_run, ok

TRIED = (1, 4)
ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Noise:
    """Deviations of a trial's logarithm: between trials, and within one of a second."""

    between: float
    within: float

    def variance(self, seconds: float) -> float:
        return self.between**2 + self.within**2 / seconds


def pilot(
    noise: Mapping[str, Noise],
    *,
    start_s: float = 2.0,
    rate: float = 1.0,
    blocks: int = 10,
    kinds: Sequence[Kind] = (NATIVE,),
    seed: int = 1,
    ending: Ending = ok,
) -> Run:
    """A pilot of CPU whose trials have the `noise` of their target."""
    rng = np.random.default_rng(seed)
    both = variants(CPU, TRIED)
    seconds = {each.name: each.seconds[components.PRESET] for each in both}

    def value(arm: str, workload: str, metric: str, block: int) -> float:
        of = noise[arm.removesuffix("+control")]
        return 100 * math.exp(rng.normal(0, math.sqrt(of.variance(seconds[workload]))))

    run = make_run(value, kinds=kinds, workloads=both, blocks=blocks, control=True, ending=ending)
    plan = replace(run.manifest.plan, seconds=seconds)
    manifest = replace(run.manifest, plan=plan, preset=components.PRESET)

    def timed(trial: Trial) -> Trial:
        return replace(trial, controller_s=start_s + rate * seconds[trial.workload])

    return replace(run, manifest=manifest, trials=tuple(map(timed, run.trials)))


def chosen(run: Run) -> Length:
    (found,) = lengths(run)
    return found


def time_of(noise: Noise, seconds: float, start_s: float, rate: float = 1.0) -> float:
    return (start_s + rate * seconds) * noise.variance(seconds)


@pytest.mark.parametrize(
    "noise", [Noise(0.02, 0.04), Noise(0.05, 0.01), Noise(0.01, 0.05)], ids=str
)
@pytest.mark.parametrize("target", [components.ITSELF, "container"])
def test_known_components_are_found_again(noise: Noise, target: str) -> None:
    """In 3,000 blocks, where a variance is known to 3 %; a pair has half as much again."""
    kinds = (NATIVE, DOCKER) if target else (NATIVE,)
    run = pilot({"lab1": noise, "container": noise}, kinds=kinds, blocks=3000)
    found = chosen(run)
    (of,) = found.components
    assert (of.target, of.n) == (target, (3000, 3000))
    for seconds in TRIED:
        seen = of.between**2 + of.within**2 / seconds
        assert seen == pytest.approx(1.5 * noise.variance(seconds), rel=0.15)
    whole = 1.5 * noise.variance(1)
    assert of.between**2 == pytest.approx(1.5 * noise.between**2, abs=0.15 * whole)
    assert of.within**2 == pytest.approx(1.5 * noise.within**2, abs=0.15 * whole)


@pytest.mark.parametrize("rate", [1.0, 0.5])
def test_the_seconds_are_those_of_least_time(rate: float) -> None:
    """√(start·within/(rate·between)) of the variances, 2 s here."""
    noise, start_s = Noise(0.02, 0.02 * math.sqrt(2)), 2.0 * rate
    found = chosen(pilot({"lab1": noise}, start_s=start_s, rate=rate, blocks=3000))
    assert found.seconds == round(math.sqrt(start_s / rate * (0.02 * math.sqrt(2) / 0.02) ** 2))
    assert found.start_s == pytest.approx(start_s)
    assert found.rate == pytest.approx(rate)
    gain = time_of(noise, found.seconds, start_s, rate) / time_of(noise, 1, start_s, rate)
    assert found.gain == pytest.approx(gain, rel=0.05)
    assert not found.open


@pytest.mark.parametrize(("noise", "seconds"), [(Noise(0.03, 0), 1), (Noise(0, 0.03), 4)])
def test_noise_of_one_kind_alone_takes_the_shortest_or_the_longest(
    noise: Noise, seconds: int
) -> None:
    found = chosen(pilot({"lab1": noise}, blocks=300))
    assert (found.seconds, found.open) == (seconds, False)


def test_a_component_that_would_be_negative_is_none_and_the_other_is_of_both_lengths() -> None:
    """Trials of 4 s are noisier than those of 1 s: nothing lies within, and nothing is √ of it."""
    assert components._split((1.0, 3.0), (10, 30), TRIED) == (2.5, 0)
    assert components._split((8.0, 1.0), (10, 10), TRIED) == (0, 6.0)


def test_each_target_counts_alike_however_noisy_it_is() -> None:
    """One that wants 1 s and one that wants 4 s by as much: neither wins by being noisier."""
    noise = {
        "lab1": Noise(1e-6, 0),
        "container": Noise(0.001, 0),
        "kvm": Noise(0, 0.2),
    }
    run = pilot(noise, kinds=(NATIVE, DOCKER, KVM), start_s=2.0, blocks=400)
    found = chosen(run)
    times = {s: (2.0 + s) ** 2 * 1 * (1 / s) for s in range(1, 5)}
    assert found.seconds == min(times, key=times.__getitem__)
    assert [each.target for each in found.components] == ["container", "kvm"]


def test_few_blocks_leave_it_open_and_say_so() -> None:
    found = chosen(pilot({"lab1": Noise(0.02, 0.03)}, blocks=4))
    assert found.open
    assert (found.low, found.high) == TRIED


def test_where_starting_takes_no_time_the_shortest_is_taken_whatever_the_noise() -> None:
    """The longer one could save a tenth at most, and cost three times as much."""
    for seed in range(20):
        run = pilot({"lab1": Noise(0, 0.03)}, start_s=0.1, blocks=4, seed=seed)
        assert chosen(run).seconds == 1


STARTS = (0.1, 0.4, 2.2)
NOISES = {"all between": Noise(0.02, 0), "half": Noise(0.02, 0.02), "all within": Noise(0, 0.02)}
PILOTS = 300


def losses(noise: Noise, start_s: float, blocks: int) -> tuple[float, float, float]:
    """How much more time than the best length takes: that of the pilot's choice in the mean, the
    shorter, the longer."""
    times = {seconds: time_of(noise, seconds, start_s) for seconds in range(1, 5)}
    taken = fmean(
        times[chosen(pilot({"lab1": noise}, start_s=start_s, blocks=blocks, seed=seed)).seconds]
        for seed in range(PILOTS)
    )
    return tuple(time / min(times.values()) - 1 for time in (taken, times[1], times[4]))  # type: ignore[return-value]


@pytest.mark.long
def test_what_a_pilot_costs_against_knowing_is_what_the_documents_say() -> None:
    page = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    for start_s in STARTS:
        for name, noise in NOISES.items():
            few, short, long = losses(noise, start_s, 4)
            usual, *_ = losses(noise, start_s, 10)
            cells = " | ".join(f"{100 * each:.0f} %" for each in (few, usual, short, long))
            assert f"| {start_s} | {name} | {cells} |" in page


def test_what_cannot_be_estimated_is_told_and_the_shorter_stays() -> None:
    same = chosen(pilot({"lab1": Noise(0, 0)}))
    assert (same.reason, same.seconds) == ("too few values that differ", 1)

    def rejected(*_: object) -> tuple[TrialStatus, str | None]:
        return TrialStatus.REJECTED, "busy"

    none = chosen(pilot({"lab1": Noise(0.1, 0.1)}, ending=rejected))
    assert none.reason == "no trial gave a value"
    flat = chosen(pilot({"lab1": Noise(0.1, 0.1)}, rate=0.0))
    assert flat.reason == "longer trials took no longer"


def test_a_workload_whose_file_asks_for_more_is_tried_at_longer_lengths() -> None:
    long = replace(DISK, seconds={"quick": 3, "publication": 10})
    assert [each.seconds for each in variants(long, TRIED)] == [{"pilot": 3}, {"pilot": 12}]
    assert [each.name for each in variants(DISK, TRIED)] == [f"{DISK.name}-1s", f"{DISK.name}-4s"]


def test_the_table_fits_80_columns() -> None:
    names = ("disk-randwrite-4k-qd16", "container")
    noise = {"lab1": Noise(0.1, 0.3), "container": Noise(0.3, 0.9), "kvm": Noise(0.2, 0.1)}
    found = chosen(pilot(noise, kinds=(NATIVE, DOCKER, KVM)))
    whole = replace(found, workload=names[0])
    lost = replace(found, components=(), reason="no trial gave a value")
    lines = aligned(list(rows([whole, lost])), (0, 1))
    assert max(map(len, lines)) <= 80
    assert len(lines) == 4
