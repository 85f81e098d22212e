"""S3, by a client of boto3. The names are those of ``dagster_aws.pipes``."""

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
        "dagster-aws", "dagster_aws.pipes", "PipesS3MessageReader", "PipesS3ContextInjector"
    )


class S3Objects:
    """The objects of a bucket.

    Args:
        client: A ``boto3.client("s3")``.
        bucket: The bucket.
    """

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    @property
    def location(self) -> str:
        """The bucket's URL."""
        return f"s3://{self._bucket}"

    def put(self, key: str, data: bytes) -> None:
        """Stores an object."""
        self._client.put_object(Bucket=self._bucket, Key=key, Body=data)

    def get(self, key: str) -> bytes | None:
        """The object, or None where there is none."""
        try:
            return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except Exception as error:
            # An error of the connection has no response, or none in it.
            response: Any = getattr(error, "response", None) or {}
            code = response.get("Error", {}).get("Code")
            if code in ("NoSuchKey", "404"):
                return None
            if code in ("AccessDenied", "403"):
                raise AccessDeniedError(f"{self.location}: {error}") from error
            raise

    def remove(self, key: str) -> None:
        """Removes an object."""
        self._client.delete_object(Bucket=self._bucket, Key=key)


class PipesS3MessageReader(BucketMessageReader, OfficialReader, delivers=True):
    """Reads messages in chunks from an S3 bucket.

    Drop-in for ``dagster_aws.pipes.PipesS3MessageReader``.

    One reader may serve any number of sessions, also at the same time. Each has a prefix of its
    own.

    Args:
        interval: The longest time between two looks for a chunk, in seconds; never more than
            :py:attr:`quiet`.
        bucket: The bucket.
        client: A ``boto3.client("s3")``.
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
        return S3Objects(self.client, bucket)


class PipesS3ContextInjector(  # pyright: ignore[reportIncompatibleMethodOverride]
    BucketContextInjector, OfficialInjector
):
    """Takes the context to the external process through an S3 bucket.

    Drop-in for ``dagster_aws.pipes.PipesS3ContextInjector``.

    Args:
        bucket: The bucket.
        client: A ``boto3.client("s3")``.
        key_prefix: What the key begins with; something random follows.
    """

    def __init__(self, *, bucket: str, client: Any, key_prefix: str | None = None):
        arguments: Any = {"bucket": bucket, "client": client, "key_prefix": key_prefix}
        OfficialInjector.__init__(self, **arguments)

    def objects(self) -> Objects:
        """The objects of the bucket."""
        return S3Objects(self.client, self.bucket)
