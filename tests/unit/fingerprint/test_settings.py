"""Settings are read from text as values; what was not observable stays so and is never "no"."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from harness.fingerprint import settings
from harness.model import cpus
from harness.model.fingerprint import Settings

OBSERVE = Path(__file__).parents[3] / "harness" / "fingerprint" / "inside.sh"
EXAMPLE = Path(__file__).parents[3] / "docs" / "example"


def test_nothing_seen_is_nothing_known() -> None:
    assert settings.read({}, {}) == Settings()


def test_what_was_seen_is_typed() -> None:
    inside = {
        "container": "none",
        "hypervisor_bit": "no",
        "mitigation_mds": "Not affected",
        "governor": "performance,powersave",
        "transparent_hugepage": "madvise",
        "ksm": "0",
        "balloon": "no",
        "numa_nodes": "0-1",
        "mems_allowed": "1",
        "cgroup_cpu_max": "50000 100000",
        "pressure": "yes",
        "peer_route": "198.18.0.2 dev eth0 src 198.18.0.10",
        "nic_mtu": "1500",
        "nic_offloads": "tcp-segmentation-offload=on rx-checksumming=off ",
        "nic_driver": "virtio_net",
    }
    outside = {"disk_cache": "none", "disk_format": "raw", "network": "bridge"}
    assert settings.read(inside, outside) == Settings(
        container="none",
        hypervisor_bit=False,
        mitigations={"mds": "Not affected"},
        governor="performance,powersave",
        huge_pages="madvise",
        ksm=False,
        balloon=False,
        numa_nodes=(0, 1),
        memory_nodes=(1,),
        cpu_limited=True,
        cpu_quota=0.5,
        pressure=True,
        disk_format="raw",
        disk_cache="none",
        nic_model="virtio_net",
        route="on-link",
        network="bridge",
        mtu=1500,
        offloads={"tcp-segmentation-offload": True, "rx-checksumming": False},
    )


@pytest.mark.parametrize(
    ("inside", "outside", "limited", "quota"),
    [
        (None, None, None, None),
        ("max 100000", None, False, None),
        ("-1", None, False, None),
        ("20000", None, True, 0.2),
        ("unknown words", None, None, None),
        ("-1", "1.5 CPUs", True, 1.5),
        (None, "none", False, None),
        (None, "25000 50000", True, 0.5),
    ],
)
def test_a_cpu_quota_is_known_from_the_daemon_or_the_control_group(
    inside: str | None, outside: str | None, limited: bool | None, quota: float | None
) -> None:
    seen = settings.read({"cgroup_cpu_max": inside}, {"cpu_quota": outside})
    assert (seen.cpu_limited, seen.cpu_quota) == (limited, quota)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0-2,5", (0, 1, 2, 5)),
        ("0-3,^2", (0, 1, 3)),
        (" 4 ", (4,)),
        (None, None),
        ("", None),
        ("all", None),
        ("0-", None),
    ],
)
def test_a_list_of_numbers_is_read_as_the_kernel_and_libvirt_write_it(
    text: str | None, found: tuple[int, ...] | None
) -> None:
    assert cpus.numbers(text) == found


def test_the_way_is_looked_up_to_the_peer_that_is_named_and_to_no_other() -> None:
    if shutil.which("ip") is None:
        pytest.skip("apt-get install iproute2")
    routed = observed("sh", "-s", "--", "/nonexistent", "", "127.0.0.9")
    assert "127.0.0.9 dev lo" in routed["peer_route"]
    assert "peer_route" not in observed("sh", "-s", "--", "/nonexistent", "", "")


def observed(*wrapper: str) -> dict[str, str]:
    """What the script says here, or to the shell that `wrapper` starts."""
    done = subprocess.run(
        wrapper or ["sh", "-s", "--", "/nonexistent"],
        stdin=OBSERVE.open("rb"),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0 or "kernel\t" not in done.stdout:
        pytest.skip(f"this machine does not allow it: {done.stderr.strip()}")
    return dict(line.split("\t", 1) for line in done.stdout.splitlines() if "\t" in line)


BARE_ROOT = """\
root=$1
for path in /bin /dev /etc /lib* /sbin /sys /usr; do
    if [ -L "$path" ]; then
        cp -P "$path" "$root/"
    elif [ -d "$path" ]; then
        mkdir "$root$path" && mount --rbind "$path" "$root$path"
    fi
done
mkdir "$root/proc" && mount -t proc proc "$root/proc" && exec chroot "$root" sh -s -- /nonexistent
"""
"""A root without the files that container engines leave there."""


def test_a_process_namespace_of_its_own_is_never_called_no_container(tmp_path: Path) -> None:
    """A container that leaves no other sign, as containerd makes them."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare: apt-get install util-linux")
    namespaces = ("unshare", "--mount", "--pid", "--fork", "env", "-u", "container")
    root = tmp_path / "root"
    root.mkdir()
    said = observed(*namespaces, "sh", "-c", BARE_ROOT, "sh", str(root))
    assert said["container"] == "other"


def test_the_script_tells_whether_the_kernel_counts_waiting() -> None:
    assert observed()["pressure"] == ("yes" if Path("/proc/pressure/cpu").exists() else "no")
