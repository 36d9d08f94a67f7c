"""A real guest whose disk ignores flushes: the table says that nothing it wrote is durable."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.ledger import folders, reader
from tests import waiting

from . import machine

ROOT = Path(__file__).parents[2]
BAREMARK = Path(sys.executable).with_name("baremark")
INVENTORY = """\
all:
  vars: {baremark_vcpus: 1, baremark_memory_mib: 512, baremark_disk_gib: 2}
  children:
    baremetal:
      hosts:
        native: {ansible_connection: local, ansible_python_interpreter: "{{ python }}"}
    kvm:
      hosts:
        guest: {baremark_host: native, baremark_cache_mode: unsafe, baremark_disk_io: threads}
""".replace("{{ python }}", "{{ ansible_playbook_python }}")

pytestmark = [
    pytest.mark.system,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="provisioning takes root"),
]


def test_a_guest_whose_disk_ignores_flushes_is_suspect_in_the_table(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    inventory, results = ("-i", str(tmp_path / "hosts.yml")), tmp_path / "results"
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(ROOT / ".cache"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    before = machine.snapshot()

    def baremark(*args: str) -> str:
        done = subprocess.run(
            [str(BAREMARK), *args],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=waiting.VERB_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    try:
        baremark("up", *inventory)
        where = ("--results", str(results))
        baremark("run", *inventory, *where, "--preset", "smoke", "-w", "disk-fdatasync")
        (section,) = json.loads(baremark("table", "-f", "json", *where))["sections"]
    finally:
        subprocess.run([str(BAREMARK), "down"], cwd=ROOT, env=environment, capture_output=True)
    (flush,) = [each for each in section["judgements"] if each["check"] == "flush"]
    assert (flush["target"], flush["figures"]["disk_cache"]) == ("guest", "unsafe")
    (finding,) = [each for each in section["checks"] if each["check"] == "flush"]
    assert finding["suspect"]
    assert "ignores every flush" in finding["text"]
    figures = [row["figures"][1] for group in section["groups"] for row in group["rows"]]
    assert {each["verdict"] for each in figures if each["factor"] is not None} == {"suspect"}
    seen = reader.read_manifest(folders.find(results / "runs", "latest")).targets
    offloads = {record.target.name: record.fingerprint.settings.offloads for record in seen}
    assert all(offloads.values()), offloads
    left = machine.left_behind(before, machine.snapshot())
    assert {kind for kind in left if kind != "files"} == set()
