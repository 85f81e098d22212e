"""Batches: sequences that make their messages when they are asked for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from reader_harness import (
    append,
    log,
    texts,
)


def test_a_batch_is_a_sequence(path: Path, follow: Any) -> None:
    append(path, *(log(n) for n in range(10)))
    batch = follow().next_batch()
    assert len(batch) == 10
    assert batch[0].message == "0"
    assert batch[-1].message == "9"
    assert batch[-10].message == "0"
    assert texts(batch) == texts(batch) == [str(n) for n in range(10)]
    assert texts(reversed(batch)) == [str(n) for n in reversed(range(10))]
    for index in (10, -11, sys.maxsize):
        with pytest.raises(IndexError):
            batch[index]
    with pytest.raises(TypeError):
        batch["0"]  # type: ignore[call-overload]


def test_a_batch_makes_its_messages_when_they_are_asked_for(path: Path, follow: Any) -> None:
    append(path, log(1))
    batch = follow().next_batch()
    assert batch[0] is not batch[0]
    assert batch[0] == batch[0]


@pytest.mark.parametrize(
    "cut",
    [
        slice(None),
        slice(2, 5),
        slice(-3, None),
        slice(None, None, 3),
        slice(None, None, -1),
        slice(8, 1, -3),
        slice(5, 2),
        slice(-100, 100),
        slice(0, 10, sys.maxsize),
    ],
)
def test_a_part_of_a_batch(path: Path, follow: Any, cut: slice) -> None:
    append(path, *(log(n) for n in range(10)))
    batch = follow().next_batch()
    whole = [str(n) for n in range(10)]
    assert texts(batch[cut]) == whole[cut]
    assert texts(batch[1:9][cut]) == whole[1:9][cut]
    assert texts(batch[::-2][cut]) == whole[::-2][cut]


def test_a_batch_has_a_limit(path: Path, follow: Any) -> None:
    append(path, *(log(n) for n in range(5)))
    reader = follow()
    assert len(reader.next_batch(0)) == 0
    assert texts(reader.next_batch(2)) == ["0", "1"]
    assert texts([reader.next()]) == ["2"]
    assert texts(reader.next_batch()) == ["3", "4"]
    assert len(reader.next_batch(timeout=0)) == 0


def test_a_batch_may_span_blocks(path: Path, follow: Any) -> None:
    append(path, *(log(n) for n in range(20_000)))
    reader = follow()
    assert texts(reader.next_batch()) == [str(n) for n in range(10_000)]
    assert len(reader.next_batch(50_000)) == 10_000


def test_a_batch_outlives_its_reader(path: Path, follow: Any) -> None:
    append(path, *(log(n) for n in range(3)))
    reader = follow()
    batch = reader.next_batch()
    reader.close()
    assert texts(batch) == ["0", "1", "2"]
