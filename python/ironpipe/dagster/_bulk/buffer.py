"""The handler that takes log messages and stores them together."""

# Dagster leaves some of its types half open, and what is used here is not public.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportPrivateUsage=false

import logging
import os
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from dagster._core.log_manager import DagsterLogManager, get_log_record_metadata

from .console import Console
from .rows import Line
from .store import LogStore

_SECONDS = 0.2
_MOST_LINES = 1_000
# In code points: a few long messages are enough for a transaction.
_MOST_TEXT = 1 << 20


class LogBuffer(logging.Handler):
    """Stands in for Dagster's handler that stores, for all sessions of a step.

    Args:
        log: The log manager of the step.
        original: That handler, which is among the log manager's.
    """

    def __init__(self, log: DagsterLogManager, original: Any) -> None:
        super().__init__(original.level)
        self._mutex = threading.RLock() if self.lock is None else self.lock
        self.filters = original.filters
        self._log = log
        self._original = original
        self._sessions = 1
        self._store = LogStore(original._instance, log.metadata)
        self._capturing: Any = log._dagster_handler._local_thread_context
        self._lines: list[Line] = []
        self._text = 0
        self._since = 0.0
        # What stands in `_lines` and not yet on the console.
        self._unshown: list[Line] = []
        # Where a message is shown that is of interest to nobody but the event log and the console;
        # None where it is. Asked for anew each time the buffer has been emptied.
        self._consoles: list[Console] | None = None
        self._asked = False
        self._known: dict[tuple[object, ...], Console] = {}
        # The message that a thread passes through the log manager.
        self._passing = threading.local()
        self._process = os.getpid()

    def join(self, log: DagsterLogManager) -> bool:
        """Serves one session more, if it is one of the same step."""
        if log.metadata != self._log.metadata:
            return False
        self._sessions += 1
        return True

    def leave(self) -> None:
        """Serves one session less; after the last one Dagster's handler is back in its place."""
        self._sessions -= 1
        handlers: Any = self._log._dagster_handler._handlers
        if not self._sessions and self in handlers:
            handlers[handlers.index(self)] = self._original

    @property
    def patience(self) -> float | None:
        """In how many seconds what is pending has to be stored; None if nothing is."""
        return max(0.0, self._since + _SECONDS - time.monotonic()) if self._lines else None

    def write(self, line: Line) -> None:
        """Takes a message, by way of the log manager where somebody else is interested in it."""
        with self._mutex:
            self._check_process()
            if not self._asked:
                self._consoles, self._asked = self._recognize(), True
            if self._consoles is not None:
                if self._log.isEnabledFor(line.level):
                    self._unshown.append(line)
                    self._add(line)
                return
        self._passing.line = line
        try:
            self._log.log(line.level, line.text)
        finally:
            self._passing.line = None

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a message that is being passed; what else is logged is stored now."""
        line: Line | None = getattr(self._passing, "line", None)
        if line is None:
            self.flush()
            self._original.handle(record)
        else:
            text = get_log_record_metadata(record)["orig_message"]
            with self._mutex:
                self._check_process()
                self._add(line._replace(level=record.levelno, text=text))

    def show(self) -> None:
        """Puts on the console what is not there yet."""
        with self._mutex:
            self._check_process()
            lines, self._unshown = self._unshown, []
            for console in self._consoles or () if lines else ():
                console.show(lines)

    def flush(self) -> None:
        """Stores what is pending, and shows it."""
        with self._mutex:
            self.show()
            lines, self._lines, self._text, self._asked = self._lines, [], 0, False
            if lines:
                with self._deaf():
                    self._store.store(lines)

    def hurry(self) -> None:
        """From now on waits for no event log that is out of reach."""
        self._store.hurry()

    def _add(self, line: Line) -> None:
        if line.level < self.level:
            return
        now = time.monotonic()
        if not self._lines:
            self._since = now
        self._lines.append(line)
        self._text += len(line.text)
        if (
            len(self._lines) >= _MOST_LINES
            or self._text >= _MOST_TEXT
            or now - self._since >= _SECONDS
        ):
            self.flush()

    def _check_process(self) -> None:
        """A forked child has its parent's messages, which the parent stores."""
        if self._process != os.getpid():
            self._process, self._lines, self._unshown = os.getpid(), [], []

    @contextmanager
    def _deaf(self) -> Generator[None, None, None]:
        """Lets nothing in that this thread logs meanwhile, as Dagster does while it stores."""
        before = getattr(self._capturing, "should_capture", True)
        self._capturing.should_capture = False
        try:
            yield
        finally:
            self._capturing.should_capture = before

    def _recognize(self) -> list[Console] | None:
        """The consoles, if the log manager has nothing else that sees a message."""
        log = self._log
        handler = log._dagster_handler
        plain = (
            log.handlers == [handler]
            and not (log.filters or handler.filters or handler.level or self.filters)
            and not log.disabled
            and log.parent is None
            and handler._handlers == [self]
            and logging.getLogRecordFactory() is logging.LogRecord
            and all(map(Console.recognizes, handler._loggers))
        )
        if not plain:
            return None
        consoles: list[Console] = []
        for logger in handler._loggers:
            parts = (logger, logger.handlers[0], logger.handlers[0].formatter)
            if parts not in self._known:
                self._known[parts] = Console(logger, log.metadata)
            consoles.append(self._known[parts])
        return consoles
