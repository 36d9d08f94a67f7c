"""What an iperf3 client prints for people: the rows under the last rule, to `iperf Done.`

Every row there must be of a known form, and every stream that was connected must have its
rows; so a report that lost a line or a column is refused and not read as a smaller one.

`-T` and `--timestamps` put something before each line; what it is shows in the first line that
is known. `-V` adds lines of its own, `--get-server-output` the
server's report behind the client's. All of that is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.tools._text import excerpt, filled_lines, number, refuse

_TOOL = "iperf3"
_RULE = re.compile(r"(?:- ){10,}-")
_CONNECTED = re.compile(r"^\[ *([0-9]{1,6})\] local \S+ port [0-9]+ connected to \S+ port [0-9]+")
_HEADER = re.compile(
    r"\[ ID\](?P<role>\[Role\])? Interval +Transfer +(?:Bandwidth|Bitrate)"
    r"(?P<retr> +Retr)?(?P<udp> +Jitter +Lost/Total Datagrams)?"
)
_ROW = re.compile(
    r"\[ *(?P<id>SUM|[0-9]{1,6})\](?:\[(?P<role>TX|RX)-C\])? +(?P<from>[0-9.]+)-(?P<to>[0-9.]+)"
    r" +sec +(?P<moved>[0-9.]+) (?P<in>[KMGT]?)Bytes"
    r" +(?P<rate>[0-9.]+) (?P<scale>[KMGT]?)(?P<unit>bits|Bytes)/sec"
    r"(?P<rest>(?: +\S+){0,8}?)(?: +(?P<end>sender|receiver))?"
)
_RETR = re.compile(r" +([0-9]{1,15})")
_LOSS = re.compile(r" +([0-9.]+) ms +([0-9]{1,15})/([0-9]{1,15}) \([0-9.e+-]+%\)")
_ASIDE = re.compile(
    r"|iperf Done\.|Test Complete\. Summary Results:"
    r"|CPU Utilization: local/(?:sender|receiver) .*|(?:snd|rcv)_tcp_congestion \S+"
    r"|\[ *[0-9]+\] Sent [0-9]+ datagrams"
    r"|\[ *(?:SUM|[0-9]+)\](?:\[(?:TX|RX)-C\])? +[0-9.]+-[0-9.]+ +sec +[0-9]+ datagrams"
    r" received out-of-order"
)
"""Lines of the summary that say nothing of the result; the second row with `-V`."""
_BITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BYTES = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_DONE = "iperf Done."
_FIRST = re.compile(
    r"^(.{0,120}?)(?:Connecting to host \S+, port [0-9]|\[ *[0-9]+\] local |\[ ID\])", re.MULTILINE
)
"""With one of these each client's report begins, and they stand in no prefix."""
_SERVER = re.compile(r"Server (?:JSON )?output:")
_OF_SERVER = re.compile(r"-{20,}|Server listening on |Accepted connection from ")
_OF_2 = re.compile(r"^Client connecting to \S+, (?:TCP|UDP) port ", re.MULTILINE)
_SUMMED = re.compile(r"/sec [^\n]{0,80}\bsender[ \t\r]*$", re.MULTILINE)
_LETTER, _DIGIT = re.compile(r"[^\W\d_]"), re.compile(r"[ 0-9]")


@dataclass(frozen=True, slots=True)
class Loss:
    """What UDP adds to a row: jitter in ms, messages lost and all messages."""

    jitter_ms: float
    lost: float
    packets: float


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the summary: of a stream, or of all of one direction (`id` is `SUM`)."""

    id: str
    role: str
    """`TX` or `RX` in a bidirectional test, otherwise empty."""
    end: str
    """`sender` or `receiver`; empty in the only row that iperf3 before 3.2 gives of UDP."""
    bits_per_s: float
    retransmits: float | None
    loss: Loss | None
    where: str


def rows(text: str) -> list[Row]:
    """The rows that stand for each direction, sender before receiver, at most four.

    ReadError where the report does not reach `iperf Done.`, where a line of the summary is of
    no known form, or where rows are missing or twice there.
    """
    streams = set()
    summary = done = 0
    for at, line in _client(text):
        if _RULE.fullmatch(line):
            summary = at
        elif line == _DONE:
            done = at
        elif summary and _OF_SERVER.match(line):
            raise refuse(
                _TOOL, f"stdout line {at} is the server's, without 'Server output:' above it"
            )
        elif line.startswith("[") and " connected to " in line:
            found = _CONNECTED.match(line)
            if found is None:
                raise refuse(_TOOL, f"stdout line {at} is broken: {excerpt(line)!r}")
            streams.add(found[1])
    _require_one_whole(text, done)
    if not summary:
        raise refuse(_TOOL, "stdout has no rule of dashes, below which the summary stands")
    return _chosen(_parsed(text, summary), streams, summary + 1)


def _client(text: str) -> Iterator[tuple[int, str]]:
    """The client's own lines with their numbers, without what options put before each."""
    first = _FIRST.search(text)
    prefix = first[1] if first else ""
    shape = _shape(prefix)
    server = False
    for at, line in filled_lines(text):
        if prefix.strip() and _shape(line[: len(prefix)]) == shape[: len(line)]:
            line = line[len(prefix) :]
        line = line.strip()
        server = server or _SERVER.fullmatch(line) is not None
        if not server or line == _DONE:
            yield at, line
        if line == _DONE:
            return


