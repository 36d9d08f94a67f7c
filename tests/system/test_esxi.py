"""VMware ESXi: the role by real Ansible against VMware's own simulator of the vSphere API.

The calls are real ones both ways, and the disk is the common image's. The simulator boots nothing:
that a guest starts and answers SSH is stood in for by a listener, and proven nowhere.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pytest
from pyVim import connect
from pyVmomi import vim

from harness.provision.variables import BENCH_NETWORK

from . import vcsim
from .vcsim import Vcsim

ROOT = Path(__file__).parents[2]
PLAYBOOKS = ROOT / "playbooks"
CACHE = ROOT / ".cache" / "baremark"
FOLDER = Path(sys.executable).parent
PROGRAMS = ("mkfs.ext4", "sfdisk", "qemu-img", "grub-mkimage", "ssh-keygen", "openssl")
ADDRESS = "127.0.0.77"
"""Where the stand-in for the guest's sshd listens."""
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJl3dIeudNqd0DPMRD6OIh65aU4ADqdgA8MCzeUYt2Fh test"

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="making a disk takes root"),
    *(
        pytest.mark.skipif(shutil.which(program) is None, reason=f"there is no {program}")
        for program in PROGRAMS
    ),
]

PLAY = """\
- hosts: baremetal
  gather_facts: false
  become: true
  tasks:
    - include_role: {name: esxi, tasks_from: host}
      when: verb == 'create'
    - include_role: {name: esxi, tasks_from: destroy}
      when: verb == 'destroy'
- hosts: guest
  strategy: free
  gather_facts: false
  tasks:
    - include_role:
        name: esxi
        tasks_from: create
        apply: {delegate_to: "{{ baremark_host }}", become: true}
      when: verb == 'create'
    - copy: {content: "{{ baremark_endpoint | to_json }}", dest: "{{ said }}"}
      delegate_to: localhost
      when: verb == 'create'
"""
"""What up.yml and down.yml do for this backend, with nothing of the machine's own."""


@pytest.fixture(scope="module")
def program() -> Path:
    try:
        return vcsim.build(CACHE)
    except vcsim.NotBuiltError as error:
        pytest.skip(f"VMware's simulator could not be built: {error}")


@pytest.fixture(scope="module")
def esxi(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vcsim]:
    with vcsim.running(program, tmp_path_factory.mktemp("esxi")) as one:
        yield one


@dataclass(frozen=True)
class Lab:
    """A folder that is the machine's for the role, and the inventory that names the simulator."""

    folder: Path
    inventory: Path
    image: str

    def role(self, verb: str, **more: object) -> subprocess.CompletedProcess[str]:
        variables = {
            "verb": verb,
            "said": str(self.folder / "endpoint.json"),
            "baremark_root": str(self.folder / "root"),
            "baremark_run": str(self.folder / "run"),
            "baremark_cache": str(CACHE),
            "baremark_image_id": self.image,
            "baremark_client_key": KEY,
            "baremark_addresses": {"guest": ADDRESS},
            "baremark_sizes": {
                "guest": {"vcpus": 2, "memory_mib": 512, "disk_gib": 2, "cpus": [0, 1]}
            },
            **BENCH_NETWORK,
            **more,
        }
        return subprocess.run(
            [
                *(str(FOLDER / "ansible-playbook"), "-i", str(self.inventory)),
                *("-e", json.dumps(variables), str(self.folder / "playbooks" / "play.yml")),
            ],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", "PATH": f"{FOLDER}:{os.environ['PATH']}"},
        )


