"""LXC system containers: one kernel with the host, an init of their own, no daemon. Observed
through LXC's tools, and by the limits that the kernel itself holds for the control group."""

from __future__ import annotations

from collections.abc import Sequence

from harness.backends._containers import confined, unlike
from harness.backends._lxc_life import meter, watch
from harness.model.fingerprint import Observed
from harness.model.target import BackendClass, Endpoint, Target
from harness.remote.session import Session

__all__ = ["CLASS", "contradictions", "identify", "meter", "observe", "process", "watch"]

CLASS = BackendClass.OS
PLATFORMS = frozenset({"lxc", "lxc-libvirt"})
LIMIT_S = 60.0


def observe(host: Session, endpoint: Endpoint) -> Observed:
    """What LXC says of the container, and the limits of its control group."""
    name = endpoint.facts["container"]
    which = [f"--lxcpath={endpoint.facts['folder']}", f"--name={name}"]
    said = host.check(["lxc-info", *which, "--no-humanize", "--state", "--pid"], limit_s=LIMIT_S)
    told = dict(line.split(":", 1) for line in said.splitlines() if ":" in line)
    state, process = told.get("State", "").strip(), told.get("PID", "").strip()

    def limit(*names: str) -> str | None:
        """Of the first of these settings that there is: version 2's name first, then 1's."""
        for each in names:
            reply = host.run(["lxc-cgroup", *which, each], limit_s=LIMIT_S)
            if reply.exit_status == 0:
                return reply.stdout.decode(errors="replace").strip() or None
        return None

    def setting(key: str) -> str:
        asked = ["lxc-info", *which, "--no-humanize", "--config", key]
        return host.run(asked, limit_s=LIMIT_S).stdout.decode(errors="replace").strip()

    memory = limit("memory.max", "memory.limit_in_bytes")
    return {
        "release": host.check(["lxc-start", "--version"], limit_s=LIMIT_S).strip(),
        "accelerator": None,
        "running": str(state == "RUNNING").lower(),
        "cpus": limit("cpuset.cpus"),
        "memory_mib": str(int(memory) >> 20) if memory and memory.isdigit() else None,
        "init": setting("lxc.init.cmd") or None,
        "network_mode": {"veth": "bridge"}.get(setting("lxc.net.0.type")),
        "storage": "volume"
        if endpoint.work.strip("/") in setting("lxc.mount.entry")
        else "overlay",
        "seccomp": "default" if setting("lxc.seccomp.profile") else "unconfined",
        "apparmor": setting("lxc.apparmor.profile") or None,
        "process": process or None,
    }


def identify(inside: Observed, outside: Observed) -> tuple[BackendClass, str]:
    return CLASS, "lxc"


def contradictions(
    target: Target, endpoint: Endpoint, inside: Observed, outside: Observed
) -> Sequence[str]:
    found = []
    if inside.get("container") != "lxc":
        found.append(f"from inside it is no LXC container but: {inside.get('container')}")
    declared, init = endpoint.facts.get("init"), inside.get("init")
    if None not in {declared, init} and declared != init:
        found.append(f"from inside process 1 is {init}, declared is {declared}")
    return [*found, *confined(outside), *unlike(endpoint.facts, inside, outside)]


def process(outside: Observed) -> str | None:
    return None
