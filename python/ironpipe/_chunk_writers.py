"""Message writers for any store and for volumes. The names are those of ``dagster_pipes``.

Messages travel in chunks, ``{key_prefix}/{index}.json``. A thread uploads them: the first message
at once, the next ones together, at most half a second after they were reported. What the store
does not take is tried again, and closing waits for the last chunk.
"""

from __future__ import annotations

import os
import warnings
from abc import abstractmethod
from contextlib import contextmanager, nullcontext
from io import StringIO
from types import GenericAlias

from ironpipe import _ironpipe
from ironpipe._channels import PipesMessageWriter, PipesMessageWriterChannel
from ironpipe._checks import env_param
from ironpipe._errors import DagsterPipesError, DagsterPipesWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import IO, Any, Generic, TypeVar

    from ironpipe._types import PipesExtras, PipesMessage, PipesParams

    T_BlobStoreMessageWriterChannel = TypeVar(
        "T_BlobStoreMessageWriterChannel", bound="PipesBlobStoreMessageWriterChannel"
    )

    class _GenericBlobStoreWriter(
        PipesMessageWriter[T_BlobStoreMessageWriterChannel],
        Generic[T_BlobStoreMessageWriterChannel],
    ): ...
else:

    class _GenericBlobStoreWriter(PipesMessageWriter):
        __class_getitem__ = classmethod(GenericAlias)


__all__ = [
    "ChunkMessageWriterChannel",
    "PipesBlobStoreMessageWriter",
    "PipesBlobStoreMessageWriterChannel",
    "PipesBufferedFilesystemMessageWriterChannel",
    "PipesDbfsMessageWriter",
    "PipesUnityCatalogVolumesMessageWriter",
]

# The longest that a message waits for others, in seconds, however long the interval.
_LONGEST_INTERVAL = 0.5


class ChunkMessageWriterChannel(PipesMessageWriterChannel):
    """Writes messages in chunks to a store.

    Args:
        store: The store.
        prefix: What the keys of this session begin with.
        interval: The longest that a message waits for others before it is uploaded, in seconds.
        patience: How long closing waits for the last upload, in seconds.
    """

    def __init__(
        self,
        store: _ironpipe.ChunkStore,
        prefix: str = "",
        *,
        interval: float = 0.5,
        patience: float = 60.0,
    ):
        self.native = _ironpipe.Channel.chunks(store, prefix, interval=interval, patience=patience)

    def write_message(self, message: PipesMessage) -> None:
        """Hand one message to the thread that uploads.

        Args:
            message: The envelope.

        Raises:
            NotJsonError: JSON has no text for a value; the error names its place.
            DagsterPipesError: Dagster would refuse the message.
            OSError: There is no room for what is not uploaded yet.
        """
        self.native.write_message(message)

    _engine_writes = write_message

    @property
    def holds_back(self) -> bool:
        """Whether messages of this very process are lost if it ends without closing."""
        return self.native.holds_back

    def close(self) -> None:
        """Wait until everything is uploaded, as long as the patience lasts.

        Raises:
            OSError: Something was not delivered; the error says how much, and why.
        """
        self.native.close()

    @contextmanager
    def buffered_upload_loop(self) -> Generator[None]:
        """Upload while the block runs, and the rest at its end; raises as :meth:`close`."""
        import atexit

        # The last resort of a process that ends without closing.
        atexit.register(self.close)
        try:
            yield
        finally:
            atexit.unregister(self.close)
            self.close()


class PipesBlobStoreMessageWriterChannel(ChunkMessageWriterChannel):
    """Writes messages in chunks to any store: subclasses say how to upload one.

    Args:
        interval: The longest that a message waits for others, in seconds; never more than 0.5.
    """

    def __init__(self, *, interval: float = 10):
        self._interval = interval
        store = _ironpipe.ChunkStore.of(_Chunks(self), location=self._place)
        super().__init__(store, interval=min(interval, _LONGEST_INTERVAL))

    @property
    def _place(self) -> str:
        # Where chunks go, for people; asked while the channel is made.
        return type(self).__name__

    def flush_messages(self) -> Sequence[PipesMessage]:
        """Return nothing: what is not uploaded yet stays with the thread that uploads."""
        return []

    @abstractmethod
    def upload_messages_chunk(self, payload: StringIO, index: int) -> None:
        """Upload one chunk. Called again with the same one where it raises.

        Args:
            payload: The lines of the chunk.
            index: Its index, from 1.

        Raises:
            FileExistsError: Another writer has taken the index. The chunk is then given the next.
        """

    def stored_chunk(self, index: int) -> bytes | None:  # noqa: ARG002
        """Return the chunk that has taken an index, to tell our own from another writer's.

        Args:
            index: Its index.

        Returns:
            None where that can't be known: then the chunk is uploaded once more.
        """
        return None

    def after_fork_in_child(self) -> None:
        """Let go of the parent's connections; called in a forked child before its first upload.

        On a connection that both of them use, one reads the answers to the other's requests.
        """


class _Chunks:
    """A channel's uploads as a store."""

    def __init__(self, channel: PipesBlobStoreMessageWriterChannel):
        self._channel = channel
        self._process = os.getpid()

    def put(self, key: str, data: bytes) -> bool:
        if self._process != (process := os.getpid()):
            self._channel.after_fork_in_child()
            self._process = process
        try:
            self._channel.upload_messages_chunk(StringIO(data.decode()), _index(key))
        except FileExistsError:
            return False
        return True

    def get(self, key: str) -> bytes | None:
        return self._channel.stored_chunk(_index(key))


