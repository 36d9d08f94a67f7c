"""Charts of the shared table model and of the history, as SVG and PNG.

A kind is a module of this package that makes a Vega-Lite specification with altair; vl-convert
draws it without a browser. Both are imported here and nowhere else, and only when a chart is made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path

from harness.errors import HarnessError, UseError
from harness.report.numbers import printable

KINDS = ("heatmap", "intervals", "blocks", "history")
ENDINGS = (".svg", ".png")
Spec = Mapping[str, object]
"""A Vega-Lite specification."""
_PNG_SCALE = 2.0


def require(kind: str, output: Path) -> None:
    """Raise UseError for a kind or an ending that there is none of: before any work is done."""
    if kind not in KINDS:
        raise UseError(f"there is no kind of chart {kind!r}", f"choose one of: {', '.join(KINDS)}")
    if output.suffix not in ENDINGS:
        raise UseError(
            f"a chart cannot be written as {output.name}",
            f"end the name in {' or '.join(ENDINGS)}",
        )


def picture(spec: Spec, ending: str) -> bytes:
    """The chart as a file of that ending, on light paper."""
    if ending == ".svg":
        return svg(spec).encode()
    import vl_convert

    return bytes(vl_convert.vegalite_to_png(_text(spec), vl_version=_version(), scale=_PNG_SCALE))


def svg(spec: Spec) -> str:
    """The chart as an SVG element that names itself to screen readers by its description."""
    import vl_convert

    drawn = str(vl_convert.vegalite_to_svg(_text(spec), vl_version=_version()))
    told = escape(printable(str(spec.get("description", "chart"))))
    return re.sub(r"^<svg ", f'<svg role="img" aria-label="{told}" ', drawn, count=1)


def nothing(what: str) -> HarnessError:
    """The error of a chart that would be empty."""
    return HarnessError(f"there is nothing to draw: {what}", "measure first with `baremark run`")


def _text(spec: Spec) -> str:
    return json.dumps(_printable(spec), ensure_ascii=False, allow_nan=False)


def _printable(value: object) -> object:
    """`value` without control characters: one of them would end the whole process in vl-convert."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {_printable(key): _printable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(item) for item in value]
    return value


def _version() -> str:
    """The release of Vega-Lite that the specification is written in, as vl-convert names it."""
    import altair

    return ".".join(altair.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
