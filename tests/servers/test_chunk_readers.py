"""Readers and injectors by the clients of GCS and Azure, on servers that speak so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import stores
from dagster_harness import Stored, command, run_command
from ironpipe import dagster as ours

pytestmark = pytest.mark.servers


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture(params=["gcs", "azure"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, Any, Any]]:
    """The kind of a store, a reader of ours and an injector."""
    server = stores.fake_gcs if request.param == "gcs" else stores.azurite
    with server(tmp_path) as environment:
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        yield request.param, *ends(request.param, stores.BUCKET)


def ends(kind: str, bucket: str) -> tuple[Any, Any]:
    client = sdk_client(kind)
    if kind == "gcs":
        arguments = {"bucket": bucket, "client": client}
        return ours.PipesGCSMessageReader(**arguments), ours.PipesGCSContextInjector(**arguments)
    arguments = {"container": bucket, "client": client}
    return (
        ours.PipesAzureBlobStorageMessageReader(**arguments),
        ours.PipesAzureBlobStorageContextInjector(**arguments),
    )


def sdk_client(kind: str) -> Any:
    import os

    if kind == "gcs":
        from google.auth.credentials import AnonymousCredentials
        from google.cloud.storage import Client

        return Client(project="tests", credentials=AnonymousCredentials())
    from azure.storage.blob import BlobServiceClient

    return BlobServiceClient.from_connection_string(os.environ["AZURE_STORAGE_CONNECTION_STRING"])


def names(kind: str) -> list[str]:
    client = sdk_client(kind)
    if kind == "gcs":
        return [blob.name for blob in client.list_blobs(stores.BUCKET)]
    return list(client.get_container_client(stores.BUCKET).list_blob_names())


def host(reader: Any, injector: Any, argv: list[str], instance: dg.DagsterInstance) -> Stored:
    client = ours.PipesSubprocessClient(message_reader=reader, context_injector=injector)
    return run_command(client, argv, instance=instance)


@pytest.mark.parametrize("package", ["ironpipe", "dagster_pipes"])
def test_all_messages_arrive(
    package: str, place: tuple[str, Any, Any], instance: dg.DagsterInstance
) -> None:
    kind, reader, injector = place
    reader.cleanup = True
    stored = host(reader, injector, command("store_writer.py", package, kind, "50"), instance)
    assert stored.success, stored.failure()
    logs = [text for text in stored.logs() if text.startswith("log ")]
    assert logs == [f"log {n}" for n in range(50)]
    assert [found.asset_key.path for found in stored.materializations()] == [["a"]]
    assert names(kind) == []


def test_a_writer_that_never_closes_and_a_bucket_that_is_not_there(
    place: tuple[str, Any, Any], instance: dg.DagsterInstance
) -> None:
    kind, reader, injector = place
    argv = command("store_writer.py", "ironpipe", kind, "50", "exit")
    stored = host(reader, injector, argv, instance)
    assert not stored.success
    assert "never closed" in stored.failure()
    assert names(kind) and not [name for name in names(kind) if "context" in name]

    reader, _ = ends(kind, "no-such-bucket")
    reader.drain_timeout = reader.retry_timeout = 0.5
    stored = host(reader, ours.PipesTempFileContextInjector(), ["true"], instance)
    assert not stored.success
    assert "chunk 1 and all after it did not arrive" in stored.failure()
