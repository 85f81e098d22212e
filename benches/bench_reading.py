"""Following a finished file of messages, and reading what each one says.

The peer is what Dagster's file reader does to each line before it handles it: ``tail_file`` and
``json.loads``. Ours goes through the tail reader with its watch, not through a shortcut for
finished files.
"""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest
from dagster._utils import tail_file

import corpora
import ironpipe
from side_by_side import SHORT, Compare

COUNT = 2_000 if SHORT else 200_000
# DESIGN: ascii-logs alone has the higher mark; of the others the worst one counts.
OTHERS = ["escaped", "u-escapes", "utf8", "params-first", "custom", "materialization"]


def official_log(path: Path) -> None:
    for line in tail_file(str(path), lambda: True):
        json.loads(line)["params"]["message"]


def official_other(path: Path) -> None:
    for line in tail_file(str(path), lambda: True):
        json.loads(line)["params"]


def follow(path: Path) -> ironpipe.MessageReader:
    reader = ironpipe.tail_messages(path)
    reader.finish()
    return reader


def ours_log(path: Path) -> None:
    for message in follow(path):
        message.message  # noqa: B018


def ours_other(path: Path) -> None:
    for message in follow(path):
        message.method  # noqa: B018


@pytest.mark.parametrize("name", ["ascii-logs", "ironpipe-logs", *OTHERS])
def bench_reading(compare: Compare, name: str) -> None:
    path = corpora.corpus(name, COUNT)
    log = name in corpora.LOGS
    floor, goal = (5, 8) if name in OTHERS else (10, 15)
    compare(
        f"reading/{name}",
        lambda: official_log(path) if log else official_other(path),
        lambda: ours_log(path) if log else ours_other(path),
        messages=COUNT,
        floor=floor,
        goal=goal,
    )
    reader = follow(path)
    for _ in reader:
        pass
    assert reader.report.delivered == COUNT
    assert reader.report.is_complete


def official_dicts(path: Path) -> None:
    with path.open("rb") as file:
        for line in file:
            orjson.loads(line)


def ours_dicts(path: Path) -> None:
    for _ in follow(path).params():
        pass


def ours_message_dicts(path: Path) -> None:
    for message in follow(path):
        message.params  # noqa: B018


@pytest.mark.parametrize(
    ("name", "floor", "goal"),
    [
        ("ascii-logs", 2.5, 3.5),
        ("ironpipe-logs", None, None),
        ("nested", 0.9, 1.1),
        ("tree", None, None),
    ],
)
def bench_dicts(compare: Compare, name: str, floor: float | None, goal: float | None) -> None:
    """The params as Python dicts; the peer only decodes, without following or checking."""
    count = COUNT // 4 if name in {"nested", "tree"} else COUNT
    path = corpora.corpus(name, count)
    compare(
        f"dicts/{name}",
        lambda: official_dicts(path),
        lambda: ours_dicts(path),
        messages=count,
        floor=floor,
        goal=goal,
    )


@pytest.mark.parametrize("name", ["ascii-logs", "nested"])
def bench_message_dicts(compare: Compare, name: str) -> None:
    """The same through an object for each message."""
    count = COUNT // 4 if name == "nested" else COUNT
    path = corpora.corpus(name, count)
    compare(
        f"message-dicts/{name}",
        lambda: official_dicts(path),
        lambda: ours_message_dicts(path),
        messages=count,
    )
