"""Charts say what the table says, in colours that everybody can tell apart."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import polars as pl
import pytest

from harness.analyze.history.history import SERIES, Shift
from harness.errors import HarnessError, UseError
from harness.model.run import Run
from harness.publish import charts
from harness.publish.charts import axis, draw, palette, style
from harness.publish.charts.blocks import blocks
from harness.publish.charts.heatmap import heatmap
from harness.publish.charts.history import history, order_of
from harness.publish.charts.intervals import intervals, of_section
from harness.report import numbers
from harness.report.runs import Analysis, analysed
from harness.report.table import Section
from tests.lab import night, save, workloads
from tests.synthetic import DOCKER, KVM, NATIVE, example, make_run


def reading(run: Run) -> Analysis:
    return analysed([run])


@pytest.fixture(scope="module")
def lab() -> Analysis:
    return reading(example())


@pytest.fixture(scope="module")
def section(lab: Analysis) -> Section:
    return lab.table.sections[0]


def values(spec: Any) -> list[dict[str, Any]]:
    """All data in a specification."""
    return [row for rows in spec["datasets"].values() for row in rows]


# ------------------------------------------------------------------ colours
def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


both = pytest.mark.parametrize("colours", [palette.LIGHT, palette.DARK], ids=["light", "dark"])


@both
def test_text_can_be_read_on_every_ground(colours: dict[str, str]) -> None:
    for ground in ("paper", "card"):
        for ink in ("ink", "muted", "accent", "warn"):
            assert contrast(colours[ground], colours[ink]) >= 4.5, (ground, ink)
    for step in palette.BINS:
        assert contrast(colours[step], colours[f"on-{step}"]) >= 4.5, step


@both
def test_every_target_can_be_seen_on_the_paper(colours: dict[str, str]) -> None:
    for number in range(1, 8):
        assert contrast(colours["paper"], colours[f"c{number}"]) >= 3, number


def seen_without_red(colour: str) -> tuple[float, float, float]:
    """Linear colour as a protanope sees it (Viénot, Brettel & Mollon 1999)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    mixed = 0.11238 * red + 0.88762 * green
    return mixed, mixed, 0.00401 * red - 0.00401 * green + blue


@both
def test_faster_and_slower_differ_for_the_colour_blind(colours: dict[str, str]) -> None:
    """Blue is more than the rest on the one side, and less on the other."""
    for step in range(1, 6):
        _, yellow, blue = seen_without_red(colours[f"f{step}"])
        assert blue > yellow
        _, yellow, blue = seen_without_red(colours[f"s{step}"])
        assert blue < yellow


def test_every_role_has_a_colour_of_its_own_and_both_palettes_all_roles() -> None:
    assert len(set(palette.LIGHT.values())) == len(palette.LIGHT)
    assert palette.LIGHT.keys() == palette.DARK.keys()


def test_the_scale_is_even_around_native() -> None:
    assert palette.bin_of(1.0) == "m"
    for factor in (1.011, 1.05, 1.2, 1.5, 2.5):
        slower, faster = palette.bin_of(factor), palette.bin_of(1 / factor)
        assert (slower[0], faster[0]) == ("s", "f")
        assert slower[1] == faster[1]
    assert [palette.bin_of(f) for f in (0.1, 5.1, 1e6)] == ["f5", "s6", "s6"]


def test_a_picture_is_coloured_anew_by_name() -> None:
    ink, own = palette.LIGHT["ink"], "#123456"
    assert palette.themed(f'<text fill="{ink}" stroke="{own}">') == (
        f'<text fill="var(--ink)" stroke="{own}">'
    )


# ------------------------------------------------------------------ the axis
@pytest.mark.parametrize(
    ("low", "high"),
    [(0.999, 1.001), (0.98, 1.02), (0.95, 1.3), (0.7, 1.9), (0.9, 17.0), (0.3, 3), (0.5, 3e4)],
)
def test_ticks_are_few_round_and_inside(low: float, high: float) -> None:
    found = axis.ticks(low, high)
    assert 2 <= len(found) <= 9
    assert all(low <= value <= high for value in found)
    assert any(math.isclose(value, 1) for value in found)
    assert all(a < b for a, b in pairwise(found))


def test_the_axis_holds_native_and_every_figure() -> None:
    low, high = axis.reach([1.2, None, 1.3])
    assert low < 1 < 1.3 < high
    low, high = axis.reach([])
    assert low < 1 < high


