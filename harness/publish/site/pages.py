"""Pages from templates: what every page has in common, and how text becomes HTML."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from harness import __version__
from harness.publish.charts import Spec, palette, svg
from harness.publish.site import urls, views
from harness.report import answer, numbers
from harness.text import duration

_TEMPLATES = Path(__file__).with_name("templates")
_SECTIONS = (
    ("index.html", "Overview"),
    ("workloads/index.html", "Workloads"),
    ("backends/index.html", "Backends"),
    ("releases.html", "Releases"),
    ("runs/index.html", "Runs"),
    ("method.html", "Method"),
    ("data/index.html", "Data"),
)


_END = re.compile(r"</(?:td|th|tr|tbody|thead|li|dd|dt)>\s*(?=<)")
"""End tags that HTML does without, where another tag follows."""
_PLACES = re.compile(r' (?:transform|d|[xy]2?|width|height)="[^"]*"')
_DIGITS = re.compile(r"(\d\.\d)\d+")
_SPARE = re.compile(
    r' (?:role|aria-roledescription)="(?:graphics-\w+|[\w -]+ container)"| aria-hidden="true"'
    r'| class="mark-[^"]*"| pointer-events="none"| opacity="1"| font-family="[^"]*"'
    r'|(?<= fill="#[0-9a-f]{6}") stroke-width="2"(?=/>)'
    r'|<path class="(?:background|foreground)"[^>]*(?: display="none"|d="M0,0h0v0h0Z")[^>]*/>'
)
"""What Vega writes that says nothing in a page: roles of groups, empty grounds, the page's font."""


@dataclass(frozen=True, slots=True)
class Pages:
    """Writes pages into the folder of a site that is being made."""

    folder: Path
    templates: Environment

    def write(self, path: str, template: str, **facts: Any) -> None:  # noqa: ANN401
        """Write the page at `path`, relative to the site, from `template` and `facts`."""
        here = posixpath.dirname(path)

        def to(page: str) -> str:
            """The address of `page` of the site from this one."""
            return posixpath.relpath(page, here or ".")

        text = self.templates.get_template(template).render(
            to=to, path=path, sections=_SECTIONS, baremark=__version__, **facts
        )
        self.put(path, _END.sub("", text).encode())

    def put(self, path: str, data: bytes) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


def opened(folder: Path) -> Pages:
    """Pages of a site in `folder`, with its style and its script written there."""
    templates = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    templates.globals.update(
        mark=numbers.mark,
        warnings=views.warnings,
        doubts=answer.doubts,
        duration=duration,
        bins=list(zip(palette.BINS, palette.LABELS, strict=True)),
        run_page=urls.run_page,
        trials_page=urls.trials_page,
        archive=urls.archive,
        workload_page=urls.workload_page,
        backend_page=urls.backend_page,
        slug=urls.slug,
    )
    templates.filters |= {"when": _when, "broken": _broken}
    pages = Pages(folder, templates)
    pages.put("assets/site.css", _style().encode())
    pages.put("assets/site.js", (_TEMPLATES / "site.js").read_bytes())
    return pages


def chart(spec: Spec) -> Markup:
    """A chart as an SVG element in the colours of the page, without what only a chart that stands
    alone needs: a third of its size."""
    placed = _PLACES.sub(lambda found: _DIGITS.sub(r"\1", found[0]), svg(spec))
    return Markup(palette.themed(_SPARE.sub("", placed)))  # noqa: S704 (vl-convert escapes text)


def _style() -> str:
    """The style sheet: the colours of both palettes by name, then the rules."""
    rules = (_TEMPLATES / "site.css").read_text(encoding="utf-8")
    light, dark = (
        "".join(f"--{name}:{value};" for name, value in colours.items())
        for colours in (palette.LIGHT, palette.DARK)
    )
    steps = "".join(
        f".{name}{{background:var(--{name});color:var(--on-{name})}}" for name in palette.BINS
    )
    return (
        f":root{{color-scheme:light;{light}}}\n"
        "@media screen and (prefers-color-scheme:dark)"
        f"{{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n"
        f"@media screen{{:root[data-theme=dark]{{color-scheme:dark;{dark}}}}}\n"
        f"{steps}\n{rules}"
    )


def _printable(value: object) -> object:
    """What a program printed cannot carry control characters into a page."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return numbers.printable(value)


def _when(time: datetime) -> str:
    """A time as pages write it, in UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M}"


def _broken(text: str) -> Markup:
    """A long word that may be broken behind each `_` and `/`."""
    return Markup(re.sub("([_/])", "\\1<wbr>", str(escape(text))))  # noqa: S704 (escaped)
