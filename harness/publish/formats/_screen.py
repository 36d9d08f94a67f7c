"""Text for a terminal, laid out by rich: as wide and as coloured as standard output, or as told."""

from __future__ import annotations

import io
import os
import shutil
import sys

from rich.console import Console

_PIPED_WIDTH = 120


class Screen:
    """What is printed on its `console` becomes text, with ANSI colours if `color`.

    Left out, width (in characters) and colour are those of standard output: a terminal's own, no
    colour where NO_COLOR is set; else 120 and none.
    """

    def __init__(self, width: int | None = None, color: bool | None = None) -> None:
        terminal = sys.stdout.isatty()
        if width is None:
            width = shutil.get_terminal_size().columns if terminal else _PIPED_WIDTH
        if color is None:
            color = terminal and "NO_COLOR" not in os.environ
        self._out = io.StringIO()
        self.console = Console(
            file=self._out,
            width=width,
            force_terminal=color,
            color_system="standard" if color else None,
            no_color=not color,
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
        )

    def text(self) -> str:
        """All that was printed, its lines without blanks at their ends."""
        return "".join(f"{line.rstrip()}\n" for line in self._out.getvalue().splitlines())
