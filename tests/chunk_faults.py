"""What goes wrong between writers and readers of chunks, by the ids of ``docs/reliability.md``."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from processes.misbehave import AFTER, BEFORE, CLOSED, NUMBERED, log
from proxy import Answer, Fault, Plan, Request

# What must show nowhere. Stores do put such things into what they answer.
KEY_ID = "AKIAOFTHETESTS"
SECRET = "SecretOfTheTests"
TOKEN = "TokenOfTheTests"
SECRETS = {
    "AWS_ACCESS_KEY_ID": KEY_ID,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_SESSION_TOKEN": TOKEN,
}

# The least that a request is given, in the rows where one is never answered.
QUICKLY = {"timeout": "1s"}


def refused(status: int, code: str, message: str) -> Fault:
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code>'
        f"<Message>{message}</Message><AWSAccessKeyId>{KEY_ID}</AWSAccessKeyId>"
        f"<StringToSign>AWS4-HMAC-SHA256 {SECRET}</StringToSign><Token-0>{TOKEN}</Token-0>"
        "<RequestId>4442587FB7D0A2F9</RequestId></Error>"
    )
    return Fault(Answer(status, {"Content-Type": "application/xml"}, body.encode()))


INTERNAL = refused(500, "InternalError", "We encountered an internal error. Please try again.")
SLOW_DOWN = refused(503, "SlowDown", "Please reduce your request rate.")
CONFLICT = refused(409, "ConditionalRequestConflict", "A conflicting operation is under way.")
EXPIRED = refused(400, "ExpiredToken", "The provided token has expired.")
DENIED = refused(403, "AccessDenied", "Access Denied")
SKEWED = refused(
    403,
    "RequestTimeTooSkewed",
    "The difference between the request time and the current time is too large.",
)
NO_BUCKET = refused(404, "NoSuchBucket", "The specified bucket does not exist")
GATEWAY = Fault(
    Answer(
        502,
        {"Content-Type": "text/html"},
        b"<html><h1>502 Bad Gateway</h1>" + b"<p>somewhere on the way</p>" * 10_000 + b"</html>",
    )
)
RESET = Fault()
HANGS = Fault(hangs=True)
CUT = Fault(cut=True)
ANSWER_LOST = Fault(done=True)
ANSWER_WRONG = Fault(INTERNAL.answer, done=True)


def uploads(fault: Fault, times: int = 10**9) -> Plan:
    """Breaks uploads from that of the log "good 5" on."""
    left, begun = times, False

    def plan(request: Request) -> Fault | None:
        nonlocal left, begun
        begun = begun or b"good 5" in request.body
        if request.method != "PUT" or not begun or not left:
            return None
        left -= 1
        return fault

    return plan


def downloads(fault: Fault, times: int = 10**9) -> Plan:
    """Breaks downloads behind the first chunk."""
    left = times

    def plan(request: Request) -> Fault | None:
        nonlocal left
        if request.method != "GET" or request.path.endswith("/1.json") or not left:
            return None
        left -= 1
        return fault

    return plan


def everything(fault: Fault) -> Plan:
    return lambda _: fault


def at_random(seed: int) -> Plan:
    """Breaks three requests in ten."""
    numbers = random.Random(seed)
    faults = (INTERNAL, SLOW_DOWN, RESET, ANSWER_LOST, CUT)

    def plan(_: Request) -> Fault | None:
        return numbers.choice(faults) if numbers.random() < 0.3 else None

    return plan


def nothing(_: Request) -> None:
    return None


@dataclass(frozen=True)
class Case:
    """One fault.

    Attributes:
        argv: What ``processes/chunked.py`` does.
        chunks: What it puts, where it is to put chunks.
        before: What it does in a session before this one, with the same prefix.
        plan: Makes what the proxy does.
        options: What the store is opened with, on both sides.
        reader: Attributes of the reader.
    """

    argv: Sequence[str] = ("write",)
    chunks: Sequence[bytes] = ()
    before: Sequence[str] = ()
    plan: Callable[[], Plan] = lambda: nothing
    options: dict[str, str] = field(default_factory=dict)
    reader: dict[str, Any] = field(default_factory=dict)


def chunk(*lines: bytes) -> bytes:
    """Lines as they stand in a chunk: without a newline at its end."""
    return b"".join(lines).removesuffix(b"\n")


FIRST, LAST = chunk(BEFORE), chunk(AFTER, CLOSED)
NUMBERED_CHUNKS = [chunk(*NUMBERED[i : i + 3]) for i in range(0, 12, 3)]


def up(fault: Fault, times: int = 10**9, way: str = "write", **options: Any) -> Case:
    return Case((way,), plan=lambda: uploads(fault, times), **options)


def down(fault: Fault, times: int = 10**9, **options: Any) -> Case:
    return put(FIRST, LAST, plan=lambda: downloads(fault, times), **options)


def put(*chunks: bytes, order: Sequence[str] | None = None, **options: Any) -> Case:
    order = order or [str(index) for index in range(1, len(chunks) + 1)]
    return Case(("put", *order), chunks, **options)


CASES = {
    # Uploads.
    "upload-500": up(INTERNAL, 2),
    "upload-502-by-a-gateway": up(GATEWAY, 2),
    "upload-slow-down": up(SLOW_DOWN, 1),
    "upload-reset": up(RESET, 2),
    "upload-hangs": up(HANGS, 1, options=QUICKLY),
    "upload-answer-lost": up(ANSWER_LOST, 2),
    "upload-answer-wrong": up(ANSWER_WRONG, 2),
    "upload-conflict": up(CONFLICT, 2),
    "upload-expired-then-renewed": up(EXPIRED, 1),
    "upload-clock-skew-then-mended": up(SKEWED, 1),
    "upload-500-for-ever": up(INTERNAL, way="write_hastily"),
    "upload-502-for-ever": up(GATEWAY, way="write_hastily"),
    "upload-hangs-for-ever": up(HANGS, way="write_hastily", options=QUICKLY),
    "upload-expired": up(EXPIRED, way="write_hastily"),
    "upload-denied": up(DENIED, way="write_hastily"),
    "upload-clock-skew": up(SKEWED, way="write_hastily"),
    "upload-bucket-gone": up(NO_BUCKET, way="write_hastily"),
    "writer-killed": up(HANGS, way="write_and_be_killed"),
    # Downloads.
    "download-500": down(INTERNAL, 2),
    "download-502-by-a-gateway": down(GATEWAY, 2),
    "download-slow-down": down(SLOW_DOWN, 1),
    "download-reset": down(RESET, 2),
    "download-hangs": down(HANGS, 1, options=QUICKLY),
    "download-cut": down(CUT, 2),
    "download-expired-then-renewed": down(EXPIRED, 1),
    "download-500-for-ever": down(INTERNAL),
    "download-502-for-ever": down(GATEWAY),
    "download-reset-for-ever": down(RESET),
    "download-hangs-for-ever": down(HANGS, options=QUICKLY),
    "download-cut-for-ever": down(CUT),
    "download-expired": down(EXPIRED),
    "download-denied": down(DENIED),
    "download-clock-skew": down(SKEWED),
    "download-bucket-gone": down(NO_BUCKET),
    # Both.
    "no-bucket": Case(("write_blindly",), plan=lambda: everything(NO_BUCKET)),
    "no-permission": Case(("write_blindly",), plan=lambda: everything(DENIED)),
    # What lies there.
    "chunk-not-utf-8": put(FIRST, chunk(log("x").replace(b'"x"', b'"\xff"')), LAST),
    "chunk-with-a-bad-line": put(FIRST, chunk(log("a"), b'{"method": "lo\n', log("b")), LAST),
    "chunk-that-is-cut": put(FIRST, chunk(log("a"), log("b")[:-20]), LAST),
    "chunk-over-the-limit": put(
        FIRST, chunk(log("x" * 20_000)), LAST, reader={"max_chunk": 10_000}
    ),
    "chunk-that-is-empty": put(FIRST, b"", LAST),
    "chunk-with-a-newline-at-its-end": put(FIRST + b"\n", LAST + b"\n"),
    "chunk-with-crlf": put(FIRST, chunk(log("a").replace(b"\n", b"\r\n"), log("b")), LAST),
    "chunk-missing": put(*NUMBERED_CHUNKS, order="134"),
    "chunk-missing-unnumbered": put(FIRST, chunk(log("a")), LAST, order="13"),
    "last-chunk-missing": put(*NUMBERED_CHUNKS, order="123"),
    "chunk-twice": put(*NUMBERED_CHUNKS, order=("1", "2", "3=2", "4=3", "5=4")),
    "chunks-out-of-order": put(*NUMBERED_CHUNKS, order="4321"),
    # Who writes, and who reads.
    "two-writers": Case(("write_in_two",)),
    "reader-restarted": put(FIRST, LAST, order="2", before=("put", "1")),
}
