"""The static site: what is on it, what it links to, and what it never does to a folder."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import polars as pl
import pytest

from harness.analyze.history.history import History
from harness.errors import HarnessError, UseError
from harness.ledger import folders, reader
from harness.model.run import Run
from harness.model.target import BackendClass
from harness.publish import site as sites
from harness.publish.site import folder, raw_links, urls
from harness.publish.site.run import night_of
from harness.report.runs import read
from tests.lab import LODGERS, Lodger, night, save, workloads
from tests.synthetic import Kind

NIGHTS = 3
BROKEN = "20261020T013000Z-lab1"
BARE = "20261021T013000Z-lab1"


class Page(HTMLParser):
    """What a test asks of a page: its elements with their attributes, and its tables."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.tables: list[dict[str, int]] = []
        self.text: list[str] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            assert given["id"] not in self.ids, f"{self.path}: id {given['id']} twice"
            self.ids.add(str(given["id"]))
        if tag in {"a", "link", "script", "img"}:
            self.links += [str(given[name]) for name in ("href", "src") if given.get(name)]
        if tag == "table":
            self.tables.append({"caption": 0, "th": 0, "scoped": 0})
        if self.tables and tag == "caption":
            self.tables[-1]["caption"] += 1
        if self.tables and tag == "th":
            self.tables[-1]["th"] += 1
            self.tables[-1]["scoped"] += given.get("scope") in {"col", "row", "rowgroup"}

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def no_history(results: Path) -> History:
    raise HarnessError("the tests' own history is empty")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three nights, a run whose ledger is missing, and one without any trial of native."""
    made = tmp_path_factory.mktemp("lab") / "results"
    chosen = workloads(1)
    for number in range(NIGHTS):
        run = night(number, blocks=6, of=chosen, update=2)
        save(run, made)
    broken = save(_named(night(8, blocks=6, of=chosen), BROKEN), made)
    (broken / folders.LEDGER).unlink()
    lone = _named(night(9, blocks=6, of=chosen), BARE)
    save(replace(lone, trials=tuple(t for t in lone.trials if t.target != "lab1")), made)
    return made


def _named(run: Run, name: str) -> Run:
    return replace(run, manifest=replace(run.manifest, run=name))


@pytest.fixture(scope="module")
def site(results: Path) -> Path:
    made = results.parent / "site"
    sites.build(results, made, history=no_history)
    return made


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    return {str(path.relative_to(site)): Page(path) for path in sorted(site.rglob("*.html"))}


def test_it_has_a_page_for_each_run_backend_and_workload(
    results: Path, pages: dict[str, Page]
) -> None:
    for number in range(NIGHTS):
        name = night(number, blocks=1, of=workloads(1)).manifest.run
        assert {urls.run_page(name), urls.trials_page(name)} <= pages.keys()
    for each in workloads(1):
        assert urls.workload_page(each.name) in pages
    assert {"backends/docker.html", "backends/kvm.html"} <= pages.keys()
    assert {"index.html", "releases.html", "method.html", "data/index.html"} <= pages.keys()


def test_every_link_leads_somewhere(site: Path, pages: dict[str, Page]) -> None:
    for page in pages.values():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme == "data":
                continue
            assert parts.scheme == "" == parts.netloc, f"{page.path}: {link}"
            target = (page.path.parent / unquote(parts.path)) if parts.path else page.path
            assert target.is_file(), f"{page.path}: {link}"
            if parts.fragment:
                where = pages[str(Path(os.path.normpath(target)).relative_to(site))]
                assert parts.fragment in where.ids, f"{page.path}: {link}"


def test_nothing_comes_from_outside(site: Path) -> None:
    for file in site.rglob("*"):
        if file.suffix in {".html", ".css", ".js"}:
            text = file.read_text().replace("http://www.w3.org/2000/svg", "")
            text = text.replace("http://www.w3.org/1999/xlink", "")
            assert not re.search(r"(https?:)?//[a-z0-9-]+\.[a-z]", text), file
            assert "url(" not in text.replace("url(#", ""), file


def test_tables_are_for_screen_readers_too(pages: dict[str, Page]) -> None:
    seen = 0
    for name, page in pages.items():
        for table in page.tables:
            seen += 1
            assert table["th"] == table["scoped"] > 0, name
            assert table["caption"] == 1, name
    assert seen > 30


def test_labels_are_whole_wherever_a_target_is_named(pages: dict[str, Page]) -> None:
    for name, page in pages.items():
        if name.startswith(("workloads/", "runs/2")) or name == "index.html":
            if name == "workloads/index.html":
                continue
            assert "guest (qemu-tcg, emulated)" in page.words, name
    for name in ("index.html", "backends/kvm.html"):
        assert "not KVM's performance" in pages[name].words, name


def test_the_first_page_has_the_newest_figures_and_says_what_it_lacks(
    results: Path, pages: dict[str, Page]
) -> None:
    newest = read([sorted((results / "runs").iterdir())[NIGHTS - 1]])
    words = pages["index.html"].words
    for group in newest.table.sections[0].groups:
        for summary in group.summaries:
            if summary is not None:
                assert f"{summary.entered} of {summary.workloads}" in words
    assert newest.runs[0].manifest.run in words
    assert f"{BROKEN} : cannot read" in words
    assert "has no trial of the native target" in words
    assert "There is no history: the tests' own history is empty" in words


@pytest.mark.parametrize(
    ("blocks", "few", "told"),
    [
        (6, None, r"\d+ of 95 figures are unresolved\. More blocks than 6 would resolve more\."),
        (5, 1, r"25 of 25 figures are unresolved\. With 5 blocks none can be called slower, "
               r"however slow it is: that takes 6\."),
    ],
)  # fmt: skip
def test_the_heat_map_says_why_so_much_is_unresolved(
    tmp_path: Path, blocks: int, few: int | None, told: str
) -> None:
    """p of n blocks is 2^(1−n) at least."""
    save(night(0, blocks=blocks, of=workloads(few)), tmp_path / "results")
    sites.build(tmp_path / "results", tmp_path / "site")
    (caption,) = re.findall("<figcaption>(Headline.*?)</figcaption>",
                            (tmp_path / "site" / "index.html").read_text())  # fmt: skip
    assert re.search(told, caption), caption


def test_a_warning_on_the_page_of_releases_is_of_a_target_that_is_there(
    pages: dict[str, Page],
) -> None:
    text = " ".join("".join(pages["releases.html"].text).split())
    assert "kvm on lab1" in text
    assert "emulated in software" not in text


def test_every_trial_is_there_with_the_digest_of_its_output(
    results: Path, pages: dict[str, Page]
) -> None:
    for place in range(NIGHTS):
        run = reader.read_run(sorted((results / "runs").iterdir())[place])
        page = pages[urls.trials_page(run.manifest.run)]
        words = page.words
        for trial in run.trials:
            assert str(trial.raw_sha256) in words
            assert trial.id in words
        if place == NIGHTS - 1:  # of older runs the script makes the links: tests/system
            linked = {link for link in page.links if link.endswith(".zst")}
            assert len(linked) == len(run.trials)
            assert all((page.path.parent / link).is_file() for link in linked)


def test_a_figure_leads_to_the_trials_that_it_is_made_of(
    results: Path, site: Path, pages: dict[str, Page]
) -> None:
    run = reader.read_run(sorted((results / "runs").iterdir())[0])
    text = (site / urls.trials_page(run.manifest.run)).read_text()
    kvm = [record.target.name for record in run.manifest.targets].index("kvm")
    for place, workload in enumerate(run.manifest.workloads):
        anchor = f"w{place}t{kvm}"
        assert f"trials.html#{anchor}" in pages[urls.run_page(run.manifest.run)].links
        listed = text.partition(f'id="{anchor}"')[2].partition("<tbody>")[0]
        for trial in run.trials:
            mine = (trial.workload, trial.target) == (workload.name, "kvm")
            assert (str(trial.raw_sha256) in listed) == mine


# ------------------------------------------------------------------ releases
def test_releases_in_different_runs_are_told_to_be_confounded(pages: dict[str, Page]) -> None:
    words = pages["releases.html"].words
    for release in ("7.2.19", "10.0.2", "10.1.0"):
        assert release in words
    assert words.index("7.2.19") < words.index("10.0.2") < words.index("10.1.0")
    assert "measured in different runs" in words


def test_releases_in_the_same_blocks_are_told_so(tmp_path: Path) -> None:
    save(night(0, blocks=6, of=workloads(1)), tmp_path / "results")
    sites.build(tmp_path / "results", tmp_path / "site", history=no_history)
    words = Page(tmp_path / "site" / "releases.html").words
    assert "measured in the same blocks" in words
    assert "different runs" not in words


# ------------------------------------------------------------------ downloads
def test_downloads_hold_the_overheads_of_every_run(results: Path, site: Path) -> None:
    frame = pl.read_parquet(site / "data" / "overhead.parquet")
    assert frame["run"].n_unique() == NIGHTS
    first = read([sorted((results / "runs").iterdir())[0]])
    row = first.table.sections[0].groups[0].rows[0]
    place = [column.target for column in first.table.sections[0].columns].index("kvm")
    (found,) = frame.filter(
        run=first.runs[0].manifest.run, target="kvm", workload=row.workload, metric=row.metric
    ).to_dicts()
    figure = row.figures[place].factor
    assert figure is not None
    assert (found["F"], found["F_low"], found["F_high"]) == (figure.point, figure.low, figure.high)

    with zipfile.ZipFile(site / "data" / "overhead.csv.zip") as packed:
        text = packed.read("overhead.csv").decode()
    lines = list(csv.DictReader(io.StringIO(text)))
    assert len(lines) == frame.filter(~pl.col("control")).height
    assert "" in {line["F"] for line in lines if line["target"] == "lab1"}
    newest = json.loads((site / "data" / "newest.json").read_text())
    assert [each["host"] for each in newest["sections"]] == ["lab1"]
    words = Page(site / "data" / "index.html").words
    for file in ("newest.csv", "newest.json", "overhead.csv.zip", "overhead.parquet"):
        assert hashlib.sha256((site / "data" / file).read_bytes()).hexdigest() in words


def test_the_manifest_of_a_run_is_packed_byte_for_byte(results: Path, site: Path) -> None:
    run = sorted((results / "runs").iterdir())[0]
    with zipfile.ZipFile(site / urls.archive(run.name)) as packed:
        held = {Path(name).name: packed.read(name) for name in packed.namelist()}
    assert held["manifest.json"] == (run / "manifest.json").read_bytes()


# ------------------------------------------------------------------ where raw outputs are
def test_raw_outputs_are_copied_on_demand(results: Path, tmp_path: Path) -> None:
    made = tmp_path / "elsewhere" / "site"
    sites.build(results, made, copy_raw=True, history=no_history)
    run = sorted((results / "runs").iterdir())[0]
    copied = made / "runs" / run.name
    for file in (
        "manifest.json",
        "ledger.jsonl",
        *(f"raw/{f.name}" for f in (run / "raw").iterdir()),
    ):
        assert (copied / file).read_bytes() == (run / file).read_bytes()
    page = Page(copied / "trials.html")
    assert "raw/000-000.out.zst" in page.links
    assert "The outputs are part of this site" in page.words


def test_far_from_the_results_no_link_is_dead_and_the_page_says_where_outputs_are(
    results: Path, tmp_path: Path
) -> None:
    made = tmp_path / "elsewhere" / "site"
    sites.build(results, made, history=no_history)
    run = sorted((results / "runs").iterdir())[0]
    page = Page(made / "runs" / run.name / "trials.html")
    assert not [link for link in page.links if ".zst" in link]
    assert "The outputs are no part of this site" in page.words
    assert str(results) not in page.words


def test_an_output_that_is_gone_is_not_linked_to(results: Path, tmp_path: Path) -> None:
    mine = tmp_path / "results"
    shutil.copytree(results / "runs", mine / "runs")
    run = sorted((mine / "runs").iterdir())[0]
    (run / "raw" / "000-003.out.zst").unlink()
    sites.build(mine, tmp_path / "site", history=no_history)
    page = Page(tmp_path / "site" / "runs" / run.name / "trials.html")
    assert '<td class="x">000-003<' in page.path.read_text().replace("\n", "")
    assert page.path.read_text().count('class="x"') == 1


@pytest.mark.parametrize(
    ("site", "expected"),
    [("a/site", "beside"), ("a/results/site", "beside"), ("b/c/site", "apart"), ("site", "beside")],
)
def test_what_lies_beside(tmp_path: Path, site: str, expected: str) -> None:
    assert raw_links.where(tmp_path / "a" / "results", tmp_path / site, False) == expected


# ------------------------------------------------------------------ the folder
def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_twice_over_the_same_results_gives_the_same_bytes(results: Path, site: Path) -> None:
    before = contents(site)
    sites.build(results, site, history=no_history)
    assert contents(site) == before
    assert len(before) > 20


def test_a_folder_that_is_not_ours_is_never_touched(results: Path, tmp_path: Path) -> None:
    mine = tmp_path / "thesis"
    mine.mkdir()
    (mine / "chapter.tex").write_text("dear")
    with pytest.raises(UseError, match="not a site that baremark published"):
        sites.build(results, mine, history=no_history)
    assert contents(mine) == {"chapter.tex": b"dear"}
    with pytest.raises(UseError, match="is not a folder"):
        sites.build(results, mine / "chapter.tex", history=no_history)
    assert [each.name for each in tmp_path.iterdir()] == ["thesis"]


def test_a_folder_of_the_results_own_does_not_become_a_site(results: Path) -> None:
    """Tables are written to `published`, and would go with the next site."""
    before = sorted(results.rglob("*"))
    for name in ("published", "runs/site", "dataset/site", "nights"):
        with pytest.raises(UseError, match="which is not for a site"):
            sites.build(results, results / name, history=no_history)
    assert sorted(results.rglob("*")) == before


def test_a_place_that_cannot_be_is_refused(results: Path, tmp_path: Path) -> None:
    with pytest.raises(UseError, match=r"cannot look into .*File name too long"):
        sites.build(results, tmp_path / ("x" * 300))


def test_an_interrupted_build_leaves_the_old_site_whole(results: Path, tmp_path: Path) -> None:
    made = tmp_path / "site"
    sites.build(results, made, history=no_history)
    before = contents(made)

    def interrupted(results: Path) -> History:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sites.build(results, made, history=interrupted)
    assert contents(made) == before
    assert [each.name for each in tmp_path.iterdir()] == ["site"]


def test_a_kill_between_the_two_renames_is_mended_by_the_next_build(
    results: Path, tmp_path: Path
) -> None:
    made = tmp_path / "site"
    sites.build(results, made, history=no_history)
    before = contents(made)
    made.rename(tmp_path / ".site.baremark-before")
    with pytest.raises(ValueError, match="stop"), folder.replaced(made):
        raise ValueError("stop")
    assert contents(made) == before


def test_an_empty_folder_may_become_a_site(results: Path, tmp_path: Path) -> None:
    made = tmp_path / "site"
    made.mkdir()
    built = sites.build(results, made, history=no_history)
    assert built.runs == NIGHTS
    assert built.size == sum(map(len, contents(made).values()))
    assert {each.name for each in built.unread} == {BROKEN, BARE}


def test_without_a_run_that_can_be_read_the_old_site_stays(results: Path, tmp_path: Path) -> None:
    made = tmp_path / "site"
    sites.build(results, made, history=no_history)
    before = contents(made)
    poor = tmp_path / "poor"
    shutil.copytree(results / "runs" / BROKEN, poor / "runs" / BROKEN)
    with pytest.raises(HarnessError, match=f"none of 1 runs .* {BROKEN}: cannot read"):
        sites.build(poor, made, history=no_history)
    with pytest.raises(UseError, match="there is no run in"):
        sites.build(tmp_path / "nowhere", made, history=no_history)
    assert contents(made) == before


def test_a_run_of_another_format_costs_the_others_nothing(results: Path, tmp_path: Path) -> None:
    mine = tmp_path / "results"
    shutil.copytree(results / "runs", mine / "runs")
    run = sorted((mine / "runs").iterdir())[0]
    document = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps({**document, "schema": 99}))
    (mine / "runs" / "half").mkdir()
    built = sites.build(mine, tmp_path / "site", history=no_history)
    told = {each.name: each.message for each in built.unread}
    assert "of format 99" in told[run.name]
    assert "has no manifest.json" in told["half"]
    assert built.runs == NIGHTS - 1


def test_units_that_disagree_are_told_in_words(results: Path, tmp_path: Path) -> None:
    run = night(0, blocks=6, of=workloads(1))
    wrong = [
        replace(t, samples=tuple(replace(s, unit="furlong") for s in t.samples))
        if t.id == "000-000"
        else t
        for t in run.trials
    ]
    save(replace(run, trials=tuple(wrong)), tmp_path / "results")
    with pytest.raises(HarnessError, match=r"gives \S+ in furlong, but its workload \S+ declares"):
        sites.build(tmp_path / "results", tmp_path / "site", history=no_history)


# ------------------------------------------------------------------ text from anywhere
def test_what_a_name_or_a_program_says_is_text_and_nothing_else(tmp_path: Path) -> None:
    evil = '<script>alert("x")</script>\x1b[31m'
    lodger = Lodger(Kind("a<b>&'\"", "docker", BackendClass.OS, evil), {"": 1.1})
    run = night(0, blocks=6, of=workloads(1), lodgers=(lodger,))
    save(run, tmp_path / "results")
    sites.build(tmp_path / "results", tmp_path / "site", history=no_history)
    for file in (tmp_path / "site").rglob("*.html"):
        text = file.read_text()
        assert "<script>alert" not in text, file
        assert "\x1b" not in text, file
        assert "a<b>" not in text, file


def test_every_name_has_a_page_of_its_own() -> None:
    given = [
        "disk read",
        "disk-read",
        "disk/read",
        "index",
        "Index",
        "..",
        ".hidden",
        "a+b_c.1",
        "ä",
    ]
    made = [urls.slug(name) for name in given]
    assert len(set(made)) == len(given)
    assert urls.slug("disk-read") == "disk-read"
    for name in made:
        assert re.fullmatch(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]*", name)
        assert name.lower() != "index"


def test_two_hosts_have_a_matrix_each(tmp_path: Path) -> None:
    for host in ("lab1", "lab2"):
        save(
            night(0, host=host, blocks=6, of=workloads(1), lodgers=LODGERS[:2]),
            tmp_path / "results",
        )
    sites.build(tmp_path / "results", tmp_path / "site", history=no_history)
    text = (tmp_path / "site" / "index.html").read_text()
    assert text.count("<svg ") == 2
    assert text.index("<h2>lab1") < text.index("<h2>lab2")


def test_a_run_is_kept_without_its_trials(results: Path) -> None:
    kept = night_of(read([sorted((results / "runs").iterdir())[0]]))
    assert kept.manifest.plan.blocks == ()
    assert kept.blocks == 6


@pytest.fixture(autouse=True)
def _nothing_is_left_beside(tmp_path: Path) -> Iterator[None]:
    yield
    assert [path.name for path in tmp_path.rglob(".*.baremark-*")] == []
