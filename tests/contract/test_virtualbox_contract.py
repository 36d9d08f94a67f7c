"""What VirtualBox says of its guests, read from its own logs: which engine, which release.

The files were printed by VirtualBox 7.2.22 of Debian: `interpreter` where no driver could be
loaded, `hardware` with the driver in a lab host whose processor was emulated. Of the logs the lines
are kept that have to do with the engine; names of machines and folders were replaced.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from harness import inventory
from harness.backends import virtualbox
from harness.errors import HarnessError
from harness.model.target import BackendClass, Endpoint, Size, Target
from tests.playing import PLAYBOOKS, play, program

ROOT = Path(__file__).parents[2]
ROLE = ROOT / "playbooks" / "roles" / "virtualbox"
SAID = Path(__file__).with_name("virtualbox")
GUEST = Target("guest", "virtualbox", "native", Size(1, 256, 2, (0,)))
OUTSIDE = {
    "accelerator": "interpreter",
    "state": "running",
    "process": "17",
    "cpus": "0",
    "memory_mib": "256",
}
INSIDE = {"container": "none", "dmi_product": "VirtualBox"}

ROLE = PLAYBOOKS / "roles" / "virtualbox"
BEFORE_THE_MARK = 'UUID="62617265-6d61-726b-0102-030405060708"\n'
WITH_A_DISK = 'storagecontrollername0="disk"\n'
WHOSE = [
    ("Value: guest\n", 'UUID="3d0b6ec0-cfb9-448e-ab79-33cd544c0d6c"\n' + WITH_A_DISK, True),
    ("Value: guest\n", BEFORE_THE_MARK + WITH_A_DISK, True),
    ("Value: original\n", BEFORE_THE_MARK + WITH_A_DISK, False),
    ("No value set!\n", BEFORE_THE_MARK, True),
    ("No value set!\n", BEFORE_THE_MARK + WITH_A_DISK, False),
    ("No value set!\n", 'UUID="3d0b6ec0-cfb9-448e-ab79-33cd544c0d6c"\n', False),
]
"""What VirtualBox says of a machine baremark-guest: its mark, its description, and whose it is."""
ENTER = """\
#!/bin/sh
cd %s
case "$*" in
    *"list vms")
        echo '"<inaccessible>" {0}'
        [ -e gone ] || echo '"baremark-guest" {1}' ;;
    *"getextradata "*) cat mark ;;
    *"showvminfo "*) cat info ;;
    *"unregistervm "*) [ ! -e stuck ] && touch gone ;;
esac
"""
FIND = """\
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: virtualbox, tasks_from: find}
    - ansible.builtin.debug: {msg: "whose: {{ virtualbox_ours }}"}
