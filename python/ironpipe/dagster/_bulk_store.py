"""Stores the log messages of one step, many at a time."""

# Dagster leaves some of its types half open, and what is used here is not public.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportPrivateUsage=false

import time
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Any

from dagster import DagsterInstance
from dagster._core.log_manager import DagsterLogHandlerMetadata
from sqlalchemy.exc import DataError, IntegrityError

from ._bulk_insert import INSERTS
from ._bulk_rows import Line, LogRows


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

    @staticmethod
    def takes(instance: DagsterInstance) -> bool:
        """Whether the event log of an instance is, exactly, one of those that are known here."""
        return _full_name(instance.event_log_storage) in INSERTS

    def store(self, lines: Iterable[Line]) -> None:
        """Stores messages in few transactions, and those of a transaction that fails one by one.

        Args:
            lines: The messages, in order. Those that can't be stored are refused.
        """
        waiting = deque(lines)
        try:
            while waiting:
                self._store_some(waiting)
        except BaseException as error:
            _refuse(waiting, error)
            raise

    def _store_some(self, waiting: deque[Line]) -> None:
        if self._broken_by is not None and time.monotonic() < self._broken_until:
            _refuse(waiting, self._broken_by)
            return
        part = list(islice(waiting, self._insert.most_rows))
        try:
            stored = self._insert(self._run_id, self._rows.rows(part))
        except Exception:
            for _ in part:
                self._store_one(waiting)
            return
        if stored:
            self._broken_by = None
            for _ in part:
                waiting.popleft()
            self._tell(part)

    def _store_one(self, waiting: deque[Line]) -> None:
        if not waiting:
            return
        line = waiting[0]
        started = time.monotonic()
        try:
            self._storage.store_event(self._rows.entry(line))
        except (ValueError, TypeError, DataError, IntegrityError) as error:
            # There is something wrong with this one; the next may fare better.
            line.refuse(line, error)
            waiting.popleft()
        except Exception as error:
            now = time.monotonic()
            self._broken_by, self._broken_until = error, now + (now - started)
            _refuse(waiting, error)
        else:
            waiting.popleft()
            self._tell([line])

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
                line.refuse(line, error)


def _refuse(waiting: deque[Line], error: BaseException) -> None:
    while waiting:
        line = waiting.popleft()
        line.refuse(line, error)


def _full_name(storage: object) -> str:
    return f"{type(storage).__module__}.{type(storage).__qualname__}"
