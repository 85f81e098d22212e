"""Google Cloud Storage, by a client of its library.

The names are those of ``dagster_gcp.pipes``.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster
from dagster import PipesLogReader

from .._policy import OnIncomplete
from .._readers.base import MAX_LINE
from .objects import AccessDeniedError, BucketContextInjector, Objects, official
from .reader import BucketMessageReader

if TYPE_CHECKING:
    OfficialReader = dagster.PipesBlobStoreMessageReader
    OfficialInjector = dagster.PipesContextInjector
else:
    OfficialReader, OfficialInjector = official(
        "dagster-gcp[dataproc]",
        "dagster_gcp.pipes",
        "PipesGCSMessageReader",
        "PipesGCSContextInjector",
    )


class GCSObjects:
    """The objects of a bucket.

    Args:
        client: A ``google.cloud.storage.Client``.
        bucket: The bucket.
    """

    def __init__(self, client: Any, bucket: str) -> None:
        # No request: whether it is there shows when it is used.
        self._bucket = client.bucket(bucket)
        self._name = bucket
        self._is_there = False

    @property
    def location(self) -> str:
        """The bucket's URL."""
        return f"gs://{self._name}"

    def put(self, key: str, data: bytes) -> None:
        """Stores an object."""
        self._bucket.blob(key).upload_from_string(data, content_type="application/json")

    def get(self, key: str) -> bytes | None:
        """The object, or None where there is none."""
        try:
            return self._bucket.blob(key).download_as_bytes()
        except Exception as error:
            code = getattr(error, "code", None)
            # A bucket that is gone is not found either.
            if code == 404 and self._exists():
                return None
            if code == 403:
                raise AccessDeniedError(f"{self.location}: {error}") from error
            raise

    def _exists(self) -> bool:
        """Whether the bucket is there; who may not ask has to believe it. Asked once."""
        if not self._is_there:
            try:
                self._is_there = self._bucket.exists()
            except Exception:
                self._is_there = True
        return self._is_there

    def remove(self, key: str) -> None:
        """Removes an object, if there is one."""
        try:
            self._bucket.blob(key).delete()
        except Exception as error:
            if getattr(error, "code", None) != 404:
                raise


class PipesGCSMessageReader(BucketMessageReader, OfficialReader, delivers=True):
    """Reads messages in chunks from a bucket of Google Cloud Storage.

    Drop-in for ``dagster_gcp.pipes.PipesGCSMessageReader``.

    One reader may serve any number of sessions, also at the same time. Each has a prefix of its
    own.

    Args:
        interval: The longest time between two looks for a chunk, in seconds; never more than
            :py:attr:`quiet`.
        bucket: The bucket.
        client: A ``google.cloud.storage.Client``; by default one with the credentials of the
            environment.
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
        bucket: str,
        client: Any = None,
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
            bucket=bucket,
            client=client,
            log_readers=log_readers,
            include_stdio_in_messages=include_stdio_in_messages,
        )

    def objects(self, bucket: str) -> Objects:
        """The objects of a bucket.

        Args:
            bucket: The bucket.
        """
        return GCSObjects(self.client, bucket)


class PipesGCSContextInjector(  # pyright: ignore[reportIncompatibleMethodOverride]
    BucketContextInjector, OfficialInjector
):
    """Takes the context to the external process through a bucket of Google Cloud Storage.

    Drop-in for ``dagster_gcp.pipes.PipesGCSContextInjector``.

    Args:
        bucket: The bucket.
        client: A ``google.cloud.storage.Client``.
        key_prefix: What the key begins with; something random follows.
    """

    def __init__(self, *, bucket: str, client: Any, key_prefix: str | None = None):
        arguments: Any = {"bucket": bucket, "client": client, "key_prefix": key_prefix}
        OfficialInjector.__init__(self, **arguments)

    def objects(self) -> Objects:
        """The objects of the bucket."""
        return GCSObjects(self.client, self.bucket)