# ------------------------------------------------------------------ what charts say
def test_the_heat_map_has_a_cell_for_every_headline_figure(section: Section) -> None:
    spec = heatmap(section)
    found = {(row["row"], row["column"].replace("\n", " ")): row for row in values(spec)}
    wanted = 0
    for group in section.groups:
        for row in group.rows:
            for column, figure in zip(section.columns, row.figures, strict=True):
                if not row.headline or column.native:
                    continue
                wanted += 1
                cell = found[row.workload, column.header]
                assert cell["resource"] == group.resource
                if figure.factor is None:
                    assert (cell["step"], cell["text"]) == (None, "no result")
                    continue
                assert cell["text"].startswith(numbers.point(figure.factor))
                assert numbers.effect(figure.factor).startswith(numbers.point(figure.factor))
                assert cell["text"].endswith(numbers.VERDICTS[figure.verdict])
                assert cell["firm"] == (figure.verdict != "unresolved")
                step = palette.BINS[palette.LABELS.index(cell["step"])]
                assert step == palette.step(figure.factor.point, figure.verdict)
                assert (step == "open") == (figure.verdict == "unresolved")
                assert (step == "doubt") == (figure.verdict == "suspect")
    assert len(found) == wanted > 30


@pytest.mark.parametrize("alone", [True, False])
def test_headers_are_whole_in_every_chart(lab: Analysis, section: Section, alone: bool) -> None:
    pictures = [
        heatmap(section, alone),
        intervals(of_section(section), "lab1", alone),
        blocks(draw.distributions(lab, draw.narrowed(section, ["cpu-matrix"], [])), "lab1", alone),
    ]
    for spec in pictures:
        drawn = charts.svg(spec)
        assert drawn.startswith('<svg role="img" aria-label="')
        text = drawn.replace("</tspan>", "")
        for part in ("guest", "(qemu-tcg, emulated)", "container", "(docker, os)"):
            assert part in text


def test_every_specification_is_vega_lite(lab: Analysis, section: Section) -> None:
    headline = draw.narrowed(section, ["cpu-matrix"], [])
    for spec in (
        heatmap(section),
        intervals(of_section(section), "lab1"),
        blocks(draw.distributions(lab, headline), "lab1"),
        blocks(draw.distributions(lab, section), "lab1"),
        history(nights(), [SHIFT, replace(SHIFT, status="confirmed")], {}),
    ):
        alt.Chart.from_dict(spec, validate=True)
    with pytest.raises(Exception, match="is not of type 'number'"):
        alt.Chart.from_dict({**spec, "padding": "much"}, validate=True)


def test_what_is_unresolved_is_marked_by_more_than_colour(section: Section) -> None:
    drawn = charts.svg(heatmap(section))
    unresolved = sum(
        not row["firm"] and row["step"] is not None for row in values(heatmap(section))
    )
    assert drawn.count('stroke-dasharray="3,3"') == unresolved > 0


def test_intervals_are_those_of_the_table(section: Section) -> None:
    marks = of_section(section)
    found = {
        (row["row"], row["series"]): row for row in values(intervals(marks, "lab1")) if "row" in row
    }
    assert len(found) == len(marks)
    for mark in marks:
        row = found[mark.row, mark.series]
        assert math.exp(row["theta"]) == pytest.approx(mark.factor.point)
        assert mark.factor.low is not None
        assert math.exp(row["low"]) == pytest.approx(mark.factor.low)


def test_too_few_blocks_have_a_point_and_no_interval() -> None:
    few = reading(example(blocks=3))
    rows = values(intervals(of_section(few.table.sections[0]), "lab1"))
    assert {row["low"] for row in rows if "low" in row} == {None}
    charts.svg(intervals(of_section(few.table.sections[0]), "lab1"))


def test_points_are_the_ratio_in_each_block() -> None:
    """F_b of a metric where higher is better is native's value (the geometric mean of its two
    trials) by the target's."""
    rng = np.random.default_rng(4)
    seen: dict[tuple[str, str, int], float] = {}

    def value(target: str, workload: str, metric: str, block: int) -> float:
        return seen.setdefault((target, metric, block), float(rng.uniform(1, 9)))

    run = make_run(value, blocks=7, control=True)
    lab = reading(run)
    (events,) = [
        each
        for each in draw.distributions(lab, lab.table.sections[0])
        if each.metric == "events" and each.series.startswith("container")
    ]
    (p99,) = [
        each
        for each in draw.distributions(lab, lab.table.sections[0])
        if each.metric == "latency_p99" and each.series == style.ITSELF
    ]
    for block in range(7):
        native = (seen["lab1", "events", block] * seen["lab1+control", "events", block]) ** 0.5
        ratio = native / seen["container", "events", block]
        assert events.factors[block] == pytest.approx(ratio)
        ratio = seen["lab1+control", "latency_p99", block] / seen["lab1", "latency_p99", block]
        assert p99.factors[block] == pytest.approx(ratio)
    assert p99.estimate is None


