"""Captured stdout and stderr: all of it, in order, and a close that waits for nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ironpipe

PREAMBLE = """
import os, subprocess, sys, threading, time
from ironpipe import open_dagster_pipes
"""


def launch(
    program: str, path: Path, stdout: int = subprocess.PIPE
) -> subprocess.CompletedProcess[bytes]:
    env = {
        "DAGSTER_PIPES_CONTEXT": ironpipe.encode_param({"data": {"asset_keys": ["a"]}}),
        "DAGSTER_PIPES_MESSAGES": ironpipe.encode_param(
            {"path": str(path), "include_stdio_in_messages": True}
        ),
    }
    return subprocess.run(
        [sys.executable, "-c", PREAMBLE + program],
        env={**os.environ, **env},
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=60,
    )


def run(program: str, path: Path) -> tuple[subprocess.CompletedProcess[bytes], list[object]]:
    done = launch(program, path)
    reader = ironpipe.read_messages(path)
    found = list(reader)
    assert reader.report.is_complete, str(reader.report)
    return done, list(found)


def text(found: list[object], stream: str) -> str:
    return "".join(
        message.text
        for message in found
        if isinstance(message, ironpipe.ExternalStream) and message.stream == stream
    )


def test_what_is_written_anyhow_is_sent_and_also_goes_where_it_went(tmp_path: Path) -> None:
    program = r"""
with open_dagster_pipes() as pipes:
    print("print ü")
    print("to stderr", file=sys.stderr)
    os.write(1, b"descriptor\n")
    subprocess.run(["sh", "-c", "echo child; echo child error >&2"])
    sys.stdout.write("no newline")
print("after")
"""
    done, found = run(program, tmp_path / "m")
    assert done.returncode == 0, done.stderr
    # Python's own buffer comes after what went straight to the descriptor.
    assert sorted(text(found, "stdout")) == sorted("print ü\ndescriptor\nchild\nno newline")
    assert text(found, "stderr") == "to stderr\nchild error\n"
    assert done.stdout.decode() == text(found, "stdout") + "after\n"
    assert done.stderr.decode() == text(found, "stderr")
    assert type(found[0]) is ironpipe.Opened
    assert type(found[-1]) is ironpipe.Closed


def test_output_stands_before_what_is_reported_after_it(tmp_path: Path) -> None:
    program = """
with open_dagster_pipes() as pipes:
    for n in range(100):
        print("print", n)
        pipes.report_custom_message(n)
"""
    _, found = run(program, tmp_path / "m")
    story = ""
    for message in found:
        if isinstance(message, ironpipe.ExternalStream):
            story += message.text
        elif isinstance(message, ironpipe.CustomMessage):
            story += f"report {message.payload}\n"
    assert story == "".join(f"print {n}\nreport {n}\n" for n in range(100))


def test_text_is_cut_between_characters(tmp_path: Path) -> None:
    program = r"""
with open_dagster_pipes() as pipes:
    for byte in "é€😀".encode():
        os.write(1, bytes([byte]))
        pipes.log.info("x")
    os.write(1, b"\xff" + "é".encode()[:1])
"""
    _, found = run(program, tmp_path / "m")
    assert text(found, "stdout") == "é€😀\ufffd\ufffd"


def test_much_output_blocks_nothing_and_fills_no_memory(tmp_path: Path) -> None:
    program = """
import resource
with open_dagster_pipes() as pipes:
    block = b"x" * 99 + b"\\n"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for n in range(1000):
        os.write(1, block * 1000)
        if n % 100 == 0:
            pipes.report_custom_message(n)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
os.write(2, b"%d" % (after - before))
"""
    path = tmp_path / "m"
    done = launch(program, path, stdout=subprocess.DEVNULL)
    # In kilobytes; on macOS in bytes.
    assert int(done.stderr) < 32 << (20 if sys.platform == "darwin" else 10)
    sent, reports = 0, []
    for message in ironpipe.read_messages(path):
        if isinstance(message, ironpipe.ExternalStream):
            assert message.text.strip("x\n") == ""
            sent += len(message.text)
        elif isinstance(message, ironpipe.CustomMessage):
            reports.append((message.payload, sent))
    assert sent == 100_000_000
    # Each report stands behind what was printed before it.
    assert reports == [(n, (n + 1) * 100_000) for n in range(0, 1000, 100)]


def test_threads_that_print_during_close_lose_nothing(tmp_path: Path) -> None:
    program = """
pipes = open_dagster_pipes()
started = threading.Barrier(4)
closed = threading.Event()
def work(letter):
    started.wait()
    n = 0
    while n < 1000 or not closed.is_set():
        os.write(1, b"%s %d\\n" % (letter, n))
        n += 1
threads = [threading.Thread(target=work, args=(letter,)) for letter in (b"a", b"b", b"c")]
for thread in threads: thread.start()
started.wait()
pipes.close()
closed.set()
for thread in threads: thread.join()
"""
    done, found = run(program, tmp_path / "m")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()
    for letter in "abc":
        own = [line for line in lines if line.startswith(letter)]
        assert own == [f"{letter} {n}" for n in range(len(own))]
    assert done.stdout.decode().startswith(text(found, "stdout"))
    assert type(found[-1]) is ironpipe.Closed


def test_a_second_close_and_streams_of_the_users_own(tmp_path: Path) -> None:
    program = """
