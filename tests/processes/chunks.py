"""An external process that writes chunks as an object store would hold them: ``chunks.py MODE``.

Standard library only. ``MODE`` is a number of chunks with ten logs each, or a way to misbehave.
"""

import base64
import json
import os
import sys
import zlib
from pathlib import Path


def line(method: str, params: object) -> str:
    return json.dumps({"__dagster_pipes_version": "0.1", "method": method, "params": params})


def log(text: str) -> str:
    return line("log", {"message": text, "level": "INFO"})


def numbered(number: int, method: str, params: object) -> str:
    message = json.loads(line(method, params))
    return json.dumps({**message, "__ironpipe": ["handmade", number, 1_700_000_000_000_000]})


OPENED, CLOSED = line("opened", {"extras": {}}), line("closed", {})


def chunks(mode: str) -> list[list[str]]:
    if mode.isdigit():
        logs = [[log(f"log {10 * n + i}") for i in range(10)] for n in range(int(mode))]
        return [[OPENED], *logs, [CLOSED]]
    first, second = [OPENED, log("log 0")], [log("log 1"), CLOSED]
    return {
        "bad-line": [[*first, '{"method": "lo'], second],
        "never-closes": [first, [log("log 1")]],
        "after-closed": [first, second, [log("log 2")]],
        "a-chunk-lacks": [
            [numbered(1, "opened", {"extras": {}})],
            [numbered(4, "log", {"message": "log 0", "level": "INFO"})],
            [numbered(5, "closed", {})],
        ],
        "silent": [],
    }[mode]


if __name__ == "__main__":
    value = os.environ["DAGSTER_PIPES_MESSAGES"]
    directory = Path(json.loads(zlib.decompress(base64.b64decode(value)))["path"])
    for index, lines in enumerate(chunks(sys.argv[1]), start=1):
        # A chunk appears whole, and ends without a newline.
        new = directory / f"{index}.new"
        new.write_text("\n".join(lines))
        new.replace(directory / f"{index}.json")
