"""``context.log``: a ``logging.Logger`` whose messages go to Dagster.

While nobody but Dagster listens, its level methods go straight to the engine. As soon as somebody
adds a handler or a filter, or passes ``extra`` or another keyword, the way is that of the standard
library.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from logging import LogRecord, getLogRecordFactory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ironpipe import _ironpipe

__all__ = ["PipesLogger"]

# The name that dagster_pipes gives it; users' formatters may show it.
NAME = "dagster-pipes"


def _level_method(level: int, standard: Callable[..., None]) -> Callable[..., None]:
    """Make the method that logs at a level.

    Args:
        level: The level.
        standard: The method of ``logging.Logger``, for when somebody besides Dagster listens.
    """

    def method(self: PipesLogger, msg: object, *args: object, **kwargs: Any) -> None:
        own = self._own
        if (
            not kwargs
            # Nobody but Dagster's handler sees, changes or stops the message.
            and self.handlers == self._alone
            and not self.filters
            and not own.filters
            and own.level <= level
            and getLogRecordFactory() is LogRecord
            # And it is one that is logged.
            and self.level <= level
            and self.manager.disable < level
            and not self.disabled
        ):
            own.send(level, msg if type(msg) is str and not args else _text(msg, args))
        else:
            # The record shall name the line that called this method, not one in this file.
            kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1
            standard(self, msg, *args, **kwargs)

    method.__name__ = standard.__name__
    method.__qualname__ = f"PipesLogger.{standard.__name__}"
    method.__doc__ = f"Log a message at level {logging.getLevelName(level)}."
    return method


class PipesLogger(logging.Logger):
    """A logger that stands outside the tree of loggers and writes to a Pipes session.

    A level that Dagster does not know is sent as the nearest one below it.

    Args:
        context: The session of the engine.
    """

    def __init__(self, context: _ironpipe.Context) -> None:
        super().__init__(NAME)
        self._own = _Handler(context)
        self.addHandler(self._own)
        # What the handlers are while there is no other.
        self._alone = [self._own]

    def isEnabledFor(self, level: int) -> bool:
        """Whether a message of this level is sent.

        The standard method remembers its answers where ``setLevel`` and ``logging.disable`` do not
        reach those of a logger outside the tree, so this one looks each time.
        """
        return self.level <= level and self.manager.disable < level and not self.disabled

    debug = _level_method(logging.DEBUG, logging.Logger.debug)
    info = _level_method(logging.INFO, logging.Logger.info)
    warning = _level_method(logging.WARNING, logging.Logger.warning)
    error = _level_method(logging.ERROR, logging.Logger.error)
    critical = _level_method(logging.CRITICAL, logging.Logger.critical)


class _Handler(logging.Handler):
    """The standard way: sends the text of a record."""

    def __init__(self, context: _ironpipe.Context) -> None:
        super().__init__()
        self.send = context.log

    def emit(self, record: LogRecord) -> None:
        # Like dagster_pipes, and unlike most handlers, it raises what goes wrong.
        self.send(record.levelno, record.getMessage())


def _text(msg: object, args: tuple[Any, ...]) -> str:
    """Format a message as ``logging.LogRecord`` does."""
    text = str(msg)
    if not args:
        return text
    if len(args) == 1 and isinstance(args[0], Mapping) and args[0]:
        return text % args[0]
    return text % args
