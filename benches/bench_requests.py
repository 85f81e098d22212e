"""What a session on S3 costs in requests, an hour: one in which nothing happens, and one that logs.

Both ends are ours, or both are the official ones, at their defaults.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any
from unittest.mock import Mock

import ironpipe
from side_by_side import SHORT, Row
from stores import BUCKET, moto

# How long to wait until the ends have found their pace, and how long to count, in seconds. The
# official ends ask every 11 s.
SETTLE, WINDOW = (0.1, 0.5) if SHORT else (15, 55)
PAUSE = 0.1
OPTIONS: dict[str, Any] = {"interval": 0.1} if SHORT else {}

SIDES = {
    "official": ("dagster_aws.pipes", "dagster_pipes"),
    "ours": ("ironpipe.dagster", "ironpipe"),
}


class Counted:
    """A client of S3 whose requests are counted."""

    def __init__(self) -> None:
        import boto3

        self.count = 0
        self.client = boto3.client("s3")
        self.client.meta.events.register("before-send.s3", self._note)

    def _note(self, **_: Any) -> None:
        self.count += 1


class Handler:
    """Takes messages, and stands for nothing else of a step."""

    def __init__(self) -> None:
        self.received_opened_message = self.received_closed_message = False
        self._context = Mock()

    def handle_message(self, message: Mapping[str, Any]) -> None:
        self.received_closed_message |= message["method"] == "closed"

    def report_pipes_framework_exception(self, origin: str, exc_info: object) -> None:
        raise AssertionError(origin, exc_info)


def session(side: str, busy: bool, counts: Counter[tuple[str, bool, str]]) -> None:
    """Runs one session, and counts the requests of both of its ends while the window lasts."""
    host, package = map(importlib.import_module, SIDES[side])
    reading, writing = Counted(), Counted()
    reader = host.PipesS3MessageReader(bucket=BUCKET, client=reading.client, **OPTIONS)
    with reader.read_messages(Handler()) as params:
        env = {
            "DAGSTER_PIPES_CONTEXT": ironpipe.encode_param({"data": {"extras": {}}}),
            "DAGSTER_PIPES_MESSAGES": ironpipe.encode_param(params),
        }
        with package.PipesContext(
            package.PipesMappingParamsLoader(env),
            package.PipesDefaultContextLoader(),
            package.PipesS3MessageWriter(writing.client, **OPTIONS),
        ) as pipes:
            before: dict[str, int] = {}
            start = time.monotonic()
            while (passed := time.monotonic() - start) < SETTLE + WINDOW:
                if passed > SETTLE and not before:
                    before = {"reads": reading.count, "writes": writing.count}
                if busy:
                    pipes.log.info("%s", passed)
                time.sleep(PAUSE)
            counts[side, busy, "reads"] = reading.count - before["reads"]
            counts[side, busy, "writes"] = writing.count - before["writes"]


def bench_requests(benchmark: Any, rows: list[Row], monkeypatch: Any) -> None:
    counts: Counter[tuple[str, bool, str]] = Counter()

    def all_at_once() -> None:
        threads = [
            threading.Thread(target=session, args=(side, busy, counts))
            for side in SIDES
            for busy in (False, True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    benchmark.name = "requests"
    with moto() as environment:
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        benchmark.pedantic(all_at_once, rounds=1)
    for busy, what in ((False, "silent"), (True, "busy")):
        for kind in ("reads", "writes"):
            theirs, own = (counts[side, busy, kind] / WINDOW * 3600 for side in SIDES)
            rows.append(
                Row(
                    f"requests/{what} session: {kind} an hour",
                    f"{theirs:,.0f}",
                    f"{own:,.0f}",
                    theirs / max(own, 1),
                )
            )
