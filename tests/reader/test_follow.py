"""Following a file of messages through all that can happen to it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import ironpipe
from reader_harness import (
    Started,
    append,
    log,
    message,
    numbered,
    texts,
)

# What happens to the file.


def test_a_file_that_is_not_there_yet(path: Path, follow: Any) -> None:
    reader = follow()
    assert reader.next(timeout=0) is None
    assert not reader.ended
    append(path, log(1))
    assert reader.next().message == "1"


def test_a_directory_that_is_not_there_yet(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "messages"
    with ironpipe.tail_messages(path) as reader:
        assert reader.next(timeout=0) is None
        path.parent.mkdir(parents=True)
        append(path, log(1))
        assert reader.next().message == "1"


def test_a_file_that_never_comes(follow: Any) -> None:
    reader = follow()
    reader.finish()
    assert list(reader) == []
    assert reader.ended
    assert reader.report.delivered == 0


def test_half_lines(path: Path, follow: Any) -> None:
    reader = follow()
    line = log("größe")
    for end in range(1, len(line)):
        append(path, line[end - 1 : end])
        assert reader.next(timeout=0) is None
    append(path, line[-1:] + line[:20])
    assert reader.next().message == "größe"
    assert reader.next(timeout=0) is None
    append(path, line[20:])
    assert reader.next().message == "größe"
    assert reader.report.is_complete


def test_a_file_that_is_cut_short(path: Path, follow: Any) -> None:
    append(path, log("a long first one"), log("a long second one"))
    reader = follow()
    assert len(reader.next_batch()) == 2
    with path.open("r+b") as file:
        file.truncate()
        # Shorter than what was read: that is how it shows.
        file.write(log("new"))
    assert reader.next().message == "new"
    append(path, log("newer"))
    assert reader.next().message == "newer"
    assert reader.report.is_complete


def test_a_line_that_is_cut_off_by_truncation(path: Path, follow: Any) -> None:
    append(path, log("a long first one"), b'{"method":')
    reader = follow()
    assert reader.next().message == "a long first one"
    assert reader.next(timeout=0) is None
    os.truncate(path, 0)
    append(path, log("new"))
    assert reader.next().message == "new"
    [rejected] = reader.report.rejected
    assert rejected.offset == len(log("a long first one"))
    assert "cut short" in rejected.reason


def test_a_file_that_is_replaced(path: Path, follow: Any) -> None:
    append(path, log("old"))
    reader = follow()
    assert reader.next().message == "old"
    other = path.with_name("other")
    append(path, log("last of the old"))
    append(other, log("first of the new"), b"\n")
    other.replace(path)
    assert texts([reader.next(), reader.next()]) == ["last of the old", "first of the new"]
    append(path, log("second of the new"))
    assert reader.next().message == "second of the new"
    assert reader.report.is_complete


def test_a_file_that_is_replaced_within_a_line(path: Path, follow: Any) -> None:
    append(path, log("old"), b'{"method":')
    reader = follow()
    assert reader.next().message == "old"
    other = path.with_name("other")
    append(other, log("new"))
    other.replace(path)
    assert reader.next().message == "new"
    assert reader.report.rejected_count == 1
    assert reader.report.rejected[0].head == '{"method":'


def test_a_file_that_is_replaced_again_and_again(path: Path, follow: Any) -> None:
    reader = follow()
    for n in range(50):
        other = path.with_name("other")
        append(other, log(n))
        other.replace(path)
        assert reader.next().message == str(n)


def test_a_directory_that_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "session" / "messages"
    path.parent.mkdir()
    append(path, log(1))
    with ironpipe.tail_messages(path) as reader, path.open("ab", buffering=0) as writer:
        assert reader.next().message == "1"
        shutil.rmtree(path.parent)
        # Who has the file open still writes to it.
        writer.write(log(2))
        assert reader.next().message == "2"
        path.parent.mkdir()
        append(path, log(3))
        assert reader.next().message == "3"
        shutil.rmtree(path.parent)
        reader.finish()
        assert list(reader) == []
        assert reader.report.is_complete


def test_line_ends_blank_lines_and_a_byte_order_mark(path: Path, follow: Any) -> None:
    append(path, b"\xef\xbb\xbf", log(1), b"\n\r\n  \n", log(2)[:-1] + b"\r\n", b"\n")
    reader = follow()
    reader.finish()
    assert texts(reader) == ["1", "2"]
    assert reader.report.is_complete
    assert sorted(reader.report.repaired.items()) == [
        ("blank line", 4),
        ("byte order mark", 1),
        ("carriage return at the end of a line", 1),
    ]


def test_a_last_line_without_a_newline(path: Path, follow: Any) -> None:
    append(path, log(1), log(2)[:-1])
    reader = follow()
    assert reader.next().message == "1"
    assert reader.next(timeout=0) is None, "it may still be written"
    reader.finish()
    assert reader.next().message == "2"
    assert reader.next() is None
    assert reader.ended
    assert reader.report.is_complete


def test_a_last_line_that_is_cut(path: Path, follow: Any) -> None:
    append(path, log(1), log(2)[:-5])
    reader = follow()
    reader.finish()
    assert texts(reader) == ["1"]
    [rejected] = reader.report.rejected
    assert rejected.offset == len(log(1))
    assert "the file ends within this line" in rejected.reason
    assert not reader.report.is_complete


@pytest.mark.parametrize("how", ["read", "tail"])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_a_line_over_the_limit(path: Path, how: str, separators: tuple[str, str]) -> None:
    lines = [log("x"), log("y" * 1_000_000), log("z")]
    lines = [json.dumps(json.loads(line), separators=separators).encode() for line in lines]
    path.write_bytes(b"\n".join(lines) + b"\n")
    open_reader = ironpipe.read_messages if how == "read" else ironpipe.tail_messages
    with open_reader(path, max_line=1000) as reader:
        reader.finish()
        assert texts(reader) == ["x", "z"]
        [rejected] = reader.report.rejected
    assert rejected.offset == len(lines[0]) + 1
    assert str(len(lines[1])) in rejected.reason
    assert "1000" in rejected.reason
    assert "max_line" in rejected.reason
    assert len(rejected.head) < 1000
    with open_reader(path, max_line=len(lines[1])) as reader:
        reader.finish()
        assert len(list(reader)) == 3


def test_a_line_that_arrives_in_many_pieces(path: Path, follow: Any) -> None:
    reader = follow()
    line = log("y" * 3_000_000)
    for at in range(0, len(line), 50_000):
        assert reader.next(timeout=0) is None
        append(path, line[at : at + 50_000])
    assert len(reader.next().message) == 3_000_000


# What can't be followed.


def test_no_file_to_read(path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        ironpipe.read_messages(path)
    assert caught.value.filename == str(path)


def test_a_directory_in_the_place_of_the_file(path: Path, follow: Any) -> None:
    reader = follow()
    assert reader.next(timeout=0) is None
    path.mkdir()
    for read in (
        lambda: ironpipe.read_messages(path),
        lambda: ironpipe.tail_messages(path),
        reader.next,
        reader.next_batch,
    ):
        with pytest.raises(IsADirectoryError) as caught:
            read()
        assert caught.value.filename == str(path)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no such device")
@pytest.mark.parametrize("open_reader", [ironpipe.read_messages, ironpipe.tail_messages])
def test_a_device_that_has_no_end(open_reader: Any) -> None:
    with pytest.raises(OSError, match="a device can't be followed") as caught:
        open_reader("/dev/zero")
    assert caught.value.filename == "/dev/zero"


def test_garbage_without_end_does_not_hold_up_a_time_out(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 36)  # Zeros that take no room on the disk, and minutes to read.
    with ironpipe.read_messages(path, max_line=1000) as reader:
        assert reader.next(timeout=0) is None
        assert not reader.ended


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_in_the_place_of_the_file(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(OSError, match="a pipe can't be followed"):
        ironpipe.tail_messages(path)


# The end.


def test_the_end_of_a_writer_of_ours(path: Path, follow: Any) -> None:
    reader = follow()
    append(path, numbered("w", 1, "opened"), numbered("w", 2), numbered("w", 3, "closed"))
    assert [message.method for message in reader] == ["opened", "log", "closed"]
    assert reader.ended


def test_the_end_of_several_writers_of_ours(path: Path, follow: Any) -> None:
    reader = follow()
    append(path, numbered("a", 1, "opened"), numbered("b", 1, "opened"), numbered("a", 2, "closed"))
    assert len(reader.next_batch()) == 3
    assert reader.next(timeout=0) is None
    assert not reader.ended
    append(path, numbered("b", 2), numbered("b", 3, "closed"))
    assert [message.method for message in reader] == ["log", "closed"]


def test_an_official_writer_may_send_after_closed(path: Path, follow: Any) -> None:
    reader = follow()
    append(path, message("opened", {}), message("closed", {}))
    assert len(reader.next_batch()) == 2
    assert reader.next(timeout=0) is None
    assert not reader.ended
    append(path, log("late"))
    assert reader.next().message == "late"
    reader.finish()
    assert reader.next() is None
    assert reader.ended


def test_closed_is_not_the_end_where_that_is_wanted(path: Path, follow: Any) -> None:
    reader = follow(until_closed=False)
    append(path, numbered("w", 1, "opened"), numbered("w", 2, "closed"))
    assert len(reader.next_batch()) == 2
    assert reader.next(timeout=0) is None
    assert not reader.ended


@pytest.mark.parametrize("package", ["dagster_pipes", "ironpipe"])
def test_a_real_process(package: str) -> None:
    script = f"""
