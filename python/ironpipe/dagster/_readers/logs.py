"""Readers of a process's stdout and stderr, and messages that stand in its log."""

import sys
import threading
import time
import warnings
from typing import IO

import dagster
from dagster import PipesLogReader as OfficialLogReader
from dagster._core.pipes import utils
from dagster_pipes import PIPES_PROTOCOL_VERSION_FIELD, PipesParams

import ironpipe

from .._intake import wire


class PipesLogReader(OfficialLogReader):
    """The base to write a log reader on. Drop-in for ``dagster.PipesLogReader``."""


class PipesChunkedLogReader(PipesLogReader, utils.PipesChunkedLogReader):
    """The base of a log reader that downloads chunks.

    Drop-in for ``dagster._core.pipes.utils.PipesChunkedLogReader``. A download that raises is tried
    again instead of ending the log, and after the session has closed it goes on until nothing
    more has come for :py:attr:`drain_timeout`.

    Args:
        interval: How long to wait, in seconds, where nothing new was there.
        target_stream: Where the log goes.
        debug_info: What to add to errors.
    """

    drain_timeout: float = utils.WAIT_FOR_LOGS_AFTER_EXECUTION_INTERVAL
    """How long to go on, in seconds, after the session has closed and nothing more has come."""

    def __init__(
        self, *, interval: float = 10, target_stream: IO[str], debug_info: str | None = None
    ):
        super().__init__(interval=interval, target_stream=target_stream, debug_info=debug_info)

    def _reader_thread(self, params: PipesParams, is_session_closed: threading.Event) -> None:
        quiet_since: float | None = None
        failed: Exception | None = None
        while True:
            closed = is_session_closed.is_set()
            chunk = None
            try:
                chunk = self.download_log_chunk(params)
                failed = None
            except Exception as error:
                if failed is None:
                    text = (
                        f"[ironpipe] {self.name} could not read a log, and tries again: {error!r}"
                    )
                    warnings.warn(self.with_debug_info(text), stacklevel=1)
                failed = error
            if chunk:
                self.target_stream.write(chunk)
                quiet_since = None
                if closed:
                    continue
            if closed:
                quiet_since = quiet_since or time.monotonic()
                if time.monotonic() - quiet_since >= self.drain_timeout:
                    return
                time.sleep(min(self.interval, utils.DEFAULT_SLEEP_INTERVAL))
            else:
                is_session_closed.wait(self.interval)


def forward_only_logs_to_file(log_line: str, file: IO[str]) -> None:
    """Writes a line of a log to a file if it is no message.

    Drop-in for the function of the same name in ``dagster._core.pipes.utils``.

    Args:
        log_line: The line.
        file: Where it goes.
    """
    if PIPES_PROTOCOL_VERSION_FIELD not in log_line:
        file.writelines((log_line, "\n"))
        return
    decoder = ironpipe.MessageDecoder(shared=True)
    for item in [*decoder.push(log_line), *decoder.end_chunk()]:
        if isinstance(item, ironpipe.OrdinaryOutput):
            file.writelines((item.text, "\n"))


def extract_message_or_forward_to_file(
    handler: dagster.PipesMessageHandler, log_line: str, file: IO[str]
) -> None:
    """Hands a message in a line of a log to the handler; writes any other line to a file.

    Drop-in for the function of the same name in ``dagster._core.pipes.utils``. A line that begins
    like a message and is none, and a message that is refused, are losses, and not output.

    Args:
        handler: What ``read_messages`` was handed.
        log_line: The line.
        file: Where ordinary output goes.
    """
    take_line = getattr(handler, "take_line", None)
    output = take_line(log_line) if take_line is not None else _take_line(handler, log_line)
    for text in output:
        file.writelines((text, "\n"))


def extract_message_or_forward_to_stdout(
    handler: dagster.PipesMessageHandler, log_line: str
) -> None:
    """Hands a message in a line of a log to the handler; writes any other line to stdout.

    See :py:func:`extract_message_or_forward_to_file`.

    Args:
        handler: What ``read_messages`` was handed.
        log_line: The line.
    """
    extract_message_or_forward_to_file(handler=handler, log_line=log_line, file=sys.stdout)


def _take_line(handler: dagster.PipesMessageHandler, log_line: str) -> list[str]:
    """For an official handler, which keeps no account: what is lost is logged."""
    decoder = ironpipe.MessageDecoder(shared=True)
    output: list[str] = []
    for item in [*decoder.push(log_line), *decoder.end_chunk()]:
        if isinstance(item, ironpipe.OrdinaryOutput):
            output.append(item.text)
            continue
        try:
            handler.handle_message(wire(item))  # pyright: ignore[reportArgumentType]
        except Exception as error:
            handler._context.log.error(f"[ironpipe] Dagster refused {item!r}: {error!r}")
    for rejected in decoder.report.rejected:
        handler._context.log.error(f"[ironpipe] no message: {rejected!r}")
    return output
