"""How to read a table, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.analyze.statistics.step_down import MOST_BLOCKS
from harness.analyze.verdict import BEYOND_SENSE, FEW_BLOCKS
from harness.report.notes import _is_fast_without_interval
from harness.report.table import Section

if TYPE_CHECKING:
    pass


def judged_together(level: float) -> str:
    """How rows of the same blocks are judged together, in a sentence."""
    percent = f"{100 * (1 - level):.2g} %"
    return (
        f"The chance that any headline row is wrongly called different is {percent} at most (signs "
        f"of whole blocks flipped, step down: Romano & Wolf 2005; beyond {MOST_BLOCKS} blocks "
        f"Holm); of the others called different {percent} are expected to be none "
        f"(Benjamini–Hochberg; with fewer than {FEW_BLOCKS} blocks they are judged like those)."
    )


def how_to_read(sections: Sequence[Section], level: float, method: str) -> tuple[str, ...]:
    """How to read the figures of this table, in as many sentences as it needs."""
    figures = [f for s in sections for g in s.groups for row in g.rows for f in row.figures]
    texts = [
        "Absolute values: median over blocks; k, M, G are 10³, 10⁶, 10⁹. "
        "↑ higher is better, ↓ lower is better.",
        "Overhead: slowdown against native on the same host; positive is slower, for every "
        "metric. One of +100 % or more is given as a factor (2.00×: twice as long, or half as "
        f"much). {method}, on the log ratios of target and native in the same block (of native's "
        "two trials there the mean of the logarithms), so it need not equal the ratio of the two "
        f"medians; in brackets the {100 * level:g} % interval, each row by itself.",
        "Behind each overhead its verdict, all rows of a host judged together: ▲ slower, "
        "≈ equivalent (within ±1 % for cpu, memory and kernel, ±3 % for disk and network), "
        "‼ suspect (faster than native beyond its own interval, so that something else may have "
        "been measured, or a check failed: see the notes), · unresolved, which is not "
        f'"no difference". {judged_together(level)}',
        "n: blocks in which target and native both gave a value. Δ: the smallest overhead, in "
        "percent, that so many blocks would detect (power .8, α .05). Where the targets differ: "
        "one figure each, in their order.",
        "Geometric mean: of the slowdown over the first metric of each workload of a resource, one "
        "value a block, from which point, interval and verdict come as for any row; the means of a "
        "host are judged together. In brackets how many workloads entered: what is suspect does "
        "not, nor what shares too few blocks with the others.",
    ]
    if any(figure.verdict == "n too small" for figure in figures):
        texts.append(f"n too small: fewer blocks than a {100 * level:g} % interval needs.")
    if any(figure.n == 1 and figure.factor for figure in figures):
        texts.append("n is 1: single values, of which nobody knows how much they vary.")
    if any(_is_fast_without_interval(figure) for figure in figures):
        texts.append(
            f"‼ without an interval: more than {BEYOND_SENSE:g} times as fast as native, which no "
            "virtualization explains."
        )
    return tuple(texts)
