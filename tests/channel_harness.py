"""Channels that an external process may be given, each with both of its ends."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit

import ironpipe

CONTEXT = {"asset_keys": ["a"], "extras": {}}
QUICK = {"quiet": 0.2, "drain": 0.5, "patience": 5.0}


class Objects:
    """A store that a user might have written: two methods, over files."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def put(self, key: str, data: bytes) -> bool:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
        new.write_bytes(data)
        try:
            os.link(new, path)
        except FileExistsError:
            return False
        finally:
            new.unlink()
        return True

    def get(self, key: str) -> bytes | None:
        try:
            return (self.root / key).read_bytes()
        except FileNotFoundError:
            return None


class ObjectsChannel(ironpipe.PipesBlobStoreMessageWriterChannel):
    def __init__(self, objects: Objects) -> None:
        super().__init__(interval=0.2)
        self.objects = objects

    def upload_messages_chunk(self, payload: IO[str], index: int) -> None:
        key = f"{index}.json"
        if not self.objects.put(key, payload.read().encode()):
            raise FileExistsError(key)

    def stored_chunk(self, index: int) -> bytes | None:
        return self.objects.get(f"{index}.json")


class ObjectsWriter(ironpipe.PipesBlobStoreMessageWriter[Any]):
    def make_channel(self, params: Mapping[str, Any]) -> ObjectsChannel:
        return ObjectsChannel(Objects(params["root"]))


def s3_client() -> Any:
    import boto3

    return boto3.client("s3")


def gcs_client() -> Any:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.storage import Client

    return Client(project="tests", credentials=AnonymousCredentials())


def azure_client() -> Any:
    from azure.storage.blob import BlobServiceClient

    return BlobServiceClient.from_connection_string(os.environ["AZURE_STORAGE_CONNECTION_STRING"])


class Sdk(NamedTuple):
    """A provider's own client, and what is written and read through it."""

    scheme: str
    # Makes one of the store that the environment leads to.
    client: Callable[[], Any]
    # The name of the writer, Dagster's and ours.
    writer: str


SDKS = {
    "boto3": Sdk("s3", s3_client, "PipesS3MessageWriter"),
    "gcs": Sdk("gs", gcs_client, "PipesGCSMessageWriter"),
    "azure": Sdk("az", azure_client, "PipesAzureBlobStorageMessageWriter"),
}


class Place:
    """Where the messages of one session go."""

    def __init__(self, kind: str, params: Mapping[str, Any]) -> None:
        self.kind = kind
        self.params = dict(params)

    @property
    def is_chunked(self) -> bool:
        return self.kind != "file"

    @property
    def url(self) -> str:
        """Where its chunks lie, if that is a bucket."""
        if sdk := SDKS.get(self.kind):
            return f"{sdk.scheme}://{self.params['bucket']}/{self.params['key_prefix']}"
        return self.params["url"]

    def location(self) -> tuple[str, str, str]:
        """Which kind of store it is, the bucket, and the prefix in it."""
        parts = urlsplit(self.url)
        return parts.scheme, parts.netloc, parts.path.strip("/")

    def writer(self) -> Any:
        match self.kind:
            case "objects":
                return ObjectsWriter()
            case kind if kind in SDKS:
                return getattr(ironpipe, SDKS[kind].writer)(SDKS[kind].client())
            case _:
                return ironpipe.PipesDefaultMessageWriter()

    def open(self, **params: Any) -> ironpipe.PipesContext:
        loader = ironpipe.PipesMappingParamsLoader(self.env(**params))
        return ironpipe.PipesContext(loader, ironpipe.PipesDefaultContextLoader(), self.writer())

    def env(self, **params: Any) -> dict[str, str]:
        return {
            "DAGSTER_PIPES_CONTEXT": ironpipe.encode_param({"data": CONTEXT}),
            "DAGSTER_PIPES_MESSAGES": ironpipe.encode_param({**self.params, **params}),
        }

    def store(self) -> ironpipe.ChunkStore:
        params = self.params
        match self.kind:
            case "objects":
                return ironpipe.ChunkStore.of(Objects(params["root"]))
            case "directory":
                return ironpipe.ChunkStore.directory(params["path"])
            case _:
                return ironpipe.ChunkStore.open(self.url)

    def reader(self, **options: Any) -> ironpipe.MessageReader:
        if not self.is_chunked:
            return ironpipe.tail_messages(self.params["path"])
        return ironpipe.tail_chunks(self.store(), **{**QUICK, **options})

    def chunks(self) -> list[str]:
        """What lies there, chunk by chunk."""
        if not self.is_chunked:
            return [Path(self.params["path"]).read_text().removesuffix("\n")]
        store, chunks = self.store(), []
        while (chunk := store.get(f"{len(chunks) + 1}.json")) is not None:
            chunks.append(chunk.decode())
        return chunks

    def command(self, program: str) -> list[str]:
        """A process that has this as its ``place``, and ``open``."""
        head = f"""
import sys, os, time
sys.path[:0] = {[str(Path(__file__).parent)]!r}
from channel_harness import *
place = Place({self.kind!r}, {self.params!r})
"""
        return [sys.executable, "-W", "error", "-c", head + program]


def finished(reader: ironpipe.MessageReader) -> list[Any]:
    """All messages, once nothing writes any more."""
    reader.finish()
    return list(reader)


def logs(messages: Iterable[Any]) -> list[str]:
    return [message.message for message in messages if isinstance(message, ironpipe.Log)]


def wait_for(condition: Any, timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def lines(chunks: Iterable[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for chunk in chunks for line in chunk.split("\n")]
