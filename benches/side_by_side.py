"""Measures ours beside the official peer, in turns, and prints both.

With ``BENCH_SHORT=1`` everything runs once on little data: the benches still work, and the numbers
mean nothing.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

SHORT = bool(os.environ.get("BENCH_SHORT"))


@dataclass
class Row:
    """One line of the table at the end."""

    name: str
    official: str
    ours: str
    ratio: float
    floor: str = ""
    goal: str = ""


def table(rows: list[Row]) -> list[str]:
    """The rows as text, a line each."""
    cells = [("bench", "official", "ours", "ratio", "floor", "goal")]
    cells += [
        (row.name, row.official, row.ours, f"{row.ratio:.2f}x", row.floor, row.goal) for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
        for line in cells
    ]


@dataclass
class Compare:
    """Runs the two sides of a bench."""

    benchmark: Any
    rows: list[Row]

    def __call__(
        self,
        name: str,
        official: Callable[[], object],
        ours: Callable[[], object],
        *,
        messages: int,
        floor: float | None = None,
        goal: float | None = None,
        rounds: int = 7,
    ) -> None:
        """Measures both sides in turns.

        Args:
            name: ``area/corpus``.
            official: One round of the official peer.
            ours: One round of the same work with ours.
            messages: How many messages a round handles.
            floor: The ratio below which the work is not done.
            goal: The ratio to reach.
            rounds: How many rounds of each.
        """
        theirs: list[float] = []
        own: list[float] = []

        def timed(side: Callable[[], object], into: list[float]) -> None:
            start = time.perf_counter()
            side()
            into.append(time.perf_counter() - start)

        # What goes before each round is not timed by pytest-benchmark: there the peer has its turn,
        # so a change of the machine's mood meets both.
        self.benchmark.name = name
        self.benchmark.group = name.partition("/")[0]
        self.benchmark.pedantic(
            timed,
            setup=lambda: (timed(official, theirs), ((ours, own), {}))[1],
            rounds=1 if SHORT else rounds,
        )
        ratio = statistics.median(t / o for t, o in zip(theirs, own, strict=True))
        self.benchmark.extra_info["ratio"] = ratio
        self.rows.append(
            Row(
                name,
                f"{rate(messages / statistics.median(theirs))} msg/s",
                f"{rate(messages / statistics.median(own))} msg/s",
                ratio,
                f"{floor:g}x" if floor else "",
                f"{goal:g}x" if goal else "",
            )
        )


def rate(per_second: float) -> str:
    """Spells a number with a unit: ``1.25 M``."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if per_second >= size:
            return f"{per_second / size:.3g} {unit}"
    return f"{per_second:.3g}"
