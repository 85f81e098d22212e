"""Following a file of messages through all that can happen to it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ironpipe

NEEDS_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="inotify and /proc are Linux's")


def message(method: str, params: dict[str, Any], **envelope: Any) -> bytes:
    whole = {"__dagster_pipes_version": "0.1", "method": method, "params": params, **envelope}
    return json.dumps(whole).encode() + b"\n"


def log(text: object, **envelope: Any) -> bytes:
    return message("log", {"message": str(text), "level": "INFO"}, **envelope)


def numbered(writer: str, number: int, method: str = "log") -> bytes:
    params = {"message": str(number)} if method == "log" else {}
    return message(method, params, __ironpipe=[writer, number, 0])


def append(path: Path, *lines: bytes) -> None:
    with path.open("ab") as file:
        file.write(b"".join(lines))


def texts(messages: Iterable[Any]) -> list[str]:
    return [message.message for message in messages]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "messages"


@pytest.fixture
def follow(path: Path) -> Iterator[Callable[..., ironpipe.MessageReader]]:
    """Opens readers of ``path``, and closes them."""
    readers: list[ironpipe.MessageReader] = []

    def follow(**options: Any) -> ironpipe.MessageReader:
        readers.append(ironpipe.tail_messages(path, **options))
        return readers[-1]

    yield follow
    for reader in readers:
        reader.close()


class Started:
    """A thread whose result, or error, comes out of :meth:`join`."""

    def __init__(self, run: Callable[[], Any]) -> None:
        self._run = run
        self._thread = threading.Thread(target=self._keep)
        self._thread.start()

    def _keep(self) -> None:
        try:
            self._result = self._run()
            self._error = None
        except BaseException as error:
            self._error = error

    def wait_until_asleep(self) -> None:
        """The thread sleeps in the system: it waits for messages."""
        status = Path(f"/proc/self/task/{self._thread.native_id}/stat")
        while status.read_text().rpartition(")")[2].split()[0] != "S":
            assert self._thread.is_alive()

    def join(self) -> Any:
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._result


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


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_in_the_place_of_the_file(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(OSError, match="a pipe can't be followed"):
        ironpipe.tail_messages(path)


# Who reads, and how it ends.


@NEEDS_LINUX
def test_finish_from_another_thread(path: Path, follow: Any) -> None:
    append(path, log(1))
    reader = follow()
    thread = Started(lambda: texts(reader))
    thread.wait_until_asleep()
    append(path, log(2))
    reader.finish()
    assert thread.join() == ["1", "2"]
    assert reader.ended


@NEEDS_LINUX
def test_close_from_another_thread(path: Path, follow: Any) -> None:
    append(path, log(1))
    reader = follow()
    thread = Started(lambda: texts(reader))
    thread.wait_until_asleep()
    reader.close()
    assert thread.join() == ["1"]
    assert reader.ended
    assert reader.report.delivered == 1
    for read in (reader.next, reader.next_batch):
        with pytest.raises(ValueError, match="closed"):
            read()
    assert list(reader) == []
    reader.close()


def test_close_while_another_thread_reads(path: Path, follow: Any) -> None:
    append(path, *(log(n) for n in range(100_000)))
    reader = follow()
    begun = threading.Event()

    def read() -> int:
        count = 0
        for _ in reader:
            count += 1
            begun.set()
        return count

    thread = Started(read)
    begun.wait()
    reader.close()
    assert 0 < thread.join() <= 100_000


@NEEDS_LINUX
@pytest.mark.parametrize("wait", ["for _ in reader: pass", "reader.next()", "reader.next_batch()"])
def test_an_interrupt_ends_a_wait(path: Path, wait: str) -> None:
    append(path, log(1))
    script = f"""
import sys, ironpipe
reader = ironpipe.tail_messages(sys.argv[1])
reader.next()
print("waiting", flush=True)
try:
    {wait}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        status = Path(f"/proc/{process.pid}/stat")
        while status.read_text().rpartition(")")[2].split()[0] != "S":
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "interrupted\n"
    assert process.returncode == 0


def test_two_readers_of_one_file(path: Path, follow: Any) -> None:
    first, second = follow(), follow()
    append(path, *(log(n) for n in range(5)))
    assert texts(first.next() for _ in range(5)) == list("01234")
    assert texts(second.next() for _ in range(3)) == list("012")
    append(path, log(5))
    assert first.next().message == "5"
    first.close()
    assert texts(second.next() for _ in range(3)) == list("345")


