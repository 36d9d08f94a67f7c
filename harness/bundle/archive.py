"""The packed bundle: one archive, named by the digest of the list of its files."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import zstandard

from harness.errors import HarnessError

MANIFEST = "MANIFEST"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A packed bundle on the controller: `archive` unpacks to one folder named `digest`.

    `files` maps each path in that folder to the sha256 of its content.
    """

    digest: str
    archive: Path
    files: Mapping[str, str]


def load(archive: Path) -> Bundle:
    """A bundle packed before, its listing read from the archive."""
    digest = archive.name.removeprefix("bundle-").removesuffix(".tar.zst")
    try:
        with (
            archive.open("rb") as file,
            zstandard.ZstdDecompressor().stream_reader(file) as stream,
            tarfile.open(fileobj=stream, mode="r|") as members,
        ):
            for member in members:
                if member.name == f"{digest}/{MANIFEST}":
                    content = members.extractfile(member)
                    if content is not None:
                        text = content.read()
                        break
            else:
                raise HarnessError(f"{archive} holds no {MANIFEST}", "remove it; it is made again")
    except (OSError, tarfile.TarError, zstandard.ZstdError) as error:
        raise HarnessError(
            f"{archive} is damaged: {error}", "remove it; it is made again"
        ) from None
    if hashlib.sha256(text).hexdigest() != digest:
        raise HarnessError(f"{archive} is not what its name says", "remove it; it is made again")
    return Bundle(digest, archive, listed(text))


def listed(manifest: bytes) -> dict[str, str]:
    """`sha256sum`'s lines: the digest of each file by its path."""
    lines = (line.split("  ", 1) for line in manifest.decode().splitlines() if "  " in line)
    return {name: digest for digest, name in lines}
