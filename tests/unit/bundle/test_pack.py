"""The cache of bundles is shared by clones: whoever packs at the same time gets one bundle."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests import waiting
from tests.system import standin

PACK = """
import json, sys
from pathlib import Path
from harness.bundle import pack
print("ready", flush=True)
sys.stdin.readline()
packed = pack.pack(Path(sys.argv[1]), Path(sys.argv[2]))
seen = packed.archive.stat()
print(json.dumps([packed.digest, seen.st_ino, seen.st_mtime_ns]), flush=True)
"""


def test_two_processes_that_pack_at_once_make_one_bundle(tmp_path: Path) -> None:
    tree, cache = standin.tree(tmp_path), tmp_path / "cache"
    cache.mkdir()
    both = [
        subprocess.Popen(
            [sys.executable, "-c", PACK, str(tree), str(cache)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for each in both:
        assert each.stdout is not None
        assert each.stdin is not None
        assert each.stdout.readline() == "ready\n"
    for each in both:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    one, other = (each.communicate(timeout=waiting.GUARD_S)[0] for each in both)
    assert [each.returncode for each in both] == [0, 0]
    assert one == other
    (archive,) = cache.glob("bundle-*.tar.zst")
    digest, inode, stamp = json.loads(one)
    assert archive.name == f"bundle-{digest}.tar.zst"
    assert (archive.stat().st_ino, archive.stat().st_mtime_ns) == (inode, stamp)
    assert not list(cache.glob("unfinished-*"))
