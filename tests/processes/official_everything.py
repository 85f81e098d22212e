"""An external process on the official library: every method, every metadata type, odd values."""

import sys

from dagster_pipes import open_dagster_pipes

METADATA = {
    "text": {"raw_value": "word – ünï ☃", "type": "text"},
    "url": {"raw_value": "https://example.com/a?b=c", "type": "url"},
    "path": {"raw_value": "/tmp/x", "type": "path"},
    "notebook": {"raw_value": "/tmp/x.ipynb", "type": "notebook"},
    "json_object": {"raw_value": {"a": [1, None, {"b": 2.5}]}, "type": "json"},
    "json_list": {"raw_value": [1, 2], "type": "json"},
    "md": {"raw_value": "# *title*", "type": "md"},
    "float": {"raw_value": 1.0, "type": "float"},
    "float_null": {"raw_value": None, "type": "float"},
    "int": {"raw_value": 7, "type": "int"},
    "bool": {"raw_value": True, "type": "bool"},
    "dagster_run": {"raw_value": "3a3d0d4e-9d2b-4a7e-8c27-6f0b0f3f1c11", "type": "dagster_run"},
    "asset": {"raw_value": "some/key", "type": "asset"},
    "null": {"raw_value": None, "type": "null"},
    "table": {
        "raw_value": {
            "records": [{"x": 1, "y": "one"}, {"x": 2, "y": "two"}],
            "schema": [{"name": "x", "type": "int"}, {"name": "y", "type": "string"}],
        },
        "type": "table",
    },
    "table_schema": {
        "raw_value": {
            "columns": [
                {
                    "name": "x",
                    "type": "int",
                    "description": "a number",
                    "tags": {"k": "v"},
                    "constraints": {"nullable": False, "unique": True, "other": ["> 0"]},
                }
            ]
        },
        "type": "table_schema",
    },
    "table_column_lineage": {
        "raw_value": {
            "deps_by_column": {"c": [{"asset_key": ["up", "stream"], "column_name": "x"}]}
        },
        "type": "table_column_lineage",
    },
    "timestamp": {"raw_value": 1_700_000_000.25, "type": "timestamp"},
    "inferred_int": 3,
    "inferred_float": 2.5,
    "inferred_text": "plain",
    "inferred_bool": False,
    "inferred_list": [1, "two", None],
}

PAYLOADS = [
    {"nested": {"list": [1, 2.5, None, True, {"deep": "ü"}]}},
    "text",
    12345678901234567890123,
    float("inf"),
    None,
    [],
    "lone \ud800 surrogate",
    "line\nbreak\u2028and\0nul",
]

if __name__ == "__main__":
    with open_dagster_pipes() as pipes:
        for level in ("debug", "info", "warning", "error", "critical"):
            getattr(pipes.log, level)(f'a message at {level}: ünï ☃ "quoted" \\ \t end')
        for payload in PAYLOADS:
            pipes.report_custom_message(payload)
        pipes.report_asset_materialization(metadata=METADATA, data_version="v1")
        pipes.report_asset_check(
            "c", passed=False, severity="WARN", metadata={"rows": 3, "why": "too few"}
        )
        if "--fail" in sys.argv:
            try:
                raise KeyError("the cause")
            except KeyError as error:
                raise ValueError("the process gave up") from error