class Odd:
    def write(self, text):
        os.write(1, text.upper().encode())
pipes = open_dagster_pipes()
sys.stdout = Odd()
print("odd")
pipes.log.info("a report")
sys.stdout = None
pipes.log.info("another")
sys.stdout = sys.__stdout__
pipes.close()
pipes.close()
print("after")
"""
    done, found = run(program, tmp_path / "m")
    assert done.returncode == 0, done.stderr
    assert text(found, "stdout") == "ODD\n"
    assert done.stdout == b"ODD\nafter\n"
    logs = [message.message for message in found if isinstance(message, ironpipe.Log)]
    assert logs == ["a report", "another"]


def test_a_grandchild_that_keeps_the_descriptor_does_not_delay_close(tmp_path: Path) -> None:
    program = """
pipes = open_dagster_pipes()
r, w = os.pipe()
child = subprocess.Popen(
    ["sh", "-c", "echo early; read line; echo late"], stdin=r, stderr=subprocess.DEVNULL
)
os.close(r)
print("parent")
pipes.close()
# The child still holds the pipe, and is still read: what it writes goes where it went before.
os.write(w, b"go\\n")
os.close(w)
child.wait()
os.write(1, b"end\\n")
"""
    done, found = run(program, tmp_path / "m")
    assert done.returncode == 0, done.stderr
    assert "parent\n" in text(found, "stdout")
    assert "late" not in text(found, "stdout")
    assert type(found[-1]) is ironpipe.Closed


def test_a_process_that_does_not_close_loses_no_output(tmp_path: Path) -> None:
    program = """
pipes = open_dagster_pipes()
print("last words")
raise SystemExit(3)
"""
    done, found = run(program, tmp_path / "m")
    assert done.returncode == 3
    assert done.stdout == b"last words\n"
    assert text(found, "stdout") == "last words\n"


def test_what_is_captured_by_a_session_is_not_by_the_next(tmp_path: Path) -> None:
    program = """
import gc
descriptors = lambda: len(os.listdir("/proc/self/fd"))
for n in range(30):
    with open_dagster_pipes():
        print("session", n)
    if n == 4:
        before = descriptors()
gc.collect()
assert descriptors() == before, (descriptors(), before)
assert threading.active_count() == 1
"""
    done, found = run(program, tmp_path / "m")
    assert done.returncode == 0, done.stderr
    assert text(found, "stdout") == "".join(f"session {n}\n" for n in range(30))
    assert sum(type(message) is ironpipe.Closed for message in found) == 30


def test_a_forked_child_leaves_the_capture_to_its_parent(tmp_path: Path) -> None:
    program = """
with open_dagster_pipes() as pipes:
    print("parent", flush=True)
    child = os.fork()
    if child == 0:
        print("child", flush=True)
        pipes.log.info("from the child")
        os._exit(0)
    os.waitpid(child, 0)
"""
    done, found = run(program, tmp_path / "m")
    assert done.returncode == 0, done.stderr
    assert text(found, "stdout") == "parent\nchild\n"
    logs = [message for message in found if isinstance(message, ironpipe.Log)]
    assert [log.message for log in logs] == ["from the child"]
    assert logs[0].writer not in (None, found[0].writer)  # type: ignore[attr-defined]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_can_not_be_forwarded_is_still_sent(tmp_path: Path) -> None:
    program = """
full = os.open("/dev/full", os.O_WRONLY)
os.dup2(full, 1)
with open_dagster_pipes():
    os.write(1, b"text\\n")
"""
    done, found = run(program, tmp_path / "m")
    assert done.returncode == 0, done.stderr
    assert text(found, "stdout") == "text\n"


def test_a_fork_while_output_is_captured(tmp_path: Path) -> None:
    program = """
with open_dagster_pipes() as pipes:
    def work():
        for _ in range(500):
            print("x" * 100)
            pipes.report_custom_message(1)
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads: thread.start()
    for _ in range(50):
        child = os.fork()
        if child == 0:
            pipes.log.info("child")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    for thread in threads: thread.join()
"""
    done, found = run(program, tmp_path / "m")
    assert done.returncode == 0, done.stderr
    assert sum(isinstance(message, ironpipe.Log) for message in found) == 50


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
def test_what_goes_to_a_stream_that_was_closed_is_not_among_the_messages(
    tmp_path: Path, closed: tuple[int, ...]
) -> None:
    program = f"""
import os
for stream in {closed}:
    os.close(stream)
from ironpipe import open_dagster_pipes
with open_dagster_pipes() as pipes:
    for stream in {closed}:
        try:
            os.write(stream, b"no message")
        except OSError:
            pass
    pipes.log.info("a message")
"""
    path = tmp_path / "messages"
    env = {
        "DAGSTER_PIPES_CONTEXT": ironpipe.encode_param({"data": {"asset_keys": ["a"]}}),
        "DAGSTER_PIPES_MESSAGES": ironpipe.encode_param({"path": str(path)}),
    }
    command = [sys.executable, "-c", program]
    subprocess.run(command, env={**os.environ, **env}, check=True, timeout=60)
    reader = ironpipe.read_messages(path)
    logs = [message.message for message in reader if isinstance(message, ironpipe.Log)]
    assert logs == ["a message"]
    assert reader.report.is_complete, str(reader.report)
