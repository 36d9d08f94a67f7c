"""The options of a measurement: the same of every verb that measures, and they arrive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from harness.cli.app import app
from harness.cli.options import Measuring, ResultsOption, measuring

TYPED: dict[str, tuple[str, str, Any]] = {
    "inventory": ("-i", "lab.yml", Path("lab.yml")),
    "target": ("-t", "kvm*", ["kvm*"]),
    "workload": ("-w", "disk-*", ["disk-*"]),
    "preset": ("--preset", "smoke", "smoke"),
    "budget": ("--budget", "10m", "10m"),
    "precision": ("--precision", "1%", "1%"),
    "max_blocks": ("--max-blocks", "7", 7),
    "accept": ("--accept", "steal", ["steal"]),
    "seed": ("--seed", "3", 3),
    "seconds_from": ("--seconds-from", "pilot.yml", Path("pilot.yml")),
    "workloads": ("--workloads", "mine", Path("mine")),
}
"""How each is typed, and what its verb gets of it."""


def got(preset: str, *typed: str) -> Measuring:
    """What a verb with the options gets of what is `typed`."""
    seen: list[Measuring] = []
    mine = typer.Typer()

    @mine.command()
    @measuring(preset)
    def verb(measuring: Measuring, results: ResultsOption = Path("results")) -> None:
        seen.append(measuring)

    done = CliRunner().invoke(mine, typed, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return seen[0]


def test_what_is_typed_arrives() -> None:
    words = [word for option, text, _ in TYPED.values() for word in (option, text)]
    assert got("quick", *words) == Measuring(**{name: value for name, (*_, value) in TYPED.items()})


@pytest.mark.parametrize("preset", ["quick", "nightly"])
def test_a_preset_that_is_not_typed_is_the_verb_s_own(preset: str) -> None:
    assert got(preset) == Measuring(preset=preset)
    assert got(preset, "--preset", "smoke") == Measuring(preset="smoke")


@pytest.mark.parametrize("verb", ["run", "bench", "nightly", "compare"])
def test_every_verb_that_measures_has_every_option(verb: str) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    options = {name for each in commands[verb].params for name in each.opts}
    assert {option for option, *_ in TYPED.values()} <= options
    assert "--measuring" not in options


@pytest.mark.parametrize(("option", "text"), [(option, text) for option, text, _ in TYPED.values()])
def test_no_option_of_a_measurement_goes_with_runs_that_are_measured(
    option: str, text: str
) -> None:
    done = CliRunner().invoke(app, ["compare", "one", "other", option, text])
    assert "cannot be given with runs" in str(done.exception)
