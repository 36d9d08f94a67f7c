"""VirtualBox guests through VBoxManage. One that VirtualBox has to interpret is `emulated`.

Which engine runs a guest is read where VirtualBox itself says so, in the machine's log; the log is
one start's, so what it says is true of the guest that runs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.errors import HarnessError
from harness.model.fingerprint import Observed
from harness.model.target import BackendClass, Endpoint, Target
from harness.remote.session import Session

CLASS = BackendClass.TYPE2
PLATFORMS = frozenset({"oracle"})
NAMES_ITSELF = False
_NETWORKS = {"nat": "nat", "natnetwork": "nat", "bridged": "bridge"}
"""VirtualBox's words for how a card is connected in those of the validity check."""
LIMIT_S = 120.0
LABEL_INTERPRETED = "virtualbox-iem"

HARDWARE, NATIVE_API, INTERPRETER = "hardware", "nem", "interpreter"
"""The engines: the driver and the processor; another hypervisor's interface; instruction by
instruction (IEM)."""

_MOMENT = r"(?m)^\d+:\d\d:\d\d\.\d{6} "
_SIGNS = (
    (
        INTERPRETER,
        re.compile(
            _MOMENT + r"(?:HM: HMR3Init: Falling back on IEM\b|EMR3Init: fIemExecutesAll=true\b)"
        ),
    ),
    (
        NATIVE_API,
        re.compile(_MOMENT + r"NEM: NEMR3Init: (?:Snail|Turtle) execution mode is active.*$"),
    ),
    (HARDWARE, re.compile(_MOMENT + r"HM: HMR3Init: (?:VT-x|AMD-V)\b.*$")),
)
_RELEASE = re.compile(r"(?m)^\S+ VirtualBox VM (\S+) r(\d+)\b")


def observe(host: Session, endpoint: Endpoint) -> Observed:
    """What VBoxManage, the machine's log and its process on the host say of the guest."""
    facts = endpoint.facts
    manage = [facts["enter"], "VBoxManage"]
    info = machine(
        host.check([*manage, "showvminfo", facts["machine"], "--machinereadable"], limit_s=LIMIT_S)
    )
    log = host.check(["head", "-c", "1000000", facts["log"]], limit_s=LIMIT_S)
    process = _process(host, facts["pid_file"], facts["machine"])
    return {
        "release": release(log),
        "accelerator": engine(log),
        "recompiled": _yes(log, "IemRecompiled"),
        "state": info.get("VMState"),
        "vcpus": info.get("cpus"),
        "memory_mib": info.get("memory"),
        "cpus": _cpus(host, process),
        "paravirt_provider": info.get("effparavirtprovider") or info.get("paravirtprovider"),
        "nested_paging": info.get("nestedpaging"),
        "large_pages": info.get("largepages"),
        "chipset": info.get("chipset"),
        "firmware": info.get("firmware"),
        "disk_controller": info.get("storagecontrollertype0"),
        "disk_format": "vdi" if info.get("disk-0-0", "").endswith(".vdi") else None,
        "disk_cache": {"yes": "none", "no": "host", None: None}[_yes(log, "UseNewIo")],
        "nic_model": info.get("nictype1"),
        "network_mode": info.get("nic1"),
        "network": _NETWORKS.get(info.get("nic1") or ""),
        "network_bridge": info.get("bridgeadapter1"),
        "process": process,
    }


def machine(printed: str) -> dict[str, str]:
    """`showvminfo --machinereadable` as a dictionary: `name="x"`, `"disk-0-0"="y"`, `cpus=1`."""
    found = {}
    for line in printed.splitlines():
        match = re.fullmatch(r'"?([^"=]+)"?="?(.*?)"?', line.strip())
        if match:
            found[match[1]] = match[2]
    return found


def engine(log: str) -> str | None:
    """Which engine runs the guest, by the machine's log; None where the log does not say."""
    said = [name for name, sign in _SIGNS if sign.search(log)]
    return said[0] if said else None


def release(log: str) -> str:
    """VirtualBox's release and revision, by the machine's log."""
    match = _RELEASE.search(log)
    if match is None:
        raise HarnessError("VirtualBox's log does not begin with its release", "see VBox.log")
    return f"{match[1]} r{match[2]}"


def _yes(log: str, setting: str) -> str | None:
    """`yes` or `no`: a setting of the machine as the log lists it. `UseNewIo` is no host cache;
    `IemRecompiled` tells that the interpreter keeps what it has decoded as threaded code."""
    match = re.search(_MOMENT + rf"  {setting} +<integer> = 0x0*([01]) ", log)
    if match is None:
        return None
    return "yes" if match[1] == "1" else "no"


def _process(host: Session, pid_file: str, name: str) -> str | None:
    """The process that provisioning started, if it is this machine's."""
    read = host.run(["head", "-n", "1", pid_file], limit_s=LIMIT_S)
    number = read.stdout.decode(errors="replace").strip()
    if not number.isdigit():
        return None
    words = host.run(["cat", f"/proc/{number}/cmdline"], limit_s=LIMIT_S).stdout.split(b"\0")
    return number if b"--startvm" in words and name.encode() in words else None


def _cpus(host: Session, process: str | None) -> str | None:
    """The CPUs that every thread of the process may run on; None where they differ."""
    if process is None:
        return None
    lists = host.run(
        [
            "sh",
            "-c",
            f"sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/{process}/task/*/status",
        ],
        limit_s=LIMIT_S,
    )
    each = set(lists.stdout.decode(errors="replace").split())
    return each.pop() if len(each) == 1 else None


def identify(inside: Observed, outside: Observed) -> tuple[BackendClass, str]:
    if outside.get("accelerator") in {HARDWARE, NATIVE_API}:
        return CLASS, "virtualbox"
    return BackendClass.EMULATED, LABEL_INTERPRETED


def contradictions(
    target: Target, endpoint: Endpoint, inside: Observed, outside: Observed
) -> Sequence[str]:
    found = []
    accelerator, asked = outside.get("accelerator"), endpoint.facts.get("engine")
    if accelerator is None:
        found.append("VirtualBox's log does not say which engine runs it")
    elif (accelerator == INTERPRETER) != (asked == INTERPRETER):
        found.append(f"VirtualBox runs it by {accelerator}, the inventory asks for {asked}")
    if outside.get("state") != "running":
        found.append(f"VirtualBox calls it {outside.get('state')}")
    if outside.get("process") is None:
        found.append("the host has no process of VirtualBox that runs it")
    elif outside.get("cpus") is None:
        found.append("the threads of its process may run on different CPUs")
    if inside.get("container") not in {None, "none"}:
        found.append(f"from inside it is a container: {inside.get('container')}")
    product = inside.get("dmi_product")
    if product is not None and product != "VirtualBox":
        found.append(f"from inside its product is called {product}, not VirtualBox")
    return found


def process(outside: Observed) -> str | None:
    return outside.get("process")
