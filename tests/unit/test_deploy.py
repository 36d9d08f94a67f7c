"""The examples in deploy/ are what their readers accept."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.mark.parametrize(
    ("file", "schema"),
    [("github-actions.yml", "vendor.github-workflows"), ("gitlab-ci.yml", "vendor.gitlab-ci")],
)
def test_a_pipeline_is_valid_by_its_vendors_schema(file: str, schema: str) -> None:
    check = Path(sys.executable).with_name("check-jsonschema")
    special = ["--data-transform", "gitlab-ci"] if "gitlab" in schema else []
    done = subprocess.run(
        [str(check), "--builtin-schema", schema, *special, str(DEPLOY / file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_units_are_valid_by_systemds_own_check(tmp_path: Path) -> None:
    """With the program where the unit says it is, which a clone has elsewhere."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze: apt-get install systemd")
    for file in DEPLOY.glob("baremark-nightly.*"):
        text = file.read_text().replace("/opt/baremark/.venv/bin/baremark", "/bin/true")
        (tmp_path / file.name).write_text(text.replace("/opt/baremark", "/"))
    units = sorted(str(file) for file in tmp_path.iterdir())
    assert len(units) == 2
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *units],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Unknown" not in done.stderr, done.stderr


def test_every_example_calls_options_that_there_are() -> None:
    baremark = Path(sys.executable).with_name("baremark")
    said = subprocess.run(
        [str(baremark), "nightly", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for file in ("baremark-nightly.service", "github-actions.yml", "gitlab-ci.yml"):
        text = (DEPLOY / file).read_text()
        asked = set(re.findall(r"(?<![\w-])--(?:results|site|summary|preset|budget)\b", text))
        assert asked, file
        assert all(option in said for option in asked)
