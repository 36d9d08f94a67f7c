"""The site in a real browser, from files: Debian's Chromium, without a network."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from harness.publish import site as sites
from tests.lab import LODGERS, night, save, workloads

from . import browser as browsers
from .browser import Browser, Page

pytestmark = pytest.mark.system

PHONE = (360, 740)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three nights of all workloads, with a run that cannot be read."""
    place = tmp_path_factory.mktemp("site")
    for number in range(3):
        save(night(number, blocks=6, of=workloads(2), update=2), place / "results")
    (place / "results" / "runs" / "20261009T000000Z-half").mkdir()
    sites.build(place / "results", place / "site")
    return place / "site"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if browsers.program() is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    with browsers.running(tmp_path_factory.mktemp("profile")) as one:
        yield one


@pytest.fixture
def page(browser: Browser) -> Page:
    return browser.page()


def html(site: Path) -> list[Path]:
    """A page of each kind: those of the other runs, workloads and backends are made alike."""
    found = sorted(site.rglob("*.html"))
    kinds: dict[tuple[str, str], Path] = {}
    for path in found:
        of = path.relative_to(site).parts
        name = of[-1] if of[-1] in {"index.html", "trials.html"} or len(of) == 1 else "*"
        kinds[(of[0], name)] = path
    assert len(kinds) >= 9
    return list(kinds.values())


def test_pages_load_without_an_error_and_without_asking_outside(site: Path, page: Page) -> None:
    for path in sorted(site.rglob("*.html")):
        page.open(path)
        assert page.value("document.querySelector('h1').textContent.trim().length") > 0, path
    assert page.errors == []
    own = f"{site.as_uri()}/"
    assert [url for url in page.requests if not url.startswith((own, "data:"))] == []
    assert any(url.endswith("site.js") for url in page.requests)


ROWS = """[...document.querySelector('#figures').closest('table').tBodies[0].rows]"""
SHOWN = f"{ROWS}.filter(row => !row.hidden)"


def run_page(site: Path) -> Path:
    return sorted((site / "runs").glob("2*/index.html"))[0]


def test_a_table_is_sorted_from_the_keyboard(site: Path, page: Page) -> None:
    page.open(run_page(site))
    before = page.value(f"{ROWS}.map(row => row.cells[1].textContent + row.cells[2].textContent)")
    column = page.value(
        "(() => { const heads = [...document.querySelector('#figures').closest('table')"
        ".tHead.rows[0].cells]; const place = heads.findIndex(h => "
        "h.textContent.startsWith('guest')); heads[place].querySelector('button').focus();"
        "return place; })()"
    )
    head = f"document.querySelector('#figures').closest('table').tHead.rows[0].cells[{column}]"
    numbers = f"{ROWS}.map(row => parseFloat(row.cells[{column}].dataset.v))"
    page.press("Enter", "\r")
    assert page.value(f"{head}.getAttribute('aria-sort')") == "ascending"
    found = page.value(numbers)
    assert found == sorted(found)
    page.press("Enter", "\r")
    assert page.value(f"{head}.getAttribute('aria-sort')") == "descending"
    assert page.value(numbers) == sorted(found, reverse=True)
    page.press("Enter", "\r")
    assert page.value(f"{head}.getAttribute('aria-sort')") is None
    after = page.value(f"{ROWS}.map(row => row.cells[1].textContent + row.cells[2].textContent)")
    assert after == before


def test_a_table_is_filtered_by_words_and_by_resource(site: Path, page: Page) -> None:
    page.open(run_page(site))
    whole = page.value(f"{ROWS}.length")
    tools = "document.querySelector('#figures').closest('.box').previousElementSibling"
    page.value(f"{tools}.querySelector('input').focus()")
    page.type("disk p99")
    names = page.value(f"{SHOWN}.map(row => row.textContent)")
    assert 0 < len(names) < whole
    assert all("disk" in name and "p99" in name for name in names)
    status = page.value(f"{tools}.querySelector('[role=status]').textContent")
    assert status == f"{len(names)} of {whole} rows"
    page.open(run_page(site))
    page.value(f"[...{tools}.querySelectorAll('button')].find(b => b.textContent == 'cpu').focus()")
    page.press("Enter", "\r")
    assert page.value("document.activeElement.getAttribute('aria-pressed')") == "true"
    kinds = page.value(f"{SHOWN}.map(row => row.cells[0].textContent)")
    assert set(kinds) == {"cpu"}


