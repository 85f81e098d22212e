"""The session: accessors and refusals as the official client's, word for word."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ironpipe
from external.parts import NEITHER, NO_ASSETS, PACKAGES, SEVERAL, SINGLE, messages, open_with

ACCESSORS = [
    "asset_key",
    "asset_keys",
    "code_version",
    "code_version_by_asset_key",
    "extras",
    "is_asset_step",
    "is_partition_step",
    "job_name",
    "partition_key",
    "partition_key_range",
    "partition_time_window",
    "provenance",
    "provenance_by_asset_key",
    "retry_number",
    "run_id",
]


def outcome(call: Callable[..., Any], *args: Any) -> tuple[str, Any]:
    try:
        return "value", call(*args)
    except Exception as error:
        return type(error).__name__, str(error)


@pytest.mark.parametrize("data", [SINGLE, SEVERAL, NEITHER, NO_ASSETS], ids=str)
@pytest.mark.parametrize("accessor", ACCESSORS)
def test_accessors(accessor: str, data: dict[str, Any], tmp_path: Path) -> None:
    theirs, ours = (
        outcome(getattr, open_with(package, data, tmp_path / package), accessor)
        for package in PACKAGES
    )
    if accessor == "asset_key" and data is NO_ASSETS:
        assert ours[0] == theirs[0]  # Theirs speaks of multiple assets where there are none.
    else:
        assert ours == theirs


@pytest.mark.parametrize("key", ["limit", "none", "missing"])
def test_extras(key: str, tmp_path: Path) -> None:
    theirs, ours = (
        outcome(open_with(package, SINGLE, tmp_path / package).get_extra, key)
        for package in PACKAGES
    )
    assert ours == theirs


@pytest.mark.parametrize("accessor", ACCESSORS)
def test_a_context_made_by_hand_may_hold_only_some_keys(accessor: str, tmp_path: Path) -> None:
    pipes = open_with("ironpipe", {"asset_keys": ["ferris"]}, tmp_path / "messages")
    if accessor in ("asset_key", "asset_keys", "is_asset_step"):
        assert getattr(pipes, accessor)
        return
    with pytest.raises(ironpipe.DagsterPipesError) as caught:
        getattr(pipes, accessor)
    assert "is not in the Pipes context" in str(caught.value)


def test_a_report_needs_no_more_than_the_asset_keys(tmp_path: Path) -> None:
    with open_with("ironpipe", {"asset_keys": ["ferris"]}, tmp_path / "messages") as pipes:
        pipes.report_asset_materialization({"a": 1})
    assert messages(tmp_path / "messages")[1]["params"]["asset_key"] == "ferris"


REFUSED: dict[str, tuple[dict[str, Any], Callable[[Any], Any]]] = {
    "several, none named": (SEVERAL, lambda p: p.report_asset_materialization()),
    "none, none named": (NEITHER, lambda p: p.report_asset_check("c", True)),
    "no assets": (NO_ASSETS, lambda p: p.report_asset_materialization()),
    "unknown key": (SINGLE, lambda p: p.report_asset_materialization(asset_key="zz")),
    "one of several": (SEVERAL, lambda p: p.report_asset_check("c", True, asset_key="it's")),
    "key type": (SINGLE, lambda p: p.report_asset_materialization(asset_key=1)),
    "version type": (SINGLE, lambda p: p.report_asset_materialization(data_version=1)),
    "name type": (SINGLE, lambda p: p.report_asset_check(None, True)),
    "passed type": (SINGLE, lambda p: p.report_asset_check("c", 1)),
    "metadata type": (SINGLE, lambda p: p.report_asset_materialization([1])),
    "metadata key": (SINGLE, lambda p: p.report_asset_check("c", True, metadata={1: 2})),
    "metadata shape": (SINGLE, lambda p: p.report_asset_materialization({"a": {"b": "it's"}})),
    "metadata more": (
        SINGLE,
        lambda p: p.report_asset_materialization({"a": {"raw_value": 1, "type": "int", "x": 1}}),
    ),
    "metadata value type": (
        SINGLE,
        lambda p: p.report_asset_materialization({"a": {"raw_value": 1, "type": "Int"}}),
    ),
    "twice": (
        SINGLE,
        lambda p: (p.report_asset_materialization(), p.report_asset_materialization()),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_have_the_official_texts(name: str, tmp_path: Path) -> None:
    data, call = REFUSED[name]
    outcomes = []
    for package in PACKAGES:
        pipes = open_with(package, data, tmp_path / package)
        kind, text = outcome(call, pipes)
        before, found, after = str(text).partition("frozenset({")
        if found:  # The official text has the order of a set, which is random.
            types, _, after = after.partition("})")
            after = str(sorted(types.split(", "))) + after
        outcomes.append((kind, before + after))
    theirs, ours = outcomes
    assert ours == theirs
    assert ours[0] == "DagsterPipesError"
    assert messages(tmp_path / "ironpipe") == messages(tmp_path / "dagster_pipes")


AFTER_CLOSE: dict[str, Callable[[Any], Any]] = {
    "log": lambda p: p.log.info("x"),
    "materialization": lambda p: p.report_asset_materialization(),
    "check": lambda p: p.report_asset_check("c", True),
    "custom": lambda p: p.report_custom_message(1),
    "stream": lambda p: p.log_external_stream("stdout", "x"),
}


@pytest.mark.parametrize("name", AFTER_CLOSE)
def test_after_close(name: str, tmp_path: Path) -> None:
    theirs, ours = [], []
    for package, outcomes in zip(PACKAGES, (theirs, ours), strict=True):
        pipes = open_with(package, SINGLE, tmp_path / package)
        pipes.close()
        pipes.close()
        outcomes += [pipes.is_closed, outcome(AFTER_CLOSE[name], pipes)]
    assert ours == theirs
    assert ours[1] == ("DagsterPipesError", "Cannot send message after pipes context is closed.")
    assert messages(tmp_path / "ironpipe") == messages(tmp_path / "dagster_pipes")


# What Dagster refuses on its side, and the official client sends all the same.
UNSENT: dict[str, tuple[Callable[[Any], Any], str]] = {
    "float": (
        lambda p: p.report_asset_materialization({"a b": {"raw_value": 1, "type": "float"}}),
        "metadata['a b']",
    ),
    "json": (
        lambda p: p.report_asset_check("c", True, metadata={"a": {"raw_value": 1, "type": "json"}}),
        "metadata['a']",
    ),
    "severity": (lambda p: p.report_asset_check("c", True, "FATAL"), "severity"),
    "stream": (lambda p: p.log_external_stream("stdin", "x"), "stream"),
    "stream type": (lambda p: p.log_external_stream(1, "x"), "parameter `stream` of"),
    "text type": (lambda p: p.log_external_stream("stdout", b"x"), "parameter `text` of"),
    "extras type": (lambda p: p.log_external_stream("stdout", "x", [1]), "parameter `extras` of"),
    "severity type": (lambda p: p.report_asset_check("c", True, None), "parameter `severity` of"),
    "exception": (lambda p: p.close({"message": "m"}), "parameter `exc` of"),
}


@pytest.mark.parametrize("name", UNSENT)
def test_what_dagster_would_refuse_is_not_sent(name: str, tmp_path: Path) -> None:
    call, part = UNSENT[name]
    pipes = open_with("ironpipe", SINGLE, tmp_path / "messages")
    with pytest.raises(ironpipe.DagsterPipesError) as caught:
        call(pipes)
    assert part in str(caught.value)
    assert len(messages(tmp_path / "messages")) == 1


@pytest.mark.parametrize(
    ("call", "place"),
    [
        (lambda p: p.report_custom_message({"rows": [1, {2}]}), "set.*: payload.rows\\[1\\]"),
        (
            lambda p: p.report_asset_materialization(
                {"x": {"raw_value": {"rows": [0, 1, 2, b""]}, "type": "json"}}
            ),
            "bytes.*: metadata\\['x'\\].rows\\[3\\]",
        ),
        (lambda p: p.report_asset_materialization({"x": object()}), "metadata\\['x'\\]$"),
        (lambda p: p.log_external_stream("stdout", "", {"a": 1j}), "extras.a$"),
    ],
)
def test_a_value_that_is_not_json_is_named_by_its_place(
    call: Callable[[Any], Any], place: str, tmp_path: Path
) -> None:
    pipes = open_with("ironpipe", SINGLE, tmp_path / "messages")
    with pytest.raises(ironpipe.NotJsonError, match=place):
        call(pipes)
    pipes.report_asset_materialization({"x": 1})  # A refused report can be made again.
    assert len(messages(tmp_path / "messages")) == 2


def test_messages_are_numbered_per_writer(tmp_path: Path) -> None:
    path = tmp_path / "messages"
    with open_with("ironpipe", SINGLE, path) as pipes:
        threads = [
            threading.Thread(target=lambda: [pipes.report_custom_message(i) for i in range(100)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    stamps = [json.loads(line)["__ironpipe"] for line in path.read_text().splitlines()]
    assert [number for _, number, _ in stamps] == list(range(1, 403))
    assert len({writer for writer, _, _ in stamps}) == 1


def test_the_singleton_and_opening_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ironpipe.PipesContext, "_instance", None)
    with pytest.raises(Exception, match="has not been initialized"):
        ironpipe.PipesContext.get()
    for round_number in range(2):
        path = tmp_path / str(round_number)
        monkeypatch.setenv("DAGSTER_PIPES_CONTEXT", ironpipe.encode_param({"data": SINGLE}))
        monkeypatch.setenv("DAGSTER_PIPES_MESSAGES", ironpipe.encode_param({"path": str(path)}))
        pipes = ironpipe.open_dagster_pipes()
        assert ironpipe.open_dagster_pipes() is pipes is ironpipe.PipesContext.get()
        pipes.log.info("hello")
        pipes.close()
        assert [message["method"] for message in messages(path)] == ["opened", "log", "closed"]


def test_outside_dagster_one_warning_and_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ironpipe.PipesContext, "_instance", None)
    monkeypatch.delenv("DAGSTER_PIPES_CONTEXT", raising=False)
    with pytest.warns(ironpipe.DagsterPipesWarning, match="was not launched by") as warned:
        pipes = ironpipe.open_dagster_pipes()
    assert ironpipe.open_dagster_pipes() is pipes
    assert len(warned) == 1
    assert warned[0].filename == __file__
    with pipes as context:
        context.log.info("nobody hears")
        context.report_asset_materialization({"a": object()})
        context.close()
    with pytest.raises(ZeroDivisionError), ironpipe.open_dagster_pipes():
        _ = 1 / 0


def test_a_session_that_is_forgotten_tells_no_end(tmp_path: Path) -> None:
    pipes = open_with("ironpipe", SINGLE, tmp_path / "messages")
    del pipes
    assert [message["method"] for message in messages(tmp_path / "messages")] == ["opened"]
