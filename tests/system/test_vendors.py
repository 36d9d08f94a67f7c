"""Hyper-V, XenServer, VMware Workstation and Virtual PC: none of them runs here.

What can be real is: the disks that their roles make, opened again; the scripts, read by a parser;
the connection to Windows' SSH server, by a real sshd; the doctor's answers. XenServer's module is
walked through with a stand-in for XAPI, which proves its steps and nothing of XenServer.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
import tree_sitter_powershell
import yaml
from tree_sitter import Language, Node, Parser

from harness.backends import vmware_workstation
from harness.model.target import Endpoint
from harness.remote import connect

from . import sshd, xapi
from .xapi import Xapi

ROOT = Path(__file__).parents[2]
PLAYBOOKS = ROOT / "playbooks"
ROLES = PLAYBOOKS / "roles"
FOLDER = Path(sys.executable).parent
SCRIPTS = sorted(ROLES.glob("hyperv/files/*.ps1"))
MAKERS = ("esxi", "hyperv", "vmware_workstation", "xenserver")

pytestmark = pytest.mark.system


def ansible(*arguments: str, variables: dict[str, object]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*(str(FOLDER / arguments[0]), *arguments[1:]), "-e", json.dumps(variables)],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "ANSIBLE_LIBRARY": str(PLAYBOOKS / "library"),
            "ANSIBLE_MODULE_UTILS": str(PLAYBOOKS / "module_utils"),
            "ANSIBLE_ROLES_PATH": str(ROLES),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_TIMEOUT": "60",  # a busy machine
        },
    )


# ------------------------------------------------------------------------------ disks
def disk_of(role: str) -> tuple[str, str]:
    """The format that the role asks of qemu-img, with its options."""
    tasks = yaml.safe_load((ROLES / role / "tasks" / "make.yml").read_text())
    tasks += [inner for task in tasks for inner in task.get("block", [])]
    asked = next(task["vars"] for task in tasks if "bootdisk_file" in task.get("vars", {}))
    return asked["bootdisk_format"], asked["bootdisk_format_options"]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk with a partition table, a file system and content that no compression swallows."""
    if shutil.which("qemu-img") is None or shutil.which("mkfs.ext4") is None:
        pytest.skip("there is no qemu-img or no mkfs.ext4")
    folder = tmp_path_factory.mktemp("raw")
    (folder / "tree").mkdir()
    (folder / "tree" / "noise").write_bytes(os.urandom(3 << 20))
    disk = folder / "disk.raw"
    with disk.open("wb") as file:
        file.truncate(512 << 20)
    where = ["-E", f"offset={1 << 20}", "-d", str(folder / "tree"), str(disk), "64M"]
    subprocess.run(["mkfs.ext4", "-q", "-F", *where], check=True)
    return disk


@pytest.mark.parametrize("role", [*MAKERS, "vpc fixed", "vpc dynamic"])
def test_the_disk_of_each_is_whole_when_it_is_opened_again(
    role: str, raw: Path, tmp_path: Path
) -> None:
    form, options = (
        disk_of(role) if role in MAKERS else ("vpc", f"subformat={role[4:]},force_size=on")
    )
    disk = tmp_path / "disk"
    subprocess.run(
        ["qemu-img", "convert", "-f", "raw", "-O", form, "-o", options, str(raw), str(disk)],
        check=True,
    )
    told = json.loads(qemu_img("info", "--output=json", "-f", form, str(disk)))
    assert told["format"] == form
    assert told["virtual-size"] == 512 << 20
    subformat = dict(each.split("=") for each in options.split(","))["subformat"]
    if form == "vmdk":
        assert told["format-specific"]["data"]["create-type"] == subformat
    qemu_img("compare", "-f", "raw", "-F", form, str(raw), str(disk))
    if form in {"vhdx", "vmdk"} and subformat != "streamOptimized":
        qemu_img("check", "-f", form, str(disk))
    head, tail = disk.read_bytes()[:8], disk.read_bytes()[-512:-504]
    if form == "vmdk":
        assert head[:4] == b"KDMV"
    elif form == "vhdx":
        assert head == b"vhdxfile"
    else:
        assert tail == b"conectix"


