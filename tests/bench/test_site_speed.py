"""A month of nights as a site: how long it takes, how large it is, how soon its pages are there.

`pytest tests/bench --benchmark-enable` makes thirty nights of six targets and nineteen workloads
and their site, in a fresh process on two CPUs, with and without a dataset made before;
`extra_info` holds the figures. Without that option the same path runs once over two short nights.
The limits are those that the site promises.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.lab import LODGERS, night, save, workloads
from tests.system import browser

ROOT = Path(__file__).parents[2]
MOST_CPU_S = 20.0
MOST_BYTES = 10_000_000
DOM_CONTENT_LOADED_S = 1.0
BUILD = """
import json, resource, sys, time
from pathlib import Path
begin = time.perf_counter()
from harness.publish import site
made = site.build(Path(sys.argv[1]), Path(sys.argv[2]))
spent = time.perf_counter() - begin
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": spent, "peak_rss_mib": peak, "bytes": made.size, "runs": made.runs,
                  "cpu_seconds": time.process_time()}))
"""


def built(results: Path, site: Path) -> dict[str, float]:
    """The figures of a site made in a process of its own on two CPUs."""
    cpus = ",".join(map(str, sorted(os.sched_getaffinity(0))[:2]))
    done = subprocess.run(
        ["taskset", "--cpu-list", cpus, sys.executable, "-c", BUILD, str(results), str(site)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "POLARS_MAX_THREADS": "2"},
    )
    assert done.returncode == 0, done.stderr
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


@pytest.mark.parametrize(
    ("nights", "blocks", "most"),
    [
        pytest.param(2, 6, 1, id="small"),
        pytest.param(30, 10, None, id="month", marks=pytest.mark.long),
    ],
)
def test_nights_become_a_site(
    benchmark: Any,
    tmp_path: Path,
    pytestconfig: pytest.Config,
    nights: int,
    blocks: int,
    most: int | None,
) -> None:
    if nights > 2 and not pytestconfig.getoption("benchmark_enable"):
        pytest.skip("a month of nights only with --benchmark-enable")
    results, site = tmp_path / "results", tmp_path / "site"
    chosen = workloads(most)
    for number in range(nights):
        save(night(number, blocks=blocks, update=nights // 2, of=chosen), results)
    first = built(results, site)
    again = benchmark.pedantic(lambda: built(results, site), rounds=3 if nights > 2 else 1)
    loaded = loading(site, tmp_path / "profile")
    benchmark.extra_info.update(
        first=first, again=again, targets=1 + len(LODGERS), workloads=len(chosen),
        dom_content_loaded_s=loaded,
    )  # fmt: skip
    assert first["runs"] == nights
    assert first["bytes"] == again["bytes"] < MOST_BYTES
    if pytestconfig.getoption("benchmark_enable"):
        # The work, and not the wait for other work of this machine: alone on it, `seconds` is less.
        assert first["cpu_seconds"] < MOST_CPU_S
        assert all(spent < DOM_CONTENT_LOADED_S for spent in loaded.values())


def loading(site: Path, profile: Path) -> dict[str, float]:
    """Seconds until the document of a page of each kind is there; none without a browser."""
    if browser.program() is None:
        return {}
    pages = [
        site / "index.html",
        site / "method.html",
        *(sorted(site.glob("runs/2*/*.html"))[-2:]),
        *(sorted(site.glob("workloads/*.html"))[:1]),
    ]
    found = {}
    with browser.running(profile) as one:
        page = one.page()
        for path in pages:
            page.open(path)
            entry = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
            found[str(path.relative_to(site))] = page.value(entry) / 1000
    return found
