"""Log writers: nothing that is printed gets lost, and nothing is waited for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster_pipes
import pytest

import ironpipe
from external.parts import PACKAGES, messages

PREAMBLE = """
import importlib, os, subprocess, sys, threading
pipes_package = importlib.import_module(sys.argv[1])
place = sys.argv[2]
"""


def run(
    program: str, package: str, place: Path, **popen: Any
) -> subprocess.CompletedProcess[bytes]:
    env = {
        **os.environ,
        "DAGSTER_PIPES_CONTEXT": ironpipe.encode_param({"data": {"asset_keys": ["a"]}}),
        "DAGSTER_PIPES_MESSAGES": ironpipe.encode_param({"path": str(place / "messages")}),
    }
    return subprocess.run(
        [sys.executable, "-c", PREAMBLE + program, package, str(place)],
        env=env,
        timeout=60,
        **{"capture_output": True, **popen},
    )


PRINTING = r"""
print("print é")
os.write(1, "descriptor \u2603\n".encode())
subprocess.run(["sh", "-c", "echo child; echo child error >&2"])
print("to stderr", file=sys.stderr)
sys.stdout.flush()
"""

FILES = f"""
writer = pipes_package.PipesStdioFileLogWriter(interval=0.05)
assert writer.get_opened_payload() == {{"extras": {{}}}}
with writer.open({{"logs_dir": place + "/logs/deep"}}) as nothing:
    assert nothing is None
{PRINTING.replace(chr(10), chr(10) + "    ")}
print("after")
"""


def test_files_hold_what_the_official_ones_hold(tmp_path: Path) -> None:
    found = []
    for package in PACKAGES:
        place = tmp_path / package
        place.mkdir()
        done = run(FILES, package, place)
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith(b"after\n")
        logs = {path.name: path.read_text() for path in (place / "logs/deep").iterdir()}
        # Python's own buffer may come before or after what others write.
        found.append({name: sorted(text.splitlines()) for name, text in logs.items()})
    theirs, ours = found
    assert ours["stdout"] == sorted(["print é", "descriptor ☃", "child"])
    assert ours["stderr"] == ["child error", "to stderr"]
    # Theirs has more: what it writes itself, and the one stream in the file of the other.
    assert set(ours["stdout"]) <= set(theirs["stdout"])
    assert set(ours["stderr"]) <= set(theirs["stderr"])


OWN_WRITER = """
from contextlib import contextmanager
class Writer(pipes_package.PipesMessageWriter):
    @contextmanager
    def open(self, params):
        channel = CHANNEL
        with pipes_package.PipesDefaultLogWriter(message_channel=channel, interval=0.05).open({}):
            yield channel
"""
FILE = "pipes_package.PipesFileMessageWriterChannel(params['path'])"
SPY = "type('Spy', (pipes_package.PipesFileMessageWriterChannel,), {})(params['path'])"


def stream_text(path: Path, stream: str) -> str:
    return "".join(
        message["params"]["text"]
        for message in messages(path)
        if message["method"] == "log_external_stream" and message["params"]["stream"] == stream
    )


@pytest.mark.parametrize("channel", [FILE, SPY], ids=["file", "subclass"])
def test_the_default_log_writer_in_a_users_own_message_writer(channel: str, tmp_path: Path) -> None:
    program = (
        OWN_WRITER.replace("CHANNEL", channel)
        + """
with pipes_package.open_dagster_pipes(message_writer=Writer()) as pipes:
    pipes.log.info("hello")
"""
        + PRINTING.replace("\n", "\n    ")
    )
    for package in PACKAGES:
        place = tmp_path / package
        place.mkdir()
        done = run(program, package, place)
        assert done.returncode == 0, done.stderr
        text = stream_text(place / "messages", "stdout")
        assert {"print é", "descriptor ☃", "child"} <= set(text.splitlines())
        assert "child error" in stream_text(place / "messages", "stderr")
    sent = messages(tmp_path / "ironpipe" / "messages")
    assert sent[-1]["method"] == "closed"  # What was printed comes before it.
    reader = ironpipe.read_messages(tmp_path / "ironpipe" / "messages")
    assert len(list(reader)) == len(sent)
    assert reader.report.is_complete, str(reader.report)


def test_a_grandchild_that_keeps_the_stream_delays_nothing(tmp_path: Path) -> None:
    program = """
with pipes_package.PipesStdioFileLogWriter(interval=3600).open({"logs_dir": place}):
    child = subprocess.Popen(["sleep", "600"])
    print("last words")
sys.stdout.flush()
os.write(2, str(child.pid).encode())
child.kill()
"""
    done = run(program, "ironpipe", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "stdout").read_text() == "last words\n"
    assert (tmp_path / "stderr").exists() is False


def test_much_output_while_the_interpreter_is_held(tmp_path: Path) -> None:
    # The C library prints far more than a pipe holds and gives nobody else a turn.
    program = """
