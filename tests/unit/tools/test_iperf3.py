"""What iperf3's reader takes from text with other options, and how it names what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import tools
from harness.errors import ReadError

OUTPUTS = Path(__file__).parent.parent / "outputs" / "iperf3"

PLAIN = """Connecting to host 198.18.0.2, port 5201
[  5] local 198.18.0.1 port 40112 connected to 198.18.0.2 port 5201
[ ID] Interval           Transfer     Bitrate         Retr  Cwnd
[  5]   0.00-1.00   sec  49.6 MBytes   416 Mbits/sec    2    767 KBytes       
[  5]   1.00-2.00   sec  48.9 MBytes   410 Mbits/sec    1    812 KBytes       
- - - - - - - - - - - - - - - - - - - - - - - - -
[ ID] Interval           Transfer     Bitrate         Retr
[  5]   0.00-2.00   sec  98.5 MBytes   413 Mbits/sec    3             sender
[  5]   0.00-2.00   sec  98.2 MBytes   412 Mbits/sec                  receiver

iperf Done.
"""  # noqa: W291
PLAIN_VALUES = {"throughput_mbit_per_s": 412.0, "retransmits": 3.0}
UDP = """Connecting to host 198.18.0.2, port 5201
[  5] local 198.18.0.1 port 40112 connected to 198.18.0.2 port 5201
[ ID] Interval           Transfer     Bitrate         Total Datagrams
[  5]   0.00-1.00   sec  11.9 MBytes  99.9 Mbits/sec  763
- - - - - - - - - - - - - - - - - - - - - - - - -
[ ID] Interval           Transfer     Bitrate         Jitter    Lost/Total Datagrams
[  5]   0.00-2.00   sec  23.8 MBytes   100 Mbits/sec  0.000 ms  0/1526 (0%)  sender
[SUM]  0.0-2.0 sec  2452 datagrams received out-of-order
[  5]   0.00-2.00   sec  23.8 MBytes  99.7 Mbits/sec  0.045 ms  5/1526 (0.33%)  receiver

