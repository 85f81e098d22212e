"""Sessions of ours and of the official package, side by side."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

PACKAGES = ("dagster_pipes", "ironpipe")

SINGLE: dict[str, Any] = {
    "asset_keys": ["p/y"],
    "code_version_by_asset_key": {"p/y": "c1"},
    "provenance_by_asset_key": {
        "p/y": {"code_version": "c0", "input_data_versions": {"u": "v"}, "is_user_provided": False}
    },
    "partition_key": "2024-01-02",
    "partition_key_range": {"start": "2024-01-02", "end": "2024-01-02"},
    "partition_time_window": {
        "start": "2024-01-02T00:00:00+00:00",
        "end": "2024-01-03T00:00:00+00:00",
    },
    "run_id": "r",
    "job_name": None,
    "retry_number": 2,
    "extras": {"limit": 3, "none": None},
}
SEVERAL = {
    **SINGLE,
    "asset_keys": ["a", "b"],
    "code_version_by_asset_key": {"a": "1", "b": None},
    "provenance_by_asset_key": {"a": None, "b": None},
    "partition_key": None,
    "partition_key_range": {"start": "x", "end": "y"},
    "partition_time_window": None,
}
NEITHER = {
    **SINGLE,
    "asset_keys": None,
    "code_version_by_asset_key": None,
    "provenance_by_asset_key": None,
    "partition_key": None,
    "partition_key_range": None,
    "partition_time_window": None,
    "extras": {},
}
NO_ASSETS = {**NEITHER, "asset_keys": []}


def open_with(package_name: str, data: dict[str, Any], path: Path) -> Any:
    """Open a session of one of the packages on a file."""
    package = importlib.import_module(package_name)
    loader = package.PipesMappingParamsLoader(
        {
            "DAGSTER_PIPES_CONTEXT": package.encode_param({"data": data}),
            "DAGSTER_PIPES_MESSAGES": package.encode_param({"path": str(path)}),
        }
    )
    return package.PipesContext(
        loader, package.PipesDefaultContextLoader(), package.PipesDefaultMessageWriter()
    )


def messages(path: Path) -> list[dict[str, Any]]:
    """The messages of a file, without their stamps."""
    # Only a newline ends a line; text may hold other ends as they are.
    found = [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]
    for message in found:
        message.pop("__ironpipe", None)
    return found
