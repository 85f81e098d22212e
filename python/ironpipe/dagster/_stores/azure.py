"""Azure Blob Storage, by a client of its library.

The names are those of ``dagster_azure.pipes``.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster
from dagster import PipesLogReader

from .._policy import OnIncomplete
from .._readers.base import MAX_LINE
from .objects import BucketContextInjector, Objects, official
from .reader import BucketMessageReader

if TYPE_CHECKING:
    OfficialReader = dagster.PipesBlobStoreMessageReader
    OfficialInjector = dagster.PipesContextInjector
else:
    OfficialReader, OfficialInjector = official(
        "dagster-azure",
        "dagster_azure.pipes",
        "PipesAzureBlobStorageMessageReader",
        "PipesAzureBlobStorageContextInjector",
    )


class AzureObjects:
    """The blobs of a container.

    Args:
        client: An ``azure.storage.blob.BlobServiceClient``.
        container: The container.
    """

    def __init__(self, client: Any, container: str) -> None:
        self._client = client
        self._container = container

    @property
    def location(self) -> str:
        """The container's URL."""
        return f"az://{self._container}"

    def put(self, key: str, data: bytes) -> None:
        """Stores a blob."""
        with self._client.get_blob_client(self._container, key) as blob:
            blob.upload_blob(data, overwrite=True)

    def get(self, key: str) -> bytes | None:
        """The blob, or None where there is none."""
        with self._client.get_blob_client(self._container, key) as blob:
            try:
                return blob.download_blob().readall()
            except Exception as error:
                if getattr(error, "error_code", None) == "BlobNotFound":
                    return None
                raise

    def remove(self, key: str) -> None:
        """Removes a blob, if there is one."""
        with self._client.get_blob_client(self._container, key) as blob:
            try:
                blob.delete_blob()
            except Exception as error:
                if getattr(error, "error_code", None) != "BlobNotFound":
                    raise


class PipesAzureBlobStorageMessageReader(BucketMessageReader, OfficialReader, delivers=True):
    """Reads messages in chunks from a container of Azure Blob Storage.

    Drop-in for ``dagster_azure.pipes.PipesAzureBlobStorageMessageReader``.

    One reader may serve any number of sessions, also at the same time. Each has a prefix of its
    own.

    Args:
        interval: The longest time between two looks for a chunk, in seconds; never more than
            :py:attr:`quiet`.
        container: The container.
        client: An ``azure.storage.blob.BlobServiceClient``.
        log_readers: Read what the process writes to its stdout and stderr.
        include_stdio_in_messages: Whether the external process is to send its stdout and stderr
            as messages.
        cleanup: Whether the chunks of a session are removed when it closes. Never those of a
            session that has lost something.
        on_incomplete: What to do where messages were lost, in sessions that do not say so
            themselves. By default the environment variable ``IRONPIPE_ON_INCOMPLETE`` decides,
            else ``"fail"``.
        max_line: The longest line that is read, in bytes. A longer one is set aside and fails the
            step.
    """

    def __init__(
        self,
        *,
        interval: float = 10,
        container: str,
        client: Any,
        log_readers: Sequence[PipesLogReader] | None = None,
        include_stdio_in_messages: bool = False,
        cleanup: bool = False,
        on_incomplete: OnIncomplete | None = None,
        max_line: int = MAX_LINE,
    ):
        self._set_up(
            OfficialReader,
            cleanup=cleanup,
            on_incomplete=on_incomplete,
            max_line=max_line,
            interval=interval,
            container=container,
            client=client,
            log_readers=log_readers,
            include_stdio_in_messages=include_stdio_in_messages,
        )

    def objects(self, bucket: str) -> Objects:
        """The objects of a bucket.

        Args:
            bucket: The bucket.
        """
        return AzureObjects(self.client, bucket)


class PipesAzureBlobStorageContextInjector(  # pyright: ignore[reportIncompatibleMethodOverride]
    BucketContextInjector, OfficialInjector
):
    """Takes the context to the external process through a container of Azure Blob Storage.

    Drop-in for ``dagster_azure.pipes.PipesAzureBlobStorageContextInjector``.

    Args:
        container: The container.
        client: An ``azure.storage.blob.BlobServiceClient``.
    """

    def __init__(self, *, container: str, client: Any):
        arguments: Any = {"container": container, "client": client}
        OfficialInjector.__init__(self, **arguments)

    def objects(self) -> Objects:
        """The objects of the bucket."""
        return AzureObjects(self.client, self.bucket)
