"""The bases of readers that download messages: what a user subclasses for a store of their own."""

import copy
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import dagster
from dagster import PipesLogReader
from dagster._core.pipes import utils
from dagster_pipes import PipesParams
from typing_extensions import Self

from .._children import route_to
from .._delivery import Delivery
from .._policy import OnIncomplete, check_on_incomplete
from .base import PipesMessageReader
from .log_readers import LogReaders
from .polling import PolledReader, Polling

_sessions_lock = threading.Lock()


class PipesThreadedMessageReader(PipesMessageReader, PolledReader, delivers=True):
    """The base of a reader that downloads messages, and logs, in threads.

    Drop-in for ``dagster._core.pipes.utils.PipesThreadedMessageReader``: what was written for it
    (``get_params``, ``messages_are_readable``, ``download_messages``) stays as it is. A download
    that raises is tried again, and reported where it goes on raising; a line that is no message
    stops no other; after the process has ended, everything that is there is read, however much.

    One reader may serve several sessions, also at the same time: each further one gets a copy of
    it. So anything of one session alone belongs into the cursor or the params, not on the reader.

    Args:
        interval: How long to wait, in seconds, where nothing new was there.
        log_readers: Read what the process writes to its stdout and stderr.
        on_incomplete: What to do where messages were lost, in sessions that do not say so
            themselves. By default the environment variable ``IRONPIPE_ON_INCOMPLETE`` decides,
            else ``"fail"``.
    """

    # The log readers as they were given, while a session has copies of them.
    _given_log_readers: dict[str, PipesLogReader] | None = None

    _logs: LogReaders | None = None

    # By thread, the reader of the session that it opened; shared by all copies.
    _opened_by: dict[int, Any] | None = None

    def __init__(
        self,
        interval: float = 10,
        log_readers: Sequence[PipesLogReader] | None = None,
        *,
        on_incomplete: OnIncomplete | None = None,
    ):
        super().__init__(interval=interval, log_readers=log_readers)
        self._on_incomplete = check_on_incomplete(on_incomplete)

    @contextmanager
    def read_messages(
        self, handler: dagster.PipesMessageHandler
    ) -> Generator[PipesParams, None, None]:
        """Downloads messages in a thread until the session closes, then what is still there.

        Args:
            handler: Takes the messages.

        Yields:
            The params that tell the external process where to write.

        Raises:
            MessagesLostError: The session is not one of ours, which would say so itself, and
                messages were lost.
        """
        with (
            self._of_session(handler) as reader,
            Delivery(reader, handler, self.on_incomplete) as delivery,
            reader.get_params() as params,
            reader._reading_logs(handler, delivery, params) as logs,
            Polling(reader, delivery, params, handler._context, logs).running(),
        ):
            yield params

    @contextmanager
    def _reading_logs(
        self, handler: dagster.PipesMessageHandler, delivery: Delivery, params: PipesParams
    ) -> Generator[LogReaders, None, None]:
        """Runs the log readers, also those that are added later."""
        logs = self._logs = LogReaders(self, delivery, params, handler._context)
        try:
            with logs.running():
                yield logs
        finally:
            self._logs = None

    def add_log_reader(self, log_reader: PipesLogReader) -> None:
        """Adds a log reader, also while a session is open: what it reads is then known.

        Clients know of one reader only, so of several sessions it is for that of their thread.

        Args:
            log_reader: The log reader.
        """
        reader = (self._opened_by or {}).get(threading.get_ident(), self)
        utils.PipesThreadedMessageReader.add_log_reader(reader, log_reader)
        if reader._logs is not None:
            reader._logs.begin()

    @contextmanager
    def _of_session(self, handler: dagster.PipesMessageHandler) -> Generator[Self, None, None]:
        """The reader for one session: this one, or a copy where it has one already."""
        with _sessions_lock:
            opened_by = self._opened_by = {} if self._opened_by is None else self._opened_by
            reader = self if self._given_log_readers is None else copy.copy(self)
            given = reader.log_readers if reader is self else self._given_log_readers
            reader._given_log_readers = given = dict(given or {})
        reader.opened_payload = reader.launched_payload = None
        # A log reader knows how far it has read: it begins anew.
        reader.log_readers = {key: copy.copy(log_reader) for key, log_reader in given.items()}
        reader._begin()
        if reader is not self:
            route_to(handler, reader)
        thread = threading.get_ident()
        opened_by[thread] = reader
        try:
            yield reader
        finally:
            opened_by.pop(thread, None)
            reader.log_readers, reader._given_log_readers = given, None

    def _begin(self) -> None:
        """Forgets the session before."""


class PipesBlobStoreMessageReader(
    PipesThreadedMessageReader, dagster.PipesBlobStoreMessageReader, delivers=True
):
    """The base of a reader for chunks of messages in an object store.

    Drop-in for ``dagster.PipesBlobStoreMessageReader``: see
    :py:class:`PipesThreadedMessageReader`. Chunks are numbered from 1; the next one is asked for as
    soon as one is there.

    Args:
        interval: How long to wait, in seconds, where the next chunk is not there yet.
        log_readers: Read what the process writes to its stdout and stderr.
        on_incomplete: As for :py:class:`PipesThreadedMessageReader`.
    """

    shares_channel = False
    holds_back = True

    def __init__(
        self,
        interval: float = 10,
        log_readers: Sequence[PipesLogReader] | None = None,
        *,
        on_incomplete: OnIncomplete | None = None,
    ):
        super().__init__(interval=interval, log_readers=log_readers, on_incomplete=on_incomplete)
        self.counter = 1

    def download_messages(self, cursor: Any, params: PipesParams) -> tuple[Any, str] | None:
        """Downloads the next chunk.

        Args:
            cursor: Its number; None for the first one.
            params: The params of the session.

        Returns:
            The number of the chunk behind it, and its text; None where it is not there.
        """
        index = 1 if cursor is None else cursor
        self.counter = index
        chunk = self.download_messages_chunk(index, params)
        if not chunk:
            return None
        self.counter = index + 1
        return self.counter, chunk

    def _begin(self) -> None:
        self.counter = 1
