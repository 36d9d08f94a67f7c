"""Podman containers: one kernel with the host and no daemon, observed through Podman's own store
and the process's network namespace."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any

from harness.backends import GVISOR
from harness.backends._containers import confined, described, label, unlike
from harness.model.fingerprint import Observed
from harness.model.target import BackendClass, Endpoint, Target
from harness.remote.session import Session

CLASS = BackendClass.OS
PLATFORMS = frozenset({"podman", GVISOR})
RUNTIME = "crun"
LIMIT_S = 60.0
_MODES = {"veth": "bridge", "macvlan": "macvlan"}


def observe(host: Session, endpoint: Endpoint) -> Observed:
    """What Podman says of the container, and the kernel of its network link."""
    podman = shlex.split(endpoint.facts["engine"])
    answer: list[dict[str, Any]] = json.loads(
        host.check([*podman, "container", "inspect", endpoint.facts["container"]], limit_s=LIMIT_S)
    )
    about = json.loads(host.check([*podman, "info", "--format=json"], limit_s=LIMIT_S))
    container = answer[0]
    asked = str(container["HostConfig"]["NetworkMode"])
    told = described(container, endpoint.work)
    rootless = bool(about["host"]["security"]["rootless"])
    if rootless:
        told |= {"cpus": _affinity(host, container["State"]["Pid"]), "network": asked}
    return {
        **told,
        "rootless": str(rootless).lower(),
        "release": about["version"]["Version"],
        "accelerator": None,
        "runtime": container["OCIRuntime"],
        "runtime_release": about["host"]["ociRuntime"]["version"].splitlines()[0]
        if about["host"]["ociRuntime"]["name"] == container["OCIRuntime"]
        else None,
        "storage_driver": about["store"]["graphDriverName"],
        "cgroup_version": about["host"]["cgroupVersion"],
        "cgroup_manager": about["host"]["cgroupManager"],
        "network_mode": asked
        if asked == "host" or rootless
        else _link(host, container["State"]["Pid"]),
    }


def _affinity(host: Session, process: int) -> str | None:
    """The CPUs that a container's first process may run on: without root no control group says."""
    told = host.run(["taskset", "--cpu-list", "--pid", str(process)], limit_s=LIMIT_S)
    return told.stdout.decode(errors="replace").rpartition(": ")[2].strip() or None


def _link(host: Session, process: int) -> str | None:
    """The network mode by the kind of the link in the container, which was put there by hand."""
    inside = ["nsenter", f"--net=/proc/{process}/ns/net", "ip", "-json", "-details"]
    reply = host.run([*inside, "link", "show", "dev", "eth0"], limit_s=LIMIT_S)
    if reply.exit_status != 0:
        return None
    links = json.loads(reply.stdout)
    kind = str(links[0].get("linkinfo", {}).get("info_kind")) if links else None
    return _MODES.get(kind or "", kind)


def identify(inside: Observed, outside: Observed) -> tuple[BackendClass, str]:
    return CLASS, label(
        "podman-rootless" if outside.get("rootless") == "true" else "podman", RUNTIME, outside
    )


def contradictions(
    target: Target, endpoint: Endpoint, inside: Observed, outside: Observed
) -> Sequence[str]:
    found = []
    if inside.get("container") != "podman":
        found.append(f"from inside it is no Podman container but: {inside.get('container')}")
    return [*found, *confined(outside), *unlike(endpoint.facts, inside, outside)]


def process(outside: Observed) -> str | None:
    return None
