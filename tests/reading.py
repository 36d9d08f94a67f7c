"""What each table format says, read back as plain text by what knows nothing of its renderer."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

from openpyxl import load_workbook  # type: ignore[import-untyped]


def text_of(content: str | bytes, format: str) -> str:
    """The plain text of a rendered table."""
    if format == "xlsx":
        assert isinstance(content, bytes)
        return of_workbook(content)
    assert isinstance(content, str)
    return {"html": of_html, "latex": of_latex}.get(format, str)(content)


def of_workbook(content: bytes) -> str:
    """Every cell of every sheet, one after the other; numbers as Python writes them."""
    book = load_workbook(io.BytesIO(content))
    cells = (
        cell.value for sheet in book for row in sheet.iter_rows() for cell in row if cell.value
    )
    return "\n".join(str(value) for value in cells)


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def of_html(content: str) -> str:
    reader = _Text()
    reader.feed(re.sub("</(th|td|li|tr|caption)>", r" \g<0>", content))
    reader.close()
    return "".join(reader.parts)


_MACROS = {
    r"\textbackslash{}": "\\",
    r"\{": "{",
    r"\}": "}",
    r"\$": "$",
    r"\%": "%",
    r"\&": "&",
    r"\#": "#",
    r"\_": "_",
    r"\textasciitilde{}": "~",
    r"\textasciicircum{}": "^",
    r"\textless{}": "<",
    r"\textgreater{}": ">",
    r"\textbar{}": "|",
    r"\textasciigrave{}": "`",
    r"{\ttfamily\char34}": '"',
    "-{}": "-",
    "$-$": "−",
    r"$\times$": "×",
    r"$\pm$": "±",
    r"$\approx$": "≈",
    r"$\cdot$": "·",
    r"$\blacktriangle$": "▲",
    r"\textbf{!!}": "‼",
    r"$\uparrow$": "↑",
    r"$\downarrow$": "↓",
    r"$\Delta$": "Δ",
    r"$\alpha$": "α",
    r"$\mu$": "µ",
    "{---}": "—",
    "{--}": "–",
    r"\ldots{}": "…",
    r"\"{u}": "ü",
    r"\'{e}": "é",
    r"\v{s}": "š",
    r"\ss{}": "ß",
    **{rf"\textsuperscript{{{digit}}}": c for digit, c in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
}
_LAYOUT = (
    r"\\begin\{\w+\}(\{(?:[lr]+|\\linewidth)\})?|\\end\{\w+\}|\\(top|mid|bottom)rule|\\cmidrule\S*"
    r"|\\multicolumn\{\d+\}\{c\}|\\resizebox\{.*?\}\{!\}\{%|\\(captionof\{table\}|emph|textbf|item|centering|"
    r"footnotesize|sloppy|(sub)+section\*)|\\\\|[&{}]"
)
_TOKEN = re.compile("|".join([*map(re.escape, sorted(_MACROS, key=len, reverse=True)), _LAYOUT]))


def of_latex(content: str) -> str:
    lines = [line for line in content.splitlines() if not line.startswith("%")]
    return _TOKEN.sub(lambda found: _MACROS.get(found[0], _blank(found[0])), "\n".join(lines))


def _blank(token: str) -> str:
    """A brace joins what it is around; any other layout parts it."""
    return "" if token in {"{", "}"} or token.startswith((r"\textbf", r"\emph")) else " "
