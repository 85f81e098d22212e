"""``MessageReader.params``: the params alone, as dicts."""

import json
import math
import threading
from pathlib import Path
from typing import Any

import pytest

import ironpipe

SENT: list[tuple[str, Any]] = [
    ("opened", {"extras": {"who": "me"}}),
    ("log", {"message": "größe \ud800", "level": "INFO"}),
    ("log", {"message": "no level"}),
    ("report_custom_message", {"payload": [1, 2**70]}),
    ("report_custom_message", {"payload": {"x": None}}),
    ("closed", None),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "messages"
    write(path, *SENT)
    return path


def write(path: Path, *messages: tuple[str, Any]) -> None:
    with path.open("a") as file:
        for method, params in messages:
            file.write(json.dumps({"method": method, "params": params}) + "\n")


def test_all_methods(path: Path) -> None:
    reader = ironpipe.read_messages(path)
    assert list(reader.params()) == [params or {} for _, params in SENT]
    assert reader.ended
    assert reader.report.delivered == len(SENT)


@pytest.mark.parametrize("method", sorted({method for method, _ in SENT}))
def test_one_method(path: Path, method: str) -> None:
    found = list(ironpipe.read_messages(path).params(method))
    assert found == [params or {} for sent, params in SENT if sent == method]


def test_they_are_those_of_the_messages(path: Path) -> None:
    write(path, ("report_custom_message", {"payload": math.inf}), ("log", {"message": "x", "y": 1}))
    messages = list(ironpipe.read_messages(path))
    assert list(ironpipe.read_messages(path).params()) == [message.params for message in messages]


def test_messages_are_taken_from_the_reader(path: Path) -> None:
    reader = ironpipe.read_messages(path)
    params = reader.params("log")
    assert next(params)["level"] == "INFO"
    message = reader.next()
    assert isinstance(message, ironpipe.Log)
    assert message.message == "no level"
    # Those of other methods are passed over, not kept.
    assert next(params, None) is None
    assert reader.next() is None


def test_an_unknown_method(path: Path) -> None:
    reader = ironpipe.read_messages(path)
    with pytest.raises(ValueError, match=r"unknown method `logs`.*`log`"):
        reader.params("logs")
    assert reader.next() is not None


def test_it_waits_for_what_is_still_written(path: Path) -> None:
    reader = ironpipe.tail_messages(path)
    params = reader.params("report_asset_check")
    check = {
        "asset_key": "a",
        "check_name": "c",
        "passed": True,
        "severity": "WARN",
        "metadata": None,
    }

    def go_on() -> None:
        write(path, ("log", {"message": "not this"}), ("report_asset_check", check))
        reader.finish()

    thread = threading.Thread(target=go_on)
    thread.start()
    assert list(params) == [check]
    thread.join()


def test_a_closed_reader(path: Path) -> None:
    reader = ironpipe.read_messages(path)
    params = reader.params()
    next(params)
    reader.close()
    with pytest.raises(StopIteration):
        next(params)
