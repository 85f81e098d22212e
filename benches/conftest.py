"""Fixtures of the benches, and the table they print."""

from __future__ import annotations

from typing import Any

import pytest

from side_by_side import SHORT, Compare, Row, table

ROWS = pytest.StashKey[list[Row]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if rows := config.stash[ROWS]:
        title = "ours beside the official peer"
        terminalreporter.section(f"{title} (short: no measurement)" if SHORT else title)
        for line in table(rows):
            terminalreporter.write_line(line)


@pytest.fixture
def rows(request: pytest.FixtureRequest) -> list[Row]:
    """The table at the end, for benches that measure in a way of their own."""
    return request.config.stash[ROWS]


@pytest.fixture
def compare(benchmark: Any, rows: list[Row]) -> Compare:
    """Measures ours beside the official peer."""
    return Compare(benchmark, rows)
