"""Uses all there is, as ``same.sh`` and the Rust example ``everything`` do.

Its argument is the package to use.
"""

import importlib
import math
import sys

COLUMN = {
    "name": "n",
    "type": "int",
    "description": "how many",
    "tags": {"k": "v"},
    "constraints": {"nullable": False, "unique": True, "other": ["> 0"]},
}
METADATA = {
    "infer": [1, 2],
    **{
        name: {"raw_value": raw_value, "type": name}
        for name, raw_value in {
            "text": 'é\x01"',
            "url": "https://example.org",
            "path": "/p",
            "notebook": "/n.ipynb",
            "json": {"x": 1},
            "md": "# m",
            "float": 1.0,
            "int": 2**128 - 1,
            "bool": True,
            "dagster_run": "r",
            "asset": "a/b",
            "null": None,
            "table": {"records": [{"n": 1}], "schema": [COLUMN]},
            "table_schema": {"columns": [COLUMN]},
            "table_column_lineage": {
                "deps_by_column": {"c": [{"asset_key": ["a", "b/c"], "column_name": "x"}]}
            },
            "timestamp": 1.5,
        }.items()
    },
}

with importlib.import_module(sys.argv[1]).open_dagster_pipes() as pipes:
    for level in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        getattr(pipes.log, level.lower())(f'at {level},\nsaid "é" 😀')
    pipes.report_custom_message(
        {
            "is_asset_step": pipes.is_asset_step,
            "asset_key": pipes.asset_key,
            "asset_keys": pipes.asset_keys,
            "code_version": pipes.code_version,
            "code_version_by_asset_key": pipes.code_version_by_asset_key,
            "provenance": pipes.provenance,
            "provenance_by_asset_key": pipes.provenance_by_asset_key,
            "is_partition_step": pipes.is_partition_step,
            "partition_key": pipes.partition_key,
            "partition_key_range": pipes.partition_key_range,
            "partition_time_window": pipes.partition_time_window,
            "job_name": pipes.job_name,
            "retry_number": pipes.retry_number,
            "extra": pipes.get_extra("limit"),
            "extras": pipes.extras,
        }
    )
    pipes.report_custom_message([1, (2**128 - 1) // 3, 1.5, math.inf, None, True, 'é\n"\\\x01😀'])
    pipes.report_custom_message(None)
    pipes.report_custom_message({"k": {"1": [None, {}]}})
    pipes.report_asset_check("plain", True)
    pipes.report_asset_check("full", False, "WARN", METADATA, pipes.asset_key)
    pipes.report_asset_materialization(METADATA, "v1")
