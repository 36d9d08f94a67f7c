"""The bundle: the programs with their libraries and loader, the same bytes on every target.

Packed from a tree of Debian packages: each program, every library that the tree's own loader
resolves for it, and the loader. No file of a target is used, so neither its distribution nor its
releases can differ in what is measured. The bundle is named by the sha256 of its MANIFEST, which
lists the sha256 of every file in it; packing the same tree twice gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import zstandard

from harness import tools
from harness.bundle.archive import MANIFEST, Bundle, listed, load
from harness.errors import HarnessError
from harness.files import lock, write_whole, writing
from harness.remote.session import OUTPUT_LIMIT_BYTES

BASE_PROGRAMS = ("cat", "dash", "date", "env", "head", "sha256sum", "timeout")
"""What a trial is started, limited and verified with, besides the tools."""

OBSERVERS = ("cpuid",)
"""What a target is looked at with: only the processor itself names its hypervisor."""

LOADED_LATER = ("libgcc_s.so.1",)
"""glibc loads it when a thread is cancelled, so no program names it."""
_LOCK = ".bundle.lock"
_FOLDERS = ("usr/bin", "bin", "usr/sbin", "sbin")
_RUN = """\
#!/bin/sh
# run PROGRAM [ARGUMENT...]: start a program of this bundle with its own loader and libraries.
here=${0%%/*} program=$1
shift
exec "$here/lib/%(loader)s" --inhibit-cache --library-path "$here/lib" "$here/bin/$program" "$@"
"""


def pack(tree: Path, into: Path) -> Bundle:
    """Pack the bundle from a tar archive of a tree of packages; a packed one is used again.

    `into` is the controller's cache folder, which several clones may share: one process packs at
    a time, and who asks meanwhile waits for its bundle. Raises `HarnessError` when a program or a
    library is not in the tree.
    """
    known = into / f"{tree.name}.{_recipe()}.digest"
    if (there := _known(into, known)) is not None:
        return there
    with writing(into, "make room or make it writable, or choose another XDG_CACHE_HOME"):
        (into / _LOCK).touch()
        with lock(into / _LOCK):
            return _known(into, known) or _packed(tree, into, known)


def _known(into: Path, known: Path) -> Bundle | None:
    """The bundle whose digest the file `known` holds; None where one of the two is not there."""
    if not known.exists():
        return None
    packed = into / f"bundle-{known.read_text().strip()}.tar.zst"
    return load(packed) if packed.exists() else None


def _packed(tree: Path, into: Path, known: Path) -> Bundle:
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=into) as folder:
        root = Path(folder) / "tree"
        _unpack(tree, root)
        contents = _contents(root)
        listing = "".join(f"{_sha256(contents[name])}  {name}\n" for name in sorted(contents))
        digest = hashlib.sha256(listing.encode()).hexdigest()
        aside = Path(folder) / "packed"
        _archive(digest, {**contents, MANIFEST: listing.encode()}, aside)
        aside.replace(into / f"bundle-{digest}.tar.zst")
        write_whole(known, f"{digest}\n".encode())
    return Bundle(digest, into / f"bundle-{digest}.tar.zst", listed(listing.encode()))


def _unpack(tree: Path, root: Path) -> None:
    """Unpack without device nodes, which only root could make, and owned by whoever asks.

    By tar itself: the standard library's filters are not in every Python 3.11.
    """
    root.mkdir()
    done = subprocess.run(
        ["tar", "--no-same-owner", "--exclude=./dev", "-xf", str(tree), "-C", str(root)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise HarnessError(
            f"cannot unpack {tree}: {done.stderr.strip()[:300]}",
            "see that the disk has room, or remove the file, so that it is built again",
        )


def _recipe() -> str:
    """What besides the tree decides the bundle's bytes, as a short digest."""
    names = [*BASE_PROGRAMS, *OBSERVERS, *LOADED_LATER]
    names += [tools.load(name).PROGRAM for name in tools.bundled()]
    return hashlib.sha256("\0".join([_RUN, _script("@"), *names]).encode()).hexdigest()[:12]


def _script(loader: str) -> str:
    text = Path(__file__).with_name("trial.sh").read_text(encoding="utf-8")
    return text.replace("@LOADER@", loader).replace("@MOST@", str(OUTPUT_LIMIT_BYTES + 1))


def _contents(root: Path) -> dict[str, Path | bytes]:
    """Every file of the bundle by its path in it, but for the MANIFEST that lists them."""
    loader = _loader(root)
    programs = {
        name: _find(root, _FOLDERS, name)
        for name in (
            *BASE_PROGRAMS,
            *OBSERVERS,
            *(tools.load(tool).PROGRAM for tool in tools.bundled()),
        )
    }
    folders = _library_folders(root)
    libraries = {loader.name: loader}
    for name in LOADED_LATER:
        libraries[name] = _find(root, folders, name)
    for program in programs.values():
        libraries.update(_needed(root, loader, folders, program))
    return {
        **{f"bin/{name}": path for name, path in programs.items()},
        **{f"lib/{name}": path for name, path in libraries.items()},
        "run": (_RUN % {"loader": loader.name}).encode(),
        "trial": _script(loader.name).encode(),
    }


def _sha256(content: Path | bytes) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _loader(root: Path) -> Path:
    for pattern in ("usr/lib/*/ld-linux-*.so.*", "lib/*/ld-linux-*.so.*"):
        for path in sorted(root.glob(pattern)):
            return path
    raise HarnessError("the bundle's tree has no loader (ld-linux)", "baremark down --purge")


def _library_folders(root: Path) -> tuple[str, ...]:
    found = [
        str(path.relative_to(root))
        for pattern in ("usr/lib/*-linux-gnu", "lib/*-linux-gnu", "usr/lib/*-linux-gnu/*")
        for path in sorted(root.glob(pattern))
        if path.is_dir() and not path.is_symlink()
    ]
    return (*found, "usr/lib", "lib")


def _find(root: Path, folders: Sequence[str], name: str) -> Path:
    for folder in folders:
        path = root / folder / name
        if path.exists():
            return _inside(root, path)
    raise HarnessError(
        f"the bundle's tree has no {name}", "baremark down --purge, so that it is built again"
    )


def _inside(root: Path, path: Path) -> Path:
    """Follow symbolic links as they mean inside the tree, not on this machine."""
    for _ in range(16):
        if not path.is_symlink():
            return path
        aim = path.readlink()
        path = root / aim.relative_to("/") if aim.is_absolute() else path.parent / aim
    raise HarnessError(
        f"{path} in the bundle's tree is a circle of links",
        "baremark down --purge, so that the tree is built again",
    )


def _needed(root: Path, loader: Path, folders: Sequence[str], program: Path) -> dict[str, Path]:
    """The libraries of a program as the tree's own loader resolves them, by their names."""
    done = subprocess.run(
        [
            str(loader),
            "--inhibit-cache",
            "--library-path",
            ":".join(str(root / folder) for folder in folders),
            "--list",
            str(program),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C"},
    )
    if done.returncode != 0:
        raise HarnessError(
            f"the loader cannot resolve {program.name}: {done.stderr.strip()[:300]}",
            "baremark down --purge, so that the tree is built again",
        )
    needed = {}
    for line in done.stdout.splitlines():
        name, arrow, rest = line.strip().partition(" => ")
        if not arrow or name.startswith("/"):
            continue
        found = Path(rest.rpartition(" (")[0])
        if not found.is_relative_to(root):
            raise HarnessError(
                f"{program.name} needs {name}, which is not in the bundle's tree",
                "add its package to the bundle's list",
            )
        needed[name] = _inside(root, found)
    return needed


def _archive(digest: str, contents: Mapping[str, Path | bytes], path: Path) -> None:
    with (
        path.open("wb") as file,
        zstandard.ZstdCompressor(level=9).stream_writer(file) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT) as archive,
    ):
        for folder in ("", "bin", "lib"):
            entry = tarfile.TarInfo(f"{digest}/{folder}".rstrip("/"))
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for name, content in sorted(contents.items()):
            entry = tarfile.TarInfo(f"{digest}/{name}")
            entry.mode = 0o644 if name == MANIFEST else 0o755
            if isinstance(content, bytes):
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
            else:
                entry.size = content.stat().st_size
                with content.open("rb") as source:
                    archive.addfile(entry, source)
