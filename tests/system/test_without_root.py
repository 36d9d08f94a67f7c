"""Neither root nor sudo: a user of this machine who has nothing but a login measures it, by what
the clone offers then, and leaves nothing behind."""

from __future__ import annotations

import csv
import io
import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.ledger import folders, reader

ROOT = Path(__file__).parents[2]
USER = "baremark-test"
PYTHON = "/usr/bin/python3"
FEW = ("-w", "cpu-sysbench-1t", "-w", "disk-fdatasync", "-w", "network-rr")

pytestmark = [
    pytest.mark.system,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="a user without root is made by root"),
    pytest.mark.skipif(not Path(PYTHON).exists(), reason=f"other users have no Python ({PYTHON})"),
]

As = Callable[..., subprocess.CompletedProcess[str]]


def missing(*programs: str) -> list[str]:
    """Those of `programs` that this machine has not: then the test has nothing to show."""
    return [each for each in programs if shutil.which(each, path=os.defpath + ":/usr/sbin") is None]


def of_user(*command: str) -> str:
    """What `command` finds of the user."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """The home of a user who is gone afterwards with all that is theirs."""
    if lacking := missing("useradd", "sshd", "mmdebstrap", "zstd"):
        pytest.skip(f"there is no {', '.join(lacking)} here")
    subprocess.run(["useradd", "--create-home", "--shell", "/bin/bash", USER], check=True)
    number = pwd.getpwnam(USER).pw_uid
    try:
        yield Path(pwd.getpwnam(USER).pw_dir)
    finally:
        left = of_user("ps", "-u", USER, "-o", "pid=").split()
        subprocess.run(["kill", "-KILL", *left], capture_output=True, check=False)
        subprocess.run(["userdel", "--remove", USER], capture_output=True, check=True)
        shutil.rmtree(f"/tmp/baremark-{number}", ignore_errors=True)


@pytest.fixture(scope="module")
def as_user(home: Path) -> As:
    """Run a command of the user's own clone of this code, which the user has set up."""
    clone = home / "baremark"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout
    clone.mkdir()
    for name in filter(None, names.decode().split("\0")):
        if (ROOT / name).exists():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name, follow_symlinks=False)
    subprocess.run(["chown", "-R", f"{USER}:", str(clone)], check=True)
    kept = (
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "PIP_INDEX_URL",
        "UV_INDEX_URL",
        "SSL_CERT_FILE",
    )
    own = {"HOME": str(home), "USER": USER, "PATH": "/usr/local/bin:/usr/bin:/bin"}
    own |= {name: os.environ[name] for name in kept if name in os.environ}

    def run(*words: str, limit_s: float = 1800) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", *words],
            cwd=clone,
            env=own,
            capture_output=True,
            text=True,
            timeout=limit_s,
            stdin=subprocess.DEVNULL,
        )

    made = run("make", ".venv/.ready")
    assert made.returncode == 0, made.stdout + made.stderr
    return run


def test_a_user_without_root_measures_native_and_a_container_and_leaves_nothing(
    as_user: As, home: Path
) -> None:
    assert as_user("sudo", "-n", "true").returncode != 0 if shutil.which("sudo") else True
    options = f"--preset smoke --accept foreign_load {' '.join(FEW)}"
    done = as_user("make", "bench", f"BENCH_OPTIONS={options}")
    assert "Traceback" not in done.stderr
    assert done.returncode == 0, done.stdout + done.stderr

    results = home / "baremark" / "results"
    rows = list(
        csv.DictReader(io.StringIO(next((results / "published").glob("*-native.csv")).read_text()))
    )
    assert {row["workload"] for row in rows} - {""} == set(FEW[1::2])
    run = reader.read_run(folders.find(results / "runs", "latest"))
    seen = {record.target.name: record.fingerprint for record in run.manifest.targets}
    assert seen["native"].inside["user"] == "unprivileged"
    assert "native is an unprivileged user's" in done.stdout
    if "container" in seen:
        assert seen["container"].label == "podman-rootless"
        assert seen["container"].outside["network"] in {"host", "slirp4netns"}
        assert seen["container"].outside["cpus"] is not None
        assert "made without root" in done.stdout
    else:
        assert "container is left out" in done.stderr  # with what is missing, and what to type
        assert missing("podman", "newuidmap", "slirp4netns")
    assert of_user("ps", "-u", USER, "-o", "args=") == ""
    places = [each for each in ("/tmp", "/var/tmp", "/dev/shm", "/run") if Path(each).is_dir()]
    assert of_user("find", *places, "-xdev", "-user", USER) == ""
    assert as_user("make", "clean").returncode == 0
    assert not (home / ".local" / "share" / "baremark").exists()
    assert not (home / ".cache" / "baremark").exists()


def test_what_only_an_administrator_can_install_is_said_in_one_line(
    as_user: As, home: Path
) -> None:
    """A machine without them is one on which they are not found."""
    hidden = home / "baremark" / "playbooks" / "library" / "baremark_survey.py"
    text = hidden.read_text()
    hidden.write_text(
        text.replace('PATH = "/usr/local/sbin:', 'PATH = "/nowhere:').replace(
            ":/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ""
        )
    )
    try:
        done = as_user(".venv/bin/baremark", "bench", "--preset", "smoke")
    finally:
        hidden.write_text(text)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if "for an administrator to type" in line]
    assert len(lines) == 1
    for package in ("openssh-server", "podman", "uidmap", "slirp4netns", "iproute2"):
        assert package in lines[0]
