"""`ironpipe context`, driven as a shell script would."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from binaries import IRONPIPE
from ironpipe import encode_param

CONTEXT = {
    "asset_keys": ["p/a"],
    "code_version_by_asset_key": {"p/a": "c1"},
    "provenance_by_asset_key": {"p/a": None},
    "partition_key": "2024-01-02",
    "partition_key_range": {"start": "2024-01-02", "end": "2024-01-02"},
    "partition_time_window": {"start": "2024-01-02T00:00:00", "end": "2024-01-03T00:00:00"},
    "run_id": "r",
    "job_name": None,
    "retry_number": 2,
    "extras": {"name": "é\nx", "n": {"list": [1, {"a.b": True}]}, "dotted.name": 3, "none": None},
}
MISSING = "Missing required property:"


def context(data: Any, *args: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("DAGSTER_PIPES")}
    if data is not None:
        params = {"path": str(data)} if isinstance(data, Path) else {"data": data}
        env["DAGSTER_PIPES_CONTEXT"] = encode_param(params)
    return subprocess.run(
        [IRONPIPE, "context", *args],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_all_of_it() -> None:
    done = context(CONTEXT)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == CONTEXT


@pytest.mark.parametrize(
    ("key", "plain", "as_json"),
    [
        ("asset_key", "p/a", "p/a"),
        ("asset_keys", "p/a", ["p/a"]),
        ("code_version", "c1", "c1"),
        ("code_version_by_asset_key", '{"p/a":"c1"}', {"p/a": "c1"}),
        ("provenance", "", None),
        ("provenance_by_asset_key", '{"p/a":null}', {"p/a": None}),
        ("is_asset_step", "true", True),
        ("is_partition_step", "true", True),
        ("partition_key", "2024-01-02", "2024-01-02"),
        ("partition_key_range.end", "2024-01-02", "2024-01-02"),
        ("partition_time_window.start", "2024-01-02T00:00:00", "2024-01-02T00:00:00"),
        ("run_id", "r", "r"),
        ("job_name", "", None),
        ("retry_number", "2", 2),
        ("extras.name", "é\nx", "é\nx"),
        ("extras.n", '{"list":[1,{"a.b":true}]}', {"list": [1, {"a.b": True}]}),
        ("extras.n.list.1.a.b", "true", True),
        ("extras.dotted.name", "3", 3),
        ("extras.none", "", None),
    ],
)
def test_one_value(key: str, plain: str, as_json: Any) -> None:
    done = context(CONTEXT, key)
    assert (done.returncode, done.stdout, done.stderr) == (0, plain + "\n", "")
    assert json.loads(context(CONTEXT, key, "--json").stdout) == as_json


@pytest.mark.parametrize(
    ("data", "key", "code", "words"),
    [
        ({"asset_keys": None}, "asset_key", 1, "does not target an asset"),
        ({"asset_keys": ["a", "b"]}, "asset_key", 1, "Current step targets multiple assets"),
        ({"partition_key": None}, "partition_key", 1, "does not target any partitions"),
        ({"extras": {}}, "extras.x", 1, "Extra `x` is undefined"),
        ({"extras": {"x": {}}}, "extras.x.y", 1, "there is no `x.y` in `extras`"),
        ({}, "run_id", 1, "`run_id` is not in the Pipes context"),
        ({}, "partion_key", 2, "has no `partion_key`"),
        (None, "run_id", 4, "Dagster did not launch this process"),
        (Path("/no/such/context"), "run_id", 125, "/no/such/context"),
        ([1], "run_id", 125, "DAGSTER_PIPES_CONTEXT"),
    ],
)
def test_what_does_not_apply(data: Any, key: str, code: int, words: str) -> None:
    done = context(data, key)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr


def test_several_assets_are_a_line_each() -> None:
    assert context({"asset_keys": ["a", "b"]}, "asset_keys").stdout == "a\nb\n"
    assert context({"asset_keys": []}, "is_asset_step").stdout == "true\n"
