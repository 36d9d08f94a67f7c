"""`baremark publish` and `baremark plot` as typed: what they write, say and refuse."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from tests.lab import night, save, workloads
from tests.unit.cli.test_cli import baremark, refused


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs in `results`, and a third that was copied in part."""
    made = tmp_path_factory.mktemp("typed")
    for number in range(2):
        save(night(number, blocks=6, of=workloads(1)), made / "results")
    (made / "results" / "runs" / "20261101T000000Z-half").mkdir()
    return made


def test_publish_says_what_it_wrote_and_what_it_could_not_read(folder: Path) -> None:
    done = baremark("publish", "public", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "not read: 20261101T000000Z-half: it has no manifest.json" in done.stderr
    assert "written: public/index.html (2 runs, " in done.stderr
    text = (folder / "public" / "index.html").read_text()
    assert "20261101T000000Z-half" in text
    assert str(folder) not in text


def test_publish_refuses_what_is_not_its_own(folder: Path) -> None:
    assert "has no .baremark-site" in refused("publish", "results", folder=folder)
    assert "there is no run" in refused("publish", "new", "--results", "none", folder=folder)
    assert not (folder / "new").exists()
    assert "which is not for a site" in refused("publish", "results/published", folder=folder)
    assert not (folder / "results" / "published").exists()


@pytest.mark.parametrize(
    "args",
    [
        ("--kind", "heatmap"),
        ("--kind", "intervals", "-t", "kvm"),
        ("--kind", "blocks", "-w", "cpu-*"),
        ("--kind", "history", "-w", "cpu-*", "-t", "container"),
    ],
)
def test_plot_writes_each_kind(folder: Path, tmp_path: Path, args: tuple[str, ...]) -> None:
    output = tmp_path / "deep" / "chart.svg"
    done = baremark("plot", *args, "-o", str(output), folder=folder)
    assert done.returncode == 0, done.stderr
    assert output.read_text().startswith("<svg ")
    assert [each.name for each in output.parent.iterdir()] == ["chart.svg"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--kind", "pie", "-o", "a.svg"), "there is no kind of chart 'pie'"),
        (("-o", "a.gif"), "a chart cannot be written as a.gif"),
        (("--kind", "history", "latest", "-o", "a.svg"), "a history is of all runs"),
        (("-w", "gpu-*", "-o", "a.svg"), "no workload matches 'gpu-*'"),
        (("--kind", "history", "-t", "esxi", "-o", "a.svg"), "no target matches 'esxi'"),
        (("nowhere", "-o", "a.svg"), "there is no run 'nowhere'"),
    ],
)
def test_plot_refuses_before_it_writes(folder: Path, args: tuple[str, ...], message: str) -> None:
    done = baremark("plot", *args, folder=folder)
    assert done.returncode == 2
    assert f"error: {message}" in done.stderr  # behind a line on the run that was passed over
    assert not list(folder.glob("a.*"))


@pytest.mark.parametrize(
    "args",
    [
        ("table",),
        ("show",),
        ("verify", "latest"),
        ("plot", "-o", "latest.svg"),
        ("export", "junit"),
        ("compare", "latest:kvm", "latest:kvm-old"),
        ("tag", "newest", "latest"),
    ],
)
def test_a_run_in_part_is_told_where_it_would_be_the_latest(
    folder: Path, args: tuple[str, ...]
) -> None:
    done = baremark(*args, folder=folder)
    told = [line for line in done.stderr.splitlines() if "20261101T000000Z-half" in line]
    assert told == [
        "passed over as the latest run: results/runs/20261101T000000Z-half has no manifest.json, "
        "so it was copied in part or is no run (restore it from a copy, or move it away)"
    ]
    assert "error:" not in done.stderr


def test_a_run_in_part_is_not_told_where_a_run_is_named(folder: Path) -> None:
    (newest,) = sorted(each.name for each in (folder / "results" / "runs").glob("*-lab1"))[-1:]
    done = baremark("show", newest, folder=folder)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("args", [("plot", "-k", "heatmap"), ("table",)])
def test_what_is_no_regular_file_is_written_into_and_not_replaced(
    folder: Path, tmp_path: Path, args: tuple[str, ...]
) -> None:
    """A pipe stands for a device: a rename would put a file in the place of /dev/null."""
    pipe = tmp_path / "pipe.svg"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    done = baremark(*args, "-o", str(pipe), folder=folder)
    assert done.returncode == 0, done.stderr
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    reader.join(10)
    assert len(read[0]) > 1000


def test_a_link_stays_one(folder: Path, tmp_path: Path) -> None:
    link, file = tmp_path / "newest.md", tmp_path / "table.md"
    file.write_text("old")
    link.symlink_to(file)
    assert baremark("table", "-f", "markdown", "-o", str(link), folder=folder).returncode == 0
    assert link.is_symlink()
    assert "kvm" in file.read_text()
