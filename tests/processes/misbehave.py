"""An external process that misbehaves in one chosen way. Standard library only.

Run as ``misbehave.py MODE``. Most modes write ``opened``, five good logs, the fault, five more good
logs and ``closed``, so that what a reader does behind the fault shows.
"""

import base64
import json
import os
import signal
import sys
import time
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

Step = bytes | Callable[[], None]


def line(method: str, params: object, number: int | None = None, **envelope: object) -> bytes:
    """One message as it stands in the file, newline included."""
    message = {"__dagster_pipes_version": "0.1", "method": method, "params": params, **envelope}
    if number is not None:
        message["__ironpipe"] = ["handmade", number, 1_700_000_000_000_000 + number]
    return json.dumps(message).encode() + b"\n"


def log(message: object, number: int | None = None, **params: object) -> bytes:
    return line("log", {"message": message, "level": "INFO", **params}, number)


def materialization(asset_key: str = "a", **params: object) -> bytes:
    return line(
        "report_asset_materialization",
        {"asset_key": asset_key, "data_version": None, "metadata": None, **params},
    )


def check(check_name: str = "c", **params: object) -> bytes:
    return line(
        "report_asset_check",
        {
            "asset_key": "a",
            "check_name": check_name,
            "passed": True,
            "severity": "ERROR",
            "metadata": None,
            **params,
        },
    )


OPENED = line("opened", {"extras": {}})
CLOSED = line("closed", {})
BEFORE = OPENED + b"".join(log(f"good {i}") for i in range(5))
AFTER = b"".join(log(f"good {i}") for i in range(5, 10))
NUMBERED = [
    line("opened", {"extras": {}}, 1),
    *(log(f"good {i}", number=i + 2) for i in range(10)),
    line("closed", {}, 12),
]


def pause() -> None:
    # The fault itself: the reader sees the first half, and then nothing for a while.
    time.sleep(0.05)


def exit_badly() -> None:
    for i in range(30):
        print(f"stderr line {i}", file=sys.stderr)
    sys.stderr.flush()
    sys.exit(3)


def kill_myself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def among_good(fault: Iterable[Step]) -> list[Step]:
    return [BEFORE, *fault, AFTER, CLOSED]


HALVES = log("in two halves")
CUT = log("cut")[:-20]

UPSIDE_DOWN = (
    b'{"params": {"level": "INFO", "message": "upside down"}, "method": "log",'
    b' "__dagster_pipes_version": "0.1"}\n'
)

MODES: dict[str, list[Step]] = {
    "well-behaved": among_good([]),
    "half-lines": among_good([HALVES[:40], pause, HALVES[40:]]),
    "blank-line": among_good([b"\n"]),
    "not-json": among_good([b"loading data...\n"]),
    "not-an-object": among_good([b'["log", "hello"]\n']),
    "unknown-method": among_good([line("frobnicate", {})]),
    "misspelt-method": among_good([line("ReportAssetCheck", {})]),
    "level-trace": among_good([log("traced", level="TRACE")]),
    "level-number": among_good([log("numbered level", level="Level 25")]),
    "not-utf-8": among_good([log("bad byte").replace(b"bad", b"b\xffd")]),
    "crlf": among_good([log("from windows").replace(b"\n", b"\r\n")]),
    "bom": [b"\xef\xbb\xbf", *among_good([])],
    "unknown-param": among_good([log("with a colour", colour="red")]),
    "severity-lower-case": among_good([check(severity="warn")]),
    "severity-unknown": among_good([check(severity="FATAL")]),
    "missing-param": among_good([line("log", {"level": "INFO"})]),
    "wrong-type": among_good([log(5)]),
    "wrong-metadata": among_good(
        [materialization(metadata={"rows": {"raw_value": 1, "type": "float"}})]
    ),
    "infinite-and-huge": among_good(
        [
            line("report_custom_message", {"payload": [float("inf"), 2**70, "\ud800", "\u00e9"]}),
            log("after the numbers"),
        ]
    ),
    "params-first": among_good([UPSIDE_DOWN]),
    "cut-last-line": [BEFORE, AFTER, CLOSED, CUT],
    "last-line-without-newline": [BEFORE, AFTER, CLOSED[:-1]],
    "no-opened": [BEFORE.removeprefix(OPENED), AFTER],
    "no-closed": [BEFORE, AFTER],
    "silent": [],
    "output-after-closed": [
        BEFORE,
        AFTER,
        CLOSED,
        line("log_external_stream", {"stream": "stdout", "text": "late output\n", "extras": {}}),
    ],
    "closed-with-exception": [
        BEFORE,
        AFTER,
        line(
            "closed",
            {
                "exception": {
                    "message": "ValueError: gave up\n",
                    "stack": [],
                    "name": "ValueError",
                    "cause": None,
                    "context": None,
                }
            },
        ),
    ],
    "exit-code": [BEFORE, AFTER, CLOSED, exit_badly],
    "killed-in-a-line": [BEFORE, AFTER, CUT, kill_myself],
    "line-removed": [*NUMBERED[:5], *NUMBERED[6:]],
    "lines-removed": [*NUMBERED[:3], *NUMBERED[5:9], *NUMBERED[10:]],
    "line-repeated": [*NUMBERED[:5], NUMBERED[4], *NUMBERED[5:]],
    "foreign-asset": among_good([materialization("elsewhere"), materialization()]),
    "foreign-check": among_good([check("unheard_of"), check()]),
    "results-then-not-json": among_good(
        [
            materialization(data_version="v7", metadata={"rows": {"raw_value": 42, "type": "int"}}),
            check(),
            b"oops\n",
        ]
    ),
    "results-then-exit-code": among_good([materialization(data_version="v7"), exit_badly]),
}


def offset_of(mode: str, part: bytes) -> int:
    """Where a part begins in what a mode writes, in bytes."""
    return b"".join(step for step in MODES[mode] if isinstance(step, bytes)).index(part)


def main() -> None:
    params = json.loads(zlib.decompress(base64.b64decode(os.environ["DAGSTER_PIPES_MESSAGES"])))
    with Path(params["path"]).open("ab", buffering=0) as file:
        for step in MODES[sys.argv[1]]:
            if isinstance(step, bytes):
                file.write(step)
            else:
                step()


if __name__ == "__main__":
    main()