Server output:
-----------------------------------------------------------
Server listening on 5201 (test #3)
-----------------------------------------------------------
Accepted connection from 198.18.0.1, port 40110
[  5] local 198.18.0.2 port 5201 connected to 198.18.0.1 port 40112
[ ID] Interval           Transfer     Bitrate         Jitter    Lost/Total Datagrams
[  5]   0.00-1.00   sec  11.9 MBytes  99.5 Mbits/sec  0.051 ms  3/763 (0.39%)
- - - - - - - - - - - - - - - - - - - - - - - - -
[ ID] Interval           Transfer     Bitrate         Jitter    Lost/Total Datagrams
[  5]   0.00-2.00   sec  23.8 MBytes  99.7 Mbits/sec  0.045 ms  5/1526 (0.33%)  receiver


iperf Done.
"""


RECEIVED_MBIT = 38945.577249462214
"""What v3.18-json-stream states of its receiver: bits a second, less six places."""


def values(stdout: str, stderr: str = "") -> dict[str, float]:
    samples = tools.load("iperf3").read(stdout.encode(), stderr.encode())
    return {s.metric: s.value for s in samples}


def refusal(stdout: str, stderr: str = "") -> ReadError:
    with pytest.raises(ReadError) as caught:
        values(stdout, stderr)
    return caught.value


@pytest.mark.parametrize(
    ("name", "mbit_per_s", "retransmits"),
    [
        ("v3.12-verbose", 31300, 1),
        ("v3.12-title", 31400, 4),
        ("v3.12-timestamps", 32400, 1),
        ("v3.12-server-output", 34400, 0),
        ("v3.12-all-of-them", 34300, 0),
        ("v3.12-verbose-json", 35943.162819333, 0),
    ],
)
def test_options_that_change_the_text_change_no_value(
    name: str, mbit_per_s: float, retransmits: int
) -> None:
    found = values((OUTPUTS / f"{name}.out").read_text())
    assert found == {
        "throughput_mbit_per_s": pytest.approx(mbit_per_s),
        "retransmits": retransmits,
    }


@pytest.mark.parametrize(
    "prefix", ["uplink:  ", "a [b] 1:  ", "1772443800 ", "09:30:00 | x y:  ", "    "]
)
def test_anything_before_each_line_is_passed_over(prefix: str) -> None:
    assert values("".join(f"{prefix}{line}\n" for line in PLAIN.splitlines())) == PLAIN_VALUES


def test_timestamps_may_pass_midnight() -> None:
    lines = PLAIN.splitlines()
    stamped = [f"Mon Mar  9 23:59:59 2026 {line}" for line in lines[:4]]
    stamped += [f"Tue Mar 10 00:00:00 2026 {line}" for line in lines[4:]]
    assert values("\n".join(stamped)) == PLAIN_VALUES


def test_the_server_s_report_behind_the_client_s_is_not_the_client_s() -> None:
    assert values(UDP) == {
        "throughput_mbit_per_s": pytest.approx(99.7),
        "jitter_ms": 0.045,
        "lost_packets": 5,
        "lost_share": 5 / 1526,
    }
    assert "'Server output:'" in refusal(UDP.replace("Server output:\n", "")).message


def test_a_shell_s_lines_around_the_report_are_passed_over() -> None:
    around = f"+ iperf3 -c 198.18.0.2\nssh connected to rack7\n{PLAIN}+ sleep 1\n$ \n"
    assert values(around) == PLAIN_VALUES


def test_an_interrupted_run_is_called_so() -> None:
    cut = PLAIN.replace("98.2 MBytes   412 Mbits", "0.00 Bytes  0.00 bits")
    cut = cut.replace("\niperf Done.\n", "")
    error = refusal(cut)
    assert "was interrupted" in error.message
    assert "server" not in error.hint
    error = refusal(cut, "iperf3: interrupt - the client has terminated\n")
    assert "it was interrupted: interrupt - the client has terminated" in error.message
    assert "server" not in error.hint
    assert "interrupted" not in refusal(PLAIN[: PLAIN.index("- -")]).message


def test_the_hint_about_the_server_is_given_where_it_was_not_reached() -> None:
    error = refusal("", "iperf3: error - unable to connect to server: Connection refused\n")
    assert error.hint == "is the peer's server running?"
    error = refusal("", "iperf3: parameter error - only one test end condition may be specified\n")
    assert "parameter error" in error.message
    assert "server" not in error.hint


@pytest.mark.parametrize(
    ("stdout", "says"),
    [
        (PLAIN + PLAIN, "holds several reports"),
        ("Server listening on 5201\nAccepted connection from 198.18.0.1, port 1\n", "the server"),
        ("---\nClient connecting to 198.18.0.2, TCP port 5001\n", "iperf 2"),
    ],
)
def test_what_is_no_client_s_report_is_named(stdout: str, says: str) -> None:
    assert says in refusal(stdout).message


def test_retransmits_that_the_sum_lost_are_missed() -> None:
    text = (OUTPUTS / "v3.12-verbose-json.out").read_text()
    before, sum_sent, after = text.partition('"sum_sent"')
    lost = before + sum_sent + after.replace('"retransmits"', '"other"', 1)
    assert "end.sum_sent.retransmits is missing" in refusal(lost).message


def test_events_of_a_stream_say_what_the_one_document_does() -> None:
    """The figures are those that the events state, read by hand."""
    assert values((OUTPUTS / "v3.18-json-stream.out").read_text()) == {
        "throughput_mbit_per_s": pytest.approx(RECEIVED_MBIT),
        "retransmits": 17,
    }
    events = [json.loads(line) for line in (OUTPUTS / "v3.18-json-stream-udp.out").open()]
    document = {event["event"]: event["data"] for event in events}
    found = values((OUTPUTS / "v3.18-json-stream-udp.out").read_text())
    assert found == values(json.dumps(document, indent=1))
    assert found["lost_packets"] == 49
    assert found["lost_share"] == pytest.approx(49 / 765)
    both = tools.load("iperf3").read((OUTPUTS / "v3.18-json-stream-bidir.out").read_bytes(), b"")
    assert {dict(each.labels)["direction"] for each in both} == {"send", "receive"}


def test_the_whole_document_may_follow_the_events() -> None:
    """As with --json-stream-full-output."""
    text = (OUTPUTS / "v3.18-json-stream.out").read_text()
    document = {each["event"]: each["data"] for each in map(json.loads, text.splitlines())}
    assert values(text + json.dumps(document, indent="\t") + "\n") == values(text)


def test_events_that_are_not_whole_are_refused_with_their_line() -> None:
    begin, between, end = (OUTPUTS / "v3.18-json-stream.out").read_text().splitlines()
    assert "end is missing" in refusal(f"{begin}\n{between}\n").message
    assert "start is missing" in refusal(f"{between}\n{end}\n").message
    assert (
        "stdout line 3 is a second event 'start'"
        in refusal(f"{begin}\n{between}\n{begin}\n{end}\n").message
    )
    assert "stdout line 4 is no event: oops" in refusal(f"{begin}\n{between}\n{end}\noops").message
    assert values(f"{begin}\n\n{end}\n")["retransmits"] == 17
