"""The bundle on a target: unpacked there, verified file by file, asked for its versions."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import zstandard

from harness import tools
from harness.bundle.archive import MANIFEST, Bundle, listed
from harness.errors import HarnessError, ReadError, refusal
from harness.remote.session import Reply, Session, last_lines
from harness.text import sentence

VERIFY_LIMIT_S = 300.0
_MAY_NOT_START = 126
"""A shell's status for a program that is there and may not be started."""


def push(bundle: Bundle, session: Session, store: str) -> str:
    """Have the bundle unpacked and verified in the target's folder `store`; its folder there.

    A folder that is there already is verified as it is. Raises `HarnessError` naming the first
    file whose bytes on the target differ from the bundle's.
    """
    place = f"{store}/{bundle.digest}"
    if session.run(["test", "-e", place], limit_s=30).exit_status != 0:
        session.check(["mkdir", "-p", store], limit_s=30)
        packed = f"{place}.tar.zst"
        unpack = "zstd -dcq"
        if session.run("command -v zstd", limit_s=30).exit_status == 0:
            session.put(bundle.archive, packed)
        else:
            unpack = "cat"
            _put_plain(bundle, session, packed)
        aside = f"{store}/.unfinished-{bundle.digest}"
        session.check(
            f"rm -rf {aside} && mkdir {aside} && {unpack} {packed} | tar -xf - -C {aside} && "
            f"rm {packed} && mv {aside}/{bundle.digest} {place} && rmdir {aside}",
            limit_s=VERIFY_LIMIT_S,
        )
    verify(bundle, session, place)
    return place


def _put_plain(bundle: Bundle, session: Session, remote: str) -> None:
    """Copy the archive unpacked to where there is no zstd: a target that Baremark did not make."""
    with tempfile.NamedTemporaryFile(prefix="baremark-bundle-") as plain:
        with bundle.archive.open("rb") as file:
            zstandard.ZstdDecompressor().copy_stream(file, plain)
        plain.flush()
        session.put(Path(plain.name), remote)


def verify(bundle: Bundle, session: Session, place: str) -> None:
    """Have the target hash every file of the bundle. Raises `HarnessError` on any difference."""
    names = sorted(bundle.files)
    if session.run([f"{place}/run"], limit_s=VERIFY_LIMIT_S).exit_status == _MAY_NOT_START:
        raise HarnessError(
            f"{session.name}: programs cannot be started in {place}",
            "see how its file system is mounted (findmnt -T, noexec) and what SELinux or AppArmor "
            "forbid there; baremark doctor looks for it",
        )
    printed = session.check(
        f"cd {place} && exec ./run sha256sum -- {MANIFEST} {' '.join(names)}",
        limit_s=VERIFY_LIMIT_S,
    )
    expected = {**bundle.files, MANIFEST: bundle.digest}
    seen = listed(printed.encode())
    for name, digest in sorted(expected.items()):
        if seen.get(name) != digest:
            raise refusal(
                "bundle",
                f"{session.name} would run other bytes",
                f"{name} in its bundle has sha256 {seen.get(name, 'none')[:12]}…, the bundle's is "
                f"{digest[:12]}…",
                f"remove {place} on the target, then try again",
            )


def _how(reply: Reply) -> str:
    """How a command ended that did not say what it should, with its last words."""
    if reply.timed_out:
        return f"no end within {reply.seconds:.0f} s"
    said = sentence(last_lines(reply.stderr or reply.stdout))
    return f"exit status {reply.exit_status}{said and f': {said}'}"


def versions(session: Session, place: str, names: Sequence[str]) -> dict[str, str]:
    """What each tool's program says on the target that it is, by tool. Raises `HarnessError`."""
    said = {}
    for name in names:
        tool = tools.load(name)
        reply = session.run([f"{place}/run", tool.PROGRAM, *tool.VERSION_ARGS], limit_s=60)
        try:
            said[name] = tool.version(reply.stdout, reply.stderr)
        except ReadError as error:
            raise HarnessError(
                f"{session.name}: {tool.PROGRAM} does not say its version: "
                f"{error.message} ({_how(reply)})",
                "the target cannot run the bundle's programs; see baremark doctor",
            ) from None
    return said
