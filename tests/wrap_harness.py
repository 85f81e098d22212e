"""Runs `ironpipe wrap` in a Pipes session, and reads what it sends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from binaries import IRONPIPE
from ironpipe import AssetMaterialization, Closed, Log, open_session

# A Python program holds its lines back as it usually does.
ENV = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@dataclass
class Wrapped:
    """A program that was wrapped: what came out, and what arrived."""

    code: int
    stdout: bytes
    stderr: bytes
    messages: list[Any]

    @property
    def logs(self) -> list[tuple[str | None, str]]:
        return [(m.level, m.message) for m in self.messages if isinstance(m, Log)]

    @property
    def exception(self) -> dict[str, Any] | None:
        (closed,) = (m for m in self.messages if isinstance(m, Closed))
        return closed.params.get("exception")

    @property
    def materializations(self) -> list[dict[str, Any]]:
        return [m.params for m in self.messages if isinstance(m, AssetMaterialization)]


def wrap(
    *args: str | Path, asset_keys: tuple[str, ...] = ("a",), env: Any = None, **options: Any
) -> Wrapped:
    """Wraps a program to its end."""
    options = {"stdin": subprocess.DEVNULL, "timeout": 60, "check": False, **options}
    if "stdout" not in options:
        options["capture_output"] = True
    with open_session(asset_keys=asset_keys) as session:
        done = subprocess.run(
            [IRONPIPE, "wrap", *args], env={**ENV, **session.env, **(env or {})}, **options
        )
        messages = list(session.finish())
        assert session.report.is_complete, session.report
    return Wrapped(done.returncode, done.stdout, done.stderr, messages)


@contextmanager
def wrapping(
    *args: str | Path, before: Sequence[str] = (), **options: Any
) -> Iterator[tuple[subprocess.Popen[bytes], Any]]:
    """Starts a program wrapped; gives the process and the session, whose reader follows it.

    ``before`` is a command that starts the command that follows it.
    """
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with open_session(asset_keys=["a"]) as session:
        process = subprocess.Popen(
            [*before, IRONPIPE, "wrap", *args], env={**ENV, **session.env}, **{**pipes, **options}
        )
        with process:
            try:
                yield process, session
            finally:
                process.kill()


def logs(session: Any) -> Iterator[tuple[str | None, str]]:
    """The log messages as they arrive; waits for each."""
    for message in session.reader:
        if isinstance(message, Log):
            yield message.level, message.message


def rest(session: Any) -> list[tuple[str | None, str]]:
    """The log messages that have not been read, once the process has ended."""
    return [(m.level, m.message) for m in session.finish() if isinstance(m, Log)]


def python(code: str, *args: str) -> list[str]:
    return [sys.executable, "-c", code, *args]


def compiled(code: str, directory: Path) -> Path:
    """A C program. Every machine that builds Rust has a C compiler, to link with."""
    source, program = directory / "program.c", directory / "program"
    source.write_text(code)
    subprocess.run(["cc", "-o", program, source], check=True)
    return program
