"""What an iperf3 client prints for people: the rows under the last rule, to `iperf Done.`

Every row there must be of a known form, and every stream that was connected must have its
rows; so a report that lost a line or a column is refused and not read as a smaller one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.tools._text import excerpt, line_number, lines, number, refuse

_TOOL = "iperf3"
_RULE = re.compile(r"^(?:- ){10,}-[ \r]*$", re.MULTILINE)
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
_SENT = re.compile(r"\[ *[0-9]+\] Sent [0-9]+ datagrams")
_BITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BYTES = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_DONE = "iperf Done."


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

    ReadError where the report does not end in `iperf Done.`, where a line of the summary is of
    no known form, or where rows are missing or twice there.
    """
    body = text.rstrip()
    if not body.endswith(f"\n{_DONE}"):
        raise refuse(_TOOL, f"stdout does not end with {_DONE!r}: it is incomplete or no report")
    if body.count(_DONE) > 1:
        raise refuse(_TOOL, f"stdout says {_DONE!r} more than once: it holds several reports")
    start = None
    for rule in _RULE.finditer(body):
        start = rule.end() + 1
    if start is None:
        raise refuse(_TOOL, "stdout has no rule of dashes, below which the summary stands")
    streams = set()
    for at, line in lines(body[: start - 1]):
        if " connected to " in line:
            found = _CONNECTED.match(line)
            if found is None:
                raise refuse(_TOOL, f"stdout line {at} is broken: {excerpt(line)!r}")
            streams.add(found[1])
    return _chosen(_parsed(body, start), streams, line_number(body, start))


def _parsed(body: str, start: int) -> dict[tuple[str, str, str], Row]:
    header: re.Match[str] | None = None
    found: dict[tuple[str, str, str], Row] = {}
    for at, line in lines(body, start):
        if header is None:
            header = _HEADER.fullmatch(line)
            if header is None:
                raise refuse(_TOOL, f"stdout line {at} is not the summary's heading")
            continue
        if line in ("", _DONE) or _SENT.fullmatch(line):
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
        raise refuse(_TOOL, f"the summary at line {first_line} is not of the streams connected")
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