def _shape(prefix: str) -> str:
    """What of a prefix does not change with the time that it states."""
    return _DIGIT.sub("0", _LETTER.sub("a", prefix))


def _require_one_whole(text: str, done: int) -> None:
    """ReadError, saying what it is instead, where `text` is not one client's whole report.

    `done` is the number of the line `iperf Done.`, 0 where there is none.
    """
    if (times := text.count(_DONE)) > 1:
        raise refuse(_TOOL, f"stdout says {_DONE!r} {times} times: it holds several reports",
                     "give them one by one")  # fmt: skip
    if done:
        return
    if _OF_2.search(text):
        raise refuse(_TOOL, "stdout is of iperf 2, which is another program", "use iperf3")
    if "Server listening on " in text and "Connecting to host " not in text:
        raise refuse(_TOOL, "stdout is what the server printed", "give the client's output")
    if _SUMMED.search(text):
        raise refuse(
            _TOOL,
            f"stdout has its summary, but not {_DONE!r} below it: the run was interrupted, or the"
            " output is cut",
            "let it run to its end",
        )
    raise refuse(_TOOL, f"stdout does not say {_DONE!r}: it is incomplete or no report")


def _parsed(text: str, rule: int) -> dict[tuple[str, str, str], Row]:
    """The rows below the rule in line `rule`."""
    header: re.Match[str] | None = None
    found: dict[tuple[str, str, str], Row] = {}
    for at, line in _client(text):
        if at <= rule or _ASIDE.fullmatch(line):
            continue
        if header is None:
            header = _HEADER.fullmatch(line)
            if header is None:
                raise refuse(
                    _TOOL,
                    f"stdout line {at}, below the last rule, is not the summary's heading"
                    f" ('[ ID] Interval …'): {excerpt(line)!r}",
                )
            continue
        row = _row(line, at, header)
        key = (row.id, row.role, row.end)
        if key in found:
            raise refuse(_TOOL, f"{row.where} gives the same as a line above it")
        found[key] = row
    return found


def _row(line: str, at: int, header: re.Match[str]) -> Row:
    where = f"stdout line {at}"
    cells = _ROW.fullmatch(line)
    if cells is None or bool(cells["role"]) != bool(header["role"]):
        raise refuse(_TOOL, f"{where} is not of the summary's form: {excerpt(line)!r}")
    each = (_BITS if cells["unit"] == "bits" else _BYTES)[cells["scale"]]
    rate = number(cells["rate"], _TOOL, where) * each * (1 if cells["unit"] == "bits" else 8)
    _require_agreement(cells, rate, where)
    retransmits: float | None = None
    loss: Loss | None = None
    if header["udp"]:
        lost = _LOSS.fullmatch(cells["rest"])
        if lost is None:
            raise refuse(_TOOL, f"{where} has no jitter and lost datagrams")
        loss = Loss(number(lost[1], _TOOL, where), float(lost[2]), float(lost[3]))
    elif header["retr"] and cells["end"] == "sender":
        retried = _RETR.fullmatch(cells["rest"])
        if retried is None:
            raise refuse(_TOOL, f"{where} has no number of retransmits")
        retransmits = float(retried[1])
    elif cells["rest"].strip():
        raise refuse(_TOOL, f"{where} is not of the summary's form: {excerpt(line)!r}")
    return Row(cells["id"], cells["role"] or "", cells["end"] or "", rate, retransmits, loss, where)


def _require_agreement(cells: re.Match[str], bits_per_s: float, where: str) -> None:
    """Transfer, interval and rate of a row are printed with three digits or more each."""
    begin, end, moved = (number(cells[key], _TOOL, where) for key in ("from", "to", "moved"))
    bits = moved * _BYTES[cells["in"]] * 8
    if abs(bits_per_s * (end - begin) - bits) > 0.03 * bits + 0.01 * bits_per_s + 8:
        raise refuse(_TOOL, f"{where} has a rate that contradicts transfer and interval beside it")


def _chosen(
    found: dict[tuple[str, str, str], Row], streams: set[str], first_line: int
) -> list[Row]:
    """The rows of the whole: the sums, or those of the only stream of a direction."""
    roles = sorted({role for _, role, _ in found}, reverse=True)
    alone = {end for _, _, end in found} == {""}
    ends = ("",) if alone else ("sender", "receiver")
    if alone and any(row.loss is None for row in found.values()):
        raise refuse(_TOOL, f"the summary at line {first_line} does not say who received")
    if len(roles) == 1 and roles != [""]:
        raise refuse(_TOOL, f"the summary at line {first_line} gives one direction of two")
    listed = {id for id, _, _ in found if id != "SUM"}
    if listed != streams or not streams:
        lacks = ", ".join(f"[{id}]" for id in sorted(streams - listed)[:9]) or "none of them"
        raise refuse(
            _TOOL,
            f"the summary at line {first_line} is not of the streams connected: it lacks {lacks}",
        )
    chosen = []
    for role in roles or [""]:
        ids = {id for id, its_role, _ in found if its_role == role}
        whole = "SUM" if len(ids) > 1 else next(iter(ids))
        for id in ids | {whole}:
            for end in ends:
                if (id, role, end) not in found:
                    raise refuse(
                        _TOOL, f"the summary at line {first_line} lacks [{id}] {role} {end}"
                    )
        chosen += [found[whole, role, end] for end in ends]
    if len(found) != sum(len(ends) for _ in {(id, role) for id, role, _ in found}):
        raise refuse(_TOOL, f"the summary at line {first_line} mixes rows with and without ends")
    return chosen
