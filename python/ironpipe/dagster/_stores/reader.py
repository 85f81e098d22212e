"""The base of the readers whose chunks the engine fetches."""

from abc import abstractmethod
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster
from dagster_pipes import PipesBlobStoreMessageWriter, PipesParams

from ironpipe import _ironpipe

from .._delivery import Delivery
from .._policy import OnIncomplete, check_on_incomplete
from .._readers.lanes import deliver_chunks
from .._readers.threaded import PipesBlobStoreMessageReader
from .objects import GuardedObjects, Objects, Store, chunk_store, token

if TYPE_CHECKING:
    from ironpipe import DeliveryReport

STDIO_KEY = PipesBlobStoreMessageWriter.INCLUDE_STDIO_IN_MESSAGES_KEY


class ChunkMessageReader(PipesBlobStoreMessageReader, delivers=True):
    """The base of the readers whose chunks the engine fetches.

    All their sessions share one thread that looks for chunks, and a few that hand over what it
    finds. Chunks are fetched ahead, and delivered in order. One that is missing while a later one
    is there is waited for, and then reported.

    One reader may serve several sessions, also at the same time.
    """

    quiet: float = 1.5
    """The longest time between two looks for the next chunk, in seconds, however long the
    ``interval``. After each chunk it begins anew with 0.05; with more than 450 sessions in one
    process it is more."""

    drain_timeout: float = 3.0
    """How long to go on, in seconds, after the session has closed and nothing more has come, where
    not all writers are known to have closed."""

    max_chunk: int = 1 << 30
    """The largest chunk that is read, in bytes; a larger one is lost, and named."""

    cleanup: bool = False
    """Whether the chunks of a session are removed once all of them have been delivered."""

    def _set_up(
        self,
        official: Any,
        *,
        cleanup: bool,
        on_incomplete: OnIncomplete | None,
        max_line: int,
        **arguments: Any,
    ) -> None:
        official.__init__(self, **arguments)
        self._on_incomplete = check_on_incomplete(on_incomplete)
        self.cleanup = cleanup
        self.max_line = max_line

    @abstractmethod
    def place(self, params: PipesParams) -> tuple[Store, str]:
        """Where the chunks of a session lie: the store, and the prefix within it.

        Args:
            params: The params of the session.
        """

    def remove(self, params: PipesParams, count: int) -> None:
        """Removes the chunks of a session.

        Args:
            params: The params of the session.
            count: How many there are.
        """
        store, prefix = self.place(params)
        chunk_store(store).remove_chunks(prefix, count)

    def messages_are_readable(self, params: PipesParams) -> bool:  # noqa: ARG002
        """Whether to look for chunks: always.

        Args:
            params: The params of the session.
        """
        return True

    def download_messages_chunk(self, index: int, params: PipesParams) -> str | None:
        """Downloads one chunk. Sessions don't need it.

        Args:
            index: Its index, from 1.
            params: The params of the session.

        Raises:
            OSError: The store refused.
        """
        store, prefix = self.place(params)
        chunk = chunk_store(store).get(f"{prefix}/{index}.json" if prefix else f"{index}.json")
        return None if chunk is None else chunk.decode()

    @contextmanager
    def read_messages(
        self, handler: dagster.PipesMessageHandler
    ) -> Generator[PipesParams, None, None]:
        """Reads chunks until the session closes, then those that are still there.

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
        ):
            store, prefix = reader.place(params)
            settle = delivery.finish
            if not isinstance(store, _ironpipe.ChunkStore):
                store = guarded = GuardedObjects(store, delivery)
                settle = guarded.settle
            tail = reader._tail(chunk_store(store), prefix)

            def settle_and_remove(report: "DeliveryReport") -> None:
                settle(report)
                # Of what was not delivered the only copy may lie there.
                if reader.cleanup and delivery.is_whole:
                    try:
                        reader.remove(params, report.chunks)
                    except Exception as error:
                        delivery.warn(f"could not remove its chunks: {error}")

            with deliver_chunks(tail, delivery, settle_and_remove):
                try:
                    yield params
                finally:
                    logs.closed.set()

    def _tail(
        self, store: _ironpipe.ChunkStore, prefix: str
    ) -> Callable[[_ironpipe.Ready, int], _ironpipe.MessageReader]:
        return lambda ready, key: _ironpipe.tail_chunks(
            store,
            prefix,
            until_closed=False,
            max_line=self.max_line,
            max_chunk=self.max_chunk,
            quiet=min(self.interval, self.quiet),
            drain=self.drain_timeout,
            patience=self.retry_timeout,
            ready=ready,
            key=key,
        )


class BucketMessageReader(ChunkMessageReader, delivers=True):
    """The base of the readers that tell the official writers for buckets where to write."""

    bucket: str
    client: Any
    include_stdio_in_messages: bool

    @abstractmethod
    def objects(self, bucket: str) -> Objects:
        """The objects of a bucket.

        Args:
            bucket: The bucket.
        """

    @contextmanager
    def get_params(self) -> Generator[PipesParams, None, None]:
        """Makes a prefix for one session.

        Yields:
            The params that tell the external process where to write.
        """
        yield {
            "bucket": self.bucket,
            "key_prefix": token(),
            STDIO_KEY: self.include_stdio_in_messages,
        }

    def place(self, params: PipesParams) -> tuple[Store, str]:
        """Where the chunks of a session lie.

        Args:
            params: The params of the session.
        """
        return self.objects(params["bucket"]), params.get("key_prefix") or ""
