"""An external process that reports in chunks: ``chunked.py WAY [ARGUMENT …]``.

By the engine's writer it logs "good 0" to "good 4", waits until they lie in the store, and logs
"good 5" to "good 9". Or it puts chunks there that somebody else has made.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import ironpipe
from ironpipe._chunk_writers import ChunkMessageWriterChannel


def params() -> Any:
    return ironpipe.PipesEnvVarParamsLoader().load_messages_params()


def store() -> ironpipe.ChunkStore:
    found = params()
    if "path" in found:
        return ironpipe.ChunkStore.directory(found["path"])
    if "bucket" in found:
        return ironpipe.ChunkStore.open(f"s3://{found['bucket']}/{found['key_prefix']}")
    return ironpipe.ChunkStore.open(found["url"], found.get("options"))


def wait_for(text: bytes) -> None:
    """Waits until a text lies in the store."""
    chunks, index = store(), 1
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        chunk = chunks.get(f"{index}.json")
        if chunk is None:
            time.sleep(0.01)
        elif text in chunk:
            return
        else:
            index += 1
    raise TimeoutError(text)


def report(pipes: ironpipe.PipesContext, *, wait: bool = True) -> None:
    for number in range(5):
        pipes.log.info(f"good {number}")
    if wait:
        wait_for(b"good 4")
    for number in range(5, 10):
        pipes.log.info(f"good {number}")


class Hasty(ironpipe.PipesMessageWriter[Any]):
    """Gives up after half a second."""

    @contextmanager
    def open(self, params: Any) -> Iterator[ChunkMessageWriterChannel]:
        channel = ChunkMessageWriterChannel(store(), patience=0.5)
        with channel.buffered_upload_loop():
            yield channel


def writer() -> Any:
    """The writer that the params are for."""
    if "bucket" not in params():
        return ironpipe.PipesDefaultMessageWriter()
    import boto3

    return ironpipe.PipesS3MessageWriter(boto3.client("s3"))


def write() -> None:
    with ironpipe.open_dagster_pipes(message_writer=writer()) as pipes:
        report(pipes)


def write_blindly() -> None:
    with ironpipe.open_dagster_pipes(message_writer=Hasty()) as pipes:
        report(pipes, wait=False)


def write_hastily() -> None:
    with ironpipe.open_dagster_pipes(message_writer=Hasty()) as pipes:
        report(pipes)


def write_and_be_killed() -> None:
    with ironpipe.open_dagster_pipes(message_writer=writer()) as pipes:
        report(pipes)
        os.kill(os.getpid(), signal.SIGKILL)


def write_in_two() -> None:
    """The other writes and closes while this one is open."""
    with ironpipe.open_dagster_pipes() as pipes:
        report(pipes)
        wait_for(b"good 9")
        subprocess.run([sys.executable, __file__, "write"], check=True)


def put(directory: str, *indices: str) -> None:
    """Puts the files of a directory, in the order that is told, each when the one before is there.

    ``3=2`` puts the file 2 as chunk 3.
    """
    chunks = store()
    for index in indices:
        name, _, source = index.partition("=")
        put_chunk(chunks, name, Path(directory, source or name).read_bytes())


def put_many(count: str, name: str) -> None:
    """Puts chunks of ten logs, and one each for what stands before and behind them."""
    chunks = store()
    logs = [f"{name} {number}" for number in range(10 * int(count))]
    pieces = [
        [("opened", {"extras": {}})],
        *(
            [("log", {"message": log, "level": "INFO"}) for log in logs[i : i + 10]]
            for i in range(0, len(logs), 10)
        ),
        [("closed", {})],
    ]
    for index, piece in enumerate(pieces, start=1):
        lines = (
            json.dumps({"__dagster_pipes_version": "0.1", "method": method, "params": params})
            for method, params in piece
        )
        put_chunk(chunks, str(index), "\n".join(lines).encode())


def write_many(count: str, name: str) -> None:
    """Logs by the engine's writer, ten at a time, and waits for them in between."""
    with ironpipe.open_dagster_pipes() as pipes:
        for number in range(10 * int(count)):
            pipes.log.info(f"{name} {number}")
            if number % 10 == 9:
                wait_for(f'"{name} {number}"'.encode())


def put_chunk(chunks: ironpipe.ChunkStore, name: str, body: bytes) -> None:
    deadline = time.monotonic() + 300
    while True:
        with suppress(OSError):
            # The answer to an upload that was done may be lost: then it is taken, by ourselves.
            assert chunks.put(f"{name}.json", body) or chunks.get(f"{name}.json") == body
            return
        assert time.monotonic() < deadline, "the store takes nothing"


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
