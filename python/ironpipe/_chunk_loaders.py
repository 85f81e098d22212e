"""Context loaders for object stores and volumes. The names are those of ``dagster_pipes``."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

from ironpipe._checks import env_param
from ironpipe._loaders import PipesContextLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from ironpipe._types import PipesContextData, PipesParams

__all__ = [
    "PipesAzureBlobStorageContextLoader",
    "PipesDbfsContextLoader",
    "PipesGCSContextLoader",
    "PipesS3ContextLoader",
    "PipesUnityCatalogVolumesContextLoader",
]


class PipesS3ContextLoader(PipesContextLoader):
    """Loads the context from a JSON object on S3 (the params ``bucket`` and ``key``).

    Args:
        client: A ``boto3.client("s3")``.
    """

    def __init__(self, client: Any):
        self._client = client

    @contextmanager
    def load_context(self, params: PipesParams) -> Generator[PipesContextData]:
        """Load the context and give it as the value of a context manager."""
        bucket, key = env_param(params, "bucket", str, self), env_param(params, "key", str, self)
        found = self._client.get_object(Bucket=bucket, Key=key)
        yield _parse(found["Body"].read())


class PipesGCSContextLoader(PipesContextLoader):
    """Loads the context from a JSON object of Google Cloud Storage (``bucket`` and ``key``).

    Args:
        client: A ``google.cloud.storage.Client``.
    """

    def __init__(self, client: Any):
        self._client = client

    @contextmanager
    def load_context(self, params: PipesParams) -> Generator[PipesContextData]:
        """Load the context and give it as the value of a context manager."""
        bucket = self._client.get_bucket(env_param(params, "bucket", str, self))
        yield _parse(bucket.blob(env_param(params, "key", str, self)).download_as_bytes())


class PipesAzureBlobStorageContextLoader(PipesContextLoader):
    """Loads the context from a JSON blob of Azure Blob Storage (``bucket`` and ``key``).

    Args:
        client: An ``azure.storage.blob.BlobServiceClient``.
    """

    def __init__(self, client: Any):
        self._client = client

    @contextmanager
    def load_context(self, params: PipesParams) -> Generator[PipesContextData]:
        """Load the context and give it as the value of a context manager."""
        bucket = env_param(params, "bucket", str, self)
        with self._client.get_blob_client(bucket, env_param(params, "key", str, self)) as blob:
            data = blob.download_blob().readall()
        yield _parse(data)


class PipesUnityCatalogVolumesContextLoader(PipesContextLoader):
    """Loads the context from a JSON file in a volume of Unity Catalog (the param ``path``)."""

    @contextmanager
    def load_context(self, params: PipesParams) -> Generator[PipesContextData]:
        """Load the context and give it as the value of a context manager."""
        yield _parse(Path(env_param(params, "path", str, self)).read_bytes())


class PipesDbfsContextLoader(PipesContextLoader):
    """Loads the context from a JSON file on DBFS, the file system of Databricks (``path``)."""

    @contextmanager
    def load_context(self, params: PipesParams) -> Generator[PipesContextData]:
        """Load the context and give it as the value of a context manager."""
        from ironpipe._chunk_writers import dbfs_path

        path = dbfs_path(env_param(params, "path", str, self))
        yield _parse(Path(path).read_bytes())


def _parse(data: bytes) -> Any:
    # What Dagster writes may hold NaN, which only the standard library reads.
    import json

    return json.loads(data.decode())
