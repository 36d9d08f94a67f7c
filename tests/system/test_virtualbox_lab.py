"""VirtualBox with its kernel driver, on a second machine reached over SSH as a user with sudo.

The machine is a lab host in a box whose processor, with AMD's virtualization, is emulated (see
labs.py): the role builds and loads the real driver there. Its speed means nothing; that the
ordinary path works, up to a guest that answers SSH, does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.backends import virtualbox
from harness.model.target import BackendClass

from . import labbox, labs, verbs

NAME = "baremark-box-guest"
ENTER = "/var/lib/baremark/virtualbox/hardware/enter"

pytestmark = [
    pytest.mark.system,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="building the lab host's image takes root"),
]

INVENTORY = """\
all:
  vars: {{baremark_vcpus: 1, baremark_memory_mib: 512, baremark_disk_gib: 2}}
baremetal:
  hosts:
    box: {box}
virtualbox:
  hosts:
    box-guest:
      baremark_host: box
      # The emulated processor runs a guest with nested paging slower than without.
      baremark_paravirt_provider: minimal
      baremark_virtualbox_options: [--nested-paging, "off"]
      # With the guards on, the guest's kernel falls over in its entry code on this processor.
      baremark_kernel_options: mitigations=off
      baremark_boot_s: 1800
"""

THERE = """
ls /run/baremark /var/lib/baremark/targets /var/lib/baremark/virtualbox 2>&1
ip -br link show type bridge; ls -d /tmp/.vbox* /root/.config/VirtualBox 2>&1
ps -e -o comm= | grep -E '^(VBox|VirtualBox|iperf3|sockperf)' || echo none
"""


@pytest.fixture(scope="module")
def box(boot: Callable[[labs.Lab], labbox.LabBox]) -> labbox.LabBox:
    return boot(labs.VIRTUALBOX)


def test_the_driver_is_built_and_loaded_and_a_guest_of_the_processor_answers(
    box: labbox.LabBox, environment: dict[str, str], tmp_path: Path
) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(INVENTORY.format(box=box.as_host()))

    def on_it(verb: str) -> None:
        verbs.call(environment, verb, "-i", str(inventory))

    assert box.run("test -e /dev/vboxdrv").returncode != 0
    there = box.run(THERE).stdout
    on_it("doctor")
    on_it("up")
    (file,) = Path(environment["XDG_STATE_HOME"]).glob("baremark/*/standing.json")
    endpoint = json.loads(file.read_text())["endpoints"]["box-guest"]
    assert endpoint["facts"]["engine"] == "hardware"

    assert box.run("test -c /dev/vboxdrv && lsmod | grep -q ^vboxnetflt").returncode == 0
    log = box.run(f"cat {endpoint['facts']['log']}").stdout
    assert "HM: HMR3Init: AMD-V" in log
    assert virtualbox.engine(log) == "hardware"
    assert virtualbox.identify({}, {"accelerator": "hardware"}) == (
        BackendClass.TYPE2,
        "virtualbox",
    )
    info = virtualbox.machine(
        box.run(f"{ENTER} VBoxManage showvminfo {NAME} --machinereadable").stdout
    )
    assert (info["VMState"], info["nic1"], info["bridgeadapter1"]) == ("running", "bridged", "bmk0")
    # sshd greets over the bench bridge; provisioning has waited for the same.
    greeting = box.run(f"exec 3<>/dev/tcp/{endpoint['address']}/22 && head -c 4 <&3")
    assert greeting.stdout == "SSH-", greeting.stderr

    on_it("down")
    assert box.run(THERE).stdout == there
