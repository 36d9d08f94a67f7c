"""What each table format promises beyond the contract: LaTeX compiles, HTML can be read aloud."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook  # type: ignore[import-untyped]

from harness.model.run import Missing, Run
from harness.model.target import BackendClass
from harness.model.trial import TrialStatus
from harness.model.workload import Resource
from harness.publish import formats
from harness.publish.formats import csv as tidy
from harness.publish.formats import latex
from harness.report.runs import analysed
from harness.report.table import Table
from tests import waiting
from tests.reading import of_html, of_latex
from tests.synthetic import DOCKER, NESTED_NATIVE, TCG, Kind, example, make_run, workload

ROOT = Path(__file__).parents[3]
HOSTILE = [
    "=1+1",
    "@SUM(A1)",
    "+x_y",
    "-5%",
    "<script>a&b</script>",
    r"\input{x} $y$ #1 ~^",
    "[ü]é|š",
]


def table(*runs: Run) -> Table:
    return analysed(runs).table


def hostile() -> Table:
    """A table whose names are what a format could take for markup, and in which a value lacks."""
    loads = [workload(name, Resource.CPU, [("=rate", "1/s", "higher")]) for name in HOSTILE]

    def ending(target: str, load: str, block: int) -> tuple[TrialStatus, str | None]:
        if target == "container" and load == HOSTILE[0]:
            return TrialStatus.FAILED, 'cannot open C:\\tmp\\{x}: 100 % of $HOME ~ "full" <b>'
        return TrialStatus.OK, None

    made = make_run(
        lambda t, w, m, b: (10.0 + b) * (1.1 if t == "container" else 1.0),
        [NESTED_NATIVE, DOCKER, TCG],
        loads,
        ending=ending,
        missing=[Missing("=vbox", "virtualbox", "no {module} & no #1 \u4e2d")],
    )
    return table(made)


def wide(targets: int = 8) -> Table:
    kinds = [
        Kind(f"guest-with-a-long-name-{n}", "kvm", BackendClass.TYPE1, f"qemu-{n}")
        for n in range(targets)
    ]
    return table(make_run(lambda t, w, m, b: 10.0 + b + len(t), [NESTED_NATIVE, *kinds]))


def many_rows() -> Table:
    loads = [workload(f"cpu-{n:02}", Resource.CPU, [("rate", "1/s", "higher")]) for n in range(80)]
    return table(make_run(lambda t, w, m, b: 10.0 + b, [NESTED_NATIVE, DOCKER], loads))


# ------------------------------------------------------------------ LaTeX
KNOWN = [chr(n) for n in range(32, 127)] + list("−×±≈·▲‼↑↓Δα…–—üéšß⁰¹²³⁴⁵⁶⁷⁸⁹")


@given(st.lists(st.sampled_from(KNOWN)).map("".join))
def test_a_text_in_latex_says_itself(plain: str) -> None:
    written = latex.text(plain)
    assert written.isascii()
    assert of_latex(f"x{written}x") == f"x{plain}x"


def test_a_character_without_a_form_is_shown_by_its_number() -> None:
    assert latex.text("中\x1b") == "U+4E2DU+001B"


def test_what_stands_after_a_line_break_is_no_argument() -> None:
    assert latex.text("[x]").startswith("{}")
    assert latex.text("*").startswith("{}")


def test_latex_names_its_packages_and_uses_booktabs() -> None:
    text = formats.render(table(example()), "latex")
    assert text.startswith(rf"% Wants in the preamble: \usepackage{{{','.join(latex.PACKAGES)}}}")
    for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\cmidrule"):
        assert rule in text
    assert "|" not in re.sub(r"\\textbar\{\}", "", text)


def test_latex_turns_what_is_too_wide_and_parts_what_is_too_long() -> None:
    assert r"\begin{landscape}" in formats.render(wide(), "latex")
    narrow = table(make_run(lambda *_: 1.0, [NESTED_NATIVE]))
    assert r"\begin{landscape}" not in formats.render(narrow, "latex")
    text = formats.render(many_rows(), "latex")
    tables = text.split(r"\captionof{table}")[1:]
    assert [len(re.findall(r"^cpu-\d\d ", each, re.MULTILINE)) for each in tables] == [35, 35, 10]
    assert [r"\emph{geometric mean}" in each for each in tables] == [False, False, True]
    assert ["continued" in each for each in tables] == [False, True, True]


ENGINES = {
    "pdflatex": ["pdflatex", "-interaction=nonstopmode", "-halt-on-error"],
    "lualatex": ["lualatex", "-interaction=nonstopmode", "-halt-on-error"],
}


@pytest.mark.parametrize("engine", ENGINES)
def test_latex_compiles(engine: str, tmp_path: Path) -> None:
    if shutil.which(engine) is None:
        pytest.skip(f"{engine} is not installed (texlive-latex-recommended, texlive-luatex)")
    tables = {
        "hostile": hostile(),
        "wide": wide(),
        "long": many_rows(),
        "two": replace(table(example(), example(host="lab2", seed=5)), by_architecture=True),
        "small": table(example(blocks=3)),
    }
    for name, made in tables.items():
        (tmp_path / f"{name}.tex").write_text(formats.render(made, "latex"))
    document = (
        rf"\documentclass{{article}}\usepackage{{{','.join(latex.PACKAGES)}}}\begin{{document}}"
        + "".join(rf"\input{{{name}}}\clearpage " for name in tables)
        + r"\end{document}"
    )
    (tmp_path / "paper.tex").write_text(document)
    done = subprocess.run(
        [*ENGINES[engine], "paper.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=waiting.GUARD_S,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    log = (tmp_path / "paper.log").read_text(errors="replace")
    assert "Missing character" not in log
    assert "Overfull \\vbox" not in log
    wider = [float(each) for each in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)]
    assert not [each for each in wider if each > 20], "something sticks out of the page"
    if shutil.which("pdftotext"):
        subprocess.run(["pdftotext", "paper.pdf"], cwd=tmp_path, check=True)
        read = " ".join((tmp_path / "paper.txt").read_text().split())
        assert "guest (qemu-tcg, emulated)" in read
        assert "native (nested)" in read
        assert "−" in read
        assert "×" in read


# ------------------------------------------------------------------ spreadsheets
def workbook(made: Table) -> Any:
    return load_workbook(io.BytesIO(render_bytes(made)))


def render_bytes(made: Table) -> bytes:
    content = formats.render(made, "xlsx")
    assert isinstance(content, bytes)
    return content


@pytest.mark.parametrize("made", [hostile, lambda: table(example())], ids=["hostile", "example"])
def test_figures_in_a_workbook_are_those_of_the_csv_and_numbers(made: Any) -> None:
    shown = made()
    lines = [
        line
        for line in csv.DictReader(io.StringIO(formats.render(shown, "csv")))
        if line["kind"] != "note"
    ]
    head, *rows = workbook(shown)["Figures"].iter_rows(values_only=True)
    assert head == tidy.COLUMNS
    assert len(rows) == len(lines)
    numbers = 0
    for line, row in zip(lines, rows, strict=True):
        for name, cell in zip(head, row, strict=True):
            if cell is None:
                assert line[name] == ""
            elif isinstance(cell, bool):
                assert line[name] == str(cell).lower()
            elif isinstance(cell, int | float):
                assert cell == pytest.approx(float(line[name]), rel=1e-15)
                numbers += 1
            else:
                assert line[name] == cell
    assert numbers > 100


def test_no_cell_is_a_formula_and_none_becomes_one() -> None:
    begun = 0
    for sheet in workbook(hostile()):
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.data_type != "f", cell.value
                if isinstance(cell.value, str) and cell.value[:1] in ("=", "+", "-", "@"):
                    assert cell.quotePrefix
                    begun += 1
    assert begun >= 4


def test_a_workbook_says_no_time_but_that_of_its_runs() -> None:
    content = render_bytes(table(example()))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(2026, 11, 1, 0, 0, 0)}
        core = archive.read("docProps/core.xml").decode()
    assert set(re.findall(r"\d{4}-\d\d-\d\dT[\d:]+Z", core)) == {"2026-11-01T00:00:00Z"}


def test_a_workbook_has_a_sheet_for_each_reader() -> None:
    book = workbook(table(example()))
    assert book.sheetnames == ["Table", "Figures", "Notes", "Provenance"]
    head, first = list(book["Provenance"].iter_rows(values_only=True))[:2]
    told = dict(zip(head, first, strict=True))
    assert (told["run"], told["seed"], told["imported_from"]) == ("20261101T000000Z-lab1", 7, None)


# ------------------------------------------------------------------ HTML
def fragment(made: Table) -> tuple[str, ET.Element]:
    text = formats.render(made, "html")
    return text, ET.fromstring(text)


@pytest.mark.parametrize("by_architecture", [False, True])
@pytest.mark.parametrize("made", [hostile, lambda: table(example())], ids=["hostile", "example"])
def test_each_header_says_what_it_is_over_and_rows_are_full(
    made: Any, by_architecture: bool
) -> None:
    _, root = fragment(replace(made(), by_architecture=by_architecture))
    tables = root.findall(".//table")
    assert tables
    for each in tables:
        caption = each.find("caption")
        assert caption is not None
        assert caption.text
        for head in each.iter("th"):
            assert head.get("scope") in {"col", "row", "colgroup", "rowgroup"}
        widths = set()
        for part in each:
            carried: dict[int, int] = {}
            for number, line in enumerate(part.findall("tr")):
                wide = carried.get(number, 0)
                for cell in line:
                    span = int(cell.get("colspan", "1"))
                    wide += span
                    for below in range(1, int(cell.get("rowspan", "1"))):
                        carried[number + below] = carried.get(number + below, 0) + span
                widths.add(wide)
        assert len(widths) == 1


def test_html_escapes_and_has_neither_script_nor_style() -> None:
    text, _ = fragment(hostile())
    assert "<script" not in text
    assert "<style" not in text
    assert not re.search(r"\s(style|on\w+)=", text)
    for name in HOSTILE:
        assert name in of_html(text)


def test_html_notes_are_linked_both_by_number_and_place() -> None:
    made = hostile()
    _, root = fragment(made)
    places = [each.get("id") for each in root.iter() if each.get("id")]
    assert len(places) == len(set(places)) > 0
    links = [str(each.get("href")) for each in root.iter("a")]
    assert links
    assert {link.removeprefix("#") for link in links} <= set(places)
    _, other = fragment(replace(made, by_architecture=True))
    assert not {each.get("id") for each in other.iter() if each.get("id")} & set(places)


def test_html_says_in_words_what_a_sign_means() -> None:
    _, root = fragment(table(example()))
    signs = [e for e in root.iter("span") if e.get("class") == "baremark-sign"]
    said = {(str(each.text), each.get("aria-label"), each.get("role")) for each in signs}
    assert ("▲", "slower", "img") in said
    assert all(label for _, label, _ in said)
    for head in root.iter("th"):
        if "emulated" in str(head.get("class")):
            assert "emulated" in str(head.text)


# ------------------------------------------------------------------ the command
def baremark(*args: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("baremark")), *args],
        cwd=ROOT,
        capture_output=True,
        timeout=waiting.GUARD_S,
    )


def test_the_help_of_the_table_names_every_format() -> None:
    said = " ".join(baremark("table", "--help").stdout.decode().split())
    for name in formats.FORMATS:
        assert name in said


def test_a_workbook_goes_to_a_file_or_a_pipe_and_to_no_terminal(tmp_path: Path) -> None:
    example = "docs/example"
    where = ["--results", str(tmp_path)]
    piped = baremark("table", example, "-f", "xlsx", *where)
    assert piped.returncode == 0, piped.stderr
    baremark("table", example, "-f", "xlsx", "-o", str(tmp_path / "t.xlsx"), *where)
    assert (tmp_path / "t.xlsx").read_bytes() == piped.stdout
    assert load_workbook(io.BytesIO(piped.stdout)).sheetnames[0] == "Table"
    if shutil.which("script") is None:
        pytest.skip("script, which makes a terminal, is not installed")
    command = f"{Path(sys.executable).with_name('baremark')} table {example} -f xlsx"
    done = subprocess.run(
        ["script", "-qec", command, "/dev/null"],
        cwd=ROOT,
        capture_output=True,
        timeout=waiting.GUARD_S,
    )
    assert done.returncode == 2
    assert b"is no text for a terminal" in done.stdout
    assert b"PK\x03\x04" not in done.stdout
