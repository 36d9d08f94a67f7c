"""VirtualBox for real on a machine that cannot load its driver: it interprets its guest.

The tests tell one story in order. What takes a guest that has booted is long: interpreted, it
takes some minutes until it answers.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.backends import virtualbox
from harness.ledger import folders, reader
from harness.model.target import BackendClass
from harness.model.trial import TrialStatus
from tests import waiting

from . import machine

ROOT = Path(__file__).parents[2]
BAREMARK = Path(sys.executable).with_name("baremark")
ENTER = Path("/var/lib/baremark/virtualbox/interpreter/enter")
FOLDER = Path("/var/lib/baremark/targets/interpreted")
NAME = "baremark-interpreted"
MARK = "baremark/target"
LIMIT_S = 15
"""In which no interpreted guest answers."""

INVENTORY = """\
all:
  vars: {{baremark_vcpus: 1, baremark_memory_mib: 256, baremark_disk_gib: 2}}
baremetal:
  hosts:
    native:
      ansible_connection: local
      ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"
virtualbox:
  hosts:
    interpreted: {{baremark_host: native, baremark_virtualbox_engine: interpreter{more}}}
"""

Verb = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = [
    pytest.mark.system,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="provisioning this machine takes root"),
    pytest.mark.skipif(
        Path("/dev/vboxdrv").exists(), reason="VirtualBox's driver is there: nothing is interpreted"
    ),
]


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("interpreter")
    (folder / "hosts.yml").write_text(INVENTORY.format(more=f", baremark_boot_s: {LIMIT_S}"))
    return folder


@pytest.fixture(scope="module")
def baremark(inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verb]:
    """Run a verb; at the end everything is down and the machine as it was."""
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(ROOT / ".cache"),
        "XDG_STATE_HOME": str(tmp_path_factory.mktemp("state")),
    }
    before = machine.snapshot()

    def verb(
        *args: str, where: Path = inventory, status: int = 0, limit_s: float = waiting.VERB_S
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(BAREMARK), args[0], "-i", str(where), *args[1:]],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=limit_s,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    yield verb
    verb("down")
    assert machine.left_behind(before, machine.snapshot(), kept=True) == {}


def manage(*args: str) -> str:
    done = subprocess.run(
        [str(ENTER), "VBoxManage", *args], capture_output=True, text=True, check=True
    )
    return done.stdout


def said(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join((done.stdout + done.stderr).split())


def test_the_doctor_says_what_the_interpreter_is(baremark: Verb) -> None:
    found = said(baremark("doctor"))
    assert "interpreted (virtualbox): usable" in found
    assert "it is labelled virtualbox-iem" in found


def test_the_doctor_says_what_to_type_where_there_is_no_driver_to_be_had(
    baremark: Verb, tmp_path: Path
) -> None:
    known = subprocess.run(["apt-cache", "policy", "virtualbox"], capture_output=True, text=True)
    if "Candidate: (none)" not in known.stdout and known.stdout:
        pytest.skip("apt has VirtualBox on this machine")
    text = INVENTORY.format(more="").replace("engine: interpreter", "engine: hardware")
    (tmp_path / "hosts.yml").write_text(text)
    found = said(baremark("doctor", where=tmp_path, status=1))
    assert "interpreted (virtualbox): not usable why: virtualbox and virtualbox-dkms" in found
    assert "set baremark_virtualbox_engine: interpreter for interpreted" in found


def test_a_guest_that_does_not_answer_in_time_is_told_of_and_is_a_virtual_machine_all_the_same(
    baremark: Verb,
) -> None:
    found = said(baremark("up", status=1))
    assert f"{NAME}: did not answer SSH within {LIMIT_S} s" in found
    info = virtualbox.machine(manage("showvminfo", NAME, "--machinereadable"))
    assert info["VMState"] == "running"
    assert (info["cpus"], info["memory"], info["nic1"]) == ("1", "256", "nat")
    log = (FOLDER / "machine" / NAME / "Logs" / "VBox.log").read_text(errors="replace")
    assert virtualbox.engine(log) == "interpreter"
    assert virtualbox.identify({}, {"accelerator": "interpreter"})[1] == "virtualbox-iem"


def test_all_threads_of_the_guest_are_on_its_cpus_only(baremark: Verb) -> None:
    pid = Path("/run/baremark/virtualbox-interpreted.pid").read_text().split()[0]
    allowed = {
        line.split()[1]
        for status in Path(f"/proc/{pid}/task").glob("*/status")
        for line in status.read_text().splitlines()
        if line.startswith("Cpus_allowed_list:")
    }
    assert allowed == {"0"}


def test_a_users_own_registry_of_machines_is_another_one(baremark: Verb, tmp_path: Path) -> None:
    """What VirtualBox shows without Baremark's way in: an empty registry, somewhere else."""
    inner = f"VBOX_USER_HOME={shlex.quote('/tmp/elsewhere')} VBOX_IPC_SOCKETID=elsewhere"
    done = subprocess.run(
        [str(ENTER), "sh", "-c", f"{inner} VBoxManage list vms"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.strip()) == (0, "")
    assert NAME in manage("list", "vms")


def test_a_machine_without_baremarks_mark_is_never_touched(baremark: Verb) -> None:
    """The mark is taken away: now it is a stranger of the same name."""
    manage("setextradata", NAME, MARK)
    found = said(baremark("doctor", status=1))
    assert f"there is a virtual machine {NAME} that Baremark did not make" in found
    assert f"VBoxManage modifyvm {NAME} --name another-name" in found
    assert "that Baremark did not make" in said(baremark("up", status=1))
    info = virtualbox.machine(manage("showvminfo", NAME, "--machinereadable"))
    assert info["VMState"] == "running"
    manage("setextradata", NAME, MARK, "interpreted")


def test_down_leaves_no_machine_no_process_and_no_file(baremark: Verb) -> None:
    baremark("down")
    assert not ENTER.exists()
    assert not FOLDER.exists()
    assert not any(
        "VirtualBox" in line or "Xvfb" in line for line in machine.snapshot()["processes"]
    )


def test_a_guest_starts_from_the_state_that_was_saved(baremark: Verb, tmp_path: Path) -> None:
    more = ", baremark_boot_s: 1800, baremark_virtualbox_start: saved"
    (tmp_path / "hosts.yml").write_text(INVENTORY.format(more=more))
    baremark("up", where=tmp_path)
    booted, started = (
        (FOLDER / "machine" / NAME / "Logs" / name).read_text(errors="replace")
        for name in ("VBox.log.1", "VBox.log")
    )
    assert "to 'SAVING'" in booted
    assert "to 'LOADING'" in started
    assert virtualbox.engine(started) == "interpreter"
    info = virtualbox.machine(manage("showvminfo", NAME, "--machinereadable"))
    assert info["VMState"] == "running"
    assert "interpreted is up at 127.0.0.1" in said(baremark("up", where=tmp_path))
    baremark("down", where=tmp_path)
    assert not FOLDER.exists()


def test_an_interpreted_guest_is_measured_and_is_labelled_for_what_it_is(
    baremark: Verb, tmp_path: Path
) -> None:
    lab, results = tmp_path / "lab", tmp_path / "results"
    lab.mkdir()
    (lab / "hosts.yml").write_text(INVENTORY.format(more=", baremark_boot_s: 1800"))
    where = ("--results", str(results))
    baremark("up", where=lab)
    baremark("run", "-w", "cpu-sysbench-1t", "--preset", "smoke", *where, where=lab)
    run = reader.read_run(folders.find(results / "runs", "latest"))
    assert run.manifest.missing == ()
    seen = {record.target.name: record for record in run.manifest.targets}
    guest = seen["interpreted"].fingerprint
    assert (guest.label, guest.backend_class) == ("virtualbox-iem", BackendClass.EMULATED)
    assert guest.accelerator == "interpreter"
    assert guest.inside["dmi_product"] == "VirtualBox"
    assert guest.outside["network_mode"] == "nat"
    assert seen["interpreted"].programs == seen["native"].programs
    ended = {TrialStatus.OK, TrialStatus.REJECTED}
    assert {trial.reason for trial in run.trials if trial.status not in ended} == set()
    done = subprocess.run(
        [str(BAREMARK), "table", "-f", "json", *where], cwd=ROOT, capture_output=True, text=True
    )
    assert "virtualbox-iem, emulated" in json.dumps(json.loads(done.stdout))
    baremark("down", where=lab)
