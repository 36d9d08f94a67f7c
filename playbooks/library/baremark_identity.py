#!/usr/bin/python
"""Ansible module: a target's own SSH host key, and the one key that may enter, in its folder.

The public half comes back over Ansible's own connection, so nobody ever has to trust a host key at
first sight. A key that is there is kept.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: baremark_identity
short_description: A target's own SSH host key, and the one key that may enter
options:
  folder: {description: Where the files are kept on the machine., type: path, required: true}
  name: {description: "The target's name, as the key's comment.", type: str, required: true}
  client_key: {description: The public key that may enter., type: str, required: true}
"""

KEY = "ssh_host_ed25519_key"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "name": {"type": "str", "required": True},
            "client_key": {"type": "str", "required": True, "no_log": False},
        }
    )
    folder = Path(module.params["folder"])
    private, public = folder / KEY, folder / f"{KEY}.pub"
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    changed = False
    if not (private.exists() and public.exists()):
        with tempfile.TemporaryDirectory(dir=folder) as aside:
            new = Path(aside) / KEY
            subprocess.run(
                [
                    *("ssh-keygen", "-q", "-t", "ed25519", "-N", ""),
                    *("-C", module.params["name"], "-f", str(new)),
                ],
                check=True,
            )
            new.replace(private)
            new.with_name(f"{KEY}.pub").replace(public)
        changed = True
    entrants, wanted = folder / "authorized_keys", module.params["client_key"].strip() + "\n"
    if not entrants.exists() or entrants.read_text() != wanted:
        aside = folder / ".authorized_keys"
        aside.write_text(wanted)
        aside.chmod(0o600)
        aside.replace(entrants)
        changed = True
    module.exit_json(changed=changed, host_key=" ".join(public.read_text().split()[:2]))


if __name__ == "__main__":
    main()