from {package} import open_dagster_pipes
with open_dagster_pipes() as pipes:
    for n in range(1000):
        pipes.log.info(str(n))
    pipes.report_custom_message({{"n": 1}})
"""
    with ironpipe.open_session() as session:
        env = {**os.environ, **session.env}
        with subprocess.Popen([sys.executable, "-c", script], env=env) as process:
            waiter = Started(lambda: (process.wait(), session.finish()))
            methods = [message.method for message in session.reader]
            waiter.join()
        assert methods == ["opened", *["log"] * 1000, "report_custom_message", "closed"]
        assert session.report.is_complete
        assert session.report.unnumbered == (1003 if package == "dagster_pipes" else 0)
    assert list(session.reader) == []


# Numbers.


def test_gaps_and_repeats(path: Path, follow: Any) -> None:
    numbers = [1, 2, 2, 5, 4, 5, 9]
    append(path, *(numbered("w", n) for n in numbers), numbered("v", 2), log("no number"))
    reader = follow()
    reader.finish()
    assert texts(reader) == ["1", "2", "5", "4", "9", "2", "no number"]
    report = reader.report
    assert not report.is_complete
    assert (report.delivered, report.unnumbered) == (7, 1)
    assert (report.missing_count, report.repeated_count) == (5, 2)
    first, second = report.writers
    assert (first.writer, first.received, first.repeated) == ("w", 5, 2)
    assert [list(gap) for gap in first.missing] == [[3], [6, 7, 8]]
    assert [list(gap) for gap in second.missing] == [[1]]
