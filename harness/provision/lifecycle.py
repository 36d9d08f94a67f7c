"""Provisioning: the playbooks run through ansible-runner, their events as progress.

Ansible does the work; this module says for which targets, keeps what it hands back (endpoints
and host keys, which come only over Ansible's own trusted channel) and turns its failures into
messages for people.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from harness import files, state
from harness.bundle import pack
from harness.bundle.archive import Bundle
from harness.errors import HarnessError
from harness.files import writing
from harness.model.progress import Progress
from harness.model.target import DECLARED, Diagnosis, Endpoint, Host
from harness.provision import adopted, playbook, rights, variables
from harness.provision.playbook import Play
from harness.remote import keys
from harness.state import Standing


def prepare(inventory: Path, hosts: Sequence[Host], progress: Progress) -> Bundle:
    """Build the root filesystem and the bundle on the controller, unless they are there. Without
    root only what the targets of `hosts` are made of."""
    cache = state.cache_folder()
    with writing(cache, files.ELSEWHERE):
        cache.mkdir(parents=True, exist_ok=True)
    given = {"baremark_cache": str(cache), **rights.variables(hosts)}
    if given["baremark_rootless"]:
        made = adopted.provisioned(hosts)
        given["baremark_userland_wanted"] = any(len(host.targets) > 1 for host in made)
    play = playbook.run("prepare.yml", inventory, given, progress)
    if play.failures:
        raise HarnessError(
            "the image and the bundle could not be built: " + "; ".join(play.failures.values()),
            "see that the Debian mirror answers (baremark_mirror) and the disk has room",
        )
    trees = sorted(cache.glob("bundle-tree-*.tar"), key=lambda path: path.stat().st_mtime)
    if not trees:
        raise HarnessError(f"there is no bundle tree in {cache}", "baremark down --purge")
    progress.step("pack the bundle")
    return pack.pack(trees[-1], cache)


def up(inventory: Path, hosts: Sequence[Host], packed: Bundle, progress: Progress) -> Standing:
    """Provision the targets and write down what stands.

    A target that does not come up is in `failed` with its reason and does not hold up the
    others. Raises `HarnessError` when not even one native target came up.
    """
    folder = state.state_folder(inventory)
    key = folder / state.KEY
    with writing(folder, files.ELSEWHERE):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        line = keys.public_line(keys.load_key(key)) if key.exists() else keys.make_key(key)
    made = adopted.provisioned(hosts)
    play = Play({}, {})
    if made:
        given = {
            "baremark_cache": str(state.cache_folder()),
            "baremark_client_key": line,
            "baremark_bundle_archive": str(packed.archive),
            "baremark_bundle_digest": packed.digest,
            **variables.of(made),
            **rights.variables(made),
        }
        play = playbook.run("up.yml", inventory, given, progress)
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
    ready, refused = adopted.up(folder, hosts, progress)
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
    playbook.end_playbooks_of_the_dead()
    cache = state.cache_folder()
    left = adopted.down(state.state_folder(inventory), hosts, progress)
    if made := adopted.provisioned(hosts):
        given = {"baremark_cache": str(cache), "baremark_purge": purge}
        given |= variables.of(made) | rights.variables(made)
        left |= playbook.run("down.yml", inventory, given, progress).failures
    if left:
        raise HarnessError(
            "not everything could be removed: "
            + "; ".join(f"{name}: {why}" for name, why in left.items()),
            f"mend that and say baremark down -i {inventory} again",
        )
    state.forget(state.state_folder(inventory))
    playbook.remove_scratch_of_the_dead()
    if purge:
        shutil.rmtree(cache, ignore_errors=True)


def doctor(inventory: Path, hosts: Sequence[Host], progress: Progress) -> tuple[Diagnosis, ...]:
    """Ask every machine whether it can run its targets; nothing is changed anywhere."""
    made = adopted.provisioned(hosts)
    play = Play({}, {})
    if made:
        given = {"baremark_cache": str(state.cache_folder()), **variables.of(made)}
        play = playbook.run("doctor.yml", inventory, given | rights.variables(made), progress)
    said: dict[str, dict[str, Any]] = play.stats.get("baremark_doctor", {})
    findings = []
    for host in hosts:
        for target in host.targets:
            if target.adopted:
                progress.step(f"look at {target.name}, which is adopted")
                findings.append(adopted.examine(target, host))
                continue
            finding = said.get(target.name)
            if finding is not None:
                findings.append(
                    Diagnosis(
                        target.name,
                        target.backend,
                        bool(finding["usable"]),
                        str(finding["why"]),
                        str(finding["fix"]),
                        tuple(finding.get("packages", ())),
                    )
                )
                continue
            why = play.failures.get(target.name) or play.failures.get(host.name, "no answer")
            findings.append(
                Diagnosis(
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
    play = playbook.run("setup.yml", None, {"baremark_packages": list(packages)}, progress)
    if play.failures:
        raise HarnessError(
            "packages could not be installed: " + "; ".join(play.failures.values()),
            "see that apt-get update works",
        )


def _endpoint(told: Mapping[str, Any]) -> dict[str, Any]:
    """What a role handed back as the fields of an endpoint; what is empty is no fact."""
    own = {"address", "port", "user", "host_key", "work", "store"}
    facts = {name: value for name, value in told.items() if name not in own}
    declared: Mapping[str, Any] = facts.pop("declared", {})
    facts |= {f"{DECLARED}{name}": value for name, value in declared.items()}
    return {
        **{name: told[name] for name in own if name in told},
        "facts": {name: str(value) for name, value in facts.items() if value != ""},
    }
