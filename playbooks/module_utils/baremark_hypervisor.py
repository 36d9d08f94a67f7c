"""What the modules that make a target through a hypervisor's API have in common: how the API is
reached, and how a refusal is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible.module_utils.baremark_tls import Refused
from ansible.module_utils.basic import AnsibleModule

REACH: dict[str, dict[str, Any]] = {
    "state": {"choices": ["observed", "present", "absent"], "required": True},
    "address": {"required": True},
    "port": {"type": "int", "default": 443},
    "user": {"required": True},
    "password": {"required": True, "no_log": True},
    "fingerprint": {},
    "ca_file": {"type": "path"},
}
"""The options that say what to do and where; each module adds those of the virtual machine."""


def given(module: AnsibleModule) -> dict[str, Any]:
    """The options; one that a role leaves empty is not given."""
    return {key: value if value != "" else None for key, value in module.params.items()}


@contextmanager
def refusals(module: AnsibleModule) -> Iterator[None]:
    """End the module where something is refused: as a finding if it was only to look."""
    try:
        yield
    except Refused as refusal:
        if module.params["state"] == "observed":
            finding = {"why": str(refusal), "fix": refusal.fix}
            module.exit_json(changed=False, findings=[finding], found=False, running=False)
        hint = {"hint": refusal.fix} if refusal.fix else {}
        module.fail_json(msg=str(refusal), **hint)