def colours(spec: Any) -> dict[str, tuple[str, str]]:
    """Colour and shape of each series in a chart."""
    found: dict[str, dict[str, str]] = {"color": {}, "shape": {}}

    def walk(part: Any) -> None:
        for key, each in part.items() if isinstance(part, dict) else enumerate(part):
            if key in found and isinstance(each, dict) and each.get("field") == "series":
                for name, look in zip(each["scale"]["domain"], each["scale"]["range"], strict=True):
                    assert found[key].setdefault(name, look) == look
            elif isinstance(each, dict | list):
                walk(each)

    walk(spec)
    return {name: (found["color"][name], found["shape"][name]) for name in found["color"]}


def test_a_target_looks_the_same_in_every_chart_of_a_page() -> None:
    lab = reading(make_run(lambda *_: 3.0, [NATIVE, DOCKER, KVM], blocks=7, control=True))
    (section,) = lab.table.sections
    headers = {(section.host, column.target, column.label): column.header
               for column in section.columns if not column.native}  # fmt: skip
    order = order_of(headers, section.host)
    assert len(order) == 2
    points = colours(blocks(draw.distributions(lab, section), "lab1", order=order))
    assert points.pop(style.ITSELF)[0] == palette.LIGHT["muted"]
    assert points == colours(intervals(of_section(section), "lab1", order=order))
    assert len({colour for colour, _ in points.values()}) == 2
    for target in ("kvm", "container"):  # alone, as in a history or on the page of a backend
        name = next(each for (_, of, _), each in headers.items() if of == target)
        course = nights().filter(pl.col("target") == target)
        course = course.with_columns(
            pl.lit({"container": "docker"}.get(target, target)).alias("label")
        )
        assert colours(history(course, [SHIFT], headers)) == {name: points[name]}
        alone = [mark for mark in of_section(section) if mark.series == name]
        assert colours(intervals(alone, "lab1", order=order)) == {name: points[name]}


def test_nothing_to_draw_is_an_error_and_no_empty_picture() -> None:
    alone = reading(make_run(lambda *_: 3.0, [NATIVE]))
    with pytest.raises(HarnessError, match="no target besides native"):
        heatmap(alone.table.sections[0])
    with pytest.raises(HarnessError, match="no overhead"):
        intervals(of_section(alone.table.sections[0]), "lab1")


# ------------------------------------------------------------------ history
def nights(count: int = 12) -> pl.DataFrame:
    """A series of two targets; one slows down from the night 6 on, with a new kernel."""
    rows = []
    for target, level in (("container", 1.01), ("kvm", 1.2)):
        for number in range(count):
            late = target == "kvm" and number >= 6
            factor = level * (1.1 if late else 1.0)
            rows.append(
                dict(zip(SERIES, ("lab1", "overhead", target, target, "os", target, "disk",
                                  "disk-seqread", 1, "bandwidth", True, "MiB/s", "higher"),
                         strict=True))
                | {
                    "run": f"run-{number:02}",
                    "started": datetime(2026, 10, 1, tzinfo=UTC) + timedelta(days=number),
                    "n": 10,
                    "F": None if number == 3 else factor,
                    "F_low": None if number == 3 else factor * 0.98,
                    "F_high": None if number == 3 else factor * 1.02,
                    "native_value": 1800.0 + number,
                    "epoch": int(late),
                    "changed": "kernel 6.1 → 6.12" if late and number == 6 else None,
                }
            )  # fmt: skip
    return pl.DataFrame(rows)


SHIFT = Shift(
    "lab1", "overhead", "kvm", "kvm", "disk-seqread", "bandwidth", "run-06",
    datetime(2026, 10, 7, tzinfo=UTC), 1.2, 1.32, 1.1, 1.08, 1.12, 0.0004, "backend",
    "kernel 6.1 → 6.12", "unconfirmed",
)  # fmt: skip


def test_a_history_is_cut_at_its_epochs_and_marks_what_shifted() -> None:
    spec = history(nights(), [SHIFT], {("lab1", "kvm", "kvm"): "kvm (type1)"})
    rows = values(spec)
    lines = [row for row in rows if "epoch" in row]
    assert len(lines) == 2 * 11
    assert {row["series"] for row in lines} == {"kvm (type1)", "container (os)"}
    assert {row["epoch"] for row in lines if row["series"] == "kvm (type1)"} == {0, 1}
    drawn = charts.svg(spec)
    assert "kernel 6.1 → 6.12" in drawn
    assert "+10.0 % unconfirmed" in drawn
    shifted = [row for row in rows if "way" in row]
    assert [(row["way"], row["firm"]) for row in shifted] == [("triangle-up", 0)]
    assert math.exp(shifted[0]["theta"]) == pytest.approx(1.32)
    assert [row["value"] for row in rows if "value" in row] == [1800.0 + n for n in range(12)]