import ctypes
C = ctypes.PyDLL(None)
with pipes_package.PipesStdioFileLogWriter(interval=0.01).open({"logs_dir": place}):
    for _ in range(200_000):
        C.puts("é☃ 0123456789".encode() * 4)
"""
    done = run(program, "ironpipe", tmp_path, stdout=subprocess.DEVNULL, capture_output=False)
    assert done.returncode == 0
    line = "é☃ 0123456789" * 4 + "\n"
    assert (tmp_path / "stdout").read_text("utf-8") == line * 200_000


def test_a_process_that_does_not_close_keeps_its_last_words(tmp_path: Path) -> None:
    program = """
opened = pipes_package.PipesStdioFileLogWriter(interval=3600).open({"logs_dir": place})
opened.__enter__()
print("last words")
"""
    assert run(program, "ironpipe", tmp_path).returncode == 0
    assert (tmp_path / "stdout").read_text() == "last words\n"


def test_a_forked_child_hands_on_nothing_of_its_parent(tmp_path: Path) -> None:
    program = """
with pipes_package.PipesStdioFileLogWriter(interval=3600).open({"logs_dir": place}):
    print("parent", flush=True)
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0
    else:
        print("child", flush=True)
if child:
    print("after")
"""
    done = run(program, "ironpipe", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "stdout").read_text() == "parent\nchild\n"
    assert done.stdout == b"parent\nchild\nafter\n"


FAILING = """
class Channel(pipes_package.PipesStdioLogWriterChannel):
    def write_chunk(self, chunk):
        written.append(chunk)
        if len(written) == 1:
            there.set()
            raise OSError(28, "no space")
written, there = [], threading.Event()
try:
    with Channel("stdout", 0.01, "mine").capture():
        os.write(1, b"lost\\n")
        there.wait()
        os.write(1, b"kept\\n")
except OSError as error:
    print("raised", error)
print(written)
assert pipes_package is not None
"""


def test_a_piece_that_fails_loses_no_other_and_is_told(tmp_path: Path) -> None:
    done = run(FAILING, "ironpipe", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().splitlines()[-2:] == [
        "raised [Errno 28] no space",
        "['lost\\n', 'kept\\n']",
    ]
    assert done.stderr.decode() == "Exception in thread mine:\n[Errno 28] no space\n"


def test_what_the_block_raises_is_not_hidden() -> None:
    class Channel(ironpipe.PipesStdioLogWriterChannel):
        def write_chunk(self, chunk: str) -> None:
            raise OSError(28, "no space")

    def block() -> None:
        with Channel("stderr", 0.01, "mine").capture():
            os.write(2, b"x")
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        block()


def test_a_channel_says_what_it_is() -> None:
    for package in (dagster_pipes, ironpipe):

        class Channel(package.PipesStdioLogWriterChannel):  # type: ignore[misc,name-defined]
            def write_chunk(self, chunk: str) -> None: ...

        channel = Channel(stream="stderr", interval=2.0, name="mine")
        assert (channel.name, channel.stream, channel.interval) == ("mine", "stderr", 2.0)
        assert channel.stdio is sys.__stderr__
        assert channel.error_messages.empty()
        with pytest.raises(ValueError, match="stream must be 'stdout' or 'stderr', got stdin"):
            _ = Channel("stdin", 1, "x").stdio
        writer = package.PipesStdioFileLogWriter()
        made = writer.make_channel({"logs_dir": "/tmp"}, "stdout")
        assert made.name == "PipesStdioFileLogWriterChannel(stdout->/tmp/stdout)"
        assert (made.output_path, made.interval) == ("/tmp/stdout", 1.0)
        default = package.PipesDefaultLogWriter(message_channel=made)
        assert default.message_channel is made
        assert default.make_channel({}, "stderr").name == "PipesDefaultLogWriterChannel(stderr)"


def test_no_directory_to_write_to() -> None:
    with (
        pytest.raises(ironpipe.DagsterPipesError, match="Invalid type for parameter `logs_dir`"),
        ironpipe.PipesStdioFileLogWriter().open({}),
    ):
        pass


def test_a_thread_tells_what_it_raised(capsys: pytest.CaptureFixture[str]) -> None:
    thread = ironpipe.ExcThread(target=lambda: json.loads("{"), name="mine")
    thread.start()
    thread.join()
    assert "JSONDecodeError" in capsys.readouterr().err
    thread.join()
    assert capsys.readouterr().err == ""
    with pytest.raises(RuntimeError, match="before it is started"):
        ironpipe.ExcThread().join()
