"""Adopted targets, for real: a machine and a container that were there before stay as they were."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from harness import backends
from harness.fingerprint import observe, platform
from harness.inventory.network import PEER_ADDRESS
from harness.ledger import folders, reader
from harness.model.target import BackendClass, Host, Size, Target
from harness.model.trial import TrialStatus
from harness.provision import adopted
from harness.remote import connect, keys
from harness.remote.connect import WrongHostKey
from tests import waiting

from . import machinelet, sshd

ROOT = Path(__file__).parents[2]
BAREMARK = Path(sys.executable).with_name("baremark")

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces take root"),
]

Verb = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True, slots=True)
class Lab:
    """Somebody's machine (this one, through an sshd of its own) and a container on it."""

    machine: sshd.Sshd
    container: machinelet.Machinelet
    backend: str
    """What the container is by its inside: what the machine itself is where that is one."""
    folder: Path
    baremark: Verb

    def inventory(self, name: str = "hosts.yml", **changed: str) -> Path:
        """An inventory of both, with variables of the container changed (None: left out)."""
        values = {
            "ansible_host": self.container.endpoint.address,
            "ansible_port": str(self.container.endpoint.port),
            "ansible_user": "root",
            "baremark_host_key": f'"{self.container.endpoint.host_key}"',
            "baremark_work": str(self.folder / "given" / "deep"),
            "baremark_host": "metal",
            "baremark_same_machine": "true",
            "group": self.backend,
            **changed,
        }
        group = values.pop("group")
        lines = "".join(f"      {key}: {value}\n" for key, value in values.items() if value)
        file = self.folder / name
        file.write_text(
            "all:\n  vars: {baremark_vcpus: 1, baremark_memory_mib: 256, baremark_disk_gib: 2,"
            " baremark_adopt: true}\n"
            "baremetal:\n  hosts:\n    metal:\n      ansible_host: 127.0.0.1\n"
            f"      ansible_port: {self.machine.endpoint.port}\n"
            f'      baremark_host_key: "{self.machine.endpoint.host_key}"\n'
            f"      baremark_private_key: {self.machine.folder}/client\n"
            f"      baremark_work: {self.folder}/metal-work\n"
            f"{group}:\n  hosts:\n    box:\n{lines}"
        )
        return file


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if lacking := machinelet.missing():
        pytest.skip(f"no container by hand without {', '.join(lacking)}")
    folder = tmp_path_factory.mktemp("adopted")
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(ROOT / ".cache"),
        "XDG_STATE_HOME": str(folder / "state"),
    }

    def baremark(*args: str, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(BAREMARK), *args],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=waiting.VERB_S,
        )
        assert status is None or done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    client = baremark("key").stdout.strip()
    assert baremark("key").stdout.strip() == client
    with (
        sshd.running(folder / "sshd") as server,
        machinelet.running(folder / "container", client) as container,
    ):
        (folder / "given").mkdir()
        (folder / "given" / "theirs").write_text("not Baremark's\n")
        key = keys.load_key(folder / "state" / "baremark" / "adopted_ed25519")
        with connect.connect("box", container.endpoint, key) as opened:
            seen = platform.inside_platform(observe.look_inside(opened, "/", PEER_ADDRESS))
        assert seen.platform in backends.names()
        yield Lab(server, container, str(seen.platform), folder, baremark)


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def processes(lab: Lab) -> set[int]:
    """What runs below the container's sshd and the machine's: sessions and what they started."""
    return {*sshd.descendants(lab.container.first), *sshd.descendants(lab.machine.process.pid)}


def one_line(text: str) -> str:
    return " ".join(text.split())


def test_the_doctor_says_that_the_pinned_key_was_shown_and_changes_nothing(lab: Lab) -> None:
    before = tree(lab.folder / "given")
    said = lab.baremark("doctor", "-i", str(lab.inventory())).stdout
    assert "metal (baremetal): usable" in said
    assert f"box ({lab.backend}): usable" in said
    assert said.count("it answers with the pinned key") == 2
    assert tree(lab.folder / "given") == before
    assert not (lab.folder / "metal-work").exists()


@pytest.mark.parametrize(
    ("backend", "changed", "why", "fix"),
    [
        ("docker", {"port": 9}, "no SSH connection to 198.18.77.2:9", "ssh -p 9 root@198.18.77.2"),
        ("hyperv", {}, "declared is hyperv, but from inside it is", "inventory group"),
        (
            "docker",
            {"work": "{given}/theirs/w"},
            "may not write in {given}/theirs",
            "baremark_work",
        ),
        ("docker", {"key": "/nowhere/key"}, "no usable client key /nowhere/key", "ed25519 key"),
        ("docker", {"key": "{machine}/client"}, "lets the key not in", "authorized_keys"),
        ("docker", {"host_key": "{other}"}, "wrong host key at 198.18.77.2", "_ed25519_key.pub"),
    ],
)
def test_the_doctor_says_what_is_wrong_and_what_to_type(
    lab: Lab,
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
    changed: dict[str, Any],
    why: str,
    fix: str,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(lab.folder / "state"))
    words = {
        "given": str(lab.folder / "given"),
        "machine": str(lab.machine.folder),
        "other": lab.machine.endpoint.host_key,
    }
    filled = {k: v.format(**words) if isinstance(v, str) else v for k, v in changed.items()}
    own = filled.pop("key", None)
    given: dict[str, Any] = {"work": str(lab.folder / "w"), "store": str(lab.folder / "s")}
    given |= filled
    endpoint = replace(lab.container.endpoint, facts={"private_key": own} if own else {}, **given)
    target = Target("box", backend, "metal", Size(1, 256, 2, (0,)), adopted=True)
    host = Host("metal", (target,), False, PEER_ADDRESS, {"box": endpoint})
    before = tree(lab.folder)
    verdict = adopted.examine(target, host)
    assert not verdict.usable
    assert why.format(**words) in verdict.why
    assert fix in verdict.fix
    assert tree(lab.folder) == before


