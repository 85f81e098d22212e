"""Log writers: what a process prints, brought elsewhere. The names are those of ``dagster_pipes``.

A stream is captured at its descriptor, so that what children and C code print is caught as well,
and goes on to where it went before. Nothing is waited for at the end: all that was printed has been
handed on when the capture is over, also where a child goes on holding the stream.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from abc import ABC, abstractmethod
from codecs import getincrementaldecoder
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import Queue
from traceback import format_exception
from types import GenericAlias

from ironpipe import _ironpipe
from ironpipe._channels import engine_channel
from ironpipe._checks import env_param
from ironpipe._protocol import make_message
from ironpipe._stdio import captured, ending, flush_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager
    from io import TextIOWrapper
    from threading import Event
    from typing import Any, Generic, Literal, TypeVar

    from ironpipe._channels import PipesMessageWriterChannel
    from ironpipe._types import PipesExtras, PipesLogWriterOpenedData, PipesParams

    T_LogChannel = TypeVar("T_LogChannel", covariant=True)

    class _GenericWriter(ABC, Generic[T_LogChannel]): ...
else:

    class _GenericWriter(ABC):  # noqa: B024
        __class_getitem__ = classmethod(GenericAlias)


__all__ = [
    "ExcThread",
    "PipesDefaultLogWriter",
    "PipesDefaultLogWriterChannel",
    "PipesLogWriter",
    "PipesLogWriterChannel",
    "PipesStdioFileLogWriter",
    "PipesStdioFileLogWriterChannel",
    "PipesStdioLogWriter",
    "PipesStdioLogWriterChannel",
]

# The longest piece that is handed on at once, in bytes.
BLOCK = 1 << 20


class PipesLogWriterChannel(ABC):
    """Where captured logs go."""

    @abstractmethod
    def capture(self) -> AbstractContextManager[None]:
        """Return a context manager within which logs are captured."""


class PipesLogWriter(_GenericWriter["T_LogChannel"]):
    """Captures logs while a session is open."""

    LOG_WRITER_KEY = "log_writer"

    @abstractmethod
    def open(self, params: PipesParams) -> AbstractContextManager[Any]:
        """Return a context manager within which logs are captured.

        Args:
            params: What the orchestration process passed under :attr:`LOG_WRITER_KEY`.
        """

    def get_opened_payload(self) -> PipesLogWriterOpenedData:
        """Return what to tell of this writer. Override :meth:`get_opened_extras` instead."""
        return {"extras": self.get_opened_extras()}

    def get_opened_extras(self) -> PipesExtras:
        """Return what the orchestration process should know that was not known before this ran."""
        return {}


class ExcThread(threading.Thread):
    """A thread whose exception is kept, and written to stderr when it is joined."""

    exceptions: Queue[BaseException]

    def start(self) -> None:
        """Start the thread."""
        self.exceptions = Queue()
        super().start()

    def run(self, *args: Any, **kwargs: Any) -> None:
        """Do the work of the thread and keep what it raises."""
        try:
            super().run(*args, **kwargs)
        except Exception as error:
            self.exceptions.put(error)

    def join(self, *args: Any, **kwargs: Any) -> None:
        """Wait for the thread as ``threading.Thread.join`` does, and write what it has raised."""
        super().join(*args, **kwargs)
        while not self.exceptions.empty():
            _complain("".join(format_exception(self.exceptions.get())))


class PipesStdioLogWriter(PipesLogWriter["T_LogChannel"]):
    """Captures stdout and stderr of this process and its children, a channel for each."""

    @abstractmethod
    def make_channel(
        self, params: PipesParams, stream: Literal["stdout", "stderr"]
    ) -> PipesLogWriterChannel:
        """Return the channel for a stream.

        Args:
            params: What the orchestration process passed.
            stream: The stream.
        """

    @contextmanager
    def open(self, params: PipesParams) -> Generator[None]:
        """Capture both streams until the end of the block.

        Args:
            params: What the orchestration process passed.

        Raises:
            OSError: The streams can't be captured.
        """
        with ExitStack() as stack:
            stdout = self.make_channel(params, stream="stdout")
            stderr = self.make_channel(params, stream="stderr")
            stack.enter_context(stdout.capture())
            stack.enter_context(stderr.capture())
            yield


class PipesStdioLogWriterChannel(PipesLogWriterChannel):
    """Captures a stream of this process and its children, and hands on what they write.

    Override :meth:`write_chunk`. What it raises does not end the capture: the pieces that follow
    are handed on, and the first error is raised when the capture is over.

    Args:
        stream: ``"stdout"`` or ``"stderr"``.
        interval: How often text is handed on, in seconds.
        name: What errors call this channel.
    """

    #: Kept for the code that sets it; nothing is waited for.
    WAIT_FOR_TEE_SECONDS: float = 1.0

    def __init__(self, stream: Literal["stdout", "stderr"], interval: float, name: str):
        self.stream: Literal["stdout", "stderr"] = stream
        self.interval = interval
        self._name = name
        self._error: Exception | None = None
        self.error_messages: Queue[str] = Queue()

    @property
    def name(self) -> str:
        """What errors call this channel."""
        return self._name

    @property
    def stdio(self) -> TextIOWrapper:
        """The stream as Python first had it, whatever has been put in its place since."""
        if self.stream not in ("stdout", "stderr"):
            raise ValueError(f"stream must be 'stdout' or 'stderr', got {self.stream}")
        stdio: Any = sys.__stdout__ if self.stream == "stdout" else sys.__stderr__
        return stdio

    @contextmanager
    def capture(self) -> Generator[None]:
        """Capture the stream until the end of the block.

        In a session it is over before the last message is sent, so that the text comes first.

        Raises:
            OSError: The stream can't be captured, or what was captured could not be kept.
            Exception: What :meth:`write_chunk` raised first.
        """
        with _place() as place:
            flush_all()
            native = _ironpipe.StdioCapture(self.stream, place)
            process = os.getpid()
            started, should_stop = threading.Event(), threading.Event()
            thread = ExcThread(
                target=self.handler,
                args=(place, started, should_stop),
                daemon=True,
                name=self.name,
            )

            def stop() -> None:
                flush_all()
                try:
                    native.finish()
                finally:
                    # A forked child has no such thread, and its parent's text is not its own.
                    if os.getpid() == process:
                        should_stop.set()
                        thread.join()

            try:
                with ending(stop):
                    thread.start()
                    yield
            finally:
                while not self.error_messages.empty():
                    _complain(self.error_messages.get() + "\n")
        error, self._error = self._error, None
        if error is not None:
            raise error

    def handler(self, path: str, capturing_started: Event, capturing_should_stop: Event) -> None:
        """Hand on what is written to a file, until it is told to stop and has reached the end.

        Args:
            path: The file, in UTF-8.
            capturing_started: Set once this has begun.
            capturing_should_stop: Set once nothing more is written to the file.
        """
        # A character may be there only in part yet.
        decoder = getincrementaldecoder("utf-8")("replace")
        with Path(path).open("rb") as kept:
            capturing_started.set()
            stopped = False
            while not stopped:
                stopped = capturing_should_stop.wait(self.interval)
                while block := kept.read(BLOCK):
                    self._hand_on(decoder.decode(block))
            self._hand_on(decoder.decode(b"", True))

    def _hand_on(self, chunk: str) -> None:
        try:
            if chunk:
                self.write_chunk(chunk)
        except Exception as error:
            self._error = self._error or error
            self.error_messages.put(f"Exception in thread {self.name}:\n{error}")

    @abstractmethod
    def write_chunk(self, chunk: str) -> None:
        """Hand on a piece of text. Called from a thread of its own.

        Args:
            chunk: The text, as it was written.
        """


class PipesDefaultLogWriterChannel(PipesStdioLogWriterChannel):
    """Sends what a stream is written as messages.

    Args:
        message_channel: Where the messages go.
        stream: ``"stdout"`` or ``"stderr"``.
        name: What errors call this channel.
        interval: How often text is sent, in seconds.
    """

    def __init__(
        self,
        message_channel: PipesMessageWriterChannel,
        stream: Literal["stdout", "stderr"],
        name: str,
        interval: float,
    ):
        self.message_channel = message_channel
        super().__init__(stream=stream, interval=interval, name=name)

    def write_chunk(self, chunk: str) -> None:
        """Send a piece of text as a message ``log_external_stream``."""
        params: dict[str, Any] = {"stream": self.stream, "text": chunk, "extras": {}}
        self.message_channel.write_message(make_message("log_external_stream", params))


class PipesDefaultLogWriter(PipesStdioLogWriter[PipesDefaultLogWriterChannel]):
    """Sends what is written to stdout and stderr as messages.

    Through a channel of ironpipe's own to a file or a store text is sent at once, and before any
    message that is reported after it.

    Args:
        message_channel: Where the messages go.
        interval: How often text is sent, in seconds.
    """

    def __init__(self, message_channel: PipesMessageWriterChannel, interval: float = 1):
        self.interval = interval
        self._message_channel = message_channel

    @property
    def message_channel(self) -> PipesMessageWriterChannel:
        """Where the messages go."""
        return self._message_channel

    @contextmanager
    def open(self, params: PipesParams) -> Generator[None]:
        """Capture both streams until the end of the block.

        Args:
            params: What the orchestration process passed; nothing of it is needed.

        Raises:
            OSError: The streams can't be captured.
        """
        channel = self.message_channel
        native = engine_channel(channel)
        if type(self) is PipesDefaultLogWriter and native is not channel:
            opened = captured(native)
        else:
            opened = super().open(params)
        with opened:
            yield

    def make_channel(
        self,
        params: PipesParams,  # noqa: ARG002 - the official signature
        stream: Literal["stdout", "stderr"],
    ) -> PipesDefaultLogWriterChannel:
        """Return the channel for a stream."""
        return PipesDefaultLogWriterChannel(
            message_channel=self.message_channel,
            stream=stream,
            name=f"PipesDefaultLogWriterChannel({stream})",
            interval=self.interval,
        )


class PipesStdioFileLogWriterChannel(PipesStdioLogWriterChannel):
    """Appends what a stream is written to a file.

    Args:
        output_path: The file; made if it is not there.
        stream: ``"stdout"`` or ``"stderr"``.
        name: What errors call this channel.
        interval: How often text is written, in seconds.
    """

    def __init__(
        self, output_path: str, stream: Literal["stdout", "stderr"], name: str, interval: float
    ):
        self.output_path = output_path
        super().__init__(stream=stream, interval=interval, name=name)

    def write_chunk(self, chunk: str) -> None:
        """Append a piece of text."""
        with Path(self.output_path).open("a", encoding="utf-8", newline="") as file:
            file.write(chunk)


class PipesStdioFileLogWriter(PipesStdioLogWriter[PipesStdioFileLogWriterChannel]):
    """Writes stdout and stderr to files of these names in a directory, the param ``logs_dir``.

    Args:
        interval: How often text is written, in seconds.
    """

    LOGS_DIR_KEY = "logs_dir"

    def __init__(self, interval: float = 1.0):
        self.interval = interval

    def make_channel(
        self, params: PipesParams, stream: Literal["stdout", "stderr"]
    ) -> PipesStdioFileLogWriterChannel:
        """Return the channel for a stream; makes the directory.

        Raises:
            DagsterPipesError: There is no ``logs_dir`` among the params.
            OSError: The directory can't be made.
        """
        logs_dir = Path(env_param(params, self.LOGS_DIR_KEY, str, self))
        logs_dir.mkdir(parents=True, exist_ok=True)
        output_path = str(logs_dir / stream)
        return PipesStdioFileLogWriterChannel(
            output_path=output_path,
            stream=stream,
            name=f"PipesStdioFileLogWriterChannel({stream}->{output_path})",
            interval=self.interval,
        )


@contextmanager
def _place() -> Generator[str]:
    """Give the path of an empty file, which goes with this process and with no forked child."""
    process = os.getpid()
    descriptor, path = tempfile.mkstemp(prefix="ironpipe-")
    os.close(descriptor)
    try:
        yield path
    finally:
        if os.getpid() == process:
            Path(path).unlink()


def _complain(text: str) -> None:
    """Write to stderr, which may be closed, or not there at all."""
    try:
        sys.stderr.write(text)
    except (AttributeError, OSError, ValueError):
        pass
