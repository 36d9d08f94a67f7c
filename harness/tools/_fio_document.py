"""The one report in what fio printed: where its JSON begins and ends, and which jobs it lists.

fio prints lines before the document (notes, progress, its terse line, a client's hosts) and,
with `--output-format=json,normal`, its text for people behind it. The document says the same
with more digits, so only what tells of a failed verification is looked for around it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from json import JSONDecodeError

from harness.errors import ReadError
from harness.tools import _text
from harness.tools._json import Node, first_json, not_json, read_json
from harness.tools._sample import Labels

TOOL = "fio"

_OPEN = re.compile(r'\{(?=\s*(?:["}]|\Z))')
_OPEN_REPORT = re.compile(
    r'\{\s*"(?:fio version|timestamp|timestamp_ms|time|job_start|global options|jobs|client_stats'
    r'|disk_util)"\s*:'
)
_LIST = re.compile(r"\s*\[\s*[\[{\]]")
_REPORT = re.compile(r'"(?:jobs|client_stats|fio version)"\s*:')
_PLAIN = re.compile(r"\(g(?:roupid)?=[0-9]|;fio-[0-9]")
_VERIFY = re.compile(r"verify(?: failed|: bad)\b")
_ALL_CLIENTS = "All clients"
_HINT = "docs/import.md says which reports of fio are read"


@dataclass(frozen=True, slots=True)
class Report:
    """fio's document, and what it printed before and behind it."""

    document: Node
    around: tuple[str, str]

    def require_verified(self, stderr: str) -> None:
        """ReadError where fio says beside the document that a verification failed."""
        for stream in (*self.around, stderr):
            if failure := _VERIFY.search(stream):
                raise refuse(f"verification failed: {_line(stream, failure.start())}")


def refuse(what: str, hint: str = _HINT) -> ReadError:
    """The error to raise; `what` says the place and what is wrong there."""
    return _text.refuse(TOOL, what, hint)


def find(stdout: bytes) -> Report:
    """The only report in `stdout`; ReadError where there is none, a second one, or half of one."""
    text = _text.report(stdout, TOOL)
    if _LIST.match(text):
        return Report(_only(read_json(text, TOOL)), ("", ""))
    start = _begin(text, 0)
    if start is None:
        raise _no_document(text)
    if _REPORT.search(text, 0, start):
        raise refuse("a part of another report stands before the document")
    document, end = first_json(text, TOOL, start)
    if _begin(text, end) is not None or _REPORT.search(text, end):
        raise refuse(
            "stdout holds two documents, as --status-interval gives them, and does not say which"
            " is the result",
            "keep the one that is (of --status-interval the last)",
        )
    follows = end + len(text[end:]) - len(text[end:].lstrip())
    if text.startswith((",", ":", '"', "}", "]"), follows):
        raise not_json(TOOL, JSONDecodeError("Extra data", text, follows))
    return Report(document, (text[:start], text[end:]))


def _begin(text: str, start: int) -> int | None:
    """Where a document begins: on a line, or behind a line of progress that fio did not end."""
    for brace in _OPEN.finditer(text, start):
        at = brace.start()
        before = text[max(start, at - 200) : at]
        if _OPEN_REPORT.match(text, at) or not re.split(r"[\n\r]", before)[-1].strip():
            return at
    return None


def _line(text: str, at: int) -> str:
    """The line that the offset `at` is in, in a length fit for a message."""
    return _text.excerpt(text[text.rfind("\n", 0, at) + 1 :].partition("\n")[0])


def _only(listed: Node) -> Node:
    documents = listed.items()
    if len(documents) != 1:
        raise refuse(
            f"stdout is a list of {len(documents)} documents, and does not say which is the result",
            "keep one of them in each file",
        )
    return documents[0]


def _no_document(text: str) -> ReadError:
    plain = _PLAIN.search(text)
    what = f"stdout is fio's text for people: {_line(text, plain.start())!r}" if plain else ""
    return refuse(what or "stdout holds no JSON document", "run fio with --output-format=json")


def jobs(document: Node) -> list[tuple[Node, Labels]]:
    """Each job with what tells its samples from those of the others; a single one has no labels.

    With `--client` the jobs of each host; what fio adds up over all hosts is none of them.
    """
    listed, clients = document.get("jobs"), document.get("client_stats")
    if listed is None and clients is None:
        raise refuse("jobs is missing, and so is client_stats, which fio --client writes instead")
    if listed is not None and (clients is None or listed.items()):
        entries, hosts = listed.items(), False
    else:
        entries = [each for each in clients.items() if not _is_sum(each)] if clients else []
        hosts = True
    if not entries:
        raise refuse("client_stats has 0 entries of a host" if hosts else "jobs has 0 entries")
    if len(entries) == 1:
        return [(entries[0], ())]
    return list(zip(entries, _labels(entries, _hosts(entries) if hosts else ()), strict=True))


def _is_sum(entry: Node) -> bool:
    """Whether this is what fio --client puts behind the jobs: it has a name and no options."""
    return entry.child("jobname").text() == _ALL_CLIENTS and entry.get("job options") is None


def _hosts(entries: list[Node]) -> list[Labels]:
    """Of each job the host, where there are several, with the port, where one host has several."""
    names = [entry.child("hostname").text() for entry in entries]
    ports = [port.number() if (port := entry.get("port")) else 0 for entry in entries]
    several = len(set(zip(names, ports, strict=True))) > len(set(names))
    if len(set(names)) == 1 and not several:
        return []
    return [
        (("host", name), *((("port", f"{port:.0f}"),) if several else ()))
        for name, port in zip(names, ports, strict=True)
    ]


def _labels(entries: list[Node], hosts: Sequence[Labels]) -> list[Labels]:
    names = [entry.child("jobname").text() for entry in entries]
    named: list[Labels] = [(("job", name),) for name in names]
    if hosts:
        named = [(*host, *job) for host, job in zip(hosts, named, strict=True)]
    times = Counter(named)
    seen: Counter[Labels] = Counter()
    labels: list[Labels] = []
    for each in named:
        labels.append((*each, ("index", str(seen[each]))) if times[each] > 1 else each)
        seen[each] += 1
    return labels