def test_many_readers_that_wait_at_once(tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}" for n in range(100)]
    readers = [ironpipe.tail_messages(path, until_closed=False) for path in paths]

    def read(reader: ironpipe.MessageReader) -> list[str]:
        got = []
        for message in reader:
            got.append(message.message)
            if message.message == "last":
                reader.finish()
        return got

    threads = [Started(lambda reader=reader: read(reader)) for reader in readers]
    for n in range(5):
        for path in reversed(paths):
            append(path, log(n))
    for path in paths:
        append(path, log("last"))
    expected = [*"01234", "last"]
    assert [thread.join() for thread in threads] == [expected] * len(paths)
    for reader in readers:
        reader.close()


def test_many_readers_that_wait_for_one_file(path: Path, follow: Any) -> None:
    readers = [follow() for _ in range(20)]
    threads = [Started(lambda reader=reader: texts(reader)) for reader in readers]
    for n in range(20):
        append(path, log(n))
    for reader in readers:
        reader.finish()
    expected = [str(n) for n in range(20)]
    assert [thread.join() for thread in threads] == [expected] * len(readers)


def run_script(script: str, *arguments: object) -> str:
    command = [sys.executable, "-W", "ignore", "-c", script, *map(str, arguments)]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 0
    return result.stdout


NEEDS_FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")


@NEEDS_FORK
def test_parent_and_forked_child_read_on(path: Path) -> None:
    """Each has what is left of the block that was read, and all that comes later."""
    append(path, *(log(n) for n in range(4)))
    script = """
import os, sys, ironpipe
path, line = sys.argv[1:]
def append(text):
    with open(path, "a") as file:
        file.write(line.replace("TEXT", text) + "\\n")
reader = ironpipe.tail_messages(path)
reader.next()
reader.next()
to_child, from_parent = os.pipe()
to_parent, from_child = os.pipe()
child = os.fork()
got = []
if child == 0:
    # The child reads first, then the parent; each would miss what the other takes away.
    got += [reader.next().message for _ in range(2)]
    assert reader.next(timeout=0) is None
    os.write(from_child, b"x")
    os.read(to_child, 1)
    got += [reader.next().message for _ in range(2)]
    reader.finish()
    assert reader.next() is None and reader.ended
    reader.close()
    print("child", *got, flush=True)
    os._exit(0)
os.read(to_parent, 1)
append("new")
got += [reader.next().message for _ in range(3)]
os.write(from_parent, b"x")
append("newer")
got.append(reader.next().message)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
# What the child did to its reader is nothing to this one.
assert not reader.ended
append("newest")
got.append(reader.next().message)
print("parent", *got, flush=True)
"""
    output = run_script(script, path, log("TEXT").decode().strip())
    assert sorted(output.splitlines()) == [
        "child 2 3 new newer",
        "parent 2 3 new newer newest",
    ]


@NEEDS_FORK
def test_parent_and_forked_child_wait_at_once(path: Path) -> None:
    script = """
import os, sys, threading, ironpipe
path, line = sys.argv[1:]
reader = ironpipe.tail_messages(path)
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        children = None
        break
    children.append(child)
def append(text):
    with open(path, "a") as file:
        file.write(line.replace("TEXT", text) + "\\n")
writer = None
if children:
    writer = threading.Thread(target=lambda: [append(str(n)) for n in range(200)])
    writer.start()
got = [reader.next().message for _ in range(200)]
assert got == [str(n) for n in range(200)], got
if writer:
    writer.join()
    for _ in children:
        assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
    print("all", flush=True)
"""
    assert run_script(script, path, log("TEXT").decode().strip()) == "all\n"


@NEEDS_FORK
@NEEDS_LINUX
def test_a_reader_that_a_thread_of_the_parent_holds(path: Path) -> None:
    """It can't be had in the child; that is an error, not a wait without end."""
    script = """
import os, sys, threading, ironpipe
reader = ironpipe.tail_messages(sys.argv[1])
thread = threading.Thread(target=list, args=[reader])
thread.start()
status = f"/proc/self/task/{thread.native_id}/stat"
while open(status).read().rpartition(")")[2].split()[0] != "S":
    pass
if os.fork() == 0:
    try:
        reader.next()
    except RuntimeError as error:
        print(error, flush=True)
    with ironpipe.tail_messages(sys.argv[1]) as own:
        print(own.next(timeout=0), flush=True)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
reader.finish()
thread.join()
"""
    refusal, other = run_script(script, path).splitlines()
    assert "forked" in refusal
    assert other == "None"


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


# Where the system has nothing left to give.


