"""The options that sysbench repeats before a test begins.

Every line there counts but those of `_PASSING`. One that no pattern knows is an option by itself.
"""

from __future__ import annotations

import re

from harness.importing.stated import Given, Stated, plain

_BEGIN, _END = "Running the test with following options:", "Threads started!"
_PASSING = re.compile(
    r"initializing .*|random number generator .*|warning\b.*|report intermediate results .*"
    r"|debug mode enabled.*|forcing shutdown in .*|\(last message repeated .*|done\.",
    re.IGNORECASE,
)
"""Warnings, seeds, and what is reported meanwhile."""
_LINES = (
    (re.compile(r"Running (.*) test with the following options:"), "test"),
    (re.compile(r"Doing (.*?)(?: test| benchmark)?\.?"), "test"),
    (re.compile(r"(\d+ files, \S+) each"), "files"),
    (re.compile(r"(\S+) total file size"), "total file size"),
    (re.compile(r"Block size (\S+)"), "block size"),
    (re.compile(r"Periodic FSYNC enabled, calling fsync\(\) (.*)\."), "periodic fsync()"),
    (re.compile(r"Calling fsync\(\) at the end of test, (.*)\."), "fsync() at the end"),
    (re.compile(r"Calling fsync\(\) (after each write operation)\."), "fsync() after each write"),
    (re.compile(r"Using (.*) I/O mode"), "I/O mode"),
    (re.compile(r"([^:]+): +(.+)"), None),
)
"""What a line says, and of what; the last has its name before the colon."""
_AFTERWARDS = re.compile(r"^Maximum prime number checked in CPU test: *(\d+)", re.MULTILINE)
"""Of sysbench 0.4, which says it at the end."""
_DEFAULTS = plain({"Extra file open flags": "(none)", "Warmup time": "0s"})
_NO_FLAGS = {"0": "(none)"}
_SIZE = re.compile(r"(\d)([KMGT])(?:i?[Bb])?\b")


def read(stdout: str, _: str) -> Stated:
    """The options of every test in the report."""
    tests = [found for each in stdout.split(_BEGIN)[1:] if (found := _of_test(each))]
    if len(tests) == 1:
        return Stated("a list of options", tests[0], _DEFAULTS)
    given = {f"tests[{at}] {name}": of[name] for at, of in enumerate(tests) for name in of}
    return Stated("lists of options", given) if given else Stated()


def _of_test(text: str) -> dict[str, Given]:
    """The options between a test's heading, which `text` follows, and its beginning."""
    head, started, body = text.partition(_END)
    if not started:
        return {}
    lines = [line.strip() for line in head.splitlines()]
    given = dict(_given(line) for line in lines if line and not _PASSING.fullmatch(line))
    if limit := _AFTERWARDS.search(body):
        given["Prime numbers limit"] = Given(limit[1], limit[1])
    return given


def _given(line: str) -> tuple[str, Given]:
    for pattern, name in _LINES:
        if found := pattern.fullmatch(line):
            name, said = (name, found[1]) if name else (found[1].strip(), found[2].strip())
            means = _NO_FLAGS.get(said, said) if name == "Extra file open flags" else said
            return name, Given(said, _SIZE.sub(r"\1\2iB", means))
    return f"“{line}”", Given("given", "given")
