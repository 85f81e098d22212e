"""Stores the log messages of one step, many at a time."""

# Dagster leaves some of its types half open, and what is used here is not public.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportPrivateUsage=false

import sys
import threading
import time
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Any

from dagster import DagsterInstance
from dagster._core.log_manager import DagsterLogHandlerMetadata
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, OperationalError

from .insert import INSERTS
from .rows import Line, LogRows

# A database that restarts, or that somebody has locked, comes back. The messages wait that long.
_PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.5


class LogStore:
    """The event log of an instance, for the messages of one step.

    Args:
        instance: The instance; :py:meth:`takes` says whether its event log is known here.
        metadata: What the log manager knows of the step.
    """

    def __init__(self, instance: DagsterInstance, metadata: DagsterLogHandlerMetadata) -> None:
        self._instance = instance
        self._run_id = metadata["run_id"] or ""
        self._storage: Any = instance.event_log_storage
        self._insert = INSERTS[_full_name(self._storage)](self._storage)
        self._rows = LogRows(metadata, self._storage._event_to_row)
        # A storage that has failed is left alone for as long as it took to fail: that may be many
        # seconds, and messages may come by the million.
        self._broken_by: Exception | None = None
        self._broken_until = 0.0
        # Until when it may come back, once it has failed.
        self._deadline: float | None = None
        # Whether many rows are being tried together again after an outage.
        self._rejoined = False
        self._hurried = threading.Event()

    @staticmethod
    def takes(instance: DagsterInstance) -> bool:
        """Whether the event log of an instance is, exactly, one of those that are known here."""
        return _full_name(instance.event_log_storage) in INSERTS

    def store(self, lines: Iterable[Line]) -> None:
        """Stores messages in few transactions, and those of a transaction that fails one by one.

        Args:
            lines: The messages, in order. Those that can't be stored are refused. While the
                event log is out of reach they wait for it, for a minute in all.
        """
        waiting = deque(lines)
        try:
            while waiting:
                self._store_some(waiting)
        except BaseException as error:
            _refuse(waiting, error)
            raise

    def hurry(self) -> None:
        """From now on waits for nothing: the step is being interrupted."""
        self._hurried.set()

    def _store_some(self, waiting: deque[Line]) -> None:
        if self._broken_by is not None and time.monotonic() < self._broken_until:
            _refuse(waiting, self._broken_by)
            return
        part = list(islice(waiting, self._insert.most_rows))
        started = time.monotonic()
        try:
            stored = self._insert(self._run_id, self._rows.rows(part))
        except Exception as failure:
            # They may be there all the same; stored again, they would be there twice.
            while True:
                try:
                    stored = self._insert.has_stored(self._run_id)
                    break
                except Exception as error:
                    if not self._bear(waiting, error, started):
                        return
            if not stored:
                # One is enough to see the end of an outage: then the rest may go together again.
                rejoin = _is_outage(failure) and not self._rejoined
                for _ in range(1 if rejoin else len(part)):
                    if not self._store_one(waiting):
                        return
                self._rejoined = rejoin
        if stored:
            self._rejoined = False
            self._recover()
            for _ in part:
                waiting.popleft()
            self._tell(part)

    def _store_one(self, waiting: deque[Line]) -> bool:
        """Stores the first one, and says whether the event log is as it should be."""
        line = waiting[0]
        started = time.monotonic()
        try:
            self._storage.store_event(self._rows.entry(line))
        except (ValueError, TypeError, DataError, IntegrityError) as error:
            # There is something wrong with this one; the next may fare better.
            line.refuse(line, error)
            waiting.popleft()
        except Exception as error:
            self._bear(waiting, error, started)
            return False
        else:
            self._recover()
            waiting.popleft()
            self._tell([line])
        return True

    def _bear(self, waiting: deque[Line], error: Exception, started: float) -> bool:
        """Waits for an event log that may come back. Refuses all if it won't."""
        if _is_outage(error) and self._has_waited():
            return True
        now = time.monotonic()
        self._broken_by, self._broken_until = error, now + (now - started)
        _refuse(waiting, error)
        return False

    def _has_waited(self) -> bool:
        """Waits a little for an event log that may come back; False once it took too long."""
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + _PATIENCE_SECONDS
        return now < self._deadline and not self._hurried.wait(_PAUSE_SECONDS)

    def _recover(self) -> None:
        self._broken_by = self._deadline = None

    def _tell(self, lines: Iterable[Line]) -> None:
        """Passes what was stored on to those who listen to the run."""
        if not (subscribers := self._instance._subscribers.get(self._run_id)):
            return
        for line in lines:
            entry = self._rows.entry(line)
            try:
                for subscriber in subscribers:
                    subscriber(entry)
            except Exception as error:
                # The message is stored; what Dagster says of it, and that it goes on.
                sys.stderr.write(f"Exception while writing logger call to event log: {error}\n")


def _is_outage(error: BaseException) -> bool:
    """Whether the event log could not be reached; Dagster wraps what its database says of it."""
    outages = (OperationalError, InterfaceError)
    return isinstance(error, outages) or isinstance(error.__cause__, outages)


def _refuse(waiting: deque[Line], error: BaseException) -> None:
    while waiting:
        line = waiting.popleft()
        line.refuse(line, error)


def _full_name(storage: object) -> str:
    return f"{type(storage).__module__}.{type(storage).__qualname__}"
