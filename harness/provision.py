"""Provisioning: the playbooks run through ansible-runner, their events as progress.

Ansible does the work; this module says for which targets, keeps what it hands back (endpoints
and host keys, which come only over Ansible's own trusted channel) and turns its failures into
messages for people.
"""

from __future__ import annotations

import getpass
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from harness import adopt, bundle, session, state
from harness.bundle import Bundle
from harness.errors import HarnessError, UseError, writing
from harness.model import Endpoint, Host
from harness.state import Standing

PLAYBOOKS = Path(__file__).parent.parent / "playbooks"

_SCRATCH = "baremark-ansible-"
"""Begins the name of the temporary folder of a playbook's run; the process follows."""

PLAYBOOK_END_S = 10.0
"""How long a playbook that is told to end may take before it is killed."""

Progress = Callable[[str], None]
"""Is told in a few words what is being done now."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What `doctor` says of a target: can it be made here, why (not), and what to type."""

    target: str
    backend: str
    usable: bool
    why: str
    fix: str


def prepare(inventory: Path, progress: Progress) -> Bundle:
    """Build the root filesystem and the bundle on the controller, unless they are there."""
    cache = state.cache_folder()
    with writing(cache, state.ELSEWHERE):
        cache.mkdir(parents=True, exist_ok=True)
    play = _play("prepare.yml", inventory, {"baremark_cache": str(cache)}, progress)
    if play.failures:
        raise HarnessError(
            "the image and the bundle could not be built: " + "; ".join(play.failures.values()),
            "see that the Debian mirror answers (baremark_mirror) and the disk has room",
        )
    trees = sorted(cache.glob("bundle-tree-*.tar"), key=lambda path: path.stat().st_mtime)
    if not trees:
        raise HarnessError(f"there is no bundle tree in {cache}", "baremark down --purge")
    progress("pack the bundle")
    return bundle.pack(trees[-1], cache)


def up(inventory: Path, hosts: Sequence[Host], packed: Bundle, progress: Progress) -> Standing:
    """Provision the targets and write down what stands.

    A target that does not come up is in `failed` with its reason and does not hold up the
    others. Raises `HarnessError` when not even one native target came up.
    """
    folder = state.state_folder(inventory)
    key = folder / state.KEY
    with writing(folder, state.ELSEWHERE):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        line = session.public_line(session.load_key(key)) if key.exists() else session.make_key(key)
    made = adopt.provisioned(hosts)
    play = _Play({}, {})
    if made:
        variables = {
            "baremark_cache": str(state.cache_folder()),
            "baremark_client_key": line,
            "baremark_bundle_archive": str(packed.archive),
            "baremark_bundle_digest": packed.digest,
            **_wanted(made),
        }
        play = _play("up.yml", inventory, variables, progress)
    try:
        endpoints = TypeAdapter(dict[str, Endpoint]).validate_python(
            {
                name: _endpoint(facts)
                for name, facts in play.stats.get("baremark_endpoints", {}).items()
            }
        )
    except ValidationError as error:
        raise HarnessError(
            f"a role handed back no endpoint: {error}",
            "a role's create.yml must set baremark_endpoint (CONTRIBUTING.md, Add a backend)",
        ) from None
    ready, refused = adopt.up(folder, hosts, progress)
    endpoints |= ready
    told: dict[str, str] = {**play.failures, **play.stats.get("baremark_failures", {}), **refused}
    failed = {
        target.name: told.get(target.name) or told.get(host.name) or "no reason given"
        for host in hosts
        for target in host.targets
        if target.name not in endpoints
    }
    standing = Standing(packed.digest, endpoints, failed)
    state.write(folder, standing)
    if not any(host.name in endpoints for host in hosts):
        raise HarnessError(
            "no native target came up, so there is nothing to compare with: "
            + "; ".join(f"{name}: {why}" for name, why in failed.items()),
            f"baremark doctor -i {inventory}",
        )
    return standing


def down(inventory: Path, hosts: Sequence[Host], progress: Progress, *, purge: bool) -> None:
    """Remove every target and all that belongs to it, also what a killed run left behind.

    With `purge` the cached images and bundles go too, here and on the hosts. Raises
    `HarnessError` naming what could not be removed; the state is then kept.
    """
    _end_playbooks_of_the_dead()
    cache = state.cache_folder()
    left = adopt.down(state.state_folder(inventory), hosts, progress)
    if made := adopt.provisioned(hosts):
        variables = {"baremark_cache": str(cache), "baremark_purge": purge, **_wanted(made)}
        left |= _play("down.yml", inventory, variables, progress).failures
    if left:
        raise HarnessError(
            "not everything could be removed: "
            + "; ".join(f"{name}: {why}" for name, why in left.items()),
            f"mend that and say baremark down -i {inventory} again",
        )
    state.forget(state.state_folder(inventory))
    _remove_scratch_of_the_dead()
    if purge:
        shutil.rmtree(cache, ignore_errors=True)