@pytest.mark.parametrize("count", [12, 25, 40, 90])
def test_the_days_of_a_history_stand_apart(count: int) -> None:
    """In 25 nights a label of each second day touched the next: 2 Oct 20264 Oct 2026."""
    drawn = charts.svg(history(nights(count), [], {}))
    days = r'translate\(([\d.]+),[\d.]+\)"[^>]* opacity="1">\d+ [A-Z][a-z]{2} 2026<'
    places = sorted(float(found) for found in re.findall(days, drawn))
    assert len(places) >= 2
    assert all(after - before > 75 for before, after in pairwise(places))


def test_a_history_says_only_what_is_of_its_cell() -> None:
    other = replace(SHIFT, metric="iops")
    assert not [row for row in values(history(nights(), [other], {})) if "way" in row]


def test_a_history_without_a_figure_is_no_picture() -> None:
    with pytest.raises(HarnessError, match="no night has an overhead"):
        history(nights().with_columns(pl.lit(None, pl.Float64).alias("F")), [], {})


# ------------------------------------------------------------------ files
def test_svg_and_png_of_the_same_chart(section: Section) -> None:
    spec = heatmap(section)
    svg = charts.picture(spec, ".svg")
    assert svg == charts.picture(spec, ".svg")
    assert b"http://www.w3.org/2000/svg" in svg
    assert b"<script" not in svg
    png = charts.picture(spec, ".png")
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(png[at : at + 4]) for at in (16, 20))
    assert width > 600 < height


def test_text_from_anywhere_is_only_text(section: Section) -> None:
    columns = tuple(
        replace(column, header=f'{column.header} \x1b[31m <b>&"\x00') for column in section.columns
    )
    drawn = charts.svg(heatmap(replace(section, columns=columns, host="\x07lab")))
    assert "\x1b" not in drawn
    assert "<b>" not in drawn
    assert "&lt;b&gt;" in drawn


@pytest.mark.parametrize(
    ("kind", "output", "message"),
    [("pie", "a.svg", "no kind of chart"), ("heatmap", "a.pdf", "cannot be written as a.pdf")],
)
def test_a_kind_or_an_ending_that_there_is_none_of(kind: str, output: str, message: str) -> None:
    with pytest.raises(UseError, match=message):
        charts.require(kind, Path(output))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plots") / "results"
    for number in range(2):
        save(night(number, blocks=6, of=workloads(1)), folder)
    return folder


@pytest.mark.parametrize("kind", ["heatmap", "intervals", "blocks"])
def test_a_chart_of_stored_runs(results: Path, kind: str) -> None:
    folders = sorted((results / "runs").iterdir())
    spec = draw.of_runs(kind, folders[-1:], ["cpu-*"], ["kvm"])
    json.dumps(spec)
    drawn = charts.svg(spec)
    assert "guest" in drawn
    assert "docker" not in drawn


def test_a_choice_that_leaves_nothing(results: Path) -> None:
    folders = sorted((results / "runs").iterdir())
    with pytest.raises(UseError, match=r"no workload matches 'gpu-\*'") as caught:
        draw.of_runs("heatmap", folders[-1:], ["cpu-*", "gpu-*"], [])
    assert "cpu-" in caught.value.hint
    with pytest.raises(UseError, match="no target matches 'vmware'") as caught:
        draw.of_runs("heatmap", folders[-1:], [], ["kvm", "vmware"])
    assert "guest" in caught.value.hint
    with pytest.raises(UseError, match="-t baremetal leaves native alone") as caught:
        draw.of_runs("heatmap", folders[-1:], [], ["baremetal"])
    assert "guest" in caught.value.hint


def test_a_history_that_leaves_nothing(results: Path) -> None:
    with pytest.raises(UseError, match=r"no workload matches 'gpu-\*'"):
        draw.of_results(results, ["cpu-*", "gpu-*"], [])
    with pytest.raises(UseError, match="no target matches 'vmware'"):
        draw.of_results(results, [], ["kvm", "vmware"])


def test_runs_of_two_hosts_are_two_charts(results: Path, tmp_path: Path) -> None:
    other = save(night(0, host="lab2", blocks=6, of=workloads(1)), tmp_path)
    with pytest.raises(UseError, match=r"lab1 \(overhead\), lab2 \(overhead\)"):
        draw.of_runs("heatmap", [sorted((results / "runs").iterdir())[0], other], [], [])