def test_without_its_script_a_page_says_the_same(site: Path, page: Page) -> None:
    page.open(run_page(site))
    rows = page.value(f"{ROWS}.map(row => row.textContent)")
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.open(run_page(site))
    assert page.value(f"{ROWS}.map(row => row.textContent)") == rows
    assert page.value("document.querySelectorAll('main button').length") == 0


def test_every_output_of_an_older_run_is_linked_to_by_the_script(site: Path, page: Page) -> None:
    oldest = run_page(site).parent
    page.open(oldest / "trials.html")
    links = page.value("[...document.querySelectorAll('table.trials td a')].map(a => a.href)")
    run = site.parent / "results" / "runs" / oldest.name
    assert {Path(unquote(urlsplit(link).path)) for link in links} == set((run / "raw").iterdir())


def test_a_phone_never_scrolls_a_page_sideways(site: Path, page: Page) -> None:
    page.window(*PHONE, mobile=True)
    for path in html(site):
        page.open(path)
        assert page.value("document.documentElement.scrollWidth") <= PHONE[0], path
    page.open(site / "index.html")
    assert page.value(
        "[...document.querySelectorAll('.box')].some(box => box.scrollWidth > box.clientWidth)"
    )


# Texts of charts that leave their picture, or lie upon each other, in this browser's own font.
MISPLACED = """
(() => { const found = [];
  for (const svg of document.querySelectorAll(".chart svg")) {
    const whole = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].filter((text) => text.textContent.trim());
    const drawn = texts.map((text) => [text.textContent, text.getBoundingClientRect()]);
    drawn.forEach(([text, box], place) => {
      if (box.left < whole.left - 1 || box.right > whole.right + 1 ||
          box.top < whole.top - 1 || box.bottom > whole.bottom + 1) found.push([text]);
      for (const [other, its] of drawn.slice(place + 1)) {
        const wide = Math.min(box.right, its.right) - Math.max(box.left, its.left);
        const high = Math.min(box.bottom, its.bottom) - Math.max(box.top, its.top);
        if (wide > 1 && high > 3 && text !== other) found.push([text, other]);
      }
    });
  }
  return found; })()
"""


@pytest.mark.parametrize("lodgers", [1, 5])
def test_no_text_of_a_chart_is_cut_off_or_covers_another(
    page: Page, tmp_path: Path, lodgers: int
) -> None:
    """Narrow charts, with one workload a resource, and wide ones."""
    for number in range(3):
        run = night(number, blocks=6, of=workloads(1), update=1, lodgers=LODGERS[-lodgers:])
        save(run, tmp_path / "results")
    sites.build(tmp_path / "results", tmp_path / "site")
    for path in html(tmp_path / "site"):
        page.open(path)
        assert page.value(MISPLACED) == [], path


@pytest.mark.parametrize("kind", ["backends", "releases", "workloads"])
def test_a_chart_stands_on_the_sheet_of_its_heading(
    site: Path, page: Page, tmp_path: Path, kind: str
) -> None:
    """A chart is never cut, so one that is taller than what is left leaves most of a sheet bare."""
    page.open({"backends": site / "backends" / "kvm.html", "releases": site / "releases.html",
               "workloads": site / "workloads" / "disk-fdatasync.html"}[kind])  # fmt: skip
    assert "overhead versus native (log scale)" in sheets(page, tmp_path)[0]


def test_columns_keep_their_names_on_every_sheet_of_paper(
    site: Path, page: Page, tmp_path: Path
) -> None:
    """A browser repeats the head of a table on each sheet, but not the buttons in it."""
    page.open(run_page(site))
    printed = sheets(page, tmp_path)
    tabled = [sheet for sheet in printed if "randread" in sheet or "cpu-matrix" in sheet]
    assert len(tabled) > 1
    assert [sheet for sheet in tabled if not re.search(r"workload +metric +unit", sheet)] == []


