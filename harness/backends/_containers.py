"""What the engines of containers have in common: how they are told apart from what was declared.

Docker and Podman describe a container in nearly the same words. This module boils them down, and
compares what the engine says and what is seen from inside with what provisioning made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.model.fingerprint import Observed

RUNSC = "runsc"
"""gVisor as a runtime of containers."""


def described(container: Mapping[str, Any], work: str) -> dict[str, str | None]:
    """What an engine's `inspect` says of a container whose workloads' files are in `work`."""
    settings = container["HostConfig"]
    options = settings["SecurityOpt"] or []
    volumes = [mount for mount in container["Mounts"] if mount["Destination"] == work]
    return {
        "running": str(container["State"]["Running"]).lower(),
        "image": container["Image"],
        "cpus": settings["CpusetCpus"] or None,
        "memory_mib": str(settings["Memory"] >> 20) if settings["Memory"] else None,
        "privileged": str(settings["Privileged"]).lower(),
        "security_options": " ".join(options) or None,
        "seccomp": "unconfined" if "seccomp=unconfined" in options else "default",
        "storage": volumes[0]["Type"] if volumes else "overlay",
        "cpu_quota": _quota(settings),
        "process": str(container["State"]["Pid"]),
    }


def _quota(settings: Mapping[str, Any]) -> str:
    """The CPUs' worth of time that a container may have; `none` where it has all."""
    if settings.get("NanoCpus"):
        return f"{settings['NanoCpus'] / 1e9:g} CPUs"
    if settings.get("CpuQuota", 0) > 0:
        return f"{settings['CpuQuota']} {settings.get('CpuPeriod') or 100_000}"
    return "none"


def label(engine: str, own_runtime: str, outside: Observed) -> str:
    """The engine's name, with the runtime where that is not the engine's own."""
    runtime = outside.get("runtime")
    return engine if runtime in {None, own_runtime} else f"{engine}-{runtime}"


def confined(outside: Observed) -> Iterator[str]:
    """Each thing that the engine should say of every container of Baremark's, and does not."""
    if outside.get("running") != "true":
        yield "the engine says that it does not run"
    if outside.get("cpus") is None:
        yield "the engine confines it to no CPUs"
    if outside.get("memory_mib") is None and outside.get("rootless") != "true":
        yield "the engine gives it no memory limit"


def unlike(declared: Observed, inside: Observed, outside: Observed) -> Iterator[str]:
    """Each thing declared that the engine or the inside contradicts; what was not declared, or is
    not observable from inside, is not judged."""
    for name in ("runtime", "network_mode", "storage", "seccomp"):
        wanted, found = declared.get(name), outside.get(name)
        if wanted is not None and found != wanted:
            yield f"the engine says {name.replace('_', ' ')} {found}, declared is {wanted}"
    sandboxed = inside.get("sandbox") == "gvisor"
    if declared.get("runtime") == RUNSC and not sandboxed:
        yield "from inside the kernel does not say that it is gVisor"
    if declared.get("runtime") not in {None, RUNSC} and sandboxed:
        yield "from inside the kernel says that it is gVisor"
    if not sandboxed:
        yield from _seen_inside(declared, inside)


def _seen_inside(declared: Observed, inside: Observed) -> Iterator[str]:
    """What only a container that shares the host's kernel shows of itself."""
    filtered = {"0": "unconfined", "2": "default"}.get(inside.get("seccomp") or "")
    if None not in {filtered, declared.get("seccomp")} and filtered != declared.get("seccomp"):
        yield f"from inside seccomp is {filtered}, declared is {declared.get('seccomp')}"
    mode = {"veth": "bridge", "macvlan": "macvlan", "bridge": "host"}.get(
        inside.get("nic_kind") or ""
    )
    if None not in {mode, declared.get("network_mode")} and mode != declared.get("network_mode"):
        yield (
            f"from inside its way to the peer is that of network mode {mode}, declared is "
            f"{declared.get('network_mode')}"
        )
    layered = inside.get("work_filesystem") == "overlayfs"
    if layered and declared.get("storage") == "volume":
        yield "from inside its work folder is a layer of the container, declared is a volume"
