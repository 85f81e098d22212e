"""Message writers for buckets, through a client. The names are those of ``dagster_pipes``."""

from __future__ import annotations

from ironpipe._checks import env_param, optional_env_param
from ironpipe._chunk_writers import (
    PipesBlobStoreMessageWriter,
    PipesBlobStoreMessageWriterChannel,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any

    from ironpipe._types import PipesParams

__all__ = [
    "PipesAzureBlobStorageMessageWriter",
    "PipesAzureBlobStorageMessageWriterChannel",
    "PipesGCSMessageWriter",
    "PipesGCSMessageWriterChannel",
    "PipesS3MessageWriter",
    "PipesS3MessageWriterChannel",
]


class _BucketChannel(PipesBlobStoreMessageWriterChannel):
    """What the channels to buckets have in common."""

    def __init__(self, client: Any, bucket: str, key_prefix: str | None, *, interval: float = 10):
        self._client = client
        self._bucket = bucket
        self._key_prefix = key_prefix
        super().__init__(interval=interval)

    @property
    def _place(self) -> str:
        prefix = f"/{self._key_prefix}" if self._key_prefix else ""
        return f"{type(self).__name__}: {self._bucket}{prefix}"

    def _key(self, index: int) -> str:
        return f"{self._key_prefix}/{index}.json" if self._key_prefix else f"{index}.json"

    def after_fork_in_child(self) -> None:
        """Let go of the parent's connections; the client opens others."""
        self._client.close()


class PipesS3MessageWriterChannel(_BucketChannel):
    """Writes messages in chunks to an S3 bucket.

    Args:
        client: A ``boto3.client("s3")``.
        bucket: The bucket.
        key_prefix: What the keys begin with.
        interval: The longest that a message waits for others, in seconds; never more than 0.5.
    """

    def upload_messages_chunk(self, payload: IO[str], index: int) -> None:
        """Upload one chunk, unless the index is taken."""
        target = {"Bucket": self._bucket, "Key": self._key(index)}
        body = payload.read().encode()
        try:
            self._client.put_object(Body=body, IfNoneMatch="*", **target)
        except Exception as error:
            # An error of the connection has no response, or none in it.
            response: Any = getattr(error, "response", None) or {}
            answer = response.get("Error", {}).get("Code")
            if answer == "PreconditionFailed":
                raise FileExistsError(target["Key"]) from error
            if type(error).__name__ != "ParamValidationError" and answer != "NotImplemented":
                raise
            # A client or a store from before conditional requests.
            self._client.put_object(Body=body, **target)

    def stored_chunk(self, index: int) -> bytes | None:
        """Return a chunk that is there."""
        stored = self._client.get_object(Bucket=self._bucket, Key=self._key(index))
        return stored["Body"].read()


class PipesS3MessageWriter(PipesBlobStoreMessageWriter[PipesS3MessageWriterChannel]):
    """Writes messages in chunks to an S3 bucket.

    Args:
        client: A ``boto3.client("s3")``.
        interval: The longest that a message waits for others, in seconds; never more than 0.5.
    """

    def __init__(self, client: Any, *, interval: float = 10):
        super().__init__(interval=interval)
        self._client = client

    def make_channel(self, params: PipesParams) -> PipesS3MessageWriterChannel:
        """Return the channel to the bucket that the params name."""
        return PipesS3MessageWriterChannel(
            client=self._client, interval=self.interval, **_bucket(params, self)
        )


class PipesGCSMessageWriterChannel(_BucketChannel):
    """Writes messages in chunks to a bucket of Google Cloud Storage.

    Args:
        client: A ``google.cloud.storage.Client``.
        bucket: The bucket.
        key_prefix: What the keys begin with.
        interval: The longest that a message waits for others, in seconds; never more than 0.5.
    """

    def __init__(self, client: Any, bucket: str, key_prefix: str | None, *, interval: float = 10):
        super().__init__(client, bucket, key_prefix, interval=interval)
        self._gcp_bucket = client.get_bucket(bucket)

    def upload_messages_chunk(self, payload: IO[str], index: int) -> None:
        """Upload one chunk, unless the index is taken."""
        blob = self._gcp_bucket.blob(self._key(index))
        try:
            blob.upload_from_string(payload.read(), if_generation_match=0)
        except Exception as error:
            if getattr(error, "code", None) == 412:
                raise FileExistsError(self._key(index)) from error
            raise

    def stored_chunk(self, index: int) -> bytes | None:
        """Return a chunk that is there."""
        return self._gcp_bucket.blob(self._key(index)).download_as_bytes()


class PipesGCSMessageWriter(PipesBlobStoreMessageWriter[PipesGCSMessageWriterChannel]):
    """Writes messages in chunks to a bucket of Google Cloud Storage.

    Args:
        client: A ``google.cloud.storage.Client``.
        interval: The longest that a message waits for others, in seconds; never more than 0.5.
    """

    def __init__(self, client: Any, *, interval: float = 10):
        super().__init__(interval=interval)
        self._client = client

    def make_channel(self, params: PipesParams) -> PipesGCSMessageWriterChannel:
        """Return the channel to the bucket that the params name."""
        return PipesGCSMessageWriterChannel(
            client=self._client, interval=self.interval, **_bucket(params, self)
        )


class PipesAzureBlobStorageMessageWriterChannel(_BucketChannel):
    """Writes messages in chunks to a container of Azure Blob Storage.

    Args:
        client: An ``azure.storage.blob.BlobServiceClient``.
        bucket: The container.
        key_prefix: What the names of the blobs begin with.
        interval: The longest that a message waits for others, in seconds; never more than 0.5.
    """

    def upload_messages_chunk(self, payload: IO[str], index: int) -> None:
        """Upload one chunk, unless the index is taken."""
        with self._client.get_blob_client(self._bucket, self._key(index)) as blob:
            try:
                blob.upload_blob(payload.read())
            except Exception as error:
                if getattr(error, "error_code", None) == "BlobAlreadyExists":
                    raise FileExistsError(self._key(index)) from error
                raise

    def stored_chunk(self, index: int) -> bytes | None:
        """Return a chunk that is there."""
        with self._client.get_blob_client(self._bucket, self._key(index)) as blob:
            return blob.download_blob().readall()

    def after_fork_in_child(self) -> None:
        """Let go of the parent's connections; the client opens others."""
        # A client that has been closed takes no more requests, but its session does.
        session = getattr(self._client._pipeline._transport, "session", None)
        if session is not None:
            session.close()


class PipesAzureBlobStorageMessageWriter(
    PipesBlobStoreMessageWriter[PipesAzureBlobStorageMessageWriterChannel]
):
    """Writes messages in chunks to a container of Azure Blob Storage.

    Args:
        client: An ``azure.storage.blob.BlobServiceClient``.
        interval: The longest that a message waits for others, in seconds; never more than 0.5.
    """

    def __init__(self, client: Any, *, interval: float = 10):
        super().__init__(interval=interval)
        self._client = client

    def make_channel(self, params: PipesParams) -> PipesAzureBlobStorageMessageWriterChannel:
        """Return the channel to the container that the params name."""
        return PipesAzureBlobStorageMessageWriterChannel(
            client=self._client, interval=self.interval, **_bucket(params, self)
        )


def _bucket(params: PipesParams, writer: object) -> dict[str, Any]:
    return {
        "bucket": env_param(params, "bucket", str, writer),
        "key_prefix": optional_env_param(params, "key_prefix", str, writer),
    }
