"""A folder of a tool's outputs as trials: `<target>/<workload>.<block>.<ext>`.

A file `<workload>.<block>.err` beside it is what the program printed on standard error. The
sub-folder of native may have a neighbour `<native>+control`, its second trial in each block.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from harness import tools
from harness.errors import ReadError, UseError
from harness.importing import Content, ImportedTrial, Output, Source, arguments, programs
from harness.importing.names import file_name, name
from harness.model.plan import CONTROL
from harness.model.workload import Resource, Sample

LAYOUT = "<target>/<workload>.<block>.<ext>, as in guest/randread.0.json"
STDERR = ".err"

_FILE = re.compile(r"(?P<workload>.+)\.(?P<block>[0-9]{1,9})\.[A-Za-z0-9]+")
_RESOURCES = {"fio": Resource.DISK, "iperf3": Resource.NETWORK, "sockperf": Resource.NETWORK}
"""Of the tools that stress but one."""
_OF_TEST = {
    b"\nCPU speed:\n": Resource.CPU,
    b"MiB transferred (": Resource.MEMORY,
    b"\nFile operations:\n": Resource.DISK,
}
"""Of sysbench's tests, by words that only their reports have. Of others it is asked."""


def read(folder: Path, request: Source) -> Content:
    """The trials of the outputs in `folder`. UseError where it is not laid out as it must be.

    An output from which no number can be taken is a failed trial, with the reader's reason.
    """
    if request.tool is None:
        raise UseError(
            f"{folder} is a folder, and whose outputs it holds is not said",
            "--tool " + ", ".join(tools.names()),
        )
    reader = tools.load(request.tool)
    host = file_name(request.host or folder.resolve().name, "the host (--host)", str(folder))
    arms, loose = _arms(folder, request)
    digest = hashlib.sha256()
    trials = []
    for arm in arms:
        for file, workload, block in _files(arm):
            stdout, stderr = _bytes(file), _stderr(file)
            for each, data in ((file, stdout), (file.with_suffix(STDERR), stderr)):
                digest.update(f"{each.relative_to(folder)}\0".encode())
                digest.update(hashlib.sha256(data).digest())
            target = arm.name.removesuffix(CONTROL)
            found = ImportedTrial(
                place=str(file),
                host=host,
                target=None if target == request.native else name(target, "target", str(arm)),
                backend=request.backends.get(target, target),
                workload=name(workload, "workload", str(file)),
                resource=_RESOURCES.get(request.tool),
                block=block,
                samples=(),
                control=arm.name.endswith(CONTROL),
                tool=request.tool,
                output=Output(stdout, stderr, programs.stated(request.tool, stdout)),
            )
            trials.append(_with_samples(found, reader))
    _require_samples(trials)
    return Content(
        folder.resolve().name, digest.hexdigest(), tuple(trials), loose, arguments.untold(trials)
    )


def _arms(folder: Path, request: Source) -> tuple[list[Path], tuple[str, ...]]:
    """The sub-folders, native's among them, and the names of what lies beside them."""
    inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    arms = [path for path in inside if path.is_dir()]
    names = [path.name for path in arms]
    if not arms:
        raise UseError(f"{folder} has no sub-folders", f"lay the outputs out as {LAYOUT}")
    if request.native not in names:
        raise UseError(
            f"{folder} has no sub-folder {request.native!r} of native's outputs; it has: "
            + ", ".join(names),
            "name native's with --native; overhead is measured against it",
        )
    for each in names:
        if each.endswith(CONTROL) and each != f"{request.native}{CONTROL}":
            raise UseError(
                f"{folder / each}: only native has a second trial in each block",
                f"call native's {request.native}{CONTROL}, and other folders otherwise",
            )
    if stray := set(request.backends) - set(names):
        raise UseError(
            f"--backend {min(stray)}=…: there is no such sub-folder in {folder}",
            "choose from: " + ", ".join(names),
        )
    return arms, tuple(path.name for path in inside if not path.is_dir())


def _files(arm: Path) -> Iterator[tuple[Path, str, int]]:
    """The standard outputs in a target's folder, each with its workload and block."""
    seen: dict[tuple[str, int], Path] = {}
    for file in sorted(arm.iterdir()):
        if file.name.startswith("."):
            continue
        told = _FILE.fullmatch(file.name)
        if told is None or not file.is_file():
            raise UseError(f"{file} does not tell its workload and block", f"call it {LAYOUT}")
        if file.suffix == STDERR:
            if not _of_stem(arm, file.stem):
                raise UseError(f"{file} has no output beside it", f"call the two {LAYOUT}")
            continue
        key = told["workload"], int(told["block"])
        if key in seen:
            raise UseError(
                f"{file} and {seen[key]} are of one workload and block",
                "number the repeats as blocks, each beside one of native, or keep one of them",
            )
        seen[key] = file
        yield file, *key
    if not seen:
        raise UseError(f"{arm} holds no output", f"lay the outputs out as {LAYOUT}, or remove it")


def _of_stem(arm: Path, stem: str) -> list[Path]:
    return [each for each in arm.iterdir() if each.stem == stem and each.suffix != STDERR]


def _with_samples(found: ImportedTrial, reader: tools.Tool) -> ImportedTrial:
    output = found.output
    assert output is not None
    try:
        samples = tuple(_named(reader.read(output.stdout, output.stderr), found.place))
    except ReadError as error:
        return replace(found, reason=error.message)
    resource = found.resource
    if found.tool == "sysbench":
        resource = next((of for words, of in _OF_TEST.items() if words in output.stdout), None)
    return replace(found, samples=samples, resource=resource)


def _named(samples: Iterable[Sample], place: str) -> Iterator[Sample]:
    """Samples with a name for each: what labels tell apart gets them into the metric's name."""
    seen = set()
    for sample in samples:
        told = ", ".join(f"{key} {value}" for key, value in sample.labels)
        metric = name(f"{sample.metric} ({told})" if told else sample.metric, "metric", place)
        if metric in seen:
            raise UseError(
                f"{place} holds several values of {metric}, which nothing tells apart",
                "average them, and import them as a table (CSV)",
            )
        seen.add(metric)
        yield Sample(metric, sample.value, sample.unit, sample.better)


def _require_samples(trials: Sequence[ImportedTrial]) -> None:
    """UseError for a workload of which no output gave a number: nobody knows its metrics."""
    good = {trial.workload for trial in trials if trial.samples}
    for trial in trials:
        if trial.workload not in good:
            raise UseError(
                f"no output of {trial.workload} gives a number; {trial.place}: {trial.reason}",
                f"are they {trial.tool}'s (--tool), in the form that baremark parse reads?",
            )


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UseError(f"cannot read {file}: {error.strerror}", "check its permissions") from None


def _stderr(file: Path) -> bytes:
    beside = file.with_suffix(STDERR)
    return _bytes(beside) if beside.is_file() else b""
