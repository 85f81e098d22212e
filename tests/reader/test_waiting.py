"""Waiting for messages: who reads, how it ends, and what a fork or want of descriptors does."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import ironpipe
from reader_harness import (
    NEEDS_FORK,
    NEEDS_LINUX,
    Started,
    append,
    log,
    run_script,
    texts,
)

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
import signal, sys, ironpipe
# Whoever runs the tests in the background of a shell has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
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


def test_time_outs(path: Path, follow: Any) -> None:
    append(path, log(1))
    reader = follow()
    assert reader.next(timeout=-1).message == "1"
    for timeout in (0, -1, 0.001, float("nan")):
        assert reader.next(timeout=timeout) is None
    assert len(reader.next_batch(timeout=0.001)) == 0
    with pytest.raises(OverflowError):
        reader.next(timeout=float("inf"))


# Forks.


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
