"""Runs a server for the length of a block: start, wait until it answers, stop."""

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

# On a busy machine Dagster's take half a minute.
PATIENCE = 120


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port: int) -> bool:
    """Whether somebody takes connections."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(url: str) -> bool:
    """Whether a request is answered well."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def wait_until(true: Callable[[], bool], what: str, *, patience: float = PATIENCE) -> None:
    """Waits for what can only be asked for again and again."""
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline, f"in vain for {patience} seconds: {what}"
        time.sleep(0.1)


@contextmanager
def serve(
    argv: Sequence[str],
    *,
    ready: Callable[[], bool],
    log: Path,
    env: Mapping[str, str] | None = None,
    kill: bool = False,
) -> Iterator[None]:
    """Runs a server.

    Args:
        argv: Its command.
        ready: Whether it answers; asked until it does.
        log: What it prints goes here, and into the error if it does not answer.
        env: Variables beside those of this process.
        kill: Whether it is ended by force at once: it has nothing to put in order.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            # A group of its own: its children end with it.
            start_new_session=True,
        )
    try:
        wait_until(lambda: process.poll() is not None or ready(), f"{argv[0]} answers; see {log}")
        assert process.poll() is None, f"{argv} has ended:\n{log.read_text()[-4000:]}"
        yield
    finally:
        _end(process, patience=0 if kill else 30)


def _end(process: subprocess.Popen[bytes], patience: float) -> None:
    """Ends a server and its children, by force if it takes too long."""
    with contextlib.suppress(ProcessLookupError):
        if patience:
            os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