def qemu_img(*arguments: str) -> str:
    done = subprocess.run(["qemu-img", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# ------------------------------------------------------------------------------ Hyper-V
def errors(node: Node) -> Iterator[str]:
    if node.is_error or node.is_missing:
        yield f"line {node.start_point[0] + 1}: {(node.text or b'')[:60]!r}"
    for child in node.children:
        yield from errors(child)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_powershell_by_an_independent_grammar(script: Path) -> None:
    """Read, not run: there is no PowerShell in Debian."""
    parser = Parser(Language(tree_sitter_powershell.language()))
    assert list(errors(parser.parse(script.read_bytes()).root_node)) == []
    broken = script.read_bytes().replace(b"}", b"", 1)
    assert list(errors(parser.parse(broken).root_node)) != []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_given_what_it_asks_for(script: Path) -> None:
    asked = re.findall(
        r"(\[Parameter\(Mandatory\)\] )?\[\w+\] \$(\w+)", script.read_text().split("\n)\n")[0]
    )
    given: set[str] = set()
    for file in ROLES.glob("hyperv/tasks/*.yml"):
        if f"'{script.name}'" in file.read_text():
            tasks = yaml.safe_load(file.read_text())
            tasks += [inner for task in tasks for inner in task.get("block", [])]
            for task in tasks:
                call = task.get("ansible.windows.win_powershell", {})
                if script.name in call.get("script", ""):
                    given = set(call["parameters"])
    assert given
    assert given <= {name for _, name in asked}
    assert given >= {name for mandatory, name in asked if mandatory}


@pytest.mark.parametrize("shown", ["its own", "another"])
def test_windows_is_reached_only_by_the_host_key_in_the_inventory(
    shown: str, tmp_path: Path, own_server: sshd.Sshd
) -> None:
    """The role's own options, against a real sshd (not Windows')."""
    options = yaml.safe_load((ROLES / "hyperv" / "vars" / "main.yml").read_text())
    key = own_server.endpoint.host_key
    if shown == "another":
        other = tmp_path / "other"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
        key = other.with_suffix(".pub").read_text()
    play = tmp_path / "play.yml"
    task = {
        "ansible.builtin.raw": "echo let-in",
        "delegate_to": "{{ inventory_hostname }}",
        "vars": {
            "ansible_connection": "ssh",
            "ansible_host": "{{ baremark_hypervisor_address }}",
            "ansible_port": own_server.endpoint.port,
            "ansible_user": own_server.endpoint.user,
            "ansible_ssh_private_key_file": str(own_server.folder / "client"),
            "ansible_ssh_common_args": "{{ hyperv_ssh_options }}",
        },
    }
    play.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
    done = ansible(
        *("ansible-playbook", "-v", "-i", "guest,", str(play)),
        variables={
            **options,
            "baremark_hypervisor_address": "127.0.0.1",
            "baremark_hypervisor_host_key": key,
        },
    )
    assert ("let-in" in done.stdout) == (shown == "its own"), done.stdout
    if shown == "another":
        assert "Host key verification failed" in done.stdout, done.stdout


# ------------------------------------------------------------------------------ Workstation
def test_a_description_for_workstation_is_read_back_as_it_was_meant() -> None:
    template = (ROLES / "vmware_workstation" / "templates" / "machine.vmx.j2").read_text()
    defaults = yaml.safe_load((ROLES / "vmware_workstation" / "defaults" / "main.yml").read_text())
    told = jinja2.Template(template, undefined=jinja2.StrictUndefined).render(
        **{
            **defaults,
            "workstation_name": "baremark-guest",
            "inventory_hostname": "guest",
            "baremark_size": {"vcpus": 2, "memory_mib": 1024},
        }
    )
    read = {}
    for line in told.splitlines():
        match = re.fullmatch(r'([A-Za-z0-9_.:]+) = "([^"]*)"', line)
        assert match, line
        assert match[1].lower() not in read, f"{match[1]} is set twice"
        read[match[1].lower()] = match[2]
    wanted = {
        "numvcpus": "2",
        "memsize": "1024",
        "firmware": "bios",
        "scsi0.virtualdev": "lsilogic",
        "scsi0:0.filename": "disk.vmdk",
        "ethernet0.virtualdev": "vmxnet3",
        "ethernet0.vnet": "/dev/vmnet9",
        "serial0.filename": "console.log",
        "annotation": "urn:baremark:target guest",
    }
    assert {key: read[key] for key in wanted} == wanted


def test_the_host_of_a_workstation_guest_is_asked_for_its_own_process(tmp_path: Path) -> None:
    """With stand-ins for VMware's programs, and a process that is called as its own is."""
    if sshd.program() is None:
        pytest.skip("there is no sshd: apt-get install openssh-server")
    machine = tmp_path / "machine" / "baremark-guest.vmx"
    machine.parent.mkdir()
    machine.write_text('numvcpus = "1"\nmemsize = "512"\nethernet0.virtualDev = "vmxnet3"\n')
    (machine.parent / "vmware.log").write_text("2026 In(05) vmx Monitor Mode: CPL0\n")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "vmrun").write_text(f"#!/bin/sh\necho Total running VMs: 1\necho {machine}\n")
    (programs / "vmware").write_text("#!/bin/sh\necho VMware Workstation 17.6.1 build-24319023\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    shell = shutil.copy(Path("/bin/sh").resolve(), programs / "vmware-vmx")
    endpoint = Endpoint("", 22, "root", "", "", "", {"machine": str(machine)})
    with (
        sshd.running(tmp_path / "sshd", environment=f"PATH={programs}:/usr/bin:/bin") as server,
        connect.connect("here", server.endpoint, server.key) as host,
        subprocess.Popen([shell, "-c", "read line", str(machine)], stdin=subprocess.PIPE) as guest,
    ):
        seen = vmware_workstation.observe(host, endpoint)
        own = Path("/proc", str(guest.pid), "status").read_text()
        guest.communicate()
    assert seen == {
        "running": "true",
        "release": "17.6.1 build-24319023",
        "process": str(guest.pid),
        "cpus": own.partition("Cpus_allowed_list:\t")[2].split()[0],
        "accelerator": "CPL0",
        "vcpus": "1",
        "memory_mib": "512",
        "nic_model": "vmxnet3",
    }


# ------------------------------------------------------------------------------ XenServer
def module(pool: Xapi, folder: Path, *asked: dict[str, object]) -> list[dict[str, Any]]:
    """What the role's own module answers to each, asked one after the other by Ansible."""
    login = {"address": "127.0.0.1", "port": pool.port, "user": xapi.USER}
    login |= {"password": xapi.PASSWORD, "fingerprint": pool.fingerprint}
    guest = {"name": "baremark-guest", "network": "Bench"}
    tasks: list[dict[str, object]] = [
        {
            "baremark_xenserver": {**login, **guest, **each},
            "register": f"answer_{number}",
            "ignore_errors": True,
        }
        for number, each in enumerate(asked)
    ]
    answers = ", ".join(f"answer_{number}" for number in range(len(asked)))
    file, play = folder / "answers.json", folder / "play.yml"
    tasks.append({"copy": {"content": f"{{{{ [{answers}] | to_json }}}}", "dest": str(file)}})
    play.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    done = ansible("ansible-playbook", str(play), variables={})
    assert done.returncode == 0, done.stdout + done.stderr
    told: list[dict[str, Any]] = json.loads(file.read_text())
    return told


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Xapi]:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl")
    with xapi.running(tmp_path_factory.mktemp("xapi")) as one:
        yield one


def test_the_steps_through_xapi_make_and_remove_only_what_is_marked(
    pool: Xapi, tmp_path: Path
) -> None:
    disk = tmp_path / "disk.vhd"
    disk.write_bytes(b"a disk" * 1000)
    size = {"vcpus": 2, "cpus": [2, 3], "memory_mib": 1024, "disk_gib": 4}
    wanted = {**size, "disk": str(disk), "spec": "abc", "machine": "native"}
    (told,) = module(pool, tmp_path, {"state": "present", **wanted})
    assert told["changed"], told
    assert (told["running"], told["release"]) == (True, "XCP-ng 8.3.0")
    assert (told["cpus"], told["memory_mib"]) == ("2,3", "1024")
    (machine,) = [vm for vm in pool.objects["VM"].values() if vm["name_label"] == "baremark-guest"]
    assert machine["other_config"] == {"baremark.target": "baremark-guest", "baremark.spec": "abc"}
    ((ref, volume),) = pool.objects["VDI"].items()
    assert volume["virtual_size"] == str(4 << 30)
    assert pool.uploads[ref] == disk.read_bytes()
    assert not pool.objects["task"]
    machine["name_label"] = "my-copy"
    lost, kept = module(
        pool, tmp_path, {"state": "absent", "host": "elsewhere"}, {"state": "absent"}
    )
    assert lost["msg"] == "the pool has no host elsewhere"
    assert kept["changed"] is False
    machine["name_label"] = "baremark-guest"
    again, removed, left = module(
        pool, tmp_path, {"state": "present", **wanted}, {"state": "absent"}, {"state": "absent"}
    )
    assert again["changed"]
    assert removed["removed"] == ["baremark-guest"]
    assert left["changed"] is False
    assert not pool.objects["VDI"]
    assert {vm["name_label"] for vm in pool.objects["VM"].values()} == {
        "Other install media",
        "baremark-taken",
    }


def test_a_disk_that_xapi_refuses_leaves_nothing(pool: Xapi, tmp_path: Path) -> None:
    disk = tmp_path / "disk.vhd"
    disk.write_bytes(b"x")
    made_of = {"vcpus": 1, "cpus": [0], "memory_mib": 512, "disk_gib": 2, "spec": "1"}
    pool.objects["VM"]["OpaqueRef:template"]["name_label"] = "Renamed"
    try:
        asked = {"state": "present", "disk": str(disk), "machine": "native", **made_of}
        (told,) = module(pool, tmp_path, asked)
    finally:
        pool.objects["VM"]["OpaqueRef:template"]["name_label"] = "Other install media"
    assert told["msg"] == "the pool has no template 'Other install media'"
    assert not pool.objects["VDI"]


def test_what_hinders_a_guest_of_a_pool_is_told(pool: Xapi, tmp_path: Path) -> None:
    cases: list[tuple[dict[str, object], str]] = [
        ({"password": "wrong"}, "does not let root in"),
        ({"fingerprint": ""}, "is not trusted"),
        ({"network": ""}, "baremark_network is not set; there are: Bench"),
        ({"storage": "Fast"}, "no storage Fast; there are: Local storage"),
        ({"cpus": [0, 7]}, "no CPU 7"),
        ({"memory_mib": 9000}, "9000 MiB of memory asked for, 8192 MiB are free"),
        ({"disk_gib": 91}, "91 GiB of disk asked for, 90 GiB are free"),
        ({"name": "baremark-taken"}, "baremark-taken that Baremark did not make"),
    ]
    answers = module(pool, tmp_path, *({"state": "observed", **change} for change, _ in cases))
    for (_, why), answer in zip(cases, answers, strict=True):
        (finding,) = answer["findings"]
        assert why in finding["why"]
        assert finding["fix"]
    pool.master = "192.0.2.7"
    try:
        (told,) = module(pool, tmp_path, {"state": "observed"})
    finally:
        pool.master = ""
    assert told["findings"][0]["fix"] == "set baremark_hypervisor_address to 192.0.2.7"


# ------------------------------------------------------------------------------ the doctor
def test_the_doctor_says_what_to_type_where_the_hypervisor_is_not_there(tmp_path: Path) -> None:
    if shutil.which("vmrun") is not None:
        pytest.skip("VMware Workstation is installed here")
    native = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    away: dict[str, object] = {"baremark_host": "native"}
    closed = {"baremark_hypervisor_address": "127.0.0.1", "baremark_hypervisor_port": 9}
    (tmp_path / "hosts.yml").write_text(
        json.dumps(
            {
                "all": {
                    "vars": {
                        "baremark_vcpus": 1,
                        "baremark_memory_mib": 256,
                        "baremark_disk_gib": 2,
                    }
                },
                "baremetal": {"hosts": {"native": native}},
                "hyperv": {
                    "hosts": {
                        "win": away,
                        "off": {
                            **away,
                            **closed,
                            "baremark_hypervisor_host_key": "ssh-ed25519 AAAA",
                        },
                    }
                },
                "xenserver": {
                    "hosts": {
                        "xcp": away,
                        "dark": {**away, **closed, "baremark_hypervisor_password": "x"},
                    }
                },
                "vmware_workstation": {"hosts": {"desk": away}},
                "virtual_pc": {"hosts": {"old": away}},
            }
        )
    )
    done = subprocess.run(
        [str(FOLDER / "baremark"), "doctor", "-i", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "1000"},
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    for target, why, fix in (
        ("win (hyperv)", "baremark_hypervisor_host_key are not both set", "Get-Content"),
        ("off (hyperv)", "127.0.0.1 cannot be asked by SSH", "ssh -p 9 Administrator@127.0.0.1"),
        ("xcp (xenserver)", "baremark_hypervisor_password are not both set", "ansible-vault"),
        ("dark (xenserver)", "127.0.0.1:9 cannot be reached", "openssl s_client"),
        ("desk (vmware_workstation)", "is not installed (no vmrun)", "VMware-Workstation-*.bundle"),
        ("old (virtual_pc)", "runs 32-bit guests only", "baremark import"),
    ):
        part = re.split(r"\n\S+ \(\w+\):", said.partition(f"{target}:")[2])[0]
        assert part.strip().startswith("not usable"), (target, part, said)
        assert why in part, (target, part)
        assert fix in part, (target, part)


def test_down_removes_nothing_where_there_is_none_and_tells_who_could_not_be_asked(
    tmp_path: Path,
) -> None:
    """One that cannot be asked does not keep the others from being removed."""
    native = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    closed = {"baremark_host": "native", "baremark_hypervisor_address": "127.0.0.1"}
    closed |= {"baremark_hypervisor_port": "9", "baremark_hypervisor_host_key": "ssh-ed25519 AAAA"}
    closed |= {"baremark_hypervisor_password": "x"}
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(
        json.dumps(
            {
                "baremetal": {"hosts": {"native": native}},
                "hyperv": {"hosts": {"win": closed}},
                "xenserver": {"hosts": {"xcp": closed}},
            }
        )
    )
    ours = tmp_path / "root" / "targets" / "desk" / "machine" / "baremark-desk.vmx"
    theirs = tmp_path / "root" / "targets" / "mine" / "machine" / "baremark-mine.vmx"
    for machine, annotation in ((ours, "urn:baremark:target desk"), (theirs, "my own")):
        machine.parent.mkdir(parents=True)
        machine.write_text(f'annotation = "{annotation}"\n')
    playbooks = tmp_path / "playbooks"
    playbooks.mkdir()
    for part in PLAYBOOKS.iterdir():
        if part.is_dir():
            (playbooks / part.name).symlink_to(part)
    removed = {
        "include_tasks": "tasks/remove.yml",
        "loop": ["esxi", "hyperv", "xenserver", "vmware_workstation", "virtual_pc"],
        "loop_control": {"loop_var": "machine_backend"},
    }
    told = {"copy": {"content": "{{ baremark_left | to_json }}", "dest": str(tmp_path / "left")}}
    play = {"hosts": "baremetal", "gather_facts": False, "tasks": [removed, told]}
    (playbooks / "play.yml").write_text(json.dumps([play]))
    done = ansible(
        *("ansible-playbook", "-i", str(inventory), str(playbooks / "play.yml")),
        variables={"baremark_root": str(tmp_path / "root"), "baremark_run": str(tmp_path / "run")},
    )
    assert done.returncode == 0, done.stdout
    hyperv, xenserver = json.loads((tmp_path / "left").read_text())
    assert hyperv.startswith("hyperv: win: Windows cannot be asked by SSH: "), hyperv
    assert xenserver.startswith("xenserver: 127.0.0.1:9 cannot be reached"), xenserver
    assert (ours.exists(), theirs.exists()) == (False, True)
