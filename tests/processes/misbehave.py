"""An external process that misbehaves in one chosen way. ``docs/reliability.md`` lists the ways.

Run as ``misbehave.py MODE``. Most modes write ``opened``, five good logs, the fault, five more good
logs and ``closed``, so that what a reader does behind the fault shows. In ``results-then-MODE`` a
materialization and a check stand before the fault. Standard library only, but for the
modes that write by the official library.
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
from typing import BinaryIO

# What is written in one piece, or what is done, given the file of messages.
Step = bytes | Callable[[BinaryIO], None]


def line(method: str, params: object, number: int | None = None, **envelope: object) -> bytes:
    """One message as it stands in the file, newline included."""
    message = {"__dagster_pipes_version": "0.1", "method": method, "params": params, **envelope}
    if number is not None:
        message["__ironpipe"] = ["handmade", number, 1_700_000_000_000_000 + number]
    return json.dumps(message).encode() + b"\n"


def log(message: object, number: int | None = None, **params: object) -> bytes:
    return line("log", {"message": message, "level": "INFO", **params}, number)


# Marks a result as sent by this process; Dagster makes others by itself.
SENT = {"sent": {"raw_value": True, "type": "bool"}}


def materialization(asset_key: str = "a", **params: object) -> bytes:
    return line(
        "report_asset_materialization",
        {"asset_key": asset_key, "data_version": None, "metadata": SENT, **params},
    )


def check(check_name: str = "c", **params: object) -> bytes:
    return line(
        "report_asset_check",
        {
            "asset_key": "a",
            "check_name": check_name,
            "passed": True,
            "severity": "ERROR",
            "metadata": SENT,
            **params,
        },
    )


OPENED = line("opened", {"extras": {}})
CLOSED = line("closed", {})
# A second process on the same file, from its beginning to its end.
ANOTHER = line("opened", {}, __ironpipe=["another", 1, 0]) + line(
    "closed", {}, __ironpipe=["another", 2, 0]
)
BEFORE = OPENED + b"".join(log(f"good {i}") for i in range(5))
AFTER = b"".join(log(f"good {i}") for i in range(5, 10))
NUMBERED = [
    line("opened", {"extras": {}}, 1),
    *(log(f"good {i}", number=i + 2) for i in range(10)),
    line("closed", {}, 12),
]


def pause(_: BinaryIO) -> None:
    # The fault itself: the reader sees the first half, and then nothing for a while.
    time.sleep(0.05)


def exit_badly(_: BinaryIO) -> None:
    for i in range(30):
        print(f"stderr line {i}", file=sys.stderr)
    sys.stderr.flush()
    sys.exit(3)


def kill_myself(_: BinaryIO) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def have_another_killed(file: BinaryIO) -> None:
    """A second process with the file open does not come to the end of its line."""
    child = os.fork()
    if child == 0:
        with Path(file.name).open("ab", buffering=0) as own:
            own.write(CUT)
            kill_myself(own)
    os.waitpid(child, 0)


def close_stdio(_: BinaryIO) -> None:
    for descriptor in (0, 1, 2):
        os.close(descriptor)


def leave_a_child(file: BinaryIO) -> None:
    """The child keeps stdout and stderr open until the session is over: its files are gone then."""
    if os.fork() == 0:
        deadline = time.monotonic() + 120
        while Path(file.name).exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        os._exit(0)


def write_anew(file: BinaryIO) -> None:
    """As a program does that opens the file with "w" where it should have been "a"."""
    with Path(file.name).open("wb") as another:
        another.write(BEFORE + AFTER + CLOSED)


def replace(file: BinaryIO) -> None:
    """As a program does that writes a file aside and renames it when it is whole."""
    aside = Path(f"{file.name}.new")
    aside.write_bytes(BEFORE + AFTER + CLOSED)
    aside.rename(file.name)


def truncate(file: BinaryIO) -> None:
    file.truncate(0)


def many(piece: bytes, times: int) -> Callable[[BinaryIO], None]:
    """Writes a piece many times over, without ever holding all of it."""

    def write(file: BinaryIO) -> None:
        block = piece * 1000
        for _ in range(times // 1000):
            file.write(block)

    return write


def officially(number: int, size: int) -> list[Step]:
    """Custom messages by the official library."""

    def write(_: BinaryIO) -> None:
        from dagster_pipes import open_dagster_pipes

        with open_dagster_pipes() as pipes:
            for _ in range(number):
                pipes.report_custom_message("x" * size)

    return [write]


def among_good(fault: Iterable[Step]) -> list[Step]:
    return [BEFORE, *fault, AFTER, CLOSED]


# What is printed, not logged; that it is passed on shows in what the step prints.
OUTPUT = "some output\n"

HALVES = log("in two halves")
CUT = log("cut")[:-20]

UPSIDE_DOWN = (
    b'{"params": {"level": "INFO", "message": "upside down"}, "method": "log",'
    b' "__dagster_pipes_version": "0.1"}\n'
)

HUGE = line("report_custom_message", {"payload": "x"})
HUGE_BEGIN, HUGE_END = HUGE.split(b"x")

MODES: dict[str, list[Step]] = {
    # As sent.
    "well-behaved": among_good([]),
    "half-lines": among_good([HALVES[:40], pause, HALVES[40:]]),
    "params-first": among_good([UPSIDE_DOWN]),
    "escaped-keys": among_good([log("escaped").replace(b'"method"', b'"m\\u0065thod"')]),
    "further-envelope-key": among_good([line("log", {"message": "traced"}, trace_id="4bf9")]),
    "infinite-and-huge": among_good(
        [
            line("report_custom_message", {"payload": [float("inf"), 2**70, "\ud800", "\u00e9"]}),
            log("after the numbers"),
        ]
    ),
    "last-line-without-newline": [BEFORE, AFTER, CLOSED[:-1]],
    "opened-twice": among_good([OPENED]),
    "opened-with-w": [write_anew],
    "replaced-when-whole": [replace],
    "output-after-closed": [
        BEFORE,
        AFTER,
        CLOSED,
        line("log_external_stream", {"stream": "stdout", "text": OUTPUT, "extras": {}}),
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
    "another-closes-first": among_good([ANOTHER]),
    "stdio-closed": among_good([close_stdio]),
    "child-holds-the-pipe": among_good([leave_a_child]),
    "stdout-with-output": among_good([OUTPUT.encode()]),
    # Repaired.
    "blank-line": among_good([b"\n"]),
    "crlf": among_good([log("from windows").replace(b"\n", b"\r\n")]),
    "bom": [b"\xef\xbb\xbf", *among_good([])],
    "level-trace": among_good([log("traced", level="TRACE")]),
    "level-number": among_good([log("numbered level", level="Level 25")]),
    "level-unheard-of": among_good([log("shouted", level="LOUD")]),
    "unknown-param": among_good([log("with a colour", colour="red")]),
    "severity-lower-case": among_good([check(severity="warn")]),
    "newline-forgotten": among_good([log("without its newline")[:-1]]),
    "line-repeated": [*NUMBERED[:5], NUMBERED[4], *NUMBERED[5:]],
    "stdout-with-half-a-line": among_good([b"50 % ", log("behind output")]),
    # Rejected.
    "not-json": among_good([b"loading data...\n"]),
    "not-an-object": among_good([b'["log", "hello"]\n']),
    "not-utf-8": among_good([log("bad byte").replace(b"bad", b"b\xffd")]),
    "nul-bytes": among_good([bytes(4096) + b"\n"]),
    "too-deep": among_good([b"[" * 1000 + b"]" * 1000 + b"\n"]),
    "unknown-method": among_good([line("frobnicate", {})]),
    "misspelt-method": among_good([line("ReportAssetCheck", {})]),
    "missing-param": among_good([line("log", {"level": "INFO"})]),
    "wrong-type": among_good([log(5)]),
    "wrong-metadata": among_good(
        [materialization(metadata={"rows": {"raw_value": 1, "type": "float"}})]
    ),
    "severity-unknown": among_good([check(severity="FATAL")]),
    "torn-line": among_good([HALVES[:40] + log("in its middle") + HALVES[40:]]),
    "another-is-killed": among_good([have_another_killed]),
    "cut-last-line": [BEFORE, AFTER, CLOSED, CUT],
    "stdout-with-a-cut-line": among_good([CUT + b"\n"]),
    # Missing.
    "line-removed": [*NUMBERED[:5], *NUMBERED[6:]],
    "lines-removed": [*NUMBERED[:3], *NUMBERED[5:9], *NUMBERED[10:]],
    "reader-dies": among_good([b"loading data...\n"]),
    # Whether the first half is read before it is gone is a matter of chance.
    "truncated": [b"".join(NUMBERED[:6]), truncate, *NUMBERED[6:]],
    "buffered-without-closed": [BEFORE, AFTER],
    # Refused by Dagster, not by the reader.
    "foreign-asset": among_good([materialization("elsewhere"), materialization()]),
    "foreign-check": among_good([check("unheard_of"), check()]),
    "asset-twice": among_good([materialization(), materialization(), check()]),
    "check-twice": among_good([check(), check(), materialization()]),
    # Silent.
    "no-opened": [BEFORE.removeprefix(OPENED), AFTER],
    "no-closed": [BEFORE, AFTER],
    "no-closed-but-of-another": [*NUMBERED[:5], ANOTHER, *NUMBERED[5:-1]],
    "silent": [],
    "message-after-closed": [BEFORE, AFTER, CLOSED, log("one thing more")],
    "closed-twice": [BEFORE, AFTER, CLOSED, CLOSED],
    # Failed.
    "exit-code": [BEFORE, AFTER, CLOSED, exit_badly],
    "killed-in-a-line": [BEFORE, AFTER, CUT, kill_myself],
    "buffered-and-killed": [kill_myself],
    # Big and many.
    "official-300-of-9-kb": officially(300, 9_000),
    "official-300-of-1-mb": officially(300, 1_000_000),
    "official-3-of-64-mb": officially(3, 64_000_000),
    "line-of-200-mb": among_good([HUGE_BEGIN, many(b"x" * 1000, 200_000), HUGE_END]),
    "line-over-the-limit": among_good([HUGE_BEGIN, many(b"x" * 1000, 270_000), HUGE_END]),
    "ten-million-lines": among_good([many(HUGE.replace(b" ", b""), 10_000_000)]),
    "ten-million-bad-lines": among_good([many(b"0\n", 10_000_000)]),
}


def steps_of(mode: str) -> list[Step]:
    """What a mode does, in order."""
    plain = mode.removeprefix(AFTER_RESULTS)
    if plain == mode:
        return MODES[mode]
    results = materialization(data_version="v7", metadata=ROWS) + check()
    return [BEFORE + results if step == BEFORE else step for step in MODES[plain]]


AFTER_RESULTS = "results-then-"
ROWS = {**SENT, "rows": {"raw_value": 42, "type": "int"}}


def main() -> None:
    params = json.loads(zlib.decompress(base64.b64decode(os.environ["DAGSTER_PIPES_MESSAGES"])))
    with Path(params.get("path", "/dev/stdout")).open("ab", buffering=0) as file:
        for step in steps_of(sys.argv[1]):
            if isinstance(step, bytes):
                file.write(step)
            else:
                step(file)


if __name__ == "__main__":
    main()
