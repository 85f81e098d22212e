"""Writes lines of messages, and runs who reads them beside the test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

NEEDS_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="inotify and /proc are Linux's")
NEEDS_FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")


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


def run_script(script: str, *arguments: object) -> str:
    command = [sys.executable, "-W", "ignore", "-c", script, *map(str, arguments)]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 0
    return result.stdout
