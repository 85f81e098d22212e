"""Says everything a log can hold, between reports of all kinds, in lines of the official form."""

import json
import os
import sys

from dagster_pipes import PipesEnvVarParamsLoader

TEXTS = [
    "plain",
    "",
    " ",
    'quotes " and \\ backslashes',
    "two\nlines\r\nand a\ttab",
    "per cent %s %(message)s {} {0}",
    "é ü 漢字 \U0001f600 \u2028 \x7f \x1b[31m",
    "a zero \x00 byte",
    "a lone \ud800 surrogate",
    "long " * 700,
]
LEVELS = ["debug", "INFO", "Warning", "WARN", "ERROR", "critical", "FATAL"]


def main(count: int) -> None:
    path = PipesEnvVarParamsLoader().load_messages_params()["path"]
    file = os.open(path, os.O_WRONLY | os.O_APPEND)

    def send(method: str, **params: object) -> None:
        message = {"__dagster_pipes_version": "0.1", "method": method, "params": params}
        os.write(file, json.dumps(message).encode() + b"\n")

    def log(text: str, level: str = "INFO") -> None:
        send("log", message=text, level=level)

    send("opened", extras={})
    for level in LEVELS:
        for text in TEXTS:
            log(text, level)
    send("log", message="without a level")
    metadata = {"rows": {"raw_value": 3, "type": "int"}}
    send("report_asset_materialization", asset_key="a", data_version="1", metadata=metadata)
    for n in range(count):
        log(f"row {n}")
    check = {"asset_key": "a", "check_name": "c", "passed": True, "severity": "WARN"}
    send("report_asset_check", **check, metadata={})
    log("before the output")
    send("log_external_stream", stream="stderr", text="output of the process\n", extras={})
    log("behind the output")
    exception = {
        "message": "it burned",
        "name": "Fire",
        "stack": [],
        "cause": None,
        "context": None,
    }
    send("closed", exception=exception)


if __name__ == "__main__":
    main(int(sys.argv[1]))
