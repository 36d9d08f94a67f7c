"""Years of nights of many hosts as dataset files, made fast: what the analysis must bear.

Each host-night is a run: ten blocks of native, native's second trial, and three other targets,
one workload with two metrics, so a hundred rows.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from harness.dataset.dataset import SCHEMA, SCHEMA_VERSION

BLOCKS = 10
ARMS = (
    ("", "baremetal", "native"),
    ("+control", "baremetal", "native"),
    ("docker", "docker", "os"),
    ("kvm", "kvm", "type1"),
    ("virtualbox", "virtualbox", "type2"),
)
METRICS = (("read_iops", "1/s", "higher"), ("read_lat_p99_us", "µs", "lower"))
ROWS_A_RUN = BLOCKS * len(ARMS) * len(METRICS)
BYTES_A_ROW = 12
"""On the disk, generously."""


def generate(folder: Path, hosts: int, nights: int, files: int, seed: int = 1) -> Path:
    """`hosts` × `nights` runs in `files` Parquet files, all nights of a host in one of them.

    Values are lognormal, with a slowdown for each target and a drift for each block.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    night = _night()
    for file, numbers in enumerate(np.array_split(np.arange(hosts), files)):
        names = [f"host-{number:04}" for number in numbers]
        frame = _many(night, names, nights, rng)
        frame.write_parquet(
            folder / f"{file:05}.parquet", metadata={"schema_version": str(SCHEMA_VERSION)}
        )
    return folder


def _night() -> pl.DataFrame:
    """The rows of one run; host, run, time, and values come later."""
    rows = [
        {
            "backend": backend,
            "target": target,
            "label": backend,
            "class": kind,
            "native": target == "",
            "control": target == "+control",
            "metric": name,
            "metric_index": index,
            "unit": unit,
            "better": better,
            "block": block,
            "position": position,
            "trial": f"{block:03}-{position:02}",
        }
        for block in range(BLOCKS)
        for position, (target, backend, kind) in enumerate(ARMS)
        for index, (name, unit, better) in enumerate(METRICS)
    ]
    constant = {
        "schema_version": SCHEMA_VERSION,
        "scenario": "overhead",
        "preset": "nightly",
        "workload": "disk-randread-4k-qd1",
        "workload_version": 1,
        "title": "Disk, random reads of 4 KiB",
        "resource": "disk",
        "status": "ok",
        "nested": False,
        "imported": False,
        "elsewhere": False,
        "adopted": False,
        "controller_s": 5.1,
        "guest_s": 5.0,
    }
    made = pl.DataFrame(rows).with_columns([pl.lit(v).alias(k) for k, v in constant.items()])
    return made.with_columns([pl.col(k).cast(SCHEMA[k]) for k in made.columns])


def _many(
    night: pl.DataFrame, hosts: list[str], nights: int, rng: np.random.Generator
) -> pl.DataFrame:
    runs = len(hosts) * nights
    when = [datetime(2023, 11, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(nights)]
    stamps = [f"{each:%Y%m%dT%H%M%SZ}" for each in when]
    run = pl.Series([f"{s}-{h}" for h in hosts for s in stamps]).cast(SCHEMA["run"])
    host = pl.Series(hosts).cast(SCHEMA["host"])
    # Native is called as its host.
    arms = [
        [name if name and name[0] != "+" else f"{h}{name}" for name, _, _ in ARMS] for h in hosts
    ]
    target = pl.Series([name for of in arms for name in of]).cast(SCHEMA["target"])
    of_run = np.repeat(np.arange(runs), ROWS_A_RUN)
    arm = np.tile(np.repeat(np.arange(len(ARMS)), len(METRICS)), BLOCKS)
    shape = (runs, BLOCKS, len(ARMS), len(METRICS))
    shift = np.log([1.0, 1.0, 1.02, 1.1, 1.3])[:, None] * np.array([-1.0, 1.0])
    drift = rng.normal(scale=0.03, size=(runs, BLOCKS, 1, 1))
    noise = rng.standard_normal(size=shape, dtype=np.float32) * 0.02
    level = np.log([9000.0, 180.0])
    value = np.exp(level + shift + drift + noise).ravel()
    of_host = of_run // nights
    many = night[np.tile(np.arange(ROWS_A_RUN), runs)].with_columns(
        run.gather(of_run).alias("run"),
        host.gather(of_host).alias("host"),
        pl.Series("started", when, dtype=SCHEMA["started"]).gather(of_run % nights),
        target.gather(of_host * len(ARMS) + np.tile(arm, runs)).alias("target"),
        pl.Series("value", value),
    )
    return many.select(list(SCHEMA))