def test_nothing_is_sent_to_what_shows_another_host_key(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(lab.folder / "state"))
    log = lab.container.folder / "log"
    known = log.read_text().count("Accepted publickey")
    with connect.to_adopted("box", lab.container.endpoint):
        pass
    with pytest.raises(WrongHostKey):
        connect.to_adopted("box", replace(lab.container.endpoint, host_key="ssh-ed25519 AAAA"))
    assert log.read_text().count("Accepted publickey") == known + 1


def test_up_run_and_down_leave_the_container_as_it_was(lab: Lab) -> None:
    theirs = tree(lab.folder / "given")
    inventory = str(lab.inventory())
    results = lab.folder / "results"
    said = lab.baremark("up", "-i", inventory).stderr
    assert "box is adopted: root@198.18.77.2:22 answers with the pinned key" in said
    lab.baremark("up", "-i", inventory)
    some = ("-w", "cpu-sysbench-1t", "-w", "disk-randread-4k-qd1", "-w", "network-rr")
    lab.baremark("run", "-i", inventory, "--preset", "smoke", *some, "--results", str(results))
    run = reader.read_run(folders.find(results / "runs", "latest"))
    assert run.ended == "complete"
    ended = {TrialStatus.OK, TrialStatus.REJECTED}
    assert {trial.reason for trial in run.trials if trial.status not in ended} == set()
    assert {("box", "cpu-sysbench-1t"), ("metal", "disk-randread-4k-qd1")} <= {
        (trial.target, trial.workload) for trial in run.trials
    }

    seen = {record.target.name: record.fingerprint for record in run.manifest.targets}
    assert seen["box"].label == f"{lab.backend}, adopted"
    assert seen["box"].backend_class is BackendClass.OS
    assert seen["box"].outside["same_kernel"] == "yes"
    assert seen["box"].vcpus == 1
    assert seen["metal"].label == "native, adopted"
    assert seen["metal"].inside["cpus_allowed"] == "0"
    assert lab.machine.endpoint.host_key not in (run_folder(results) / "manifest.json").read_text()

    assert ("box", "network-rr") in {(e.target, e.workload) for e in run.manifest.left_out}
    assert ("box", "network-rr") not in {(t.target, t.workload) for t in run.trials}
    where = ("--results", str(results))
    table = one_line(lab.baremark("table", "-f", "markdown", *where).stdout)
    assert f"box ({lab.backend}, adopted, os" in table
    assert "native (adopted" in table
    assert "does not reach the peer 198.18.0.2" in table
    assert "It shares native's kernel" in table
    by: dict[str, Any] = json.loads(
        lab.baremark("table", "--by", "architecture", "-f", "json", *where).stdout
    )
    names = [each["name"] for each in by["sections"][0]["architectures"]]
    assert names == ["native", "OS-level"]

    lab.baremark("down", "-i", inventory)
    lab.baremark("down", "-i", inventory)
    assert tree(lab.folder / "given") == theirs
    assert not (lab.folder / "metal-work").exists()
    assert Path(f"/proc/{lab.container.first}").exists()
    waiting.until(lambda: not processes(lab), "the sessions' end", lambda: str(processes(lab)))


def test_a_folder_that_baremark_did_not_make_is_neither_used_nor_removed(lab: Lab) -> None:
    foreign = lab.folder / "given" / "deep" / "baremark-work"
    foreign.mkdir(parents=True)
    (foreign / "data").write_text("somebody's\n")
    inventory = str(lab.inventory())
    try:
        said = one_line(lab.baremark("doctor", "-i", inventory, status=1).stdout)
        assert f"there is a {foreign} that Baremark did not make" in said
        said = one_line(lab.baremark("up", "-i", inventory, status=1).stderr)
        assert "box did not come up" in said
        assert "that Baremark did not make" in said
        lab.baremark("down", "-i", inventory)
        assert (foreign / "data").read_text() == "somebody's\n"
    finally:
        (foreign / "data").unlink(missing_ok=True)
        foreign.rmdir()
        foreign.parent.rmdir()


def test_down_clears_what_was_put_there_under_an_older_inventory(lab: Lab) -> None:
    inventory = lab.inventory()
    theirs = tree(lab.folder / "given")
    lab.baremark("up", "-i", str(inventory))
    assert tree(lab.folder / "given") != theirs
    lab.inventory(baremark_work=str(lab.folder / "elsewhere"))
    lab.baremark("down", "-i", str(inventory))
    assert tree(lab.folder / "given") == theirs
    lab.inventory()


def run_folder(results: Path) -> Path:
    return folders.find(results / "runs", "latest")
