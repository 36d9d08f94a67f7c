"""One life for every backend: up, a short run, up again, down, and the machine as it was before.

Add a backend by adding a row, to an inventory that stands here or to one of its own. What the
doctor finds unusable on this machine is left out, and its row is a skip with the doctor's words.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.ledger import folders, reader
from harness.model.run import Run
from harness.model.target import BackendClass
from harness.model.trial import TrialStatus
from tests import waiting

from . import machine

ROOT = Path(__file__).parents[2]
BAREMARK = Path(sys.executable).with_name("baremark")
WORKLOADS = ("cpu-sysbench-1t", "disk-randread-4k-qd1", "network-rr")
LIMIT_S = waiting.VERB_S
NATIVE = "native"

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        os.geteuid() != 0 and not os.environ.get("BAREMARK_TEST_SUDO"),
        reason="provisioning takes root: run as root, or set BAREMARK_TEST_SUDO=1 to let it sudo",
    ),
]

OS, SANDBOX = BackendClass.OS, BackendClass.SANDBOX
KVM = ((BackendClass.TYPE1, "kvm"), (BackendClass.EMULATED, "qemu-tcg"))


@dataclass(frozen=True, slots=True)
class Row:
    """A target: its name, its backend, its variables, and as what it may show itself.

    `seen` are observations that its fingerprint must have, `fails` the reason (a pattern) for
    which each trial of a workload must fail where it cannot work. `killed` is a pattern for the
    processes that are killed before down, as an accident would.
    """

    name: str
    backend: str
    kinds: tuple[tuple[BackendClass, str], ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    seen: Mapping[str, str] = field(default_factory=dict)
    fails: Mapping[str, str] = field(default_factory=dict)
    killed: str = ""


INVENTORIES: dict[str, tuple[Row, ...]] = {
    "containers": (
        Row(
            *("crun", "docker", ((OS, "docker-crun"),)),
            {"runtime": "crun", "storage": "volume", "seccomp": "unconfined"},
            {"seccomp": "0", "nic_kind": "veth"},
        ),
        Row(
            *("gvisor", "docker", ((SANDBOX, "docker-runsc"),)),
            {"runtime": "runsc"},
            {"sandbox": "gvisor", "work_filesystem": "v9fs"},
        ),
        Row(
            *("inhost", "docker", ((OS, "docker"),)),
            {"network_mode": "host"},
            {"nic": "bmk0", "seccomp": "2"},
        ),
        Row(
            *("podrunc", "podman", ((OS, "podman-runc"),)),
            {"runtime": "runc", "network_mode": "macvlan", "storage": "volume"},
            {"nic_kind": "macvlan"},
            killed=r"conmon .*baremark-podrunc",
        ),
        Row("system", "lxc", ((OS, "lxc"),), seen={"container": "lxc"}),
        Row(
            *("simple", "lxc", ((OS, "lxc"),)),
            {"init": "sshd", "storage": "volume", "seccomp": "unconfined"},
            {"init": "sshd", "container": "lxc", "seccomp": "0"},
            killed=r"^\S+ \[lxc monitor\] .*baremark-simple",
        ),
    ),
    "plain": (
        Row("runc", "docker", ((OS, "docker"),), seen={"seccomp": "2", "nic_kind": "veth"}),
        Row(
            *("macvlan", "docker", ((OS, "docker"),)),
            {"network_mode": "macvlan"},
            {"nic_kind": "macvlan", "work_filesystem": "overlayfs"},
        ),
        Row("pod", "podman", ((OS, "podman"),), seen={"container": "podman", "nic_kind": "veth"}),
        Row(
            *("podhost", "podman", ((OS, "podman"),)),
            {"network_mode": "host", "seccomp": "unconfined"},
            {"nic": "bmk0", "seccomp": "0"},
        ),
        Row("guest", "kvm", KVM),
    ),
}
LONG = {"plain"}
"""Inventories whose life is told elsewhere too, or takes long."""


@dataclass(frozen=True, slots=True)
class Life:
    """What was seen of an inventory: whom the doctor refuses and why, what stood after each up,
    the run, what was killed, and what was left in the end."""

    refused: Mapping[str, str]
    after_up: set[str]
    after_up_again: set[str]
    standing: tuple[object, object]
    run: Run | None
    killed: Mapping[str, int]
    left: Mapping[str, set[str]]


def marked(name: str, *values: object) -> object:
    return pytest.param(name, *values, marks=[pytest.mark.long] if name in LONG else [])


EVERY_INVENTORY = [marked(name) for name in INVENTORIES]
EVERY_ROW = [
    pytest.param(
        *(name, row), marks=[pytest.mark.long] if name in LONG else [], id=f"{name}-{row.name}"
    )
    for name, rows in INVENTORIES.items()
    for row in rows
]


@pytest.fixture(scope="module")
def lives() -> dict[str, Life]:
    """What was lived already: a life takes minutes, and many tests look at it."""
    return {}


@pytest.fixture
def life(
    request: pytest.FixtureRequest,
    lives: dict[str, Life],
    tmp_path_factory: pytest.TempPathFactory,
) -> Life:
    name = request.param
    if name not in lives:
        lives[name] = _lived(INVENTORIES[name], tmp_path_factory.mktemp(name))
    return lives[name]


@pytest.mark.parametrize(("life", "row"), EVERY_ROW, indirect=["life"])
def test_a_target_is_what_it_was_asked_to_be_and_measures(life: Life, row: Row) -> None:
    if row.name in life.refused:
        pytest.skip(life.refused[row.name])
    assert life.run is not None
    manifest = life.run.manifest
    assert {each.target: each.reason for each in manifest.missing if each.target == row.name} == {}
    (record,) = [each for each in manifest.targets if each.target.name == row.name]
    shown = record.fingerprint
    assert (shown.backend_class, shown.label) in row.kinds
    assert {key: shown.inside.get(key) for key in row.seen} == row.seen
    trials = [trial for trial in life.run.trials if trial.target == row.name]
    assert {trial.workload for trial in trials} == set(WORKLOADS)
    for trial in trials:
        if trial.workload in row.fails:
            assert trial.status is TrialStatus.FAILED
            assert re.search(row.fails[trial.workload], trial.reason or "")
        else:
            # A noisy machine may have a trial rejected; nothing may go wrong in any other way.
            assert trial.status in {TrialStatus.OK, TrialStatus.REJECTED}, trial.reason
    assert life.killed.get(row.name, 1) >= 1, f"nothing like {row.killed} ran"


@pytest.mark.parametrize("life", EVERY_INVENTORY, indirect=True)
def test_up_again_changes_nothing(life: Life) -> None:
    if life.run is None:
        pytest.skip("; ".join(life.refused.values()))
    assert life.after_up - life.after_up_again == set()
    assert life.standing[0] == life.standing[1]


@pytest.mark.parametrize("life", EVERY_INVENTORY, indirect=True)
def test_down_leaves_the_machine_as_it_was(life: Life) -> None:
    """No process, control group, link, mount or file, though what watched over some of the
    targets was killed before."""
    if life.run is None:
        pytest.skip("; ".join(life.refused.values()))
    assert life.left == {}


def _lived(rows: tuple[Row, ...], folder: Path) -> Life:
    inventory, results = folder / "hosts.yml", folder / "results"
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(ROOT / ".cache"),
        "XDG_STATE_HOME": str(folder / "state"),
    }

    def verb(*args: str, status: int | None = 0) -> str:
        done = subprocess.run(
            [str(BAREMARK), args[0], "-i", str(inventory), *args[1:]],
            cwd=ROOT,
            env=environment,
            timeout=LIMIT_S,
            capture_output=True,
            text=True,
        )
        assert status is None or done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    before = machine.snapshot()
    inventory.write_text(json.dumps(_inventory(rows)))
    refused = dict(_refused(verb("doctor", status=None)))
    usable = [row for row in rows if row.name not in refused]
    if NATIVE in refused or not usable:
        return Life(refused, set(), set(), (None, None), None, {}, {})
    inventory.write_text(json.dumps(_inventory(usable)))
    try:
        verb("up")
        ups = [(_standing(folder), machine.snapshot()["processes"])]
        verb("up")
        ups.append((_standing(folder), machine.snapshot()["processes"]))
        few = [word for name in WORKLOADS for word in ("-w", name)]
        verb("run", "--preset", "smoke", *few, "--results", str(results))
        killed = {row.name: _kill(row.killed) for row in usable if row.killed}
    finally:
        environment["XDG_CACHE_HOME"] = str(folder / "state")
        purge = [] if "/var/lib/baremark" in before["files"] else ["--purge"]
        verb("down", *purge)
    left = machine.left_behind(before, machine.snapshot(), kept=not purge)
    return Life(
        refused=refused,
        after_up=ups[0][1],
        after_up_again=ups[1][1],
        standing=(ups[0][0], ups[1][0]),
        run=reader.read_run(folders.find(results / "runs", "latest")),
        killed=killed,
        left=left,
    )


def _inventory(rows: list[Row] | tuple[Row, ...]) -> dict[str, object]:
    groups: dict[str, dict[str, dict[str, dict[str, str]]]] = {}
    for row in rows:
        variables = {f"baremark_{key}": value for key, value in row.variables.items()}
        members = groups.setdefault(row.backend, {"hosts": {}})["hosts"]
        members[row.name] = {"baremark_host": NATIVE, **variables}
    here = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    }
    size = {"baremark_vcpus": 2, "baremark_memory_mib": 512, "baremark_disk_gib": 2}
    children = {"baremetal": {"hosts": {NATIVE: here}}, **groups}
    return {"all": {"vars": size, "children": children}}


def _refused(said: str) -> Iterator[tuple[str, str]]:
    """Each target that the doctor calls not usable, with all that it says of it."""
    for found in re.finditer(r"^(\S+) \(\S+\): (not usable.*(?:\n +.*)*)", said, re.MULTILINE):
        yield found[1], " ".join(found[2].split())


def _standing(folder: Path) -> object:
    """What stands; its order is that in which the targets came up."""
    (file,) = (folder / "state").glob("baremark/*/standing.json")
    return json.loads(file.read_text())


def _kill(pattern: str) -> int:
    """Kill the processes whose line in the snapshot is like `pattern`; how many there were."""
    found = [line for line in machine.snapshot()["processes"] if re.search(pattern, line)]
    for line in found:
        os.kill(int(line.split()[0]), signal.SIGKILL)
    return len(found)
