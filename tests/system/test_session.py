"""The SSH session against a real sshd: pinned key, limits, and honest loss."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.remote import connect, keys
from harness.remote.session import ConnectionLost, Session
from tests import waiting

from . import sshd

GUARD_S = waiting.GUARD_S

pytestmark = pytest.mark.system


def test_a_command_gives_its_status_and_both_streams(opened: Session) -> None:
    reply = opened.run("echo out; echo err >&2; exit 3", limit_s=GUARD_S)
    assert (reply.exit_status, reply.stdout, reply.stderr) == (3, b"out\n", b"err\n")


def test_a_sequence_is_quoted_so_that_no_argument_is_the_shells(opened: Session) -> None:
    nasty = "a b; echo $HOME 'x' \"y\" *"
    assert opened.check(["printf", "%s", nasty], limit_s=GUARD_S) == nasty


def test_bytes_on_standard_input_arrive(opened: Session) -> None:
    data = bytes(range(256)) * 4000
    reply = opened.run("sha256sum", limit_s=GUARD_S, stdin=data)
    import hashlib

    assert reply.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()


def test_much_output_on_both_streams_does_not_block(opened: Session) -> None:
    reply = opened.run(
        "head -c 5000000 /dev/zero & head -c 5000000 /dev/zero >&2; wait", limit_s=GUARD_S
    )
    assert (len(reply.stdout), len(reply.stderr)) == (5_000_000, 5_000_000)


def test_output_without_end_is_cut_at_the_limit_and_said(opened: Session) -> None:
    reply = opened.run("exec yes", limit_s=GUARD_S, output_limit_bytes=1_000_000)
    assert reply.overflow
    assert reply.exit_status is None
    assert 1_000_000 <= len(reply.stdout) < 2_000_000


def test_a_command_without_end_is_left_at_the_limit(opened: Session) -> None:
    reply = opened.run("echo begun; exec sleep 60", limit_s=5)
    assert reply.timed_out
    assert reply.stdout == b"begun\n"
    assert reply.seconds > 4


def test_a_target_that_was_declared_slow_is_given_so_many_times_longer(server: sshd.Sshd) -> None:
    slow = replace(server.endpoint, facts={"patience": "5000"})
    with connect.connect("slow", slow, server.key) as one:
        reply = one.run("sleep 1", limit_s=0.2)
        assert (reply.exit_status, reply.timed_out) == (0, False)


@contextmanager
def once_it_runs(folder: Path, do: Callable[[], None]) -> Iterator[str]:
    """A command that runs until it is ended; `do` is called by another thread once it does."""
    begun = folder / "begun"

    def wait() -> None:
        waiting.until(begun.exists, "the command")
        do()

    thread = threading.Thread(target=wait)
    thread.start()
    yield f"touch {begun}; exec sleep 600"
    thread.join()


def test_a_command_can_be_interrupted_from_another_thread(
    own_server: sshd.Sshd, tmp_path: Path
) -> None:
    with (
        connect.connect("here", own_server.endpoint, own_server.key) as one,
        once_it_runs(tmp_path, one.interrupt) as command,
    ):
        reply = one.run(command, limit_s=GUARD_S)
    assert reply.interrupted


def test_a_failed_check_tells_the_command_and_its_last_words(opened: Session) -> None:
    with pytest.raises(HarnessError, match=r"here: cat /no/such ended with 1(.|\n)*No such file"):
        opened.check(["cat", "/no/such"], limit_s=GUARD_S)


def test_files_are_put_whole(opened: Session, server: sshd.Sshd, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * 3_000_001)
    opened.put(source, f"{server.endpoint.work}/put")
    assert (Path(server.endpoint.work) / "put").read_bytes() == source.read_bytes()


def test_putting_where_nothing_can_be_is_told(opened: Session, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    with pytest.raises(HarnessError, match="cannot write /no/such/folder/put"):
        opened.put(source, "/no/such/folder/put")


def test_a_wrong_host_key_ends_the_connection_before_any_login(
    server: sshd.Sshd, tmp_path: Path
) -> None:
    other = keys.make_key(tmp_path / "other")
    log = server.folder / "log"
    logins = log.read_text().count("Accepted publickey")
    with pytest.raises(HarnessError, match=r"wrong host key at 127\.0\.0\.1"):
        connect.connect("here", replace(server.endpoint, host_key=other), server.key)
    assert log.read_text().count("Accepted publickey") == logins
    with connect.connect("here", server.endpoint, server.key):
        assert log.read_text().count("Accepted publickey") == logins + 1


def test_a_client_key_that_is_not_ours_is_refused(server: sshd.Sshd, tmp_path: Path) -> None:
    keys.make_key(tmp_path / "other")
    with pytest.raises(HarnessError, match="refuses this run's key"):
        connect.connect("here", server.endpoint, keys.load_key(tmp_path / "other"))


def test_a_host_that_does_not_answer_is_told_with_its_address(server: sshd.Sshd) -> None:
    nobody = replace(server.endpoint, port=sshd.free_port())
    with pytest.raises(HarnessError, match=f"no SSH connection to 127.0.0.1:{nobody.port}"):
        connect.connect("here", nobody, server.key)


def test_a_connection_that_breaks_is_lost_and_not_an_empty_answer(
    own_server: sshd.Sshd, tmp_path: Path
) -> None:
    with (
        connect.connect("here", own_server.endpoint, own_server.key) as one,
        once_it_runs(tmp_path, own_server.kill) as command,
        pytest.raises(ConnectionLost),
    ):
        one.run(command, limit_s=GUARD_S)


def test_a_target_is_reached_through_another_ones_connection(server: sshd.Sshd) -> None:
    with (
        connect.connect("outer", server.endpoint, server.key) as outer,
        connect.connect("inner", server.endpoint, server.key, through=outer) as inner,
    ):
        assert inner.check("echo through", limit_s=GUARD_S) == "through\n"


def test_a_command_is_a_stream_both_ways_until_it_is_closed(opened: Session) -> None:
    stream = opened.stream(["cat"])
    for part in (b"one\n", bytes(range(256)) * 100):
        stream.sendall(part)
        came = b""
        while len(came) < len(part):
            came += stream.recv(65536)
        assert came == part
    stream.shutdown_write()
    assert stream.recv(1) == b""
    stream.close()
    assert opened.check("echo on", limit_s=GUARD_S) == "on\n"


def test_the_client_key_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    keys.make_key(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