def _index(key: str) -> int:
    return int(key.removesuffix(".json"))


class PipesBlobStoreMessageWriter(_GenericBlobStoreWriter["T_BlobStoreMessageWriterChannel"]):
    """Writes messages in chunks: subclasses say through which channel.

    Args:
        interval: The longest that a message waits for others, in seconds; never more than 0.5.
    """

    INCLUDE_STDIO_IN_MESSAGES_KEY: str = "include_stdio_in_messages"

    def __init__(self, *, interval: float = 10):
        self.interval = interval
        self._log_writer = None

    @contextmanager
    def open(self, params: PipesParams) -> Generator[T_BlobStoreMessageWriterChannel]:
        """Open the channel; at the end, wait until everything is uploaded.

        Args:
            params: What the message reader of the orchestration process passed.

        Raises:
            OSError: Something was not delivered.
        """
        channel = self.make_channel(params)
        with channel.buffered_upload_loop(), self._captured(channel, params):
            yield channel

    def _captured(self, channel: PipesBlobStoreMessageWriterChannel, params: PipesParams) -> Any:
        if not params.get(self.INCLUDE_STDIO_IN_MESSAGES_KEY):
            return nullcontext()
        from ironpipe._log_writers import PipesDefaultLogWriter, PipesLogWriter

        log_writer = PipesDefaultLogWriter(message_channel=channel)
        return log_writer.open(params.get(PipesLogWriter.LOG_WRITER_KEY, {}))

    @abstractmethod
    def make_channel(self, params: PipesParams) -> T_BlobStoreMessageWriterChannel:
        """Return the channel.

        Args:
            params: What the message reader of the orchestration process passed.
        """


class PipesBufferedFilesystemMessageWriterChannel(PipesBlobStoreMessageWriterChannel):
    """Writes messages in chunks to a directory, which may be a mounted volume.

    Args:
        path: The directory.
        interval: The longest that a message waits for others, in seconds; never more than 0.5.
    """

    def __init__(self, path: str, *, interval: float = 10):
        self._path = path
        self._store = _ironpipe.ChunkStore.directory(path)
        own = PipesBufferedFilesystemMessageWriterChannel.upload_messages_chunk
        if type(self).upload_messages_chunk is own:
            # Nobody of Python has to be asked.
            self._interval = interval
            ChunkMessageWriterChannel.__init__(
                self, self._store, interval=min(interval, _LONGEST_INTERVAL)
            )
        else:
            super().__init__(interval=interval)

    def upload_messages_chunk(self, payload: IO[str], index: int) -> None:
        """Write one chunk, as a whole, unless the index is taken."""
        name = f"{index}.json"
        if not self._store.put(name, payload.read().encode()):
            raise FileExistsError(name)

    def stored_chunk(self, index: int) -> bytes | None:
        """Return a chunk that is there."""
        return self._store.get(f"{index}.json")


class PipesUnityCatalogVolumesMessageWriter(
    PipesBlobStoreMessageWriter[PipesBufferedFilesystemMessageWriterChannel]
):
    """Writes messages in chunks to a directory in a volume of Unity Catalog."""

    def make_channel(self, params: PipesParams) -> PipesBufferedFilesystemMessageWriterChannel:
        """Return the channel to the directory that the params name."""
        path = env_param(params, "path", str, self)
        return PipesBufferedFilesystemMessageWriterChannel(path=path, interval=self.interval)


class PipesDbfsMessageWriter(
    PipesBlobStoreMessageWriter[PipesBufferedFilesystemMessageWriterChannel]
):
    """Writes messages in chunks to a directory on DBFS, the file system of Databricks."""

    def make_channel(self, params: PipesParams) -> PipesBufferedFilesystemMessageWriterChannel:
        """Return the channel to the directory that the params name."""
        path = env_param(params, "path", str, self)
        return PipesBufferedFilesystemMessageWriterChannel(
            path=dbfs_path(path), interval=self.interval
        )

    def get_opened_extras(self) -> PipesExtras:
        """Return where the cluster puts the logs of its driver, if it does.

        Raises:
            DagsterPipesError: There is no pyspark, no py4j or no session of Databricks.
        """
        from importlib import import_module

        try:
            py4j: Any = import_module("py4j.protocol")
            pyspark: Any = import_module("pyspark.sql")
        except ImportError as error:
            raise DagsterPipesError(
                "`PipesDbfsMessageWriter` requires pyspark and py4j to be available for import."
            ) from error
        spark = pyspark.SparkSession.getActiveSession()
        if spark is None:
            raise DagsterPipesError(
                "`PipesDbfsMessageWriter` expects an active `SparkSession` pre-configured by"
                " Databricks. Did not detect an active spark session."
            )
        tags = "spark.databricks.clusterUsageTags"
        try:
            if not spark.conf.get(f"{tags}.clusterLogDeliveryEnabled"):
                return {}
            destination = spark.conf.get(f"{tags}.clusterLogDestination")
            cluster = spark.conf.get(f"{tags}.clusterId")
        except py4j.Py4JJavaError as error:
            warnings.warn(
                "A Py4JJavaError was thrown while reading the spark config to extract cluster"
                f" logging information. Log forwarding disabled. Error:\n  {error}",
                category=DagsterPipesWarning,
                stacklevel=2,
            )
            return {}
        return {"cluster_driver_log_root": f"{destination}/{cluster}/driver"}


def dbfs_path(path: str) -> str:
    """Return where a path of DBFS is mounted.

    Args:
        path: The path on DBFS.
    """
    return os.path.join("/dbfs", path.lstrip("/"))  # noqa: PTH118
