#!/usr/bin/python
"""Ansible module: wait until a target's sshd answers, or say what the target said last.

Before that, where there is a serial console, wait until a kernel greets on it: one that hardware
virtualization cannot run says nothing at all, which is known much sooner.
"""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

from ansible.module_utils.baremark_words import last_words
from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: baremark_answer
short_description: Wait until a target's sshd answers, or say what the target said last
options:
  name: {description: "The target, for the message.", type: str, required: true}
  address: {description: "The target's address.", type: str, required: true}
  port: {type: int, default: 22}
  limit_s: {description: How long it may take., type: int, required: true}
  console: {description: "The target's console.", type: path}
  logs:
    description: Logs of the process on the machine that is the target, told once it has ended.
    type: list
    elements: path
    default: []
  words:
    description: A command that prints what the target said last.
    type: list
    elements: str
    default: []
  greeting: {description: What a kernel that runs writes on the console., type: str}
  greeting_limit_s: {description: How long that may take., type: int}
  alive:
    description: A command that fails once the target has ended.
    type: list
    elements: str
"""

ENDED = "ended before it answered"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "address": {"type": "str", "required": True},
            "port": {"type": "int", "default": 22},
            "limit_s": {"type": "int", "required": True},
            "console": {"type": "path"},
            "logs": {"type": "list", "elements": "path", "default": []},
            "words": {"type": "list", "elements": "str", "default": []},
            "greeting": {"type": "str"},
            "greeting_limit_s": {"type": "int"},
            "alive": {"type": "list", "elements": "str"},
        },
        required_by={"greeting": ["console", "greeting_limit_s"]},
        supports_check_mode=True,
    )
    params = module.params
    began = time.monotonic()
    greeted = not params["greeting"]
    asked = 0.0
    while True:
        waited = time.monotonic() - began
        greeted = greeted or params["greeting"] in _said(params["console"])
        if _answers(params["address"], params["port"]):
            module.exit_json(changed=False, waited_s=round(time.monotonic() - began, 1))
        if not greeted and waited > params["greeting_limit_s"]:
            why = f"no kernel greeted on its console within {params['greeting_limit_s']} s"
        elif waited > params["limit_s"]:
            why = f"did not answer SSH within {params['limit_s']} s"
        elif waited - asked > 5 and params["alive"]:
            asked = waited
            done = subprocess.run(params["alive"], capture_output=True, check=False)
            why = ENDED if done.returncode != 0 else ""
        else:
            why = ""
        if why:
            files = [params["console"], *(params["logs"] if why == ENDED else [])]
            said = last_words(files, params["words"])
            module.fail_json(msg=f"{params['name']}: {why}{said}")
        time.sleep(0.5)


def _answers(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=2) as connection:
            connection.settimeout(10)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _said(console: str | None) -> str:
    if console is None:
        return ""
    try:
        return Path(console).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


if __name__ == "__main__":
    main()
