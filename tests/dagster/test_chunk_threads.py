"""Sessions of chunks in a process that forks, is interrupted, or ends; and their threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reader_harness import NEEDS_LINUX

PROGRAM = """
import json, os, signal, sys, threading, time
from pathlib import Path
from unittest.mock import Mock
from ironpipe import dagster as ours

class Handler:
    def __init__(self):
        self.received_opened_message = self.received_closed_message = False
        self._context = Mock()
        self.texts = []
        self.arrived = threading.Semaphore(0)

    def handle_message(self, message):
        if message["method"] == "log":
            self.texts.append(message["params"]["message"])
            self.arrived.release()

    def report_pipes_framework_exception(self, origin, exc_info):
        raise AssertionError(origin, exc_info)

def line(number, method, params):
    head = {"__dagster_pipes_version": "0.1", "__ironpipe": ["writer", number, 0]}
    return json.dumps({**head, "method": method, "params": params})

OPENED, CLOSED = line(1, "opened", {"extras": {}}), line(4, "closed", {})
LOGS = [line(n + 2, "log", {"message": str(n), "level": "INFO"}) for n in range(2)]

def put(params, index, *lines):
    new = Path(params["path"], f".{index}")
    new.write_text("\\n".join(lines))
    new.rename(Path(params["path"], f"{index}.json"))

def session(reader, between=lambda: None, last=(LOGS[1], CLOSED), handler=None):
    handler = handler or Handler()
    with reader.read_messages(handler) as params:
        put(params, 1, OPENED, LOGS[0])
        assert handler.arrived.acquire(timeout=60)
        between()
        put(params, 2, *last)
    assert handler.texts == ["0", "1"], handler.texts

reader = ours.StoreMessageReader(sys.argv[1])
"""


def run(program: str, directory: Path) -> None:
    # Python 3.12 warns of any fork beside threads, which is what this is about.
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM + program, str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


NEEDS_FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")


@NEEDS_FORK
def test_parent_and_child_go_on_after_a_fork(tmp_path: Path) -> None:
    run(
        """
def fork():
    child = os.fork()
    if child == 0:
        code = 1
        try:
            session(reader)
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0

session(reader, between=fork)
session(reader)
""",
        tmp_path,
    )


@NEEDS_FORK
def test_a_child_that_leaves_its_parents_session_ends(tmp_path: Path) -> None:
    run(
        """
def fork():
    child = os.fork()
    if child == 0:
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0

session(reader, between=fork)
""",
        tmp_path,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGALRM")
def test_an_interruption_ends_the_wait_for_the_rest(tmp_path: Path) -> None:
    run(
        """
class Interruption(Exception):
    pass

def interrupt(_, frame):
    # Once the session waits, and not before: the wait would come behind it.
    while frame and frame.f_code.co_name != "deliver_chunks":
        frame = frame.f_back
    if frame:
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise Interruption

reader.drain_timeout = 1000
signal.signal(signal.SIGALRM, interrupt)
try:
    # Never closed, so there might be more.
    session(reader, lambda: signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1), last=(LOGS[1],))
except Interruption:
    pass
else:
    raise AssertionError
session(reader)
""",
        tmp_path,
    )


def test_a_handler_that_can_not_even_tell_of_its_end_is_waited_for_no_longer(
    tmp_path: Path,
) -> None:
    run(
        """
class Fallen(Handler):
    def handle_message(self, message):
        self.arrived.release()
        raise SystemExit

    def report_pipes_framework_exception(self, origin, exc_info):
        raise OSError("the event log is away")

try:
    session(reader, handler=Fallen())
except ours.MessagesLostError as error:
    assert "SystemExit" in str(error), error
else:
    raise AssertionError
session(reader)
""",
        tmp_path,
    )


@NEEDS_LINUX
def test_sessions_take_no_thread_each(tmp_path: Path) -> None:
    run(
        """
from contextlib import ExitStack

with ExitStack() as stack:
    handlers = [Handler() for _ in range(20)]
    params = [stack.enter_context(reader.read_messages(handler)) for handler in handlers]
    for each in params:
        put(each, 1, OPENED, LOGS[0])
    for handler in handlers:
        assert handler.arrived.acquire(timeout=60)
    # The lanes that had work, too.
    assert len(os.listdir("/proc/self/task")) <= 11, os.listdir("/proc/self/task")
    # A lane ends when it has had nothing to do for a while.
    deadline = time.monotonic() + 60
    while {thread.name for thread in threading.enumerate()} != {"MainThread", "ironpipe-listen"}:
        assert time.monotonic() < deadline, threading.enumerate()
        time.sleep(0.05)
    for each in params:
        put(each, 2, LOGS[1], CLOSED)
    for handler in handlers:
        assert handler.arrived.acquire(timeout=60)
""",
        tmp_path,
    )
