"""Checks and materializations, as they should be and as they should not.

The argument is the asset that they are about.
"""

import sys
import types

from dagster_pipes import DagsterPipesError, PipesContext, open_dagster_pipes


class Text(str):
    pass


class Dict(dict):
    pass


def attempt(what, *args, **kwargs):
    try:
        print(repr(what(*args, **kwargs)))
    except DagsterPipesError as error:
        print(type(error).__name__, error)
    except TypeError as error:
        print("TypeError", error)


KEY = sys.argv[1]
CHECKS = [
    {},
    {"passed": False, "severity": "WARN"},
    {"severity": Text("ERROR")},
    {"check_name": Text("c")},
    {"check_name": ""},
    {"check_name": None},
    {"check_name": b"c"},
    {"passed": None},
    {"passed": 1},
    {"passed": "yes"},
    {"asset_key": ""},
    {"asset_key": Text(KEY)},
    {"asset_key": "p\\/y"},
    {"asset_key": "zz"},
    {"asset_key": 3},
    {"metadata": {}},
    {"metadata": []},
    {"metadata": ""},
    {"metadata": 0},
    {"metadata": "x"},
    {"metadata": [("a", 1)]},
    {"metadata": types.MappingProxyType({"a": 1})},
    {"metadata": Dict(a=1)},
    {"metadata": {Text("a"): Text("b")}},
    {"metadata": {1: 2}},
    {"metadata": {None: 2}},
    {"metadata": {"é \n": 1, "": 2}},
    {"metadata": {"a": Dict(raw_value=1, type="int")}},
    {"metadata": {"a": {}}},
    {"metadata": {"a": {"raw_value": 1}}},
    {"metadata": {"a": {"type": "int"}}},
    {"metadata": {"a": {"raw_value": 1, "type": "int", "more": 1}}},
    {"metadata": {"a": {"raw_value": 1, "type": "__infer__"}}},
    {"metadata": {"a": object()}},
    {"metadata": {"a": [1, {"b": {2}}]}},
    {"metadata": {"a": {"raw_value": b"", "type": "json"}}},
    {"metadata": {str(n): n for n in range(1000)}},
    {"unknown": 1},
]

pipes = open_dagster_pipes()
for check in CHECKS:
    attempt(
        pipes.report_asset_check, **{"check_name": "c", "passed": True, "asset_key": KEY, **check}
    )
attempt(pipes.report_asset_check, "c")
attempt(pipes.report_asset_check, "by", True)
attempt(pipes.report_asset_check, "by", True, "WARN", {"a": 1}, KEY)

materialize = pipes.report_asset_materialization
attempt(materialize, {"a": {"raw_value": object(), "type": "json"}}, asset_key=KEY)
attempt(materialize, {"a": object()}, asset_key=KEY)
attempt(materialize, None, 1, KEY)
attempt(materialize, asset_key="zz")
# Each of these was refused, so this is the first.
attempt(materialize, {"a": 1}, Text("v"), KEY)
attempt(materialize)
attempt(materialize, asset_key=KEY, data_version="2")

for accessor in ("asset_key", "asset_keys", "partition_key", "retry_number", "extras", "job_name"):
    attempt(getattr, pipes, accessor)
attempt(pipes.get_extra, "limit")
attempt(pipes.get_extra, "nothing")
print(PipesContext.get() is pipes, PipesContext.is_initialized(), pipes.is_closed)
with pipes as same:
    print(same is pipes)
print(pipes.is_closed)
attempt(pipes.close)
attempt(materialize, asset_key="b")
attempt(pipes.report_asset_check, "c", True, asset_key=KEY)
attempt(pipes.report_custom_message, 1)
attempt(pipes.log.info, "x")
attempt(getattr, pipes, "asset_key")
