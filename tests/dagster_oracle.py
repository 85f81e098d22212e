"""What Dagster itself makes of one line: ``json.loads``, then its own message handler.

The handler is the real one. Around it stand in only what needs a run: the step's log, which checks
the level with Dagster's own function, and the event log, to which the exception of a ``closed``
goes after Dagster has read, cut and packed it.
"""

from __future__ import annotations

import io
import json
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from dagster._core.pipes.client import PipesMessageReader
from dagster._core.pipes.context import PipesMessageHandler
from dagster._core.utils import coerce_valid_log_level
from dagster._serdes import serialize_value

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Reader(PipesMessageReader):
    """A reader that reads nothing; the handler wants one."""

    def read_messages(self, handler: PipesMessageHandler) -> Any:
        raise NotImplementedError

    def no_messages_debug_text(self) -> str:
        return ""


class _Log:
    """The log of a step, as far as the handler uses it."""

    def __init__(self) -> None:
        self.records: list[tuple[object, ...]] = []

    def log(self, level: Any, message: object) -> None:
        self.records.append((coerce_valid_log_level(level), message))

    def info(self, message: object) -> None:
        self.log("info", message)

    def warning(self, message: object) -> None:
        self.log("warning", message)

    def log_dagster_event(self, level: Any, msg: object, dagster_event: Any) -> None:
        # What the log manager and an event log storage do with it.
        text = dagster_event.event_specific_data.error.to_string()
        self.records.append((level, msg, text, serialize_value(dagster_event)))


class Refused(Exception):
    """Dagster, or ``json.loads`` before it, raised; the cause is what."""


_READER = _Reader()


@contextmanager
def deep_stack() -> Iterator[None]:
    """Room for values as deep as ironpipe takes them.

    Dagster spends several frames of Python on each level of a value, so how deep it goes depends
    on who calls it. That is not what is compared.
    """
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def loads(line: bytes) -> Any:
    """The value of a line, as Dagster's file reader gets it.

    Raises:
        Refused: It is not UTF-8 or not JSON.
    """
    try:
        return json.loads(line.decode("utf-8"))
    except ValueError as error:
        raise Refused from error


def handle(message: Any) -> list[object]:
    """Hand a message to Dagster's handler.

    Returns:
        All that came of it: log records and events, results, custom messages, output.

    Raises:
        Refused: The handler raised, which ends Dagster's reading.
    """
    log = _Log()
    job = SimpleNamespace(job_name="job", log=log)
    context = SimpleNamespace(log=log, get_step_execution_context=lambda: job)
    handler = PipesMessageHandler(context, _READER)  # type: ignore[arg-type]
    out, err = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            handler.handle_message(message)
    except Exception as error:
        raise Refused from error
    return [
        log.records,
        handler.get_reported_results(),
        handler.get_custom_messages(),
        out.getvalue(),
        err.getvalue(),
        handler.received_opened_message,
        handler.received_closed_message,
    ]
