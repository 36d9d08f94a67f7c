"""Who may work with the targets of an inventory, and with a machine: one at a time."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from harness import state
from harness.errors import HarnessError, UseError


@pytest.fixture(autouse=True)
def machine_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Not the machine's own: the suite may run beside a baremark at work."""
    monkeypatch.setattr(state, "_MACHINE_LOCK", tmp_path / "machine.lock")
    return tmp_path / "machine.lock"


def test_a_second_one_is_refused_as_long_as_the_first_works(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    with state.locked(folder, here=False):
        for _ in range(3):  # one that is refused takes nothing away from the holder
            with pytest.raises(UseError, match="another baremark works with"), ExitStack() as held:
                held.enter_context(state.locked(folder, here=False))
    with state.locked(folder, here=False):
        pass


def test_two_inventories_do_not_measure_one_machine_at_once(tmp_path: Path) -> None:
    with (
        state.locked(tmp_path / "one", here=True),
        state.locked(tmp_path / "far", here=False),
        pytest.raises(UseError, match="the targets of this machine"),
        state.locked(tmp_path / "two", here=True),
    ):
        pass


def test_no_lock_is_left(tmp_path: Path, machine_lock: Path) -> None:
    with state.locked(tmp_path / "lab", here=True):
        assert machine_lock.exists()
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_all_state_goes_when_it_is_empty_and_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = state.state_folder(tmp_path / "hosts.yml")
    with state.locked(folder, here=False):
        state.leave()
        assert state.home().is_dir()  # the lock is in it
    state.leave()
    assert not state.home().exists()
    state.leave()
    with state.locked(folder, here=False):
        assert state.home().is_dir()


def test_what_stands_is_written_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "lab" / "standing.json").mkdir(parents=True)
    with pytest.raises(HarnessError, match="cannot write to"):
        state.write(tmp_path / "lab", state.Standing("0", {}, {}))
    assert [path.name for path in (tmp_path / "lab").iterdir()] == ["standing.json"]


def test_a_user_without_a_home_is_told_which_variable_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    for variable, place in (
        ("XDG_STATE_HOME", state.home),
        ("XDG_CACHE_HOME", state.cache_folder),
    ):
        monkeypatch.delenv(variable, raising=False)
        with pytest.raises(UseError, match="no home folder") as caught:
            place()
        assert variable in caught.value.hint
        monkeypatch.setenv(variable, "/srv/mine")
        assert place() == Path("/srv/mine/baremark")
