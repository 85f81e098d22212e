"""Chunks in an object store: how soon a report arrives, and what a session costs that is silent.

Both ends are ours, or both are the official ones, at their defaults.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ironpipe
from side_by_side import SHORT, Row
from stores import BUCKET, moto

REPORTS = 3 if SHORT else 20
SESSIONS = 20 if SHORT else 1000
SETTLE, WINDOW = (0.2, 0.5) if SHORT else (5, 8)

# Reports the clock, which all processes share, after pauses of any length.
WRITER = """
import random, sys, time
side, count, interval = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
if side == "official":
    import boto3
    from dagster_pipes import PipesS3MessageWriter, open_dagster_pipes
    # At its defaults, unless the bench is only to be run through.
    options = {"interval": interval} if interval else {}
    pipes = open_dagster_pipes(message_writer=PipesS3MessageWriter(boto3.client("s3"), **options))
else:
    from ironpipe import open_dagster_pipes
    pipes = open_dagster_pipes()
chance = random.Random(1)
with pipes:
    for _ in range(count):
        time.sleep(chance.uniform(0.1, 1.9) if not interval else 0.01)
        pipes.log.info("%d", time.monotonic_ns())
"""

# Opens sessions whose processes say nothing, and says what that costs: threads, and the share of a
# core.
IDLE = """
import os, sys, threading, time
side, url, count, settle, window = sys.argv[1], sys.argv[2], *map(float, sys.argv[3:])
if side == "official":
    from unittest.mock import Mock
    import boto3
    from dagster_aws.pipes import PipesS3MessageReader
    client = boto3.client("s3")
    handler = Mock(received_closed_message=False)
    readers = [PipesS3MessageReader(bucket="messages", client=client) for _ in range(int(count))]
    sessions = [reader.read_messages(handler) for reader in readers]
    for session in sessions:
        session.__enter__()
else:
    import ironpipe
    from ironpipe import _ironpipe
    store, ready = ironpipe.ChunkStore.open(url), _ironpipe.Ready()
    readers = [
        ironpipe.tail_chunks(store, str(n), ready=ready, key=n) for n in range(int(count))
    ]
    def serve():
        while True:
            for key in ready.wait():
                readers[key].next_batch(timeout=0)
    threading.Thread(target=serve, daemon=True).start()
time.sleep(settle)
start, cpu = time.monotonic(), time.process_time()
time.sleep(window)
share = (time.process_time() - cpu) / (time.monotonic() - start)
linux = sys.platform == "linux"
threads = len(os.listdir("/proc/self/task")) if linux else threading.active_count()
print(threads, share, flush=True)
os._exit(0)
"""

# An S3 in which nothing is, and that is quick to say so.
NOTHING = """
import asyncio
BODY = (b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchKey</Code>'
        b'<Message>The specified key does not exist.</Message></Error>')
HEAD = (b"HTTP/1.1 404 Not Found\\r\\nContent-Type: application/xml\\r\\n"
        b"Content-Length: %d\\r\\n\\r\\n" % len(BODY))