@NEEDS_LINUX
def test_no_inotify_instance_is_left(path: Path) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())
    if limit > 1000:
        pytest.skip(f"a user may have {limit} instances")
    script = """
import ctypes, sys, ironpipe
libc = ctypes.CDLL(None)
while libc.inotify_init1(0o2000000) >= 0:
    pass
reader = ironpipe.tail_messages(sys.argv[1])
print(reader.next().message, flush=True)
print(reader.next().message, flush=True)
"""
    command = [sys.executable, "-c", script, str(path)]
    append(path, log(1))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        append(path, log(2))
        assert process.stdout.readline() == "2\n"
    assert process.returncode == 0


@NEEDS_LINUX
@pytest.mark.parametrize("spare", [0, 1, 2, 3])
def test_no_descriptor_is_left(path: Path, spare: int) -> None:
    """It follows as long as the file itself can be opened, and else says so."""
    script = """
import errno, os, resource, sys, threading, ironpipe
spare = int(sys.argv[2])
ironpipe.tail_messages  # loads the extension
used = max(map(int, os.listdir("/proc/self/fd"))) + 1
resource.setrlimit(resource.RLIMIT_NOFILE, (used + spare, used + spare))
try:
    reader = ironpipe.tail_messages(sys.argv[1])
except OSError as error:
    assert error.errno == errno.EMFILE, error
    print("EMFILE")
else:
    print(reader.next().message)
    threading.Timer(0, reader.finish).start()
    assert reader.next() is None
"""
    append(path, log(1))
    assert run_script(script, path, spare) in ("1\n", "EMFILE\n")[: 2 if spare < 3 else 1]


# Batches.


def test_a_batch_is_a_sequence(path: Path, follow: Any) -> None:
    append(path, *(log(n) for n in range(10)))
    batch = follow().next_batch()
    assert len(batch) == 10
    assert batch[0].message == "0"
    assert batch[-1].message == "9"
    assert batch[-10].message == "0"
    assert texts(batch) == texts(batch) == [str(n) for n in range(10)]
    assert texts(reversed(batch)) == [str(n) for n in reversed(range(10))]
    for index in (10, -11, sys.maxsize):
        with pytest.raises(IndexError):
            batch[index]
    with pytest.raises(TypeError):
        batch["0"]  # type: ignore[call-overload]


def test_a_batch_makes_its_messages_when_they_are_asked_for(path: Path, follow: Any) -> None:
    append(path, log(1))
    batch = follow().next_batch()
    assert batch[0] is not batch[0]
    assert batch[0] == batch[0]


@pytest.mark.parametrize(
    "cut",
    [
        slice(None),
        slice(2, 5),
        slice(-3, None),
        slice(None, None, 3),
        slice(None, None, -1),
        slice(8, 1, -3),
        slice(5, 2),
        slice(-100, 100),
        slice(0, 10, sys.maxsize),
    ],
)
def test_a_part_of_a_batch(path: Path, follow: Any, cut: slice) -> None:
    append(path, *(log(n) for n in range(10)))
    batch = follow().next_batch()
    whole = [str(n) for n in range(10)]
    assert texts(batch[cut]) == whole[cut]
    assert texts(batch[1:9][cut]) == whole[1:9][cut]
    assert texts(batch[::-2][cut]) == whole[::-2][cut]


def test_a_batch_has_a_limit(path: Path, follow: Any) -> None:
    append(path, *(log(n) for n in range(5)))
    reader = follow()
    assert len(reader.next_batch(0)) == 0
    assert texts(reader.next_batch(2)) == ["0", "1"]
    assert texts([reader.next()]) == ["2"]
    assert texts(reader.next_batch()) == ["3", "4"]
    assert len(reader.next_batch(timeout=0)) == 0


def test_a_batch_may_span_blocks(path: Path, follow: Any) -> None:
    append(path, *(log(n) for n in range(20_000)))
    reader = follow()
    assert texts(reader.next_batch()) == [str(n) for n in range(10_000)]
    assert len(reader.next_batch(50_000)) == 10_000


def test_a_batch_outlives_its_reader(path: Path, follow: Any) -> None:
    append(path, *(log(n) for n in range(3)))
    reader = follow()
    batch = reader.next_batch()
    reader.close()
    assert texts(batch) == ["0", "1", "2"]


def test_time_outs(path: Path, follow: Any) -> None:
    append(path, log(1))
    reader = follow()
    assert reader.next(timeout=-1).message == "1"
    for timeout in (0, -1, 0.001, float("nan")):
        assert reader.next(timeout=timeout) is None
    assert len(reader.next_batch(timeout=0.001)) == 0
    with pytest.raises(OverflowError):
        reader.next(timeout=float("inf"))
