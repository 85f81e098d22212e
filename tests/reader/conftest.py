"""A file of messages, and readers that follow it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ironpipe


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "messages"


@pytest.fixture
def follow(path: Path) -> Iterator[Callable[..., ironpipe.MessageReader]]:
    """Opens readers of ``path``, and closes them."""
    readers: list[ironpipe.MessageReader] = []

    def follow(**options: Any) -> ironpipe.MessageReader:
        readers.append(ironpipe.tail_messages(path, **options))
        return readers[-1]

    yield follow
    for reader in readers:
        reader.close()
