"""Docker containers: one kernel with the host, observed through the daemon."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from harness.backends import Observed
from harness.model import BackendClass, Endpoint, Target
from harness.session import Session

CLASS = BackendClass.OS
LIMIT_S = 60.0


def observe(host: Session, endpoint: Endpoint) -> Observed:
    """What the daemon says of the container: its `inspect` answer, boiled down."""
    docker = ["docker", "--host", f"unix://{endpoint.facts['socket']}"]
    answer: list[dict[str, Any]] = json.loads(
        host.check([*docker, "inspect", endpoint.facts["container"]], limit_s=LIMIT_S)
    )
    server = host.check(
        [*docker, "info", "--format", "{{.ServerVersion}}\t{{.Driver}}\t{{.CgroupVersion}}"],
        limit_s=LIMIT_S,
    )
    release, storage, cgroup = server.rstrip("\n").split("\t")
    container = answer[0]
    settings = container["HostConfig"]
    driver = host.run(
        [*docker, "network", "inspect", "--format", "{{.Driver}}", settings["NetworkMode"]],
        limit_s=LIMIT_S,
    )
    return {
        "release": release,
        "accelerator": None,
        "runtime": settings["Runtime"],
        "storage_driver": storage,
        "cgroup_version": cgroup,
        "running": str(container["State"]["Running"]).lower(),
        "image": container["Image"],
        "cpus": settings["CpusetCpus"] or None,
        "memory_mib": str(settings["Memory"] >> 20) if settings["Memory"] else None,
        "network_mode": settings["NetworkMode"],
        "network": driver.stdout.decode(errors="replace").strip() or None,
        "cpu_quota": _quota(settings),
        "privileged": str(settings["Privileged"]).lower(),
        "security_options": " ".join(settings["SecurityOpt"] or []) or None,
        "process": str(container["State"]["Pid"]),
    }


def _quota(settings: dict[str, Any]) -> str:
    """The CPUs' worth of time that the daemon lets the container have; `none` where it has all."""
    if settings.get("NanoCpus"):
        return f"{settings['NanoCpus'] / 1e9:g} CPUs"
    if settings.get("CpuQuota", 0) > 0:
        return f"{settings['CpuQuota']} {settings.get('CpuPeriod') or 100_000}"
    return "none"


def identify(inside: Observed, outside: Observed) -> tuple[BackendClass, str]:
    return CLASS, "docker"


def contradictions(
    target: Target, endpoint: Endpoint, inside: Observed, outside: Observed
) -> Sequence[str]:
    found = []
    if inside.get("container") != "docker":
        found.append(f"from inside it is no Docker container but: {inside.get('container')}")
    if outside.get("running") != "true":
        found.append("the daemon says that it does not run")
    if outside.get("cpus") is None:
        found.append("the daemon confines it to no CPUs")
    if outside.get("memory_mib") is None:
        found.append("the daemon gives it no memory limit")
    return found


def process(outside: Observed) -> str | None:
    return None
