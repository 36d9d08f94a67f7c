#!/usr/bin/python
"""Ansible module: start a program that outlives the task, or stop one started so.

For machines where systemd does not run, and for programs that are only Baremark's. The program
gets a session of its own and no terminal, so neither the task nor the connection waits for it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.baremark_process import (
    MARK,
    RUN,
    end,
    program,
    recorded,
    start_time,
    with_descendants,
)
from ansible.module_utils.baremark_words import last_words
from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: baremark_daemon
short_description: Start a program that outlives the task, or stop one started so
options:
  name:
    description: What its pid file and its log are called.
    type: str
    required: true
  run:
    description: Folder of the pid file and the log.
    type: path
    required: true
  state:
    type: str
    choices: [started, stopped]
    default: started
  argv:
    description: The program, by absolute path, and its arguments.
    type: list
    elements: str
  settings:
    description: Any text; a program started with another one, or other arguments, is started anew.
    type: str
    default: ""
  needs:
    description: >-
      Folders that must be there. One that is not is made, and remembered in made-folders so that
      baremark_sweep removes it.
    type: list
    elements: path
    default: []
  covers:
    description: >-
      Folders of the machine that the program must not write to, each with the folder that it sees
      in its place, in a mount namespace of its own. They are needed, too.
    type: dict
    default: {}
  pid_files:
    description: >-
      By name the program, or one that it starts, with the file in which it writes its number. One
      that tells of no such process is removed before the start. After a kill its number may be
      another process's, and then the program would not start.
    type: dict
    default: {}
  ready_command:
    description: Started means that this command succeeds, a client's that asks the program.
    type: list
    elements: str
    default: []
  ready_port:
    description: Started means that the program listens on this TCP port.
    type: int
  limit_s:
    description: How long it may take until it answers.
    type: int
    default: 240
"""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "run": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["started", "stopped"], "default": "started"},
            "argv": {"type": "list", "elements": "str"},
            "settings": {"type": "str", "default": ""},
            "needs": {"type": "list", "elements": "path", "default": []},
            "covers": {"type": "dict", "default": {}},
            "pid_files": {"type": "dict", "default": {}},
            "ready_command": {"type": "list", "elements": "str", "default": []},
            "ready_port": {"type": "int"},
            "limit_s": {"type": "int", "default": 240},
        },
        required_if=[("state", "started", ["argv"])],
    )
    name, run = module.params["name"], Path(module.params["run"])
    pid_file, log = run / f"{name}.pid", run / f"{name}.log"
    if module.params["state"] == "stopped":
        pid = recorded(pid_file)
        there = pid_file.exists()
        if pid is not None:
            end([pid])
        pid_file.unlink(missing_ok=True)
        log.unlink(missing_ok=True)
        module.exit_json(changed=there)
    run.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (run / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        told = f"{module.params['argv']} {module.params['settings']}"
        digest = hashlib.sha256(told.encode()).hexdigest()
        pid = recorded(pid_file)
        if pid is not None and digest not in pid_file.read_text():
            end([pid])
            pid = None
        changed = pid is None
        if pid is None:
            covers = module.params["covers"]
            _need([*module.params["needs"], *covers], run / "made-folders")
            _clear(module.params["pid_files"])
            argv = _covered(covers) + module.params["argv"]
            pid = _start(name, argv, digest, pid_file, log)
    hindrance = _hindrance(pid, module.params)
    if hindrance:
        end([pid])
        pid_file.unlink(missing_ok=True)
        said = last_words([log]) or f"; it said nothing (its log is {log})"
        module.fail_json(msg=f"{name} {hindrance}{said}")
    module.exit_json(changed=changed, pid=pid)


def _hindrance(pid: int, params: dict[str, Any]) -> str:
    """Wait until the program answers; why it never will, or has not in time, else nothing."""
    until = time.monotonic() + params["limit_s"]
    while True:
        left_s = until - time.monotonic()
        if start_time(pid) is None:
            return "ended before it answered"
        lacking = _lacking(pid, params, max(1.0, left_s))
        if not lacking and start_time(pid) is not None:
            return ""
        if lacking and left_s < 0:
            return f"runs, but within {params['limit_s']} s {lacking}"
        time.sleep(0.05)


def _lacking(pid: int, params: dict[str, Any], limit_s: float) -> str:
    """What is not as it is once the program answers, in words; nothing where all is."""
    port, command = params["ready_port"], params["ready_command"]
    if port is not None and port not in _listening(pid):
        return f"did not listen on port {port}"
    if not command:
        return ""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{command[0]} had no answer from it"
    said = done.stderr.decode(errors="replace").strip()
    return "" if done.returncode == 0 else f"{command[0]} had no answer from it: {said}"


def _clear(pid_files: dict[str, str]) -> None:
    for name, file in ((name, Path(path)) for name, path in pid_files.items()):
        if file.exists():
            number = file.read_text().strip()
            if not number.isdigit() or Path(program(int(number))).name != name:
                file.unlink()


def _need(folders: list[str], made: Path) -> None:
    """Make the folders that are not there, each remembered before it is made."""
    for folder in map(Path, folders):
        if not folder.is_dir():
            with made.open("a") as file:
                file.write(f"{folder}\n")
            folder.mkdir(mode=0o755)


def _covered(covers: dict[str, str]) -> list[str]:
    """The words before a command line that cover folders of the machine with others."""
    if not covers:
        return []
    for other in covers.values():
        Path(other).mkdir(mode=0o755, parents=True, exist_ok=True)
    mounts = "; ".join(f"mount --bind {shlex.quote(b)} {shlex.quote(a)}" for a, b in covers.items())
    script = f'{mounts}; exec "$0" "$@"'
    return ["/usr/bin/unshare", "--mount", "--propagation=slave", "/bin/sh", "-ec", script]


def _start(name: str, argv: list[str], digest: str, pid_file: Path, log: Path) -> int:
    """Fork twice, so that the program is nobody's child; it writes its pid before it begins."""
    pid_file.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        try:
            os.chdir("/")
            os.umask(0o022)
            nothing = os.open(os.devnull, os.O_RDONLY)
            words = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(nothing, 0)
            os.dup2(words, 1)
            os.dup2(words, 2)
            os.closerange(3, 1024)
            aside = pid_file.with_suffix(".new")
            aside.write_text(f"{os.getpid()}\n{start_time(os.getpid())}\n{digest}\n")
            aside.rename(pid_file)
            path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            surroundings = {
                "PATH": path,
                "LC_ALL": "C.UTF-8",
                MARK: name,
                RUN: str(pid_file.parent),
            }
            os.execve(argv[0], argv, surroundings)  # noqa: S606
        except OSError as error:
            print(error, file=sys.stderr, flush=True)
        os._exit(127)
    os.waitpid(child, 0)
    until = time.monotonic() + 5
    while not pid_file.exists() and time.monotonic() < until:
        time.sleep(0.01)
    return int(pid_file.read_text().split()[0])


def _listening(pid: int) -> set[int]:
    """TCP ports on which the process, or one that it started, listens: seen, not disturbed."""
    ports: dict[str, int] = {}
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if words[3] == "0A":
                ports[f"socket:[{words[9]}]"] = int(words[1].rpartition(":")[2], 16)
    return {ports[each] for each in _open_files(with_descendants([pid])) if each in ports}


def _open_files(pids: set[int]) -> set[str]:
    found = set()
    for pid in pids:
        for file in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                found.add(str(file.readlink()))
            except OSError:  # closed meanwhile
                continue
    return found


if __name__ == "__main__":
    main()