class Answers(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.rest = transport, b""
    def data_received(self, data):
        *requests, self.rest = (self.rest + data).split(b"\\r\\n\\r\\n")
        for request in requests:
            self.transport.write(HEAD if request.startswith(b"HEAD") else HEAD + BODY)
async def main():
    server = await asyncio.get_running_loop().create_server(Answers, "127.0.0.1", 0, backlog=2000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


class Handler:
    """Takes messages as Dagster's own does; keeps how long each log took, in seconds."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.received_closed_message = False

    def handle_message(self, message: Mapping[str, Any]) -> None:
        self.arrived(message["method"], message["params"].get("message"))

    def arrived(self, method: str, text: str | None) -> None:
        if method == "log" and text is not None:
            self.times.append((time.monotonic_ns() - int(text)) / 1e9)
        self.received_closed_message |= method == "closed"

    def report_pipes_framework_exception(self, origin: str, exc_info: object) -> None:
        raise AssertionError(origin, exc_info)


def write(side: str, params: Mapping[str, Any]) -> None:
    """An external process that reports now and then, to its end."""
    env = {
        "DAGSTER_PIPES_CONTEXT": ironpipe.encode_param({"data": {"extras": {}}}),
        "DAGSTER_PIPES_MESSAGES": ironpipe.encode_param(params),
    }
    interval = "0.1" if SHORT else "0"
    command = [sys.executable, "-c", WRITER, side, str(REPORTS), interval]
    subprocess.run(command, env={**os.environ, **env}, check=True)


def official(handler: Any) -> None:
    import boto3
    from dagster_aws.pipes import PipesS3MessageReader

    options: dict[str, Any] = {"interval": 0.1} if SHORT else {}
    reader = PipesS3MessageReader(bucket=BUCKET, client=boto3.client("s3"), **options)
    with reader.read_messages(handler) as params:
        write("official", params)


def ours(handler: Handler) -> None:
    url = f"s3://{BUCKET}/ours-{time.monotonic_ns()}"
    reader = ironpipe.tail_chunks(ironpipe.ChunkStore.open(url))
    writer = threading.Thread(target=write, args=("ours", {"url": url}))
    writer.start()
    for message in reader:
        handler.arrived(message.method, getattr(message, "message", None))
    writer.join()


def bench_report_to_arrival(benchmark: Any, rows: list[Row], monkeypatch: Any) -> None:
    handlers = {official: Handler(), ours: Handler()}

    def both() -> None:
        # At once: either is asleep nearly all of the time.
        threads = [threading.Thread(target=side, args=(of,)) for side, of in handlers.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    benchmark.name = "channels/report-to-arrival"
    with moto() as environment:
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        benchmark.pedantic(both, rounds=1)
    theirs, own = handlers[official].times, handlers[ours].times
    assert len(own) == REPORTS
    lost = f" ({REPORTS - len(theirs)} of {REPORTS} lost)" if len(theirs) < REPORTS else ""
    for name, which, floor, goal in (
        ("p50", statistics.median, "1.5 s", "0.5 s"),
        ("max", max, "", ""),
    ):
        their_time, own_time = which(theirs or [0.0]), which(own)
        rows.append(
            Row(
                f"channels/report-to-arrival {name}",
                f"{their_time:.2f} s{lost}",
                f"{own_time:.2f} s",
                their_time / own_time,
                floor,
                goal,
            )
        )


@contextmanager
def nothing() -> Iterator[dict[str, str]]:
    command = [sys.executable, "-c", NOTHING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.stdout.readline().strip()}",
                "AWS_ACCESS_KEY_ID": "nobody",
                "AWS_SECRET_ACCESS_KEY": "nothing",
                "AWS_DEFAULT_REGION": "us-east-1",
            }
        finally:
            server.kill()


def bench_idle_sessions(benchmark: Any, rows: list[Row]) -> None:
    costs: dict[str, tuple[int, float]] = {}

    def measure(side: str) -> None:
        command = [sys.executable, "-c", IDLE, side, f"s3://{BUCKET}"]
        command += [str(number) for number in (SESSIONS, SETTLE, WINDOW)]
        done = subprocess.run(
            command, env={**os.environ, **environment}, capture_output=True, text=True, check=True
        )
        threads, share = done.stdout.split()
        costs[side] = (int(threads), float(share))

    benchmark.name = "channels/idle-sessions"
    with nothing() as environment:
        setup = {"setup": lambda: measure("official")}
        benchmark.pedantic(lambda: measure("ours"), rounds=1, **setup)
    (their_threads, their_share), (own_threads, own_share) = costs["official"], costs["ours"]
    rows.append(
        Row(
            f"channels/{SESSIONS} idle sessions: threads",
            str(their_threads),
            str(own_threads),
            their_threads / own_threads,
            "10",
        )
    )
    rows.append(
        Row(
            f"channels/{SESSIONS} idle sessions: a core's",
            f"{their_share:.1%}",
            f"{own_share:.1%}",
            their_share / max(own_share, 1e-9),
            "25 %",
            "10 %",
        )
    )
