"""What a process pays before and around its messages: imports, and the way from open to close."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import ironpipe
from binaries import FERRIS_SAYS, example
from side_by_side import SHORT, Row

ROUNDS = 2 if SHORT else 25

# What the example `three_messages` reports, by the official client.
OFFICIAL_THREE = """
from dagster_pipes import open_dagster_pipes
with open_dagster_pipes() as pipes:
    pipes.log.info("counting rows")
    pipes.report_asset_check("has_rows", passed=True, metadata={"rows": 120})
    pipes.report_asset_materialization(metadata={"rows": 120})
"""

# What ferris_says reports, by the official client.
OFFICIAL_FERRIS = """
import time
from dagster_pipes import open_dagster_pipes
with open_dagster_pipes() as pipes:
    pipes.log.info("ferris will now speak")
    pipes.log.info("ferris spoke")
    pipes.report_asset_check(
        "ferris_should_say_something",
        passed=True,
        metadata={"what_did_you_say": {"raw_value": True, "type": "bool"}},
    )
    pipes.report_asset_check(
        "ferris_should_speak_3_words",
        passed=True,
        severity="WARN",
        metadata={"number_of_words_spoken_by_ferris": {"raw_value": 3, "type": "int"}},
    )
    pipes.report_asset_materialization(
        metadata={"ferris_said": {"raw_value": "what you want", "type": "text"}},
        data_version=str(int(time.time())),
    )
"""


def timed(command: list[str], env: Mapping[str, str] | None = None) -> float:
    """How long a command takes, in seconds, with as little as can be around it."""
    environment = {**os.environ, **(env or {})}
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    start = time.perf_counter()
    process = os.posix_spawn(command[0], command, environment, file_actions=quiet)
    _, status = os.waitpid(process, 0)
    taken = time.perf_counter() - start
    assert os.waitstatus_to_exitcode(status) == 0, command
    return taken


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.parametrize(
    ("name", "official", "ours", "floor", "goal"),
    [
        ("package", "import dagster_pipes", "import ironpipe", "10 ms", "3 ms"),
        (
            "open_dagster_pipes",
            "from dagster_pipes import open_dagster_pipes",
            "from ironpipe import open_dagster_pipes",
            "",
            "",
        ),
    ],
)
def bench_import(
    benchmark: Any, rows: list[Row], name: str, official: str, ours: str, floor: str, goal: str
) -> None:
    """What an import takes, over a bare interpreter."""
    theirs: list[float] = []
    own: list[float] = []

    def turn() -> None:
        bare = timed(python("pass"))
        theirs.append(timed(python(official)) - bare)
        own.append(timed(python(ours)) - bare)

    turn()  # Once for the caches of bytecode and disk.
    theirs.clear()
    own.clear()
    benchmark.name = f"import/{name}"
    benchmark.pedantic(turn, rounds=ROUNDS)
    their_time, own_time = statistics.median(theirs) * 1e3, statistics.median(own) * 1e3
    rows.append(
        Row(
            f"import/{name}",
            f"{their_time:.1f} ms",
            f"{own_time:.1f} ms",
            # A time that is lost in the noise is no divisor.
            their_time / max(own_time, 0.1),
            floor,
            goal,
        )
    )


@pytest.mark.parametrize(
    ("name", "official", "ours", "messages", "floor", "goal"),
    [
        (
            "open-to-close",
            OFFICIAL_THREE,
            lambda: [str(example("three_messages"))],
            3,
            "20x",
            "50x",
        ),
        ("ferris", OFFICIAL_FERRIS, lambda: [str(FERRIS_SAYS), "what you want"], 5, "", ""),
    ],
)
def bench_open_to_close(
    benchmark: Any,
    rows: list[Row],
    name: str,
    official: str,
    ours: Callable[[], list[str]],
    messages: int,
    floor: str,
    goal: str,
) -> None:
    """A whole process: a Rust one, and one that imports dagster_pipes for the same messages."""
    theirs: list[float] = []
    own: list[float] = []
    command = ours()

    def hosted(command: list[str]) -> float:
        with ironpipe.open_session(asset_keys=["ferris"]) as session:
            time = timed(command, session.env)
            session.finish()
            delivered = sum(1 for _ in session.reader)
        assert delivered == messages + 2  # Opened and closed.
        return time

    def turn() -> None:
        theirs.append(hosted(python(official)))
        own.append(hosted(command))

    benchmark.name = f"process/{name}"
    benchmark.pedantic(turn, rounds=ROUNDS)
    rows.append(
        Row(
            f"process/{name}",
            f"{statistics.median(theirs) * 1e3:.1f} ms",
            f"{statistics.median(own) * 1e3:.1f} ms",
            statistics.median(t / o for t, o in zip(theirs, own, strict=True)),
            floor,
            goal,
        )
    )


# How long the last call takes, in seconds, on the stdout that the session gives back.
CLOSE = """
import time
from {package} import open_dagster_pipes
pipes = open_dagster_pipes()
print("captured")
start = time.perf_counter()
pipes.close()
print(time.perf_counter() - start)
"""


def bench_close(benchmark: Any, rows: list[Row], tmp_path: Path) -> None:
    """Closing a session that captures stdout and stderr; the official client takes seconds."""
    times: dict[str, list[float]] = {"dagster_pipes": [], "ironpipe": []}
    env = {
        "DAGSTER_PIPES_CONTEXT": ironpipe.encode_param({"data": {"extras": {}}}),
        "DAGSTER_PIPES_MESSAGES": ironpipe.encode_param(
            {"path": str(tmp_path / "messages"), "include_stdio_in_messages": True}
        ),
    }

    def turn() -> None:
        for package, into in times.items():
            done = subprocess.run(
                python(CLOSE.format(package=package)),
                env={**os.environ, **env},
                check=True,
                stdout=subprocess.PIPE,
                timeout=60,
            )
            into.append(float(done.stdout.split()[-1]))

    benchmark.name = "close/captured-stdio"
    benchmark.pedantic(turn, rounds=1 if SHORT else 5)
    theirs, own = (statistics.median(taken) * 1e3 for taken in times.values())
    rows.append(
        Row(
            "close/captured-stdio",
            f"{theirs:.0f} ms",
            f"{own:.1f} ms",
            theirs / own,
            "100 ms",
            "20 ms",
        )
    )
