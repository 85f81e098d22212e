"""Lines that are large in one dimension: nobody's time grows with the square of it.

No time is asserted; the tests' own limit is what a line of quadratic cost would run into.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import ironpipe

MANY = 300_000
KEYS = [f"k{n}" for n in range(MANY)]


def metadata(raw_value: Any, type_name: str) -> Any:
    entries = {"k": {"raw_value": raw_value, "type": type_name}}
    return {"asset_key": "a", "data_version": None, "metadata": entries}


def lineage(deps: Any) -> Any:
    return metadata({"deps_by_column": deps}, "table_column_lineage")


def column(**more: Any) -> Any:
    return {"name": "c", "type": "x", **more}


def exception(**more: Any) -> Any:
    return {
        "exception": {
            "message": "m",
            "stack": ["s"],
            "name": None,
            "cause": None,
            "context": None,
            **more,
        }
    }


def entries(**more: Any) -> Any:
    known = {key: {"raw_value": 1, "type": "int"} for key in KEYS}
    return {"asset_key": "a", "data_version": None, "metadata": {**known, **more}}


MATERIALIZATION = "report_asset_materialization"
LARGE: dict[str, tuple[str, Callable[[], Any]]] = {
    "columns of one asset": (
        MATERIALIZATION,
        lambda: lineage({"c": [{"asset_key": ["a"], "column_name": key} for key in KEYS]}),
    ),
    "assets of one column": (
        MATERIALIZATION,
        lambda: lineage({"c": [{"asset_key": [key], "column_name": "x"} for key in KEYS]}),
    ),
    "columns of a lineage": (MATERIALIZATION, lambda: lineage({key: [] for key in KEYS})),
    "columns of a schema": (
        MATERIALIZATION,
        lambda: metadata({"columns": [column()] * MANY}, "table_schema"),
    ),
    "tags": (
        MATERIALIZATION,
        lambda: metadata({"columns": [column(tags=dict.fromkeys(KEYS, "t"))]}, "table_schema"),
    ),
    "constraints": (
        MATERIALIZATION,
        lambda: metadata(
            {"columns": [column(constraints={"other": ["c"] * MANY})]}, "table_schema"
        ),
    ),
    "records": (
        MATERIALIZATION,
        lambda: metadata({"records": [{"a": 1, "b": 2}] * MANY, "schema": []}, "table"),
    ),
    "fields of a record": (
        MATERIALIZATION,
        lambda: metadata({"records": [dict.fromkeys(KEYS, 1)] * 2, "schema": []}, "table"),
    ),
    "entries of metadata": (MATERIALIZATION, entries),
    "entries of metadata, read twice": (
        MATERIALIZATION,
        lambda: entries(odd={"raw_value": 1, "type": "int", "more": 1}),
    ),
    "params that nobody knows": ("log", lambda: {"message": "m", **dict.fromkeys(KEYS, 1)}),
    "lines of a stack": ("closed", lambda: exception(stack=["s"] * MANY)),
    "keys of an exception": ("closed", lambda: exception(**{key: [] for key in KEYS})),
    "a level": ("log", lambda: {"message": "m", "level": "x" * 10 * MANY}),
    "a message": ("log", lambda: {"message": "é\n" * 10 * MANY, "level": "INFO"}),
    "elements": ("report_custom_message", lambda: {"payload": [[1], {"a": None}] * MANY}),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("what", LARGE)
def test_a_large_line_is_taken(what: str) -> None:
    method, params = LARGE[what]
    line = json.dumps({"method": method, "params": params()}).encode()
    assert ironpipe.decode_message(line).method == method


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "line",
    [
        b"[" * 10_000_000,
        b'{"a":' * 1_000_000,
        b'{"method":"log","params":{"message":"' + b"\\" * 9_999_999,
        b'{"method":"' + b"x" * 10_000_000 + b'","params":{}}',
        b'{"method":"log","params":{"message":1' + b"0" * 10_000_000 + b"}}",
        b'{"method":"log","params":{"message":"m","level":"' + b"\xff" * 10_000_000,
        b" " * 10_000_000 + b"x",
    ],
    ids=["arrays", "objects", "escapes", "method", "digits", "not UTF-8", "space"],
)
def test_a_large_line_is_rejected_in_few_words(line: bytes) -> None:
    with pytest.raises(ValueError) as caught:
        ironpipe.decode_message(line)
    assert len(str(caught.value)) < 1000
