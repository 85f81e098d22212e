"""Dagster's console lines, many at a time and the same bytes."""

# Neither Dagster nor coloredlogs says all of its types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

import logging
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import coloredlogs
from dagster._core.log_manager import (
    DagsterLogHandlerMetadata,
    DagsterLogRecordMetadata,
    construct_log_record_message,
)

from .rows import Line

_MARK = "\x00ironpipe\x00"
_MARK_TIME = 1234567890.0
_TRIAL_TIME = 1700000000.75
# A line that has more than these in it does not only depend on time, level and text.
_FIELDS = {"asctime", "name", "levelname", "message"}
_OWN_WAYS = {"handle", "emit", "format", "filter", "isEnabledFor", "callHandlers", "log"}


class Console:
    """A logger that prints as Dagster's default one does, and what it prints for one step.

    Args:
        logger: The logger; :py:meth:`recognizes` it.
        metadata: What the log manager knows of the step.
    """

    def __init__(self, logger: logging.Logger, metadata: DagsterLogHandlerMetadata) -> None:
        self._logger = logger
        self._handler: Any = logger.handlers[0]
        self._formatter: Any = self._handler.formatter
        self._metadata = metadata
        self._templates: dict[int, _Template | None] = {}
        self._second = -1
        self._asctime = ""

    @staticmethod
    def recognizes(logger: logging.Logger) -> bool:
        """Whether a logger is as Dagster makes it, with nothing of the user's in or around it."""
        if type(logger) is not logging.Logger or len(logger.handlers) != 1:
            return False
        handler: Any = logger.handlers[0]
        formatter: Any = handler.formatter
        return (
            logger.parent is None
            and type(handler) is coloredlogs.StandardErrorHandler
            and type(formatter) in (coloredlogs.BasicFormatter, coloredlogs.ColoredFormatter)
            and not logger.filters
            and not handler.filters
            and not any(_OWN_WAYS & vars(part).keys() for part in (logger, handler, formatter))
            and set(re.findall(r"%\((\w+)\)", formatter._fmt or "")) == _FIELDS
            and "%f" not in (formatter.datefmt or "%f")
        )

    def show(self, lines: Iterable[Line]) -> None:
        """Prints some messages, as the logger would one by one."""
        texts = [self._text(line) for line in lines]
        handler = self._handler
        handler.acquire()
        try:
            handler.stream.write("".join(texts))
            handler.flush()
        except UnicodeError:
            # One of them has no place in the stream's encoding, and the others do.
            for part in texts:
                self._show_one(part)
        except Exception:
            handler.handleError(logging.makeLogRecord({"name": self._logger.name}))
        finally:
            handler.release()

    def _show_one(self, text: str) -> None:
        try:
            self._handler.stream.write(text)
            self._handler.flush()
        except Exception:
            record = logging.makeLogRecord({"name": self._logger.name, "msg": ascii(text)})
            self._handler.handleError(record)

    def _text(self, line: Line) -> str:
        level = line.level
        if not self._logger.isEnabledFor(level) or level < self._handler.level:
            return ""
        if level not in self._templates:
            self._templates[level] = self._template(level)
        template = self._templates[level]
        if template is None or not line.text:
            return self._formatted(line.created, level, line.text)
        second = int(line.created)
        if second != self._second:
            self._second, self._asctime = second, self._time(second)
        return f"{template.head}{self._asctime}{template.between}{line.text}{template.tail}"

    def _template(self, level: int) -> "_Template | None":
        marked = self._formatted(_MARK_TIME, level, _MARK)
        head, time, rest = marked.partition(self._time(_MARK_TIME))
        between, mark, tail = rest.partition(_MARK)
        trial = f"{head}{self._time(_TRIAL_TIME)}{between}%s {{}}\n é{tail}"
        made = self._formatted(_TRIAL_TIME, level, "%s {}\n é")
        trusted = time and mark and trial == made
        return _Template(head, between, tail) if trusted else None

    def _formatted(self, created: float, level: int, text: str) -> str:
        metadata: Any = {**self._metadata, "dagster_event": None, "orig_message": text}
        record = self._record(created)
        record.levelno, record.levelname = level, logging.getLevelName(level)
        record.msg = construct_log_record_message(DagsterLogRecordMetadata(**metadata))
        return self._formatter.format(record) + self._handler.terminator

    def _time(self, created: float) -> str:
        return self._formatter.formatTime(self._record(created), self._formatter.datefmt)

    def _record(self, created: float) -> logging.LogRecord:
        return logging.makeLogRecord(
            {"name": self._logger.name, "created": created, "msecs": created % 1 * 1000}
        )


class _Template(NamedTuple):
    """A line around its time and its message."""

    head: str
    between: str
    tail: str
