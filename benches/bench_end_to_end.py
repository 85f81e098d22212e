"""A whole Dagster step: from the launch of the process until the client returns.

The default console goes to a file, as it does in a deployment.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from event_logs import POSTGRES, new_database
from side_by_side import SHORT, Row, rate

ROUNDS = 1 if SHORT else 3


@pytest.mark.parametrize(
    ("name", "count", "floor", "goal"),
    [
        ("logs", 10_000, "25x", "60x"),
        ("logs-postgres", 10_000, "25x", "60x"),
        ("custom", 200_000, "1.5x", "3x"),
        ("materializations", 60_000, "1.5x", "3x"),
    ],
)
def bench_end_to_end(
    benchmark: Any,
    rows: list[Row],
    tmp_path: Path,
    name: str,
    count: int,
    floor: str,
    goal: str,
) -> None:
    count = 20 if SHORT else count
    kind, _, storage = name.partition("-")
    address = [new_database()] if storage == POSTGRES else []
    taken: dict[str, list[float]] = {"official": [], "ours": []}

    def run(side: str) -> None:
        script = str(Path(__file__).with_name("dagster_run.py"))
        with (tmp_path / "console").open("wb") as console:
            done = subprocess.run(
                [sys.executable, script, side, kind, str(count), *address],
                check=True,
                stdout=subprocess.PIPE,
                stderr=console,
            )
        taken[side].append(float(done.stdout.split()[-1]))

    benchmark.name = f"end-to-end/{name}"
    benchmark.pedantic(lambda: run("ours"), setup=lambda: run("official"), rounds=ROUNDS)
    their_time, own_time = (statistics.median(taken[side]) for side in ("official", "ours"))
    rows.append(
        Row(
            f"end-to-end/{name}",
            f"{rate(count / their_time)} msg/s",
            f"{rate(count / own_time)} msg/s",
            statistics.median(t / o for t, o in zip(taken["official"], taken["ours"], strict=True)),
            floor,
            goal,
        )
    )
