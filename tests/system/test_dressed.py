"""A label is checked against what a real guest shows, however it is dressed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness import backends
from harness.bundle.archive import Bundle
from harness.errors import HarnessError
from harness.fingerprint import observe, platform
from harness.inventory.network import PEER_ADDRESS
from harness.ledger import folders
from harness.model.target import BackendClass, Size, Target
from harness.remote import connect, keys
from tests import waiting

from . import dressed, sshd

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def system(packed: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if lacking := dressed.missing():
        pytest.skip(f"no small guest without {', '.join(lacking)}")
    return dressed.initrd(packed, tmp_path_factory.mktemp("dressed") / "initrd")


def believed(inside: dict[str, str], outside: dict[str, str | None] | None = None) -> set[str]:
    """The backends by which an adopted target that shows this would be taken."""
    return {
        name
        for name in {*backends.names(), backends.CLOUD} - {"baremetal"}
        if not platform.contradictions(name, True, inside, outside or {})
    }


def test_an_emulated_guest_that_is_dressed_as_hyperv_is_not_believed(system: Path) -> None:
    """Its leaf is masked, so only the firmware speaks."""
    masked = dressed.observe(system, dressed.HYPERV, dressed.MASKED)
    assert masked["dmi_vendor"] == "Microsoft Corporation"
    assert masked["hypervisor_bit"] == "yes"
    assert masked["hypervisor_leaves"] == ""
    assert believed(masked) == {"virtual_pc"}  # which has no leaf to show
    (said,) = platform.contradictions("hyperv", True, masked, {})
    assert "only its firmware says microsoft" in said

    host: dict[str, str | None] = {"platform": "qemu", "accelerator": "tcg"}
    assert believed(masked, host) == set()
    said = " ".join(platform.contradictions("hyperv", True, masked, host))
    assert "declared is hyperv, but its host runs it by qemu (emulated, TCG)" in said
    assert "from inside it is microsoft, but its host runs it by qemu" in said


def test_an_emulated_guest_that_is_dressed_as_vmware_contradicts_itself(system: Path) -> None:
    inside = dressed.observe(system, dressed.VMWARE)
    assert inside["dmi_vendor"] == "VMware, Inc."
    assert inside["hypervisor_leaves"] == "TCGTCGTCGTCG"
    assert believed(inside) == set()
    said = " ".join(platform.contradictions("esxi", True, inside, {}))
    assert "its CPUID says qemu and its firmware vmware" in said


def test_a_guest_that_is_dressed_as_virtualbox_is_refused_for_what_its_host_says(
    system: Path,
) -> None:
    inside = dressed.observe(system, dressed.VIRTUALBOX, dressed.MASKED)
    assert platform.inside_platform(inside).platform == "oracle"
    assert believed(inside) == {"virtualbox"}  # by its inside alone
    assert believed(inside, {"platform": "qemu", "accelerator": "tcg"}) == set()


@pytest.mark.long
def test_a_plain_emulated_guest_is_taken_for_what_it_is(system: Path) -> None:
    inside = dressed.observe(system, ())
    assert believed(inside) == {"kvm"}
    assert platform.adopted("kvm", inside, {}, elsewhere=False) == (
        BackendClass.EMULATED,
        "qemu-tcg, adopted",
    )


root = pytest.mark.skipif(os.geteuid() != 0, reason="making the guest's disk takes root")


@root
def test_a_guest_dressed_as_hyperv_answers_ssh_and_is_refused_for_what_its_host_says(
    system: Path, tmp_path: Path, server: sshd.Sshd
) -> None:
    """Its leaves are not read here, so that only its host can tell that it is none."""
    client = keys.make_key(tmp_path / "client")
    with (
        dressed.answering(tmp_path / "guest", client, dressed.HYPERV, dressed.MASKED) as guest,
        connect.connect("vm", guest.endpoint, keys.load_key(tmp_path / "client")) as inside,
        connect.connect("metal", server.endpoint, server.key) as host,
    ):
        target = Target("vm", "hyperv", "metal", Size(1, 768, 2, (0,)), adopted=True)
        seen = observe.observe(target, inside, host, guest.endpoint, None, PEER_ADDRESS)
        assert platform.contradictions("hyperv", True, seen.inside, {}) == ()
        assert seen.outside["platform"] == "qemu"
        assert seen.outside["process"] == str(guest.process.pid)
        with pytest.raises(HarnessError) as caught:
            observe.refuse_if_false(target, guest.endpoint, seen)
    said = caught.value.message
    assert "(check: label)" in said
    assert "declared is hyperv, but its host runs it by qemu (emulated, TCG)" in said


@root
@pytest.mark.long
def test_a_guest_dressed_as_hyperv_is_kept_out_of_a_run_and_the_table_says_why(
    system: Path, tmp_path: Path
) -> None:
    """The whole way: its host key is pinned, it answers, and its host shows QEMU without KVM."""
    run, said = measured(tmp_path, "hyperv", "true", dressed.HYPERV, dressed.MASKED)
    (missing,) = run["missing"]
    assert missing["target"] == "vm"
    assert "(check: label)" in missing["reason"]
    assert "declared is hyperv, but its host runs it by qemu (emulated, TCG)" in missing["reason"]
    assert "vm (hyperv) took no part" in said


@root
@pytest.mark.long
def test_a_guest_of_another_machine_has_values_and_no_overhead(
    system: Path, tmp_path: Path
) -> None:
    run, said = measured(tmp_path, "kvm", "false", (), "max")
    (seen,) = (each["fingerprint"] for each in run["targets"] if each["target"]["name"] == "vm")
    assert seen["label"] == "qemu-tcg, adopted, other machine"
    assert seen["backend_class"] == "emulated"
    assert "vm (qemu-tcg, adopted, other machine, emulated)" in said
    assert "it runs on another machine than native" in said
    table = json.loads(said[said.index("{") :])
    (group,) = table["sections"][0]["groups"]
    for row in group["rows"]:
        (figure,) = (each for each in row["figures"] if each["column"].startswith("vm "))
        assert figure["factor"] is None
        assert figure["verdict"] in {"other machine", "no result"}


def measured(
    folder: Path, backend: str, same_machine: str, arguments: tuple[str, ...], cpu: str
) -> tuple[dict[str, Any], str]:
    """Adopt this machine and a guest on it and measure one workload; the run's manifest, and the
    table as Markdown on one line with the JSON behind it."""
    baremark = Path(sys.executable).with_name("baremark")
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(dressed.ROOT / ".cache"),
        "XDG_STATE_HOME": str(folder / "state"),
    }

    def verb(*args: str) -> str:
        done = subprocess.run(
            [str(baremark), *args],
            cwd=dressed.ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=waiting.VERB_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    client = verb("key").strip()
    with (
        sshd.running(folder / "sshd") as native,
        dressed.answering(folder / "guest", client, arguments, cpu) as guest,
    ):
        file = folder / "hosts.yml"
        file.write_text(
            "all:\n  vars: {baremark_vcpus: 1, baremark_memory_mib: 768, baremark_disk_gib: 2,"
            " baremark_adopt: true, ansible_host: 127.0.0.1}\n"
            "baremetal:\n  hosts:\n    metal:\n"
            f"      ansible_port: {native.endpoint.port}\n"
            f'      baremark_host_key: "{native.endpoint.host_key}"\n'
            f"      baremark_private_key: {native.folder}/client\n"
            f"      baremark_work: {folder}/native-work\n"
            f"{backend}:\n  hosts:\n    vm:\n"
            f"      ansible_port: {guest.endpoint.port}\n"
            f'      baremark_host_key: "{guest.endpoint.host_key}"\n'
            "      baremark_work: /srv\n      baremark_host: metal\n"
            f"      baremark_same_machine: {same_machine}\n"
        )
        where = ("-i", str(file))
        results = ("--results", str(folder / "results"))
        verb("up", *where)
        try:
            some = ("--preset", "smoke", "-w", "cpu-sysbench-1t")
            verb("run", *where, *some, *results)
        finally:
            verb("down", *where)
        run = folders.find(folder / "results" / "runs", "latest")
        said = " ".join(verb("table", "-f", "markdown", *results).split())
        said += verb("table", "-f", "json", *results)
    return json.loads((run / "manifest.json").read_text()), said
