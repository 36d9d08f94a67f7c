"""Docker containers: one kernel with the host, or gVisor's in user space, observed through the
daemon.

The daemon is believed of what it set up, the inside of what that came to: gVisor says that it is
gVisor, and a kernel shows its own filter of system calls and the kind of its network link.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from harness.backends import GVISOR
from harness.backends._containers import RUNSC, confined, described, label, unlike
from harness.model.fingerprint import Observed
from harness.model.target import BackendClass, Endpoint, Target
from harness.remote.session import Session

CLASS = BackendClass.OS
PLATFORMS = frozenset({"docker", GVISOR})
RUNTIME = "runc"
LIMIT_S = 60.0
_MODES = {"bridge": "bridge", "macvlan": "macvlan", "host": "host"}
"""By the driver of the network that a container is in."""


def observe(host: Session, endpoint: Endpoint) -> Observed:
    """What the daemon says of the container, its network and itself, boiled down."""
    docker = ["docker", "--host", f"unix://{endpoint.facts['socket']}"]
    answer: list[dict[str, Any]] = json.loads(
        host.check([*docker, "inspect", endpoint.facts["container"]], limit_s=LIMIT_S)
    )
    server = json.loads(host.check([*docker, "info", "--format", "{{json .}}"], limit_s=LIMIT_S))
    container = answer[0]
    runtime = container["HostConfig"]["Runtime"]
    network = container["HostConfig"]["NetworkMode"]
    driver = host.check(
        [*docker, "network", "inspect", "--format", "{{.Driver}}", network], limit_s=LIMIT_S
    ).strip()
    return {
        **described(container, endpoint.work),
        "release": server["ServerVersion"],
        "accelerator": _platform(host, container["State"]["Pid"]) if runtime == RUNSC else None,
        "runtime": runtime,
        "runtime_release": _release(host, endpoint.facts["runtime_program"]),
        "storage_driver": server["Driver"],
        "cgroup_version": server["CgroupVersion"],
        "network_mode": _MODES.get(driver, driver),
        "network": driver,
        "network_name": network,
    }


def _platform(host: Session, process: int) -> str | None:
    """How gVisor takes system calls over (ptrace, systrap, kvm): what its process was told, or
    else what its program does untold."""
    words = host.run(["cat", f"/proc/{process}/cmdline"], limit_s=LIMIT_S).stdout
    told = re.findall(rb"\0--platform=([^\0]+)", words)
    if not told:
        flags = host.run([RUNSC, "flags"], limit_s=LIMIT_S)
        text = flags.stdout + flags.stderr
        told = re.findall(rb"-platform string\n.*\(default \"(\w+)\"\)", text)
    return told[-1].decode(errors="replace") if told else None


def _release(host: Session, program: str) -> str | None:
    """The first line of what the runtime calls itself; None where it does not answer."""
    reply = host.run([program, "--version"], limit_s=LIMIT_S)
    lines = reply.stdout.decode(errors="replace").splitlines()
    return lines[0] if reply.exit_status == 0 and lines else None


def identify(inside: Observed, outside: Observed) -> tuple[BackendClass, str]:
    sandboxed = inside.get("sandbox") == "gvisor"
    return BackendClass.SANDBOX if sandboxed else CLASS, label("docker", RUNTIME, outside)


def contradictions(
    target: Target, endpoint: Endpoint, inside: Observed, outside: Observed
) -> Sequence[str]:
    found = []
    if inside.get("container") != "docker":
        found.append(f"from inside it is no Docker container but: {inside.get('container')}")
    return [*found, *confined(outside), *unlike(endpoint.facts, inside, outside)]


def process(outside: Observed) -> str | None:
    """None: what runs in a container are processes of the host, and so are gVisor's several."""
    return None
