"""Log messages on their way into the event log, many at a time.

Dagster stores each log message in a transaction of its own, which takes milliseconds. While a
session is open, a buffer stands in for the handler that does so. It takes the messages of the
external process and stores them together: after 200 ms, when there are many, and before anything
else goes into the event log. What others log goes on to Dagster's handler at once, behind them.
"""

# Dagster leaves some of its types half open, and what is used here is not public.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportPrivateUsage=false

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from dagster._core.log_manager import DagsterLogHandler, DagsterLogManager
from dagster._core.utils import coerce_valid_log_level

from .._ledger import Ledger
from .._types import Context
from .buffer import LogBuffer
from .rows import Line
from .store import LogStore

# A session that was forgotten may be ended by the collector, at any place: also under this lock.
_installing = threading.RLock()


class BulkLogs:
    """The log messages of one session.

    Args:
        buffer: Where they go.
        ledger: Where those that can't be stored are entered.
    """

    def __init__(self, buffer: LogBuffer, ledger: Ledger) -> None:
        self._buffer = buffer
        self._ledger = ledger
        self._launched = time.time()
        self._levels: dict[str, int] = {}
        self._timing = threading.Lock()
        self._timer: threading.Timer | None = None

    @property
    def patience(self) -> float | None:
        """In how many seconds :py:meth:`flush` is due; None while nothing is pending."""
        return self._buffer.patience

    def write(self, text: str, level: str, sent_at: float | None) -> None:
        """Takes a message.

        Args:
            text: What it says.
            level: Its level, as Dagster takes it.
            sent_at: The writer's clock when it was sent. It is the time of the message, as far as
                that lies between the opening of the session and now.
        """
        number = self._levels.get(level)
        if number is None:
            number = self._levels[level] = coerce_valid_log_level(level)
        now = time.time()
        created = now if sent_at is None else min(max(sent_at, self._launched), now)
        self._buffer.write(Line(created, number, text, self._refuse))

    def show(self) -> None:
        """Has on the console what was taken so far."""
        self._buffer.show()

    def flush(self) -> None:
        """Has in the event log what was taken so far."""
        self._buffer.flush()

    def hurry(self) -> None:
        """From now on waits for no event log that is out of reach: the step is interrupted."""
        self._buffer.hurry()

    def flush_in_time(self) -> None:
        """Has a thread call :py:meth:`flush` when it is due, for readers that don't."""
        with self._timing:
            patience = self.patience
            if self._timer is None and patience is not None:
                self._timer = threading.Timer(patience, self._on_time)
                self._timer.daemon = True
                self._timer.start()

    def close(self) -> None:
        """Takes no more, and has in the event log what was taken."""
        with self._timing:
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self._buffer.flush()

    def _on_time(self) -> None:
        with self._timing:
            self._timer = None
        self._buffer.flush()

    def _refuse(self, line: Line, error: BaseException) -> None:
        params = {"message": line.text, "level": line.level}
        self._ledger.refuse({"method": "log", "params": params}, error)


@contextmanager
def bulk_logs(context: Context, ledger: Ledger) -> Generator[BulkLogs | None, None, None]:
    """Lets log messages of a session go into the event log in bulk.

    Args:
        context: The context of the step.
        ledger: Where messages that can't be stored are entered.

    Yields:
        What takes them. None where that can't be: in direct invocation, where the event log is
        none that is known here, or where Dagster's insides are not; then ``context.log`` has to do.
    """
    with _installing:
        buffer = _stand_in(context)
    if buffer is None:
        yield None
        return
    logs = BulkLogs(buffer, ledger)
    try:
        yield logs
    finally:
        try:
            logs.close()
        finally:
            with _installing:
                buffer.leave()


def _stand_in(context: Context) -> LogBuffer | None:
    """The buffer among the step's handlers, put there if there is none."""
    try:
        log = context.log
        handlers: Any = log._dagster_handler._handlers
        places = [
            place
            for place, handler in enumerate(handlers)
            if isinstance(handler, LogBuffer) or _stores(handler)
        ]
        if (
            type(log) is not DagsterLogManager
            or type(log._dagster_handler) is not DagsterLogHandler
            or type(handlers) is not list
            or len(places) != 1
            or not log.metadata["run_id"]
        ):
            return None
        found: Any = handlers[places[0]]
        if isinstance(found, LogBuffer):
            return found if found.join(log) else None
        if not LogStore.takes(found._instance):
            return None
        buffer = handlers[places[0]] = LogBuffer(log, found)
    except (AttributeError, KeyError, TypeError):
        return None
    return buffer


def _stores(handler: object) -> bool:
    """Whether it is Dagster's own handler that stores, which has lived in two modules."""
    kind = type(handler)
    home = kind.__module__
    return kind.__name__ == "_EventListenerLogHandler" and home.startswith("dagster._core.instance")
