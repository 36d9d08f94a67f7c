"""Known slowdowns: what is planned of them, and the truth that the watched shares tell."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from harness.model.target import Size, Target
from harness.workflow.slowdown import _BLOCKED, _RATED, Repetitions, _plan, _Shares

PLAIN = Target("lab1", "baremetal", "lab1", Size(1, 256, 2, (0,)))
SLOWED = Target("lab1+slowed", "baremetal", "lab1", Size(1, 256, 2, (0,)))


class Notes:
    """A ledger's notes."""

    def __init__(self) -> None:
        self.notes: list[dict[str, object]] = []

    def note(self, kind: str, **told: object) -> None:
        self.notes.append({"record": kind, **told})


def trial(name: str, block: int, target: str, workload: str = _BLOCKED.name) -> Any:
    return SimpleNamespace(id=name, block=block, target=target, workload=workload)


def test_every_block_has_both_arms_of_both_workloads_and_half_as_many_again_are_kept_ready() -> (
    None
):
    made = _plan((PLAIN, SLOWED), Repetitions(4, 6, 1).preset)
    assert (made.scenario, made.host) == ("selftest", "lab1")
    assert len(made.blocks) == 4 * 6 + 12
    for block in made.blocks:
        assert sorted((cell.workload, cell.target) for cell in block.cells) == [
            (_RATED.name, "lab1"),
            (_RATED.name, "lab1+slowed"),
            (_BLOCKED.name, "lab1"),
            (_BLOCKED.name, "lab1+slowed"),
        ]


def test_one_repetition_alone_has_as_many_blocks_again() -> None:
    assert Repetitions(1, 6, 1).preset.max_blocks == 6 + 6


def test_the_truth_of_a_block_is_the_share_of_the_one_over_that_of_the_other() -> None:
    ledger: Any = Notes()
    watched: list[tuple[float, float]] = []
    shares = _Shares(ledger, watched)
    made = _plan((PLAIN, SLOWED), Repetitions(1, 6, 1).preset)
    for name, block, target, seconds in (
        ("a", 0, "lab1", (1.0, 1.0)),
        ("b", 0, "lab1+slowed", (0.8, 1.0)),
        ("c", 1, "lab1+slowed", (1.5, 2.0)),
        ("d", 1, "lab1", (1.8, 2.0)),
        ("e", 2, "lab1", (1.0, 1.0)),
        ("f", 3, "lab1", (1.0, 1.0)),
        ("g", 3, "lab1+slowed", (0.0, 1.0)),
    ):
        watched.append(seconds)
        shares.trial(made, trial("x", block, target, _RATED.name))
        shares.trial(made, trial(name, block, target))
        assert watched == []
        shares.trial(made, trial(name, block, target))
    assert shares.ratios("lab1", "lab1+slowed") == {0: 1 / 0.8, 1: 0.9 / 0.75}
    assert ledger.notes[1] == {"record": "watched", "trial": "b", "ran_s": 0.8, "watched_s": 1.0}
    assert [note["trial"] for note in ledger.notes] == list("abcdefg")
