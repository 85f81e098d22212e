"""A channel that breaks in the middle: the call raises, and nothing else is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import ironpipe
from external.parts import SINGLE, open_with

# Fills a file system of 64 kB through a session, makes room, and goes on.
FULL_DISK = """
import os, sys
from pathlib import Path
from ironpipe import open_dagster_pipes
place = Path(os.environ["PLACE"])
pipes = open_dagster_pipes()
failed = None
for n in range(1000):
    try:
        pipes.report_custom_message([n, "x" * 997])
    except OSError as error:
        failed = n
        print(error.errno, error.filename)
        break
(place / "ballast").unlink()
pipes.report_custom_message("after")
pipes.close()
print(failed)
sys.stdout.flush()
os.write(3, (place / "messages").read_bytes())
"""


def small_disk(command: list[str], place: Path, **popen: Any) -> subprocess.CompletedProcess[str]:
    """Run a command with a small file system in a place, which is gone after it."""
    mount = 'mount -t tmpfs -o size=128k none "$PLACE" && dd if=/dev/zero of="$PLACE/ballast"'
    script = f'{mount} bs=1k count=32 2>/dev/null && exec "$@"'
    unshare = ["unshare", "-rm", "sh", "-c", script, "sh"]
    return subprocess.run(
        [*unshare, *command],
        capture_output=True,
        text=True,
        timeout=60,
        **popen,
    )


def can_mount(place: Path) -> bool:
    try:
        return small_disk(["true"], place, env={**os.environ, "PLACE": str(place)}).returncode == 0
    except OSError:
        return False


def session_env(path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "DAGSTER_PIPES_CONTEXT": ironpipe.encode_param({"data": SINGLE}),
        "DAGSTER_PIPES_MESSAGES": ironpipe.encode_param({"path": str(path)}),
    }


def on_a_small_disk(program: str, tmp_path: Path) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Run a program whose messages lie on a small file system.

    Returns:
        The process, and what it wrote to the descriptor 3.
    """
    place = tmp_path / "small"
    place.mkdir()
    if not can_mount(place):
        pytest.skip("this user may not mount a file system")
    env = {**session_env(place / "messages"), "PLACE": str(place)}
    copy = tmp_path / "copy"
    # The descriptor 3 leads out of the file system, which goes with the process.
    command = ["sh", "-c", 'exec "$0" -c "$1" 3> "$2"', sys.executable, program, str(copy)]
    done = small_disk(command, place, env=env)
    assert done.returncode == 0, done.stderr
    return done, copy


def test_a_full_disk(tmp_path: Path) -> None:
    done, copy = on_a_small_disk(FULL_DISK, tmp_path)
    refusal, failed = done.stdout.splitlines()
    assert refusal == f"28 {tmp_path / 'small' / 'messages'}"
    reader = ironpipe.read_messages(copy)
    payloads = [m.payload for m in reader if isinstance(m, ironpipe.CustomMessage)]
    assert [payload[0] for payload in payloads[:-1]] == list(range(int(failed)))
    assert payloads[-1] == "after"
    # The one that failed is known to be missing; of it a fragment may be there.
    (writer,) = reader.report.writers
    assert writer.missing == [range(int(failed) + 2, int(failed) + 3)]
    assert reader.report.rejected_count <= 1


# One process fills the file system while another has the file open, too, and goes on later.
SHARED_DISK = """
import os, subprocess, sys
from pathlib import Path
from ironpipe import open_dagster_pipes
place = Path(os.environ["PLACE"])
pipes = open_dagster_pipes()
fill = '''
from ironpipe import open_dagster_pipes
pipes = open_dagster_pipes()
try:
    for n in range(1000):
        pipes.log.info("x" * 997)
except OSError as error:
    print(error.errno, n)
    __import__("os")._exit(0)
'''
done = subprocess.run([sys.executable, "-c", fill], capture_output=True, text=True)
(place / "ballast").unlink()
pipes.log.info("goes on")
pipes.close()
print(done.stdout, done.stderr)
sys.stdout.flush()
os.write(3, (place / "messages").read_bytes())
"""


def test_a_full_disk_under_two_processes(tmp_path: Path) -> None:
    done, copy = on_a_small_disk(SHARED_DISK, tmp_path)
    number, sent = done.stdout.split()
    assert number == "28", done.stdout
    reader = ironpipe.read_messages(copy)
    logs = [m.message for m in reader if isinstance(m, ironpipe.Log)]
    assert logs == [*["x" * 997] * int(sent), "goes on"]
    assert reader.report.closed == 1
    assert reader.report.rejected_count <= 1


def test_a_file_that_is_removed(tmp_path: Path) -> None:
    path, kept = tmp_path / "messages", tmp_path / "kept"
    pipes = open_with("ironpipe", SINGLE, path)
    os.link(path, kept)
    path.unlink()
    pipes.log.info("it has another name")
    assert len(kept.read_bytes().splitlines()) == 2
    kept.unlink()

    def work() -> None:
        for n in range(1_000_000):
            pipes.log.info("%d", n)

    # Not every call asks, but it is soon noticed.
    with pytest.raises(FileNotFoundError) as caught:
        work()
    assert caught.value.filename == str(path)
    with pytest.raises(FileNotFoundError):
        pipes.close()
    assert pipes.is_closed
    assert not path.exists()


def test_a_file_that_is_removed_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "messages"
    pipes = open_with("ironpipe", SINGLE, path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        pipes.close()


def test_a_fifo_whose_reader_has_gone(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    opened = threading.Event()
    lines: list[bytes] = []

    def read() -> None:
        with path.open("rb") as fifo:
            lines.extend([fifo.readline(), fifo.readline()])
        opened.set()

    thread = threading.Thread(target=read)
    thread.start()
    pipes = open_with("ironpipe", SINGLE, path)
    pipes.log.info("heard")
    thread.join()
    assert opened.is_set()
    with pytest.raises(BrokenPipeError) as caught:
        pipes.log.info("not heard")
    assert caught.value.filename == str(path)
    with pytest.raises(BrokenPipeError):
        pipes.close()
    heard = [ironpipe.decode_message(line.rstrip(b"\n")) for line in lines]
    assert [message.method for message in heard] == ["opened", "log"]


@pytest.mark.parametrize("key", ["stdio", "buffered_stdio"])
def test_stdout_whose_reader_has_gone(key: str, tmp_path: Path) -> None:
    program = """
import os, sys
from ironpipe import open_dagster_pipes
pipes = open_dagster_pipes()
sys.stdin.readline()
try:
    for _ in range(3):
        pipes.report_custom_message("x" * 100_000)
    pipes.close()
except BrokenPipeError:
    os.write(2, b"raised")
os._exit(0)
"""
    env = session_env(tmp_path)
    env["DAGSTER_PIPES_MESSAGES"] = ironpipe.encode_param({key: "stdout"})
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    if key == "stdio":
        line = process.stdout.readline()
        assert ironpipe.decode_message(line.rstrip(b"\n")).method == "opened"
    process.stdout.close()
    process.stdout = None
    _, errors = process.communicate(b"\n", timeout=60)
    assert errors == b"raised"


def test_after_a_fragment_of_another_process(tmp_path: Path) -> None:
    path = tmp_path / "messages"
    path.write_bytes(b'{"__dagster_pipes_version":"0.1","method":"log","par')
    with open_with("ironpipe", SINGLE, path) as pipes:
        pipes.log.info("whole")
    reader = ironpipe.read_messages(path)
    assert [message.method for message in reader] == ["opened", "log", "closed"]
    (rejected,) = reader.report.rejected
    assert rejected.offset == 0
