"""``context.log``: a ``logging.Logger`` whose messages go to Dagster.

While nobody but Dagster listens, its level methods go straight to the engine. As soon as somebody
adds a handler or a filter, or passes ``extra`` or another keyword, the way is that of the standard
library.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from logging import CRITICAL, DEBUG, ERROR, INFO, WARNING, LogRecord, getLogRecordFactory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ironpipe import _ironpipe

__all__ = ["PipesLogger"]

# The name that dagster_pipes gives it; users' formatters may show it.
NAME = "dagster-pipes"


class PipesLogger(logging.Logger):
    """A logger that stands outside the tree of loggers and writes to a Pipes session.

    A level that Dagster does not know is sent as the nearest one below it.

    Args:
        context: The session of the engine.
    """

    def __init__(self, context: _ironpipe.Context) -> None:
        super().__init__(NAME)
        self._send = context.log
        self._own = _Handler(context)
        self.addHandler(self._own)
        self._only_own = [self._own]

    def isEnabledFor(self, level: int) -> bool:
        """Whether a message of this level is sent.

        The standard method remembers its answers where ``setLevel`` and ``logging.disable`` do not
        reach those of a logger outside the tree, so this one looks each time.
        """
        return self.level <= level and self.manager.disable < level and not self.disabled

    def _is_heard_only_by_dagster(self, level: int) -> bool:
        """Whether nobody but Dagster's handler sees, changes or stops a message of this level."""
        own = self._own
        return (
            self.handlers == self._only_own
            and not self.filters
            and not own.filters
            and own.level <= level
            and getLogRecordFactory() is LogRecord
            and self.level <= level
            and self.manager.disable < level
            and not self.disabled
        )

    def debug(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Log a message at level DEBUG, as ``logging.Logger.debug`` does."""
        if not kwargs and self._is_heard_only_by_dagster(DEBUG):
            self._send(DEBUG, _text(msg, args))
        else:
            super().debug(msg, *args, **kwargs)

    def info(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Log a message at level INFO, as ``logging.Logger.info`` does."""
        if not kwargs and self._is_heard_only_by_dagster(INFO):
            self._send(INFO, _text(msg, args))
        else:
            super().info(msg, *args, **kwargs)

    def warning(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Log a message at level WARNING, as ``logging.Logger.warning`` does."""
        if not kwargs and self._is_heard_only_by_dagster(WARNING):
            self._send(WARNING, _text(msg, args))
        else:
            super().warning(msg, *args, **kwargs)

    def error(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Log a message at level ERROR, as ``logging.Logger.error`` does."""
        if not kwargs and self._is_heard_only_by_dagster(ERROR):
            self._send(ERROR, _text(msg, args))
        else:
            super().error(msg, *args, **kwargs)

    def critical(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Log a message at level CRITICAL, as ``logging.Logger.critical`` does."""
        if not kwargs and self._is_heard_only_by_dagster(CRITICAL):
            self._send(CRITICAL, _text(msg, args))
        else:
            super().critical(msg, *args, **kwargs)


class _Handler(logging.Handler):
    """The standard way: sends the text of a record."""

    def __init__(self, context: _ironpipe.Context) -> None:
        super().__init__()
        self._send = context.log

    def emit(self, record: LogRecord) -> None:
        # Like dagster_pipes, and unlike most handlers, it raises what goes wrong.
        self._send(record.levelno, record.getMessage())


def _text(msg: object, args: tuple[Any, ...]) -> str:
    """Format a message as ``logging.LogRecord`` does."""
    text = str(msg)
    if not args:
        return text
    if len(args) == 1 and isinstance(args[0], Mapping) and args[0]:
        return text % args[0]
    return text % args
