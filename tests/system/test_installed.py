"""The program as a wheel brings it: built, installed into an empty venv, used from an empty folder.

The tests of this module tell one story in order.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.ledger import folders, reader
from tests import waiting

from . import machine

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
SOURCES = ("harness", "playbooks", "workloads", "inventories", "tests", "results/published", "docs")
BESIDE = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", ".gitignore")

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        os.geteuid() != 0 and not os.environ.get("BAREMARK_TEST_SUDO"),
        reason="provisioning takes root: run as root, or set BAREMARK_TEST_SUDO=1 to let it sudo",
    ),
]

Verb = Callable[..., subprocess.CompletedProcess[str]]


def uv(*args: object) -> subprocess.CompletedProcess[str]:
    words = [str(UV), *map(str, args)]
    return subprocess.run(words, capture_output=True, text=True, timeout=waiting.VERB_S)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built of a copy of this clone in which somebody keeps an inventory of their own."""
    folder = tmp_path_factory.mktemp("wheel")
    clone = folder / "clone"
    without = shutil.ignore_patterns("__pycache__")
    for name in SOURCES:
        shutil.copytree(ROOT / name, clone / name, ignore=without)
    for name in BESIDE:
        shutil.copy(ROOT / name, clone)
    shutil.copytree(ROOT / "inventories" / "localhost", clone / "inventories" / "secret-lab")
    builder = folder / "builder"
    uv("venv", builder)
    if (got := uv("pip", "install", "--python", builder, "hatchling")).returncode != 0:
        pytest.skip(f"no index of Python packages answers: {got.stderr[-400:]}")
    built = uv(
        *("build", "--wheel", "--no-build-isolation", "--python", builder / "bin" / "python"),
        *("--out-dir", folder, clone),
    )
    assert built.returncode == 0, built.stderr
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def venv(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `uv tool install` makes it: without pip, and outside of the clone."""
    folder = tmp_path_factory.mktemp("tools") / "baremark"
    uv("venv", "--python", sys.executable, folder)
    got = uv("pip", "install", "--python", folder, wheel)
    assert got.returncode == 0, got.stderr
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("anywhere")


@pytest.fixture(scope="module")
def baremark(venv: Path, home: Path, folder: Path) -> Iterator[Verb]:
    """Run a verb in the empty folder; the images are those of the clone's other tests."""
    before = machine.snapshot()
    environment = {name: os.environ[name] for name in os.environ if not name.startswith("XDG_")}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(ROOT / ".cache")}

    def verb(*args: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(venv / "bin" / "baremark"), *args],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=waiting.VERB_S,
        )
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    try:
        yield verb
    finally:
        verb("down")
        assert machine.left_behind(before, machine.snapshot(), kept=True) == {}


def files(folder: Path) -> set[str]:
    """The files below a folder, but for what Python compiles there."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path.relative_to(folder)) for path in found}


def test_the_wheel_holds_what_measures_and_neither_tests_nor_results_nor_own_inventories(
    wheel: Path,
) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert {name.split("/")[0] for name in names} == {"harness"}
    data = {name.removeprefix("harness/_data/") for name in names if "/_data/" in name}
    assert {name.split("/")[0] for name in data} == {"playbooks", "workloads", "inventories"}
    for part in ("playbooks", "workloads"):
        assert {f"{part}/{file}" for file in files(ROOT / part)} <= data
    own = {name.split("/")[1] for name in data if name.startswith("inventories/")}
    assert {"localhost", "lab.example"} <= own
    assert "secret-lab" not in own


def test_the_doctor_says_what_to_type_for_this_kind_of_installation(
    baremark: Verb, venv: Path
) -> None:
    said = " ".join(baremark("doctor", status=1).stdout.split())
    assert "native (baremetal): usable" in said
    assert f"uv pip install --python {venv}/bin/python 'libvirt-python>=11'" in said
    assert "bootstrap.sh" not in said


def test_what_is_made_by_a_collection_is_refused_with_what_to_type(
    baremark: Verb, venv: Path
) -> None:
    (example,) = venv.glob("lib/python3*/site-packages/harness/_data/inventories/hyperv.example")
    said = baremark("doctor", "-i", str(example), status=2).stderr
    assert "Ansible's collection ansible.windows" in said
    assert f"uv pip install --python {venv}/bin/python 'ansible<13,>=12'" in said


def test_init_writes_an_inventory_once_and_says_what_comes_next(
    baremark: Verb, folder: Path
) -> None:
    said = baremark("init").stderr
    assert "baremark bench" in said
    mine = folder / "inventories" / "localhost"
    assert files(mine) == files(ROOT / "inventories" / "localhost")
    before = (mine / "hosts.yml").read_bytes()
    assert "is there already" in baremark("init", status=2).stderr
    assert (mine / "hosts.yml").read_bytes() == before


def test_bench_measures_from_any_folder_and_writes_there_alone(
    baremark: Verb, folder: Path, venv: Path, home: Path
) -> None:
    program = files(venv)
    before = machine.snapshot()
    baremark("bench", "--preset", "smoke", "-w", "cpu-sysbench-1t")
    run = reader.read_run(folders.find(folder / "results" / "runs", "latest"))
    assert run.ended == "complete"
    assert {trial.target for trial in run.trials} >= {"native"}
    assert "cpu-sysbench-1t" in baremark("table").stdout
    baremark("publish", "site")
    assert (folder / "site" / "index.html").is_file()
    assert {each.name for each in folder.iterdir()} == {"inventories", "results", "site"}
    assert machine.left_behind(before, machine.snapshot(), kept=True) == {}
    baremark("down")
    assert files(venv) == program
    assert files(home) == set()
