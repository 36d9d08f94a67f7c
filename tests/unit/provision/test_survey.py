"""The survey of a machine: what of it can be looked at without a machine."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[3]
(FILE,) = (ROOT / "playbooks").rglob("baremark_survey.py")


@pytest.mark.parametrize("flags", [os.ST_NOEXEC | os.ST_NOSUID, os.ST_NOSUID])
def test_a_folder_to_be_is_noexec_as_the_mount_is_that_will_hold_it(
    flags: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.spec_from_file_location("baremark_survey", FILE)
    assert spec is not None
    assert spec.loader is not None
    survey = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(survey)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=flags))
    monkeypatch.setattr(Path, "is_mount", lambda path: path == tmp_path)
    expected = str(tmp_path) if flags & os.ST_NOEXEC else None
    assert survey._noexec(tmp_path / "not" / "yet") == expected
