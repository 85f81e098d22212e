"""An external process that uses all there is. Its argument is the package to use."""

import importlib
import math
import sys

pipes_package = importlib.import_module(sys.argv[1])


def metadata() -> dict:
    def typed(type_name: str, value: object) -> dict:
        return {"type": type_name, "raw_value": value}

    column = {
        "name": "id",
        "type": "int",
        "description": "é",
        "tags": {"a": "b"},
        "constraints": {"nullable": False, "unique": True, "other": ["> 0"]},
    }
    return {
        "text": typed("text", "words ☃ \U0001f600 \u2028"),
        "url": typed("url", "https://dagster.io"),
        "path": typed("path", "/tmp/x"),
        "notebook": typed("notebook", "/tmp/x.ipynb"),
        "json object": typed("json", {"a": [1, 2.5, None, True, {"b": "c"}]}),
        "json array": typed("json", [1, "2"]),
        "json big": typed("json", {"n": 2**80, "small": 5e-324}),
        "md": typed("md", "# head\n\n*text*"),
        "float": typed("float", 2.5),
        "float whole": typed("float", 1e16),
        "float nan": typed("float", math.nan),
        "float inf": typed("float", -math.inf),
        "int": typed("int", 7),
        "int big": typed("int", 2**70),
        "bool": typed("bool", True),
        "run": typed("dagster_run", "0b0a4f5c-5f6e-4f7e-8f3f-0a1b2c3d4e5f"),
        "asset": typed("asset", "a/b"),
        "null": typed("null", None),
        "timestamp": typed("timestamp", 1700000000.5),
        "table": typed("table", {"records": [{"id": 1, "x": "y", "z": None}], "schema": [column]}),
        "table schema": typed("table_schema", {"columns": [column]}),
        "lineage": typed(
            "table_column_lineage",
            {"deps_by_column": {"c": [{"asset_key": ["a", "b"], "column_name": "x"}]}},
        ),
        "inferred text": "x",
        "inferred int": 3,
        "inferred float": 0.1,
        "inferred bool": False,
        "inferred list": [1, {"a": 2}],
        "inferred none": None,
        "inferred tuple": (1, 2),
    }


with pipes_package.open_dagster_pipes() as pipes:
    assert pipes.is_asset_step
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(pipes.log, level)("%s, said the %s", level, "process")
    pipes.log.info("%(a)s %%", {"a": "mapping"})
    pipes.log.info("100 %")
    pipes.log.log(30, "by number")
    try:
        raise KeyError("lost")
    except KeyError:
        pipes.log.exception("an exception")
    pipes.report_custom_message(
        {
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
            "retry_number": pipes.retry_number,
            "extra": pipes.get_extra("limit"),
            "extras": pipes.extras,
        }
    )
    for payload in (None, 1, 2**100, 1.5, math.inf, "t\ud800", [(), {}], {"k": {"1": [None]}}):
        pipes.report_custom_message(payload)
    pipes.report_custom_message({1: 2, None: 3, 1.5: 4, True: 5})
    pipes.log_external_stream("stdout", "line\n", {"from": "test"})
    pipes.log_external_stream("stderr", "line\n")
    pipes.report_asset_check("plain", True)
    pipes.report_asset_check("full", False, "WARN", metadata(), pipes.asset_key)
    pipes.report_asset_materialization(metadata(), "v1", pipes.asset_key)