def doctor(inventory: Path, hosts: Sequence[Host], progress: Progress) -> tuple[Finding, ...]:
    """Ask every machine whether it can run its targets; nothing is changed anywhere."""
    made = adopt.provisioned(hosts)
    play = _play("doctor.yml", inventory, _wanted(made), progress) if made else _Play({}, {})
    said: dict[str, dict[str, Any]] = play.stats.get("baremark_doctor", {})
    findings = []
    for host in hosts:
        for target in host.targets:
            if target.adopted:
                progress(f"look at {target.name}, which is adopted")
                verdict = adopt.examine(target, host.adopted[target.name])
                findings.append(
                    Finding(target.name, target.backend, verdict.usable, verdict.why, verdict.fix)
                )
                continue
            finding = said.get(target.name)
            if finding is not None:
                findings.append(
                    Finding(
                        target.name,
                        target.backend,
                        bool(finding["usable"]),
                        str(finding["why"]),
                        str(finding["fix"]),
                    )
                )
                continue
            why = play.failures.get(target.name) or play.failures.get(host.name, "no answer")
            findings.append(
                Finding(
                    target.name,
                    target.backend,
                    False,
                    why,
                    f"ansible -i {inventory} -m ping {host.name}",
                )
            )
    return tuple(findings)


def setup(packages: Sequence[str], progress: Progress) -> None:
    """Install operating-system packages on the controller."""
    play = _play("setup.yml", None, {"baremark_packages": list(packages)}, progress)
    if play.failures:
        raise HarnessError(
            "packages could not be installed: " + "; ".join(play.failures.values()),
            "see that apt-get update works",
        )


@dataclass(frozen=True, slots=True)
class _Play:
    """What a playbook run gave: custom statistics, and for each failed host why."""

    stats: Mapping[str, Any]
    failures: Mapping[str, str]


def _wanted(hosts: Sequence[Host]) -> dict[str, Any]:
    targets = [target for host in hosts for target in host.targets]
    return {
        "baremark_targets": [target.name for target in targets],
        "baremark_addresses": {target.name: target.address for target in targets},
    }


def _endpoint(facts: Mapping[str, Any]) -> dict[str, Any]:
    own = {"address", "port", "user", "host_key", "work", "store"}
    return {
        **{name: facts[name] for name in own if name in facts},
        "facts": {
            name: str(value) for name, value in facts.items() if name not in own and value != ""
        },
    }


def _play(
    playbook: str, inventory: Path | None, variables: Mapping[str, Any], progress: Progress
) -> _Play:
    from ansible_runner import interface  # type: ignore[import-untyped]

    events: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    cancelled = False
    stats: dict[str, Any] = {}
    failures: dict[str, str] = {}
    failed: set[str] = set()
    password = _sudo_password()

    def enqueue(event: dict[str, Any]) -> bool:
        """Only that: a slow handler makes runner give up (ansible-runner#1343)."""
        events.put(event)
        return False

    with tempfile.TemporaryDirectory(prefix=f"{_SCRATCH}{os.getpid()}-") as folder:
        thread, runner = interface.run_async(
            private_data_dir=folder,
            playbook=str(PLAYBOOKS / playbook),
            inventory=str(inventory.resolve()) if inventory else "localhost,",
            extravars=dict(variables),
            envvars=_environment(folder),
            cmdline="--ask-become-pass" if password else None,
            passwords={r"^BECOME password.*:\s*?$": password} if password else None,
            event_handler=enqueue,
            finished_callback=lambda _: events.put(None),
            cancel_callback=lambda: cancelled,
            quiet=True,
        )
        try:
            while (event := events.get()) is not None:
                _take(event, stats, failures, failed, progress)
        except KeyboardInterrupt:
            cancelled = True
            raise
        finally:
            thread.join()
            _end_connections(Path(folder) / "ssh")
        if runner.rc != 0 and not failed:
            said = Path(runner.config.artifact_dir, "stdout").read_text(errors="replace")
            last = "\n".join("  " + line for line in said.strip().splitlines()[-8:])
            raise HarnessError(
                f"the playbook {playbook} did not run:\n{last}",
                "mend what Ansible names; see also: ansible-inventory -i INVENTORY --list",
            )
    return _Play(stats, {host: failures.get(host, "no reason given") for host in failed})


