"""Materializations made in a quick way: equal to those that the official handler makes."""

from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from ironpipe.dagster._results import materialize_result

METADATA: dict[str, tuple[str, Any]] = {
    "text": ("text", "é \ud800"),
    "url": ("url", "https://example.org/?a=b"),
    "path": ("path", "/a/../b"),
    "notebook": ("notebook", "a.ipynb"),
    "md": ("md", "*m*"),
    "int": ("int", 2**70),
    "zero": ("int", 0),
    "float": ("float", -0.5),
    "whole float": ("float", 3),
    "bool": ("bool", False),
    "json": ("json", {"a": [1, None]}),
    "null": ("null", None),
    "run": ("dagster_run", "some-run"),
    "asset": ("asset", "a/b"),
    "timestamp": ("timestamp", 1_700_000_000.5),
    "inferred text": ("__infer__", "t"),
    "inferred int": ("__infer__", 7),
    "inferred float": ("__infer__", 7.5),
    "inferred bool": ("__infer__", True),
    "inferred dict": ("__infer__", {"a": 1}),
    "inferred null": ("__infer__", None),
}


def official(asset_key: str, metadata: Any, data_version: str | None) -> dg.MaterializeResult:
    nothing: Any = None
    reader: Any = SimpleNamespace(expected_writer_count=1)
    handler: Any = dg.PipesMessageHandler(nothing, reader)
    handler._handle_report_asset_materialization(asset_key, metadata, data_version)
    (result,) = handler.get_reported_results()
    return result


def ours(asset_key: str, metadata: Any, data_version: str | None) -> dg.MaterializeResult:
    key = dg.AssetKey.from_escaped_user_string(asset_key)
    return materialize_result(key, metadata, data_version)


def both(*report: Any) -> list[Any]:
    """What either makes of a report, or the class of what it raises."""
    made: list[Any] = []
    for make in (official, ours):
        try:
            made.append(make(*report))
        except Exception as error:  # noqa: PERF203
            made.append(type(error))
    return made


@pytest.mark.parametrize("name", METADATA)
def test_each_kind_of_metadata(name: str) -> None:
    kind, value = METADATA[name]
    theirs, own = both("a", {name: {"type": kind, "raw_value": value}}, "1")
    assert own == theirs
    assert repr(own) == repr(theirs)
    if not isinstance(theirs, type):
        assert type(own.metadata[name]) is type(theirs.metadata[name])


@pytest.mark.parametrize("asset_key", ["a", "a/b", r"a\/b"])
@pytest.mark.parametrize("data_version", [None, "", "v1"])
@pytest.mark.parametrize("metadata", [None, {}, {"n": {"type": "int", "raw_value": 1}}])
def test_each_part(asset_key: str, metadata: Any, data_version: str | None) -> None:
    theirs, own = both(asset_key, metadata, data_version)
    assert own == theirs
    assert repr(own) == repr(theirs)
    assert [type(part) for part in own] == [type(part) for part in theirs]
