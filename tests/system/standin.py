"""A bundle whose programs are this machine's own small ones under the tools' names.

For what the real programs cannot be made to do: print garbage, print without end, hang. Packing,
pushing, verifying and starting are the real thing.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

from harness import tools
from harness.bundle import pack
from harness.bundle.archive import Bundle
from harness.bundle.pack import BASE_PROGRAMS, LOADED_LATER, OBSERVERS

ROLES = {
    "sysbench": "cat",
    "fio": "yes",
    "stress-ng": "sleep",
    "iperf3": "ls",
    "sockperf": "touch",
}
"""Which program plays which tool; every other tool is played by `true`."""


def tree(folder: Path) -> Path:
    """A tar archive laid out as a Debian tree, of this machine's programs and libraries."""
    root = folder / "root"
    programs = root / "usr/bin"
    libraries = root / "usr/lib/x86_64-linux-gnu"
    programs.mkdir(parents=True)
    libraries.mkdir(parents=True)
    played = {name: name for name in BASE_PROGRAMS} | dict.fromkeys(OBSERVERS, "true")
    played |= {tools.load(name).PROGRAM: ROLES.get(name, "true") for name in tools.bundled()}
    for name, own in played.items():
        found = shutil.which(own)
        assert found is not None, own
        shutil.copy(Path(found).resolve(), programs / name)
        for library in _libraries(found):
            shutil.copy(library.resolve(), libraries / library.name)
    for name in LOADED_LATER:
        printed = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True).stdout
        places = [line.split(" => ")[1] for line in printed.splitlines() if f"\t{name} " in line]
        shutil.copy(Path(places[0]).resolve(), libraries / name)
    archive = folder / "bundle-tree-standin.tar"
    with tarfile.open(archive, "w") as packed:
        packed.add(root, ".")
    return archive


def make(folder: Path) -> Bundle:
    folder.mkdir(parents=True, exist_ok=True)
    return pack.pack(tree(folder), folder)


def _libraries(program: str) -> list[Path]:
    printed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    words = [word for word in printed.split() if word.startswith("/")]
    return [Path(word) for word in words]
