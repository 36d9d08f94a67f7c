"""The options that verbs share: one name, one meaning, one sentence of help."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import arguments
from harness.model import installed

if TYPE_CHECKING:
    from harness.model.target import Host
    from harness.plan.request import Request

FIRST = Path("inventories/localhost")
"""Where `baremark init` writes an inventory, and a clone has one."""
LOCALHOST = FIRST if FIRST.exists() else installed.folder("inventories") / "localhost"
"""The inventory that is measured where none is named: the one here, else the program's own."""
WORKLOADS = installed.folder("workloads")

WITHOUT_ROOT = "without-root"
"""The folder beside `LOCALHOST` that takes its place where there is neither root nor sudo."""


def _inventory(context: typer.Context, value: Path) -> Path:
    """Where none was named: what is up, else what the rights here allow."""
    from harness import state
    from harness.provision import rights

    other = value.with_name(WITHOUT_ROOT)
    if arguments.given(context, ("inventory",)) or not other.exists() or state.is_up(value):
        return value
    return other if state.is_up(other) or not rights.here().root else value


InventoryOption = Annotated[
    Path,
    typer.Option(
        *("-i", "--inventory"),
        help="Ansible inventory: a file or a folder.",
        callback=_inventory,
    ),
]
TargetOption = Annotated[
    list[str] | None,
    typer.Option("-t", "--target", help="Only these targets: names, patterns or backends."),
]
WorkloadOption = Annotated[
    list[str] | None,
    typer.Option("-w", "--workload", help="Only these workloads: names or patterns (disk-*)."),
]
ResultsOption = Annotated[Path, typer.Option("--results", help="Folder of results.")]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write to this file instead.")
]
WorkloadsOption = Annotated[Path, typer.Option("--workloads", help="Folder of workload files.")]
PresetOption = Annotated[
    str, typer.Option("--preset", help="smoke, quick, nightly or publication.")
]
ResumablePresetOption = Annotated[
    str,
    typer.Option(
        "--preset", help="smoke, quick (default), nightly or publication.", show_default=False
    ),
]
"""Of a verb that can go on with a run: there it is the run's own preset that counts."""
BudgetOption = Annotated[
    str | None, typer.Option("--budget", help="Most time to measure for: 90s, 10m, 2h.")
]
PrecisionOption = Annotated[
    str | None,
    typer.Option(
        "--precision", help="Measure until each headline overhead is known to ± this: 1%, 0.5%."
    ),
]
MaxBlocksOption = Annotated[
    int | None, typer.Option("--max-blocks", min=1, help="Measure no more blocks than this.")
]
AcceptOption = Annotated[
    list[str] | None,
    typer.Option("--accept", metavar="CHECK", help="Overrule a check; the table is marked."),
]
SeedOption = Annotated[
    int | None, typer.Option("--seed", min=0, help="Seed of the random order (recorded).")
]
SecondsFromOption = Annotated[
    Path | None,
    typer.Option("--seconds-from", help="Seconds of each trial as a pilot chose: its file."),
]

WaitQuietOption = Annotated[
    str | None,
    typer.Option(
        "--wait-quiet", help="Most time to wait, in all, for a busy machine to fall quiet: 10m."
    ),
]


@dataclass(frozen=True, slots=True)
class Measuring:
    """The options of a measurement, as they were typed: each field is one, of all verbs that
    measure. What they mean is looked up when it is asked for, and raises `UseError` then."""

    inventory: InventoryOption = LOCALHOST
    target: TargetOption = None
    workload: WorkloadOption = None
    preset: PresetOption = "quick"
    budget: BudgetOption = None
    precision: PrecisionOption = None
    max_blocks: MaxBlocksOption = None
    accept: AcceptOption = None
    seed: SeedOption = None
    wait_quiet: WaitQuietOption = None
    seconds_from: SecondsFromOption = None
    workloads: WorkloadsOption = WORKLOADS

    def hosts(self) -> tuple[Host, ...]:
        """The hosts of the inventory, with the targets that were chosen."""
        return arguments.hosts(self.inventory, self.target)

    def request(self) -> Request:
        """What is to be measured: the workloads that were chosen, and how long."""
        from harness import validity
        from harness.plan import lengths, order, plan, workloads
        from harness.plan.request import Request

        every = workloads.load_all(self.workloads)
        return Request(
            preset=plan.preset(self.preset),
            workloads=workloads.choose(every, self.workload or ()),
            seed=self.seed,
            budget_s=None if self.budget is None else arguments.seconds("--budget", self.budget),
            precision=None if self.precision is None else _precision(self.precision),
            max_blocks=self.max_blocks,
            wait_quiet_s=0.0
            if self.wait_quiet is None
            else arguments.seconds("--wait-quiet", self.wait_quiet),
            accepted=validity.require_acceptable(self.accept or ()),
            order=order.load(self.workloads, {each.name for each in every}),
            lengths=None if self.seconds_from is None else lengths.read(self.seconds_from),
        )


def _precision(text: str) -> float:
    return arguments.share("--precision", text, "1% or 0.5%", proper=True)


MEASURING = tuple(field.name for field in fields(Measuring))
"""The parameters of a verb that `measuring` gives it."""
_Verb = Callable[..., None]


def measuring(preset: str, option: object = PresetOption) -> Callable[[_Verb], _Verb]:
    """Give a verb the options of a measurement in place of its parameter `measuring: Measuring`,
    which gets what was typed; `preset` is what `--preset`, the `option`, is otherwise.

    The folder of workload files is last in the help, behind what is the verb's own.
    """

    def give(verb: _Verb) -> _Verb:
        @wraps(verb)
        def called(**typed: Any) -> None:  # noqa: ANN401 - each option has a type of its own
            options = {name: typed.pop(name) for name in MEASURING if name in typed}
            verb(**typed, measuring=Measuring(**{"preset": preset, **options}))

        vars(called)["__signature__"] = _with_options(verb, preset, option)
        return called

    return give


def _with_options(verb: _Verb, preset: str, option: object) -> inspect.Signature:
    *options, workloads = inspect.signature(Measuring, eval_str=True).parameters.values()
    options = [
        each.replace(annotation=option, default=preset) if each.name == "preset" else each
        for each in options
    ]
    parameters: list[inspect.Parameter] = []
    for each in inspect.signature(verb, eval_str=True).parameters.values():
        parameters += options if each.name == "measuring" else [each]
    return inspect.Signature(
        [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*parameters, workloads)]
    )