@pytest.fixture(scope="module")
def lab(esxi: Vcsim, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    images = sorted(CACHE.glob("rootfs-*.tar.zst"), key=lambda path: path.stat().st_mtime)
    if not images:
        pytest.skip("no image was built on this machine yet: baremark up builds it")
    folder = tmp_path_factory.mktemp("lab")
    (folder / "playbooks").mkdir()
    for part in PLAYBOOKS.iterdir():
        if part.is_dir():
            (folder / "playbooks" / part.name).symlink_to(part)
    (folder / "playbooks" / "play.yml").write_text(PLAY)
    for name in ("root/cache/image", "root/targets", "run"):
        (folder / name).mkdir(parents=True)
    inventory = folder / "hosts.yml"
    inventory.write_text(hosts({"guest": {**reached(esxi), "baremark_port_group": "VM Network"}}))
    return Lab(folder, inventory, images[-1].name.removeprefix("rootfs-").partition(".")[0])


def reached(esxi: Vcsim) -> dict[str, object]:
    return {
        "baremark_hypervisor_address": "127.0.0.1",
        "baremark_hypervisor_port": esxi.port,
        "baremark_hypervisor_password": vcsim.PASSWORD,
        "baremark_hypervisor_fingerprint": esxi.fingerprint,
    }


def hosts(guests: dict[str, dict[str, object]]) -> str:
    """An inventory of this machine as the baseline, and the guests."""
    return json.dumps(
        {
            "all": {
                "vars": {"baremark_vcpus": 2, "baremark_memory_mib": 512, "baremark_disk_gib": 2}
            },
            "baremetal": {
                "hosts": {
                    "native": {
                        "ansible_connection": "local",
                        "ansible_python_interpreter": sys.executable,
                    }
                }
            },
            "esxi": {
                "hosts": {
                    name: {"baremark_host": "native", **variables}
                    for name, variables in guests.items()
                }
            },
        }
    )


@contextlib.contextmanager
def api(esxi: Vcsim) -> Iterator[Any]:
    """The API as an independent client sees it."""
    trusting = ssl.create_default_context(cafile=str(esxi.certificate))
    trusting.check_hostname = False
    library: Any = connect  # its functions have no types
    instance = library.SmartConnect(
        host="127.0.0.1",
        port=esxi.port,
        user=vcsim.USER,
        pwd=vcsim.PASSWORD,
        sslContext=trusting,
    )
    try:
        yield instance.RetrieveContent()
    finally:
        library.Disconnect(instance)


def machines(content: Any) -> dict[str, Any]:
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    return {machine.name: machine for machine in view.view}


def rename(esxi: Vcsim, old: str, new: str) -> None:
    with api(esxi) as content:
        machines(content)[old].Rename_Task(new)


@pytest.fixture
def answering() -> Iterator[None]:
    """A stand-in for the sshd of a guest, which the simulator cannot boot."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((ADDRESS, 22))
        except OSError as error:
            pytest.skip(f"{ADDRESS}:22 is taken: {error}")
        server.listen()
        server.settimeout(0.2)
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                with contextlib.suppress(OSError):
                    connection, _ = server.accept()
                    connection.sendall(b"SSH-2.0-standin\r\n")
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        ended.set()
        thread.join()


def test_the_doctor_says_what_hinders_each_target_and_what_to_type(
    program: Path, esxi: Vcsim, tmp_path: Path
) -> None:
    with vcsim.running(program, tmp_path / "free", "-edition", "esxBasic") as free:
        (tmp_path / "lab").mkdir()
        good = {**reached(esxi), "baremark_port_group": "VM Network"}
        rename(esxi, "ha-host_VM1", "baremark-taken")
        (tmp_path / "lab" / "hosts.yml").write_text(
            hosts(
                {
                    "good": good,
                    "nowhere": {},
                    "locked": {**good, "baremark_hypervisor_password": "wrong"},
                    "untrusted": {**good, "baremark_hypervisor_fingerprint": ""},
                    "other": {**good, "baremark_hypervisor_fingerprint": "ab" * 32},
                    "unplugged": reached(esxi),
                    "misplaced": {**good, "baremark_datastore": "nvme"},
                    "free": {**reached(free), "baremark_port_group": "VM Network"},
                    "taken": good,
                }
            )
        )
        done = subprocess.run(
            [str(FOLDER / "baremark"), "doctor", "-i", str(tmp_path / "lab")],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "COLUMNS": "1000"},
        )
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    for target, why, fix in (
        ("good", "ESXi 6.5.0-5969303 answers", ""),
        ("nowhere", "baremark_hypervisor_password are not both set", "ansible-vault"),
        ("locked", "user or password is", "baremark_hypervisor_password"),
        ("untrusted", "is not trusted: self-signed", "baremark_hypervisor_fingerprint"),
        ("other", "not the pinned one", "console"),
        ("unplugged", "baremark_port_group is not set; there are: VM Network", "set baremark_port"),
        ("misplaced", "it has no datastore nvme; there are: LocalDS_0", "set baremark_datastore"),
        ("free", "free licence", "license the host"),
        ("taken", "baremark-taken that Baremark did not make", "rename or remove it"),
    ):
        part = said.partition(f"{target} (esxi):")[2].split("(esxi):")[0]
        assert part.strip().startswith("usable") == (target == "good"), part
        assert why in part, (target, part)
        assert fix in part, (target, part)
    with api(esxi) as content:
        assert set(machines(content)) == {"ha-host_VM0", "baremark-taken"}


def test_a_guest_is_made_from_the_common_image_and_handed_back(
    lab: Lab, esxi: Vcsim, answering: None
) -> None:
    done = lab.role("create")
    assert done.returncode == 0, done.stdout[-3000:]
    endpoint = json.loads((lab.folder / "endpoint.json").read_text())
    key = lab.folder / "root" / "targets" / "guest" / "identity" / "ssh_host_ed25519_key.pub"
    assert endpoint["host_key"] == " ".join(key.read_text().split()[:2])
    assert endpoint["address"] == ADDRESS
    seen = {key: endpoint[key] for key in ("release", "vcpus", "memory_mib", "cpus", "nic_model")}
    assert seen == {
        "release": "6.5.0-5969303",
        "vcpus": "2",
        "memory_mib": "512",
        "cpus": "0,1",
        "nic_model": "vmxnet3",
    }
    with api(esxi) as content:
        config = machines(content)["baremark-guest"].config
        assert machines(content)["baremark-guest"].runtime.powerState == "poweredOn"
        devices: list[Any] = config.hardware.device
        assert config.annotation.startswith("urn:baremark:target baremark-guest")
        assert (config.hardware.numCPU, config.hardware.memoryMB) == (2, 512)
        assert config.firmware == "bios"
        (disk,) = [each for each in devices if isinstance(each, vim.vm.device.VirtualDisk)]
        assert disk.capacityInKB == 2 << 20
        kinds = {type(each) for each in devices}
        assert vim.vm.device.ParaVirtualSCSIController in kinds
        backing = {type(each).__name__.rpartition(".")[2]: each.backing for each in devices}
        assert backing["VirtualVmxnet3"].deviceName == "VM Network"
        assert backing["VirtualSerialPort"].fileName.endswith("/console.log")
    log = esxi.log.read_text()
    taken = int(log.partition("baremark-guest/disk-0.vmdk: transferred ")[2].split()[0])
    assert taken > 50 << 20
    assert not list((lab.folder / "root" / "targets" / "guest").glob("*.vmdk"))


def test_a_guest_that_is_as_it_shall_be_is_left_alone(
    lab: Lab, esxi: Vcsim, answering: None
) -> None:
    with api(esxi) as content:
        before = machines(content)["baremark-guest"]._moId
    done = lab.role("create")
    assert done.returncode == 0, done.stdout[-3000:]
    with api(esxi) as content:
        assert machines(content)["baremark-guest"]._moId == before


def test_a_guest_that_never_answers_is_told_with_its_console(lab: Lab, esxi: Vcsim) -> None:
    (place,) = esxi.log.parent.glob("govcsim-*LocalDS_0*/baremark-guest")
    (place / "console.log").write_text("Linux version 6.1\r\nKernel panic - not syncing: VFS\r\n")
    done = lab.role("create", baremark_boot_s=2)
    assert done.returncode != 0
    assert "did not answer SSH within 2 s, ESXi says that it runs" in done.stdout
    assert "Kernel panic - not syncing: VFS" in done.stdout


def test_all_that_was_made_is_removed_with_its_files_and_nothing_else(
    lab: Lab, esxi: Vcsim
) -> None:
    first, second = lab.role("destroy"), lab.role("destroy")
    assert (first.returncode, second.returncode) == (0, 0), first.stdout[-3000:]
    assert "changed=1" in first.stdout
    assert "changed=0" in second.stdout
    with api(esxi) as content:
        assert "baremark-guest" not in machines(content)
        assert "ha-host_VM0" in machines(content)
    assert not list(esxi.log.parent.glob("govcsim-*/baremark-guest"))


def test_a_copy_that_somebody_made_of_a_target_is_his(
    esxi: Vcsim, wanted: dict[str, object]
) -> None:
    assert module(esxi, state="present", network="VM Network", **wanted)["changed"]
    rename(esxi, "baremark-guest", "my-copy")
    assert module(esxi, state="absent")["removed"] == []
    rename(esxi, "my-copy", "baremark-guest")
    assert module(esxi, state="absent")["removed"] == ["baremark-guest"]


def test_a_foreign_machine_of_that_name_is_never_touched(
    lab: Lab, esxi: Vcsim, answering: None
) -> None:
    rename(esxi, "ha-host_VM0", "baremark-guest")
    done = lab.role("create")
    assert done.returncode != 0
    assert "there is a virtual machine baremark-guest that Baremark did not make" in done.stdout
    assert lab.role("destroy").returncode == 0
    with api(esxi) as content:
        foreign = machines(content)["baremark-guest"]
        assert foreign.runtime.powerState == "poweredOn"
        assert "urn:baremark" not in (foreign.config.annotation or "")
    rename(esxi, "baremark-guest", "ha-host_VM0")


def module(esxi: Vcsim, **arguments: object) -> dict[str, Any]:
    """The role's own module alone, by Ansible."""
    login = {"address": "127.0.0.1", "port": esxi.port, "fingerprint": esxi.fingerprint}
    asked = {**login, "user": vcsim.USER, "password": vcsim.PASSWORD, **arguments}
    done = subprocess.run(
        [str(FOLDER / "ansible"), "localhost", "-m", "baremark_esxi", "-a", json.dumps(asked)],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "ANSIBLE_LIBRARY": str(PLAYBOOKS / "library"),
            "ANSIBLE_MODULE_UTILS": str(PLAYBOOKS / "module_utils"),
            "ANSIBLE_NOCOLOR": "1",
        },
    )
    answer: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{\n") :])
    return answer


@pytest.fixture
def wanted(tmp_path: Path) -> dict[str, object]:
    """A machine with a small empty disk, described by the role's own template."""
    disk = tmp_path / "disk.vmdk"
    options = ["-o", "subformat=streamOptimized", str(disk), "64M"]
    subprocess.run(["qemu-img", "create", "-q", "-f", "vmdk", *options], check=True)
    template = PLAYBOOKS / "roles" / "esxi" / "templates" / "guest.ovf.j2"
    described = jinja2.Template(template.read_text()).render(
        esxi_name="baremark-guest",
        esxi_disk_bytes=disk.stat().st_size,
        baremark_size={"vcpus": 1, "memory_mib": 256, "disk_gib": 1},
        baremark_machine="vmx-13",
        baremark_guest_os="debian10_64Guest",
        baremark_disk_bus="VirtualSCSI",
        baremark_nic_model="VmxNet3",
    )
    made_of = {"descriptor": described, "disk": str(disk), "cpus": [0], "spec": "1"}
    return {"name": "baremark-guest", "machine": "native", "provisioning": "thin", **made_of}


def test_what_is_refused_leaves_no_half_of_a_machine(
    esxi: Vcsim, wanted: dict[str, object]
) -> None:
    place = {"network": "VM Network"}
    described = str(wanted["descriptor"]).replace("VmxNet3", "Ne2000")
    answer = module(esxi, state="present", **{**wanted, **place, "descriptor": described})
    assert answer["msg"].startswith("ESXi does not accept it"), answer
    hardware = str(wanted["descriptor"]).replace("vmx-13", "vmx-of-tomorrow")
    answer = module(esxi, state="present", **{**wanted, **place, "descriptor": hardware})
    assert answer["msg"].startswith("ESXi says NotSupported"), answer
    answer = module(esxi, state="present", **{**wanted, "network": "Elsewhere"})
    assert answer["msg"] == "it has no port group Elsewhere; there are: VM Network"
    with api(esxi) as content:
        assert "baremark-guest" not in machines(content)


def test_by_a_vcenter_the_guest_is_made_on_the_host_that_is_named(
    program: Path, wanted: dict[str, object], tmp_path: Path
) -> None:
    with vcsim.running(program, tmp_path / "vpx", "-kind", "vpx") as vcenter:
        asked = {"name": "baremark-guest", "network": "VM Network"}
        answer = module(vcenter, state="observed", **asked)
        (finding,) = answer["findings"]
        assert finding["why"].startswith("baremark_esxi_host is not set; there are: DC0_C0_H0")
        place = {"host": "DC0_C0_H1", "network": "VM Network"}
        answer = module(vcenter, state="present", **wanted, **place)
        assert answer["changed"], answer
        assert answer["running"]
        with api(vcenter) as content:
            assert machines(content)["baremark-guest"].runtime.host.name == "DC0_C0_H1"
        assert module(vcenter, state="absent", host="DC0_H0")["removed"] == []
        answer = module(vcenter, state="absent", host="DC0_C0_H1")
        assert answer["removed"] == ["baremark-guest"]
        with api(vcenter) as content:
            assert len(machines(content)) == 4
