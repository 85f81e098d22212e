"""A reader of messages that come through the stdout or stderr of the process."""

import sys
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import dagster
from dagster import DagsterInvariantViolationError
from dagster._utils.error import ExceptionInfo
from dagster_pipes import PipesDefaultMessageWriter, PipesParams

import ironpipe

from .._delivery import Delivery
from .._handler import find_handler
from .._policy import OnIncomplete, check_on_incomplete
from .._types import StreamName
from .base import PipesMessageReader

if TYPE_CHECKING:
    from ironpipe._ironpipe import Batch

_BLOCK = 65536


class StdioMessageReader(PipesMessageReader, delivers=True):
    """Takes the messages of a process from its stdout or stderr, where no file can be shared.

    What else stands there is ordinary output and goes on as it came. A line that begins like a
    message and is none is a loss.

    :py:class:`PipesSubprocessClient` hands the stream over by itself. Whoever launches the process
    in another way hands it to :py:meth:`consume`.

    One reader may serve several sessions, also at the same time.

    Args:
        stream: The stream that carries the messages.
        buffered: Whether the process keeps its messages until it closes, and then writes them all
            at once, behind its other output: for a host that cuts its logs. A process that never
            closes has lost them.
        on_incomplete: What to do where messages were lost, in sessions that do not say so
            themselves. By default the environment variable ``IRONPIPE_ON_INCOMPLETE`` decides,
            else ``"fail"``.

    Raises:
        DagsterInvariantViolationError: There is no such stream.
    """

    def __init__(
        self,
        stream: StreamName = "stdout",
        *,
        buffered: bool = False,
        on_incomplete: OnIncomplete | None = None,
    ):
        if stream not in ("stdout", "stderr"):
            raise DagsterInvariantViolationError(
                f'stream must be "stdout" or "stderr"; got {stream!r}.'
            )
        self._stream: StreamName = stream
        self._buffered = buffered
        self._on_incomplete = check_on_incomplete(on_incomplete)
        self._lock = threading.Lock()
        self._sinks: list[MessageSink] = []

    @property
    def stream(self) -> StreamName:
        """The stream that carries the messages."""
        return self._stream

    @contextmanager
    def read_messages(
        self, handler: dagster.PipesMessageHandler
    ) -> Generator[PipesParams, None, None]:
        """Takes messages while the session is open.

        Args:
            handler: Takes the messages.

        Yields:
            The params that tell the external process where to write.

        Raises:
            MessagesLostError: The session is not one of ours, which would say so itself, and
                messages were lost.
        """
        key = PipesDefaultMessageWriter.STDIO_KEY
        if self._buffered:
            key = PipesDefaultMessageWriter.BUFFERED_STDIO_KEY
        with Delivery(self, handler, self.on_incomplete) as delivery:
            sink = MessageSink(self._stream, delivery, max_line=self.max_line)
            with self._lock:
                self._sinks.append(sink)
            ours = find_handler(handler)
            if ours is not None:
                ours.stream_sink = sink
            try:
                yield {key: self._stream}
            finally:
                with self._lock:
                    self._sinks.remove(sink)
                sink.end(buffered=self._buffered)

    def consume(
        self,
        stream: IO[bytes] | Iterable[bytes],
        *,
        session: dagster.PipesSession | None = None,
        forward: Callable[[bytes], object] | None = None,
    ) -> None:
        """Reads a stream of the process to its end.

        Args:
            stream: Its stdout or stderr: a pipe, or pieces of it, cut anywhere, as the API of a
                container host gives them.
            session: The session of that process. Needed only while the reader has several.
            forward: Takes the ordinary output. By default it goes where the output of this process
                goes: in a run, to the compute logs.

        Raises:
            DagsterInvariantViolationError: No session is open, or several and none was named.
        """
        sink = self._sink_of(session)
        forward = forward or sink.default_forward()
        for data in _pieces(stream):
            sink.feed(data, forward)

    def no_messages_debug_text(self) -> str:
        """What to look at where no message came."""
        return (
            f"Attempted to read messages from the {self._stream} of the external process. Was it"
            " handed over, by PipesSubprocessClient or to StdioMessageReader.consume?"
        )

    def _sink_of(self, session: dagster.PipesSession | None) -> "MessageSink":
        with self._lock:
            sinks = list(self._sinks)
        if session is not None:
            sink = getattr(session.message_handler, "stream_sink", None)
            if sink in sinks:
                return sink
        if len(sinks) != 1:
            raise DagsterInvariantViolationError(
                "StdioMessageReader.consume needs an open session"
                + (", and there are several: say which, with `session=`." if sinks else ".")
            )
        return sinks[0]


def _pieces(stream: IO[bytes] | Iterable[bytes]) -> Iterable[bytes]:
    # `read1` gives what is there; iterating over a pipe would wait for whole lines.
    read = getattr(stream, "read1", None)
    return stream if read is None else iter(lambda: read(_BLOCK), b"")


class MessageSink:
    """Where the bytes of one stream go. Any thread may feed it, one at a time.

    Args:
        stream: Which stream it is for.
        delivery: Takes the messages.
        max_line: The longest line that is read, in bytes.
    """

    def __init__(self, stream: StreamName, delivery: Delivery, *, max_line: int) -> None:
        self.stream: StreamName = stream
        self._delivery = delivery
        self._decoder = ironpipe.MessageDecoder(shared=True, max_line=max_line)
        self._lock = threading.Lock()
        self._ended = False
        self._forward: Callable[[bytes], object] | None = None

    def feed(self, data: bytes, forward: Callable[[bytes], object]) -> None:
        """Takes what comes next.

        Args:
            data: Some bytes of the stream.
            forward: Takes the ordinary output among them, whole lines. What it raises passes
                through once the messages are delivered.
        """
        with self._lock:
            if self._ended:
                # A grandchild that outlives the session: nobody counts its messages any more.
                forward(data)
                return
            self._forward = forward
            self._hand_over(self._decoder.push(data), forward)

    def finish(self) -> None:
        """Says that nothing more comes: what stands behind the last newline is handed over."""
        with self._lock:
            if not self._ended:
                self._ended = True
                self._hand_over(self._decoder.finish(), self._forward or self.default_forward())

    def end(self, *, buffered: bool) -> None:
        """Says that the session ends, and enters what was counted.

        Args:
            buffered: Whether the process kept its messages until it closed.
        """
        self.finish()
        self._delivery.finish(self._decoder.report, buffered=buffered)

    def fail(self, exc_info: ExceptionInfo) -> None:
        """Enters the death of the thread that feeds it.

        Args:
            exc_info: What it died of.
        """
        self._delivery.fail(f"{self._delivery.name} {self.stream} thread", exc_info)

    def default_forward(self) -> Callable[[bytes], object]:
        """Passes ordinary output to the same stream of this process."""

        def forward(data: bytes) -> None:
            stream = sys.stdout if self.stream == "stdout" else sys.stderr
            stream.write(data.decode(errors="replace"))
            stream.flush()

        return forward

    def _hand_over(
        self,
        batch: "Batch[Any]",
        forward: Callable[[bytes], object],
    ) -> None:
        output = bytearray()
        messages: list[Any] = []
        for item in batch:
            if isinstance(item, ironpipe.OrdinaryOutput):
                output += item.text.encode() + b"\n"
            else:
                messages.append(item)
        if messages:
            self._delivery.deliver(messages)
            self._delivery.flush()
        if output:
            forward(bytes(output))