def _take(
    event: Mapping[str, Any],
    stats: dict[str, Any],
    failures: dict[str, str],
    failed: set[str],
    progress: Progress,
) -> None:
    data = event.get("event_data", {})
    kind = event.get("event")
    if kind == "playbook_on_task_start":
        name = str(data.get("name") or data.get("task") or "")
        progress(name.rpartition(" : ")[2])
    elif kind in {"runner_on_failed", "runner_on_unreachable"} and not data.get("ignore_errors"):
        failures[data["host"]] = f"{data.get('task', '?')}: {_reason(data.get('res', {}))}"
    elif kind == "playbook_on_stats":
        stats.update(data.get("artifact_data") or {})
        # The runner itself keeps no event whose handler only enqueues it, so it has no summary.
        failed.update(data.get("failures") or {}, data.get("dark") or {})


def _reason(result: Mapping[str, Any]) -> str:
    """The most telling part of a failed task's result."""
    for item in result.get("results", []):
        if isinstance(item, dict) and (item.get("failed") or item.get("unreachable")):
            return _reason(item)
    parts = [str(result[key]).strip() for key in ("msg", "stderr") if result.get(key)]
    text = ": ".join(dict.fromkeys(parts)) or "no reason given"
    return text if len(text) <= 2000 else text[:1000] + " … " + text[-900:]


def _scratch_of_the_dead() -> list[Path]:
    """The temporary folders of this user's runs that were killed."""
    return [
        folder
        for folder in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*-*")
        if folder.stat().st_uid == os.getuid()
        and not Path("/proc", folder.name.removeprefix(_SCRATCH).partition("-")[0]).exists()
    ]


def _end_playbooks_of_the_dead() -> None:
    """End playbooks that outlived their `baremark`: they are sessions of their own, and would
    go on making what is being removed."""
    marks = [f"@{folder}/".encode() for folder in _scratch_of_the_dead()]
    left: set[int] = set()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if any(mark in file.read_bytes() for mark in marks):
                left.add(os.getsid(int(file.parent.name)))
        except (OSError, ValueError):
            continue  # it has just ended
    for number in (signal.SIGTERM, signal.SIGKILL):
        members = _in_sessions(left)
        for process in members:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, number)
        deadline = time.monotonic() + PLAYBOOK_END_S
        while _in_sessions(left) and time.monotonic() < deadline:
            time.sleep(0.1)


def _in_sessions(sessions: set[int]) -> list[int]:
    found = []
    for file in Path("/proc").glob("[0-9]*"):
        try:
            living = (file / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
            if living and os.getsid(int(file.name)) in sessions - {os.getsid(0)}:
                found.append(int(file.name))
        except (OSError, ValueError):
            continue
    return found


def _remove_scratch_of_the_dead() -> None:
    for folder in _scratch_of_the_dead():
        _end_connections(folder / "ssh")
        shutil.rmtree(folder, ignore_errors=True)


def _end_connections(folder: Path) -> None:
    """Ansible leaves its SSH connections open for a minute; nothing of ours is left running."""
    for socket in folder.glob("*"):
        subprocess.run(
            ["ssh", "-O", "exit", "-o", f"ControlPath={socket}", "ansible"],
            capture_output=True,
            check=False,
        )


def _environment(folder: str) -> dict[str, str]:
    return {
        "ANSIBLE_ROLES_PATH": str(PLAYBOOKS / "roles"),
        "ANSIBLE_LOCAL_TEMP": f"{folder}/local",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": f"{folder}/ssh",
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "ANSIBLE_PIPELINING": "True",
        # The runner turns the check of host keys off unless it is told otherwise. An unknown key is
        # an error and no question: there is nobody to answer it.
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_SSH_ARGS": (
            "-C -o ControlMaster=auto -o ControlPersist=60s -o StrictHostKeyChecking=yes"
        ),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_DEPRECATION_WARNINGS": "False",
        "ANSIBLE_LOCALHOST_WARNING": "False",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
    }


_password: str | None = None


def _sudo_password() -> str | None:
    """The user's password for sudo where one is needed, asked once; None where it is not."""
    global _password
    if os.geteuid() == 0 or _password is not None:
        return _password
    if shutil.which("sudo") is None:
        raise UseError("root rights are needed and there is no sudo", "run as root")
    if subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0:
        return None
    if not sys.stdin.isatty():
        raise UseError(
            "root rights are needed and sudo asks for a password, but there is no terminal",
            "run as root, or allow this user sudo without a password",
        )
    _password = getpass.getpass("password for sudo: ")
    return _password
