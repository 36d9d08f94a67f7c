"""A playbook's run as the harness sees it: Ansible itself, with a playbook of two tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.model.progress import Silent
from harness.provision import playbook

PLAYBOOK = """\
- hosts: all
  gather_facts: false
  connection: local
  tasks:
    - name: Hand something back
      set_stats: {data: {found: "{{ {inventory_hostname: 1} }}"}, aggregate: true, per_host: false}
    - name: Fail on one
      fail: {msg: there is no room}
      when: inventory_hostname == 'full'
"""


def test_a_host_that_fails_is_told_of_with_its_reason_and_takes_nothing_from_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    (tmp_path / "hosts").write_text("full\nother\n")
    monkeypatch.setattr(playbook, "PLAYBOOKS", tmp_path)
    play = playbook.run("play.yml", tmp_path / "hosts", {}, Silent())
    assert play.failures == {"full": "Fail on one: there is no room"}
    assert play.stats["found"] == {"full": 1, "other": 1}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_runner_that_dies_is_told_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hosts").write_text("here\n")

    def die(self: object) -> None:
        raise OSError("no pseudo terminal is left")

    monkeypatch.setattr("ansible_runner.runner.Runner.run", die)
    with pytest.raises(HarnessError, match=r"the playbook play\.yml did not run"):
        playbook.run("play.yml", tmp_path / "hosts", {}, Silent())
