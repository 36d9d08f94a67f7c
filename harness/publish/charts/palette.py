"""The colours of charts and pages by role: one set for light paper and one for dark screens.

Each role has a colour of its own in `LIGHT`, so that a chart drawn in it can be coloured anew by
name. Overheads go from blue (faster) over grey to orange (slower), which the colour-blind tell
apart; targets differ in shape as well as in colour. What is not resolved has no colour of the
scale but grey, and what is suspect has one that is neither good nor bad.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Mapping

from harness.analyze.verdict import SUSPECT
from harness.report.numbers import FIRM

BINS = ("f5", "f4", "f3", "f2", "f1", "m", "s1", "s2", "s3", "s4", "s5", "s6", "open", "doubt")
"""The steps of the diverging scale (`f` faster, `m` about equal, `s` slower than native), then what
is not resolved and what is suspect."""
_BOUNDS = (1.01, 1.03, 1.10, 1.30, 2.0)
EDGES = (*(1 / bound for bound in reversed(_BOUNDS)), *_BOUNDS, 5.0)
"""Slowdown factors between the steps, even on the log scale: F and 1/F are as far from native."""
LABELS = (
    "under −50 %",
    "−50 to −23 %",
    "−23 to −9 %",
    "−9 to −3 %",
    "−3 to −1 %",
    "within ±1 %",
    "+1 to +3 %",
    "+3 to +10 %",
    "+10 to +30 %",
    "+30 % to 2×",
    "2× to 5×",
    "over 5×",
    "unresolved",
    "suspect",
)
"""What the steps are called, in the order of `BINS`."""
SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "triangle-right")
_COLOURS = 7


def _inks(words: str) -> dict[str, str]:
    """The ink on each step, `dark` or `light`; step by step a shade that no eye sees apart makes
    it a colour of its own."""
    return {
        f"on-{name}": f"#{(0x14171B if word == 'dark' else 0xFFFFF4) - place:06x}"
        for place, (name, word) in enumerate(zip(BINS, words.split(), strict=True))
    }


LIGHT: Mapping[str, str] = {
    "paper": "#ffffff",
    "card": "#f3f4f2",
    "ink": "#16191d",
    "muted": "#555c65",
    "line": "#d9dce0",
    "accent": "#0b5cad",
    "warn": "#963a02",
    "c1": "#0067a5",
    "c2": "#c24d00",
    "c3": "#007f5c",
    "c4": "#a0457f",
    "c5": "#8a6800",
    "c6": "#5b6470",
    "c7": "#5f4bb6",
    "f5": "#2a68ad",
    "f4": "#5c97d2",
    "f3": "#8fb9e3",
    "f2": "#bdd6f0",
    "f1": "#dfeaf6",
    "m": "#f0f0ec",
    "s1": "#fdebd4",
    "s2": "#fbd4a3",
    "s3": "#f5b36d",
    "s4": "#e58b3e",
    "s5": "#b1530e",
    "s6": "#7d3409",
    "open": "#e2e5e9",
    "doubt": "#e6dcf2",
    **_inks("light dark dark dark dark dark dark dark dark dark light light dark dark"),
}
DARK: Mapping[str, str] = {
    "paper": "#121417",
    "card": "#1c2025",
    "ink": "#e9ecef",
    "muted": "#a5adb7",
    "line": "#383e47",
    "accent": "#7ab8f5",
    "warn": "#ffb27a",
    "c1": "#5db4ec",
    "c2": "#ff8b4d",
    "c3": "#3fc79b",
    "c4": "#e59ac7",
    "c5": "#e3b341",
    "c6": "#aab2bd",
    "c7": "#b3a4f5",
    "f5": "#9bcdf7",
    "f4": "#559cdb",
    "f3": "#275a87",
    "f2": "#234463",
    "f1": "#212f3e",
    "m": "#2a2d31",
    "s1": "#3d2f21",
    "s2": "#5a3f21",
    "s3": "#7a5020",
    "s4": "#c9842f",
    "s5": "#e59b3a",
    "s6": "#ffc870",
    "open": "#363b42",
    "doubt": "#41345a",
    **_inks("dark dark light light light light light light light dark dark dark light light"),
}


def bin_of(factor: float) -> str:
    """The step of a slowdown factor, by name."""
    return BINS[bisect(EDGES, factor)]


def step(factor: float, verdict: str) -> str:
    """The step of a slowdown that was judged: of the scale only where the verdict says which side
    of native it is on, or that it is none."""
    if verdict == SUSPECT:
        return "doubt"
    return bin_of(factor) if verdict in FIRM else "open"


def series(place: int) -> tuple[str, str]:
    """The colour and the shape of the target at that place among its companions. With more of
    them than colours, colours come again."""
    return LIGHT[f"c{place % _COLOURS + 1}"], SHAPES[place % len(SHAPES)]


def themed(svg: str) -> str:
    """`svg`, drawn in the colours of `LIGHT`, with them by name (`var(--ink)`): a page that
    defines the names shows it in its own colours."""
    names = {value: name for name, value in LIGHT.items()}
    return re.sub(
        r"#[0-9a-f]{6}\b",
        lambda found: f"var(--{names[found[0]]})" if found[0] in names else found[0],
        svg,
    )
