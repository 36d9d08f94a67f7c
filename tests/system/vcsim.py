"""VMware's own simulator of the vSphere API (govmomi's vcsim), built from Debian's packages.

Compiler and library are unpacked into a folder of their own, used once and thrown away; only the
program is kept. It answers with VMware's data model and keeps state, so that real API calls go
both ways. It boots nothing: no guest runs in it, and what is uploaded is counted, not kept.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

SOURCE = Path(__file__).with_name("vcsim") / "main.go"
PACKAGES = ("golang-go", "golang-github-vmware-govmomi-dev")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SUITE = "bookworm"
ROLE = Path(__file__).parents[2] / "playbooks" / "roles" / "image" / "defaults" / "main.yml"
USER = "root"
PASSWORD = "Right-1!"


class NotBuiltError(Exception):
    """It could not be built here; the message says why."""


@dataclass(frozen=True)
class Vcsim:
    port: int
    certificate: Path
    fingerprint: str
    log: Path


def build(cache: Path) -> Path:
    """The program from `cache`, built first where it is not there yet (half a minute)."""
    missing = [name for name in ("mmdebstrap", "unshare") if shutil.which(name) is None]
    if missing or not KEYRING.exists():
        raise NotBuiltError(f"there is no {', '.join(missing) or KEYRING}")
    cache.mkdir(parents=True, exist_ok=True)
    recipe = f"{SUITE} {PACKAGES} {SOURCE.read_text()}"
    cache = cache.resolve()
    program = cache / f"vcsim-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    with (cache / "vcsim.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if program.exists():
            return program
        for old in cache.glob("vcsim-*"):
            old.unlink()
        with tempfile.TemporaryDirectory(prefix=".vcsim-", dir=cache) as aside:
            _build(Path(aside), program)
    return program


def _build(aside: Path, program: Path) -> None:
    mirror = yaml.safe_load(ROLE.read_text())["baremark_mirror"]
    root = aside / "root"
    _run(
        *("unshare", "--mount", "mmdebstrap", "--quiet", "--mode=root", "--variant=extract"),
        *(f"--include={','.join(PACKAGES)}", "--aptopt=APT::Install-Recommends false"),
        *(SUITE, str(root), f"deb [signed-by={KEYRING}] {mirror} {SUITE} main"),
        TMPDIR=str(aside),
    )
    (aside / "vcsim").mkdir()
    shutil.copy(SOURCE, aside / "vcsim" / "main.go")
    (go,) = (root / "usr" / "lib").glob("go-*/bin/go")
    _run(
        *(str(go), "build", "-o", str(aside / "program"), "."),
        cwd=aside / "vcsim",
        GOROOT=str(go.parents[1]),
        GOPATH=str(root / "usr" / "share" / "gocode"),
        GO111MODULE="off",
        GOFLAGS="-trimpath",
        GOCACHE=str(aside / "cache"),
        CGO_ENABLED="0",
    )
    (aside / "program").replace(program)


@contextmanager
def running(program: Path, folder: Path, *arguments: str) -> Iterator[Vcsim]:
    """The simulator on loopback; it ends with the block, by the end of its input."""
    folder.mkdir(exist_ok=True)
    key, certificate, log = folder / "key.pem", folder / "certificate.pem", folder / "vcsim.log"
    _run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-days", "2", "-subj", "/CN=esx.lab.example"),
        *("-keyout", str(key), "-out", str(certificate)),
    )
    printed = subprocess.run(
        ["openssl", "x509", "-in", str(certificate), "-noout", "-fingerprint", "-sha256"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    command = [str(program), "-certificate", str(certificate), "-key", str(key)]
    command += ["-user", USER, "-password", PASSWORD, *arguments]
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "TMPDIR": str(folder)},
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            port = process.stdout.readline().strip()
            assert port.isdigit(), log.read_text()
            yield Vcsim(int(port), certificate, printed.strip().partition("=")[2], log)
        finally:
            process.stdin.close()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _run(*command: str, cwd: Path | None = None, **environment: str) -> None:
    done = subprocess.run(
        command,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    if done.returncode != 0:
        raise NotBuiltError(f"{command[0]}: {done.stdout}{done.stderr}".strip()[-500:])
