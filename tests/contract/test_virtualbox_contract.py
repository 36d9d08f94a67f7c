"""What VirtualBox says of its guests, read from its own logs: which engine, which release.

The files were printed by VirtualBox 7.2.22 of Debian: `interpreter` where no driver could be
loaded, `hardware` with the driver in a lab host whose processor was emulated. Of the logs the lines
are kept that have to do with the engine; names of machines and folders were replaced.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from harness import inventory
from harness.backends import virtualbox
from harness.errors import HarnessError
from harness.model import BackendClass, Endpoint, Size, Target

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