def test_paper_tells_how_to_read_a_table(site: Path, page: Page, tmp_path: Path) -> None:
    """Nobody can unfold it there."""
    page.open(run_page(site))
    text = "\n".join(sheets(page, tmp_path))
    assert "How to read this table" in text
    assert "Bold: the interval excludes 0" in text


def sheets(page: Page, folder: Path) -> list[str]:
    """The text of each sheet of paper that the open page is printed on."""
    if shutil.which("pdftotext") is None:
        pytest.skip("there is no pdftotext: apt-get install poppler-utils")
    (folder / "page.pdf").write_bytes(page.pdf())
    command = ["pdftotext", "-layout", str(folder / "page.pdf"), "-"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return text.split("\f")


def test_a_phone_keeps_the_name_of_a_row_in_sight(site: Path, page: Page) -> None:
    page.window(*PHONE, mobile=True)
    page.open(run_page(site))
    box = "document.querySelector('#figures').closest('.box')"
    page.value(f"{box}.scrollLeft = 400")
    name = "tbody th[scope=row]"
    left = page.value(f"{box}.querySelector('{name}').getBoundingClientRect().left")
    assert left == pytest.approx(page.value(f"{box}.getBoundingClientRect().left"), abs=2)


# Ratio of each text to its ground (WCAG 2.2); text in charts has grounds of its own, which the
# tests of the palette look at.
CONTRAST = """
(() => {
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (text) => {
    const [r, g, b] = parts(text).map((v) => {
      const p = v / 255;
      return p <= 0.04045 ? p / 12.92 : ((p + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (parts(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found = [];
  for (const e of document.querySelectorAll("body *")) {
    if (e.closest("svg, math") || !e.checkVisibility()) continue;
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push([e.tagName, e.textContent.trim().slice(0, 40), ratio]);
  }
  return found;
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(site: Path, page: Page, scheme: str) -> None:
    page.media(scheme=scheme)
    for path in html(site):
        page.open(path)
        assert page.value(CONTRAST) == [], path


GROUND = "getComputedStyle(document.body).backgroundColor"


def test_light_and_dark_follow_the_system_and_the_switch(site: Path, page: Page) -> None:
    page.media(scheme="dark")
    page.open(site / "index.html")
    dark = page.value(GROUND)
    page.media(scheme="light")
    light = page.value(GROUND)
    assert dark != light
    button = "document.querySelector('#theme button')"
    page.value(f"{button}.focus()")
    page.press("Enter", "\r")
    assert page.value(f"{button}.textContent") == "Theme: light"
    page.media(scheme="dark")
    assert page.value(GROUND) == light
    page.press("Enter", "\r")
    assert page.value(f"{button}.textContent") == "Theme: dark"
    page.media(scheme="light")
    assert page.value(GROUND) == dark
    filled = "getComputedStyle(document.querySelector('.chart svg rect')).fill"
    assert page.value(filled) == dark, "a chart has the ground of its page"
    page.media("print", scheme="dark")
    assert page.value(GROUND) == light, "paper is light"
    page.media()
    page.value(f"{button}.focus()")  # on paper it was not there, and lost the focus
    page.press("Enter", "\r")
    assert page.value(f"{button}.textContent") == "Theme: auto"


def test_it_prints(site: Path, page: Page) -> None:
    page.open(site / "index.html")
    assert page.pdf().startswith(b"%PDF-")
    page.media("print")
    for hidden in ("nav", "#theme", ".tools"):
        assert page.value(f"document.querySelector('{hidden}').checkVisibility()") is False
    assert page.value("document.querySelector('table.costs').checkVisibility()") is True


def test_everything_can_be_reached_by_tab(site: Path, page: Page) -> None:
    page.open(site / "index.html")
    page.press("Tab")
    assert page.value("document.activeElement.className") == "skip"
    reached: set[Any] = set()
    for _ in range(40):
        page.press("Tab")
        reached.add(page.value("document.activeElement.tagName"))
    assert {"A", "BUTTON", "DIV"} <= reached
