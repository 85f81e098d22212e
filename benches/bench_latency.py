"""How long a message takes from the write to a Python reader that waits for it."""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from dagster._utils import tail_file

import ironpipe
from side_by_side import SHORT, Row

COUNT = 20 if SHORT else 500
ROUNDS = 1 if SHORT else 3

# Appends lines that hold the clock, which all processes share. The pauses are of any length, so
# that a poll is met at any moment of its sleep.
WRITER = """
import os, random, sys, time
line = ('{"__dagster_pipes_version": "0.1", "method": "log", "params": '
        '{"message": "%d", "level": "INFO"}}\\n')
descriptor = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
chance = random.Random(int(sys.argv[3]))
for _ in range(int(sys.argv[2])):
    time.sleep(chance.uniform(0.002, 0.022))
    os.write(descriptor, (line % time.monotonic_ns()).encode())
"""


def official(path: Path) -> Iterator[str]:
    for line in tail_file(str(path), lambda: False):
        yield json.loads(line)["params"]["message"]


def ours(path: Path) -> Iterator[str]:
    for message in ironpipe.tail_messages(path):
        yield message.message


def measure(read: Callable[[Path], Iterator[str]], path: Path) -> list[float]:
    """How long each message took, in milliseconds."""
    path.touch()
    seed = str(random.getrandbits(32))
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(COUNT), seed])
    times = []
    with closing(read(path)) as messages:
        for message in messages:
            times.append((time.monotonic_ns() - int(message)) / 1e6)
            if len(times) == COUNT:
                break
    assert writer.wait() == 0
    return times


def quantile(times: list[float], which: float) -> float:
    return sorted(times)[min(len(times) - 1, int(which * len(times)))]


def bench_latency(benchmark: Any, rows: list[Row], tmp_path: Path) -> None:
    theirs: list[list[float]] = []
    own: list[list[float]] = []

    def peer() -> None:
        theirs.append(measure(official, tmp_path / f"official-{len(theirs)}"))

    def mine() -> None:
        own.append(measure(ours, tmp_path / f"ours-{len(own)}"))

    benchmark.name = "latency/write-to-arrival"
    benchmark.pedantic(mine, setup=peer, rounds=ROUNDS)
    for which, floor, goal in ((0.5, "0.1 ms", "0.03 ms"), (0.99, "1 ms", "")):
        their_time, own_time = (
            statistics.median(quantile(times, which) for times in rounds)
            for rounds in (theirs, own)
        )
        rows.append(
            Row(
                f"latency/p{which * 100:.0f}",
                f"{their_time:.3f} ms",
                f"{own_time:.3f} ms",
                their_time / own_time,
                floor,
                goal,
            )
        )
