"""Guests of VMware Workstation on a Linux host, observed through its own process and log."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.backends import unlike_firmware
from harness.model.fingerprint import Observed
from harness.model.target import BackendClass, Endpoint, Target
from harness.remote.session import Session

CLASS = BackendClass.TYPE2
PLATFORMS = frozenset({"vmware"})
LIMIT_S = 60.0

LOOK = r"""
machine=$1
vmrun -T ws list | grep -qxF "$machine" && echo "running	true"
vmware -v | sed -n 's/^VMware Workstation /release	/p'
for folder in /proc/[0-9]*; do
    [ "$(readlink "$folder/exe" | sed 's,.*/,,')" = vmware-vmx ] || continue
    tr '\0' '\n' <"$folder/cmdline" | grep -qxF "$machine" || continue
    echo "process	${folder#/proc/}"
    sed -n 's/^Cpus_allowed_list:\t/cpus\t/p' "$folder/status"
done
sed -n 's/.*Monitor Mode: */accelerator	/p' "${machine%/*}/vmware.log" | tail -n 1
sed -n 's/^numvcpus = "\(.*\)"/vcpus	\1/p; s/^memsize = "\(.*\)"/memory_mib	\1/p
    s/^ethernet0.virtualDev = "\(.*\)"/nic_model	\1/p
    s/^scsi0.virtualDev = "\(.*\)"/disk_bus	\1/p' "$machine"
exit 0
"""
"""Asks the host; what is not to be seen there is not printed."""


def observe(host: Session, endpoint: Endpoint) -> Observed:
    """What vmrun, the guest's process, its log and its description on the host say."""
    script = LOOK.encode()
    said = host.check(["sh", "-s", "--", endpoint.facts["machine"]], limit_s=LIMIT_S, stdin=script)
    return {
        line.split("\t", 1)[0]: line.split("\t", 1)[1].strip()
        for line in said.splitlines()
        if re.match(r"[a-z_]+\t.", line)
    }


def identify(inside: Observed, outside: Observed) -> tuple[BackendClass, str]:
    return CLASS, "vmware_workstation"


def contradictions(
    target: Target, endpoint: Endpoint, inside: Observed, outside: Observed
) -> Sequence[str]:
    found = unlike_firmware(inside, "VMware, Inc.", "VMware")
    if outside.get("running") != "true":
        found.append("vmrun says that it does not run")
    if outside.get("cpus") is None:
        found.append("its process on the host was not found, or may run anywhere")
    return found


def process(outside: Observed) -> str | None:
    return outside.get("process")
