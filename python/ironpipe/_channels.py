"""Channels that messages leave the external process by. The names are those of ``dagster_pipes``.

A channel of this module numbers what it writes, so that a reader of ironpipe can say which
messages are missing. A channel of a user's own is handed the message as ``dagster_pipes`` would
hand it, and may do with it what it likes.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from types import GenericAlias

from ironpipe import _ironpipe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import Any, Generic, TextIO, TypeVar

    from ironpipe._types import PipesExtras, PipesMessage, PipesOpenedData, PipesParams

    T_MessageChannel = TypeVar("T_MessageChannel", covariant=True)

    class _GenericWriter(ABC, Generic[T_MessageChannel]): ...
else:
    # typing is not worth its 8 ms for a base class that only type checkers read.
    class _GenericWriter(ABC):  # noqa: B024
        __class_getitem__ = classmethod(GenericAlias)


__all__ = [
    "PipesBufferedStreamMessageWriterChannel",
    "PipesFileMessageWriterChannel",
    "PipesMessageWriter",
    "PipesMessageWriterChannel",
    "PipesStreamMessageWriterChannel",
]


# What ends the captures of output that are under way.
captures: list[Callable[[], None]] = []


class PipesMessageWriter(_GenericWriter["T_MessageChannel"]):
    """Opens the channel that the messages of a session go through."""

    @abstractmethod
    def open(self, params: PipesParams) -> AbstractContextManager[T_MessageChannel]:
        """Return a context manager whose value is the channel.

        It is entered when the session opens and left when it closes, after the last message.

        Args:
            params: What the message reader of the orchestration process passed.
        """

    def get_opened_payload(self) -> PipesOpenedData:
        """Return the params of the first message. Override :meth:`get_opened_extras` instead."""
        return {"extras": self.get_opened_extras()}

    def get_opened_extras(self) -> PipesExtras:
        """Return what the orchestration process should know that was not known before this ran."""
        return {}


class PipesMessageWriterChannel(ABC):
    """Where messages are written."""

    @abstractmethod
    def write_message(self, message: PipesMessage) -> None:
        """Write one message.

        Args:
            message: The envelope: ``__dagster_pipes_version``, ``method`` and ``params``.
        """


class PipesFileMessageWriterChannel(PipesMessageWriterChannel):
    """Appends messages to a file, each with one write that no other process can tear.

    Several channels, in several processes, may write to one file at the same time (of a local file
    system). What is written survives the death of the process from the moment the call returns.

    Args:
        path: The file; made if it is not there.

    Raises:
        OSError: It can't be opened.
    """

    def __init__(self, path: str):
        self.native = _ironpipe.Channel(path)

    def write_message(self, message: PipesMessage) -> None:
        """Append one message.

        Args:
            message: The envelope.

        Raises:
            NotJsonError: JSON has no text for a value; the error names its place.
            DagsterPipesError: Dagster would refuse the message.
            OSError: It can't be written.
        """
        self.native.write_message(message)

    # What the engine does in its place; not that of a subclass with a way of its own.
    _engine_writes = write_message

    def close(self) -> None:
        """Close the file. Nothing can be written after that."""
        self.native.close()


class PipesStreamMessageWriterChannel(PipesMessageWriterChannel):
    """Writes messages to a text stream, which is flushed after each.

    The text is ASCII, so that the encoding of the stream does not matter.

    Args:
        stream: For example ``sys.stdout``.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._lines = _ironpipe.LineWriter()

    def write_message(self, message: PipesMessage) -> None:
        """Write one message; raises as :meth:`PipesFileMessageWriterChannel.write_message`."""
        # One call, so that what other threads print does not land within the line.
        self._stream.write(self._lines.line(message))
        self._stream.flush()


class PipesBufferedStreamMessageWriterChannel(PipesMessageWriterChannel):
    """Keeps messages and writes them to a text stream when it is flushed, at close.

    For a process whose output is only kept from its end. Messages are checked when they are
    given, not when they are written.

    Args:
        stream: For example ``sys.stdout``.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._lines = _ironpipe.LineWriter()
        self._buffer: list[str] = []
        self._process = os.getpid()

    @property
    def holds_back(self) -> bool:
        """Whether messages of this very process are lost if it ends without closing."""
        return bool(self._kept())

    def write_message(self, message: PipesMessage) -> None:
        """Keep one message; raises as :meth:`PipesFileMessageWriterChannel.write_message`."""
        self._kept().append(self._lines.line(message))

    def flush(self) -> None:
        """Write what is kept."""
        buffer, self._buffer = self._kept(), []
        self._stream.write("".join(buffer))
        self._stream.flush()

    def _kept(self) -> list[str]:
        if self._process != os.getpid():
            # What the parent of a forked child keeps is the parent's to write.
            self._process, self._buffer = os.getpid(), []
        return self._buffer


def engine_channel(channel: Any) -> Any:
    """Return what the engine writes to for a message channel.

    Args:
        channel: Anything with ``write_message``.

    Returns:
        The channel of the engine itself, where the channel stands on one and writes in no way of
        its own; else the channel.
    """
    kind: Any = type(channel)  # pyright: ignore[reportUnknownVariableType]
    writes: Any = getattr(kind, "_engine_writes", None)
    return channel.native if writes and writes is kind.write_message else channel
