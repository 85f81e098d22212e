"""An HTTP proxy before a server that breaks what it is told to."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

# What belongs to one connection and not to the message.
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}

# How long a request that hangs is held at most; who waits gives up long before.
HANG = 60.0


@dataclass(frozen=True)
class Request:
    """What a client asks for."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What a server says."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Fault:
    """What is done to a request.

    Attributes:
        answer: What is answered; None for no answer: the connection is reset.
        done: Whether the server gets the request all the same.
        hangs: Whether nothing is answered at all, and the connection stays.
        cut: Whether the true answer ends in the middle.
    """

    answer: Answer | None = None
    done: bool = False
    hangs: bool = False
    cut: bool = False


Plan = Callable[[Request], Fault | None]


class Proxy(ThreadingHTTPServer):
    """Stands before a server.

    Attributes:
        plan: What is to become of a request; None where it passes.
        broken: How many requests did not pass.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname or "", parts.port or 80)
        self._path = parts.path
        self._lock = threading.Lock()
        self.plan: Plan = lambda _: None
        self.broken = 0
        self.ending = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}{self._path}"

    def forward(self, request: Request) -> Answer:
        """Asks the server itself."""
        # One connection each: what one that is kept open does when it breaks is not the question.
        connection = HTTPConnection(*self._upstream, timeout=HANG)
        try:
            headers = {**request.headers, "Connection": "close"}
            if request.body or request.method in ("PUT", "POST"):
                headers["Content-Length"] = str(len(request.body))
            connection.request(request.method, request.path, request.body, headers)
            response = connection.getresponse()
            length = response.getheader("content-length")
            body = response.read()
            headers = {k: v for k, v in response.getheaders() if k.lower() not in HOP}
            # The answer to HEAD has a length, but no body.
            headers["Content-Length"] = length if length is not None else str(len(body))
            return Answer(response.status, headers, body)
        finally:
            connection.close()

    def fault(self, request: Request) -> Fault | None:
        with self._lock:
            fault = self.plan(request)
            self.broken += fault is not None
            return fault

    @contextmanager
    def running(self) -> Iterator[Proxy]:
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self.ending.set()
            self.shutdown()
            thread.join()
            self.server_close()

    def server_close(self) -> None:
        # Clients keep connections open that nobody waits for.
        self.socket.close()

    def handle_error(self, request: object, client_address: object) -> None:
        # Clients that are killed or give up hang up.
        pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Proxy

    def _handle(self) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
        if headers.pop("Expect", "") == "100-continue":
            self.send_response_only(100)
            self.end_headers()
            self.wfile.flush()
        request = Request(self.command, self.path, headers, self._body())
        fault = self.server.fault(request)
        if fault is None:
            return self._answer(self.server.forward(request))
        answer = self.server.forward(request) if fault.done or fault.cut else None
        if fault.hangs:
            self.server.ending.wait(HANG)
            return self._reset()
        if fault.cut and answer is not None and answer.status == 200 and answer.body:
            self.close_connection = True
            return self._answer(replace(answer, body=answer.body[: len(answer.body) // 2]))
        if fault.answer is None:
            return self._reset()
        return self._answer(fault.answer)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def _answer(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        headers = {"Content-Length": str(len(answer.body)), **answer.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _reset(self) -> None:
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        os.close(self.connection.detach())

    def log_message(self, *args: object) -> None:
        pass
