"""Channels that an external process may be given, each with both of its ends."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import ironpipe

BUCKET = "messages"
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


class Place:
    """Where the messages of one session go."""

    def __init__(self, kind: str, params: Mapping[str, Any]) -> None:
        self.kind = kind
        self.params = dict(params)

    @property
    def is_chunked(self) -> bool:
        return self.kind != "file"

    def writer(self) -> Any:
        match self.kind:
            case "objects":
                return ObjectsWriter()
            case "boto3":
                import boto3

                return ironpipe.PipesS3MessageWriter(boto3.client("s3"))
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
            case "s3":
                return ironpipe.ChunkStore.open(params["url"])
            case "boto3":
                return ironpipe.ChunkStore.open(f"s3://{params['bucket']}/{params['key_prefix']}")
            case _:
                return ironpipe.ChunkStore.directory(params["path"])

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


@contextmanager
def s3_server() -> Iterator[str]:
    """S3 on this machine; its address."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def wait_for(condition: Any, timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def lines(chunks: Iterable[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for chunk in chunks for line in chunk.split("\n")]