"""


def log(name: str) -> str:
    return (SAID / f"{name}.log").read_text(encoding="utf-8")


def endpoint(engine: str) -> Endpoint:
    return Endpoint("127.0.0.1", 8210, "root", "ssh-ed25519 A", "/w", "/s", {"engine": engine})


@pytest.mark.parametrize("name", ["interpreter", "hardware"])
def test_the_engine_and_the_release_are_what_the_log_says(name: str) -> None:
    assert virtualbox.engine(log(name)) == name
    assert virtualbox.release(log(name)) == "7.2.22_Debian r175245"


def test_a_driver_that_interprets_all_the_same_is_an_interpreter() -> None:
    """With the driver loaded, a machine may be told to be interpreted: both lines are there."""
    both = (
        log("hardware") + "00:00:02.922187 EMR3Init: fIemExecutesAll=true fGuruOnTripleFault=true\n"
    )
    assert virtualbox.engine(both) == "interpreter"


def test_a_log_that_does_not_say_the_engine_is_taken_for_nothing() -> None:
    silent = "\n".join(line for line in log("interpreter").splitlines() if "IEM" not in line)
    silent = silent.replace("fIemExecutesAll=true", "")
    assert virtualbox.engine(silent) is None
    assert virtualbox.identify({}, {"accelerator": None}) == (
        BackendClass.EMULATED,
        "virtualbox-iem",
    )
    with pytest.raises(HarnessError):
        virtualbox.release("nothing")


def test_only_what_the_processor_runs_is_called_virtualbox() -> None:
    for engine in ("hardware", "nem"):
        assert virtualbox.identify({}, {"accelerator": engine}) == (
            BackendClass.TYPE2,
            "virtualbox",
        )
    assert virtualbox.identify({}, {"accelerator": "interpreter"}) == (
        BackendClass.EMULATED,
        "virtualbox-iem",
    )


def test_what_is_printed_of_a_machine_is_read_whole() -> None:
    info = virtualbox.machine((SAID / "interpreter.info").read_text(encoding="utf-8"))
    assert info["name"] == "baremark-guest"
    assert (info["memory"], info["cpus"]) == ("256", "1")
    assert info["nic1"] == "nat"
    assert info["nictype1"] == "virtio"
    assert info["storagecontrollertype0"] == "PIIX4"
    assert info["disk-0-0"].endswith(".vdi")
    assert info["VMState"] == "running"


def test_a_true_guest_has_nothing_against_it() -> None:
    assert virtualbox.contradictions(GUEST, endpoint("interpreter"), INSIDE, OUTSIDE) == []


@pytest.mark.parametrize(
    ("inside", "outside", "said"),
    [
        ({"container": "docker"}, {}, "from inside it is a container: docker"),
        (
            {"dmi_product": "Standard PC (i440FX + PIIX, 1996)"},
            {},
            "its product is called Standard",
        ),
        (
            {},
            {"accelerator": "hardware"},
            "runs it by hardware, the inventory asks for interpreter",
        ),
        ({}, {"accelerator": None}, "does not say which engine"),
        ({}, {"state": "saved"}, "VirtualBox calls it saved"),
        ({}, {"process": None}, "no process of VirtualBox"),
        ({}, {"cpus": None}, "may run on different CPUs"),
    ],
)
def test_a_guest_that_is_not_one_is_found_out(
    inside: dict[str, str], outside: dict[str, str | None], said: str
) -> None:
    found = virtualbox.contradictions(
        GUEST, endpoint("interpreter"), {**INSIDE, **inside}, {**OUTSIDE, **outside}
    )
    assert any(said in one for one in found), found


@pytest.mark.parametrize(
    ("example", "name", "value"),
    [
        ("virtualbox.example", "baremark_network_mode", "nat"),
        ("virtualbox-interpreter.example", "baremark_virtualbox_engine", "interpreter"),
    ],
)
def test_an_example_inventory_is_valid_and_asks_for_what_the_role_offers(
    example: str, name: str, value: str
) -> None:
    folder = ROOT / "inventories" / example
    (host,) = inventory.load(folder)
    assert {target.backend for target in host.targets} == {"baremetal", "virtualbox"}
    group = yaml.safe_load((folder / "hosts.yml").read_text(encoding="utf-8"))["virtualbox"]
    assert value in {variables.get(name) for variables in group["hosts"].values()}
    specs = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    assert value in specs["argument_specs"]["create"]["options"][name]["choices"]


@pytest.mark.parametrize(("mark", "info", "ours"), WHOSE)
def test_only_what_is_baremarks_is_removed(
    tmp_path: Path, mark: str, info: str, ours: bool
) -> None:
    (tmp_path / "hardware").mkdir()
    (tmp_path / "mark").write_text(mark)
    (tmp_path / "info").write_text(info + 'CfgFile="/machine.vbox"\n')
    program(tmp_path / "hardware", "enter", ENTER % tmp_path)
    words = [str(tmp_path), str(tmp_path), "baremark/target", "62617265-6d61-726b-"]
    done = subprocess.run(
        ["sh", str(ROLE / "files" / "remove-machines"), *words],
        capture_output=True,
        text=True,
        check=True,
    )
    said = "changed: baremark-guest\n" if ours else "left: baremark-guest, /machine.vbox\n"
    assert (done.stdout, (tmp_path / "gone").exists()) == (said, ours)


def test_a_guest_that_cannot_be_unregistered_is_not_taken_for_somebodys(tmp_path: Path) -> None:
    (tmp_path / "hardware").mkdir()
    for name, text in (("mark", "Value: guest\n"), ("info", WITH_A_DISK), ("stuck", "")):
        (tmp_path / name).write_text(text)
    program(tmp_path / "hardware", "enter", ENTER % tmp_path)
    program(tmp_path, "sleep", "#!/bin/sh\n")
    words = [str(tmp_path), str(tmp_path), "baremark/target", "62617265-6d61-726b-"]
    done = subprocess.run(
        ["sh", str(ROLE / "files" / "remove-machines"), *words],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "baremark-guest cannot be unregistered\n"


@pytest.mark.parametrize(("mark", "info", "ours"), WHOSE)
def test_only_what_is_baremarks_is_made_anew(
    tmp_path: Path, mark: str, info: str, ours: bool
) -> None:
    (tmp_path / "mark").write_text(mark)
    (tmp_path / "info").write_text(info)
    program(tmp_path, "enter", ENTER % tmp_path)
    done = play(
        tmp_path,
        FIND,
        inventory_hostname="guest",
        virtualbox_name="baremark-guest",
        virtualbox_enter=str(tmp_path / "enter"),
    )
    assert f"whose: {ours}" in done.stdout, done.stdout
