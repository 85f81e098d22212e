"""The engine, as Python sees it.

Messages, readers and reports are public through :mod:`ironpipe`; the rest is for its modules.
"""

from collections.abc import Mapping, Sequence
from os import PathLike
from types import TracebackType
from typing import (
    Any,
    ClassVar,
    Final,
    Generic,
    Protocol,
    TypeAlias,
    final,
    overload,
    type_check_only,
)

from typing_extensions import Self, TypeVar

__all__ = [
    "AssetCheck",
    "AssetMaterialization",
    "Batch",
    "Channel",
    "ChunkStore",
    "Closed",
    "Context",
    "CustomMessage",
    "DeliveryReport",
    "ExternalStream",
    "LineWriter",
    "Log",
    "LostChunk",
    "MessageDecoder",
    "MessageReader",
    "Opened",
    "OrdinaryOutput",
    "ParamsIterator",
    "Ready",
    "Rejected",
    "Session",
    "StdioCapture",
    "WriterReport",
    "__version__",
    "asset_key_parts",
    "decode_message",
    "decode_param",
    "dumps",
    "encode_param",
    "new_context",
    "read_context",
    "read_messages",
    "tail_chunks",
    "tail_messages",
]

__version__: Final[str]

# Values and bootstrap.

def dumps(value: object, name: str = "value", /) -> bytes:
    """Return the JSON text of a value, as UTF-8.

    It reads back as what ``json.dumps`` writes. What that refuses is refused here, with its place.

    Args:
        value: The value.
        name: What errors call it; empty where its members are known by their own names.

    Raises:
        NotJsonError: JSON has no text for a value; the error names its place.
    """

def encode_param(value: object, /) -> str:
    """Encode a value as a bootstrap value.

    Raises:
        NotJsonError: JSON has no text for it.
    """

def decode_param(value: str, name: str, /) -> Any:
    """Decode a bootstrap value.

    Args:
        value: Its text.
        name: What errors call it; the value itself is never shown.

    Raises:
        DagsterPipesError: It is not base64, not zlib, not JSON, or unpacks to more than 16 MiB.
    """

def read_context(path: str, /) -> Any:
    """Read the context from a JSON file. That it is an object is for :class:`Context` to check.

    Raises:
        OSError: It can't be read.
        DagsterPipesError: It is not JSON, or larger than 64 MiB.
    """

def asset_key_parts(asset_key: str, /) -> list[str]:
    """Return the parts of an asset key."""

def new_context(
    asset_keys: Sequence[str] | None,
    partition_key: str | None,
    run_id: str | None,
    job_name: str | None,
    retry_number: int,
    /,
) -> dict[str, Any]:
    """Return the context of a hosted process, with all the keys that Dagster writes.

    What is None is what Dagster says where there is nothing to say; the id of the run is then a
    random one.
    """

# Writing.

@type_check_only
class _MessageChannel(Protocol):
    def write_message(self, message: Any, /) -> object: ...

@final
class Channel:
    """A file that messages are appended to, numbered, one write a message.

    It may be used from any thread, and from a forked child, which is a new writer.

    Args:
        path: The file; made if it is not there.

    Raises:
        OSError: It can't be opened.
    """

    def __new__(cls, path: str) -> Self: ...
    @staticmethod
    def chunks(
        store: ChunkStore, prefix: str = "", *, interval: float = 0.5, patience: float = 60.0
    ) -> Channel:
        """Return a channel that uploads messages in chunks.

        Args:
            store: Where they go.
            prefix: What the keys of the session begin with.
            interval: The longest that a message waits for others before it is uploaded, in seconds.
            patience: How long closing waits for the last upload, in seconds.

        Raises:
            OverflowError: A time is negative or endless.
        """

    @property
    def holds_back(self) -> bool:
        """Whether messages of this very process are lost if it ends without closing."""

    def write_message(self, message: Mapping[str, Any], /) -> None:
        """Append a message.

        Args:
            message: The envelope; of its keys ``method`` and ``params`` count.

        Raises:
            NotJsonError: JSON has no text for a value; the error names its place.
            DagsterPipesError: Dagster would refuse the message.
            OSError: It can't be written.
        """

    def capture(self) -> None:
        """Send what is written to stdout and stderr, from now on, as messages too.

        Raises:
            OSError: There is no descriptor or thread left.
        """

    def stop_capture(self) -> None:
        """Turn stdout and stderr back, and send what has been written. Further calls do nothing.

        Raises:
            OSError: What was captured could not be sent.
        """

    def close(self) -> None:
        """Stop capturing and close the file."""

@final
class StdioCapture:
    """A stream whose text goes to a file as well as to where it went before.

    Args:
        stream: ``stdout`` or ``stderr``.
        path: The file, which must be there; text is appended to it, in UTF-8.

    Raises:
        OSError: The stream can't be captured.
    """

    def __new__(cls, stream: str, path: str, /) -> Self: ...
    def finish(self) -> None:
        """Turn the stream back. Then all that was written to it is in the file.

        What has been buffered should be flushed before. Further calls do nothing.

        Raises:
            OSError: What was captured could not be written to the file.
        """

@final
class LineWriter:
    """Makes the lines of one writer, numbered, for a stream that Python writes to."""

    def __new__(cls) -> Self: ...
    def line(self, message: Mapping[str, Any], /) -> str:
        """Return the line of a message, in ASCII, with its newline.

        Raises:
            NotJsonError: JSON has no text for a value; the error names its place.
            DagsterPipesError: Dagster would refuse the message.
        """

@final
class Context:
    """The session of an external process: the rules of what may be asked and reported.

    Args:
        data: The context, with any of its keys.
        channel: Where messages go: a :class:`Channel`, or any object with ``write_message``.

    Raises:
        DagsterPipesError: The data is no context.
    """

    def __new__(cls, data: Mapping[str, Any], channel: Channel | _MessageChannel) -> Self: ...
    @property
    def is_closed(self) -> bool:
        """Whether :meth:`close` was called."""

    def check_access(self, accessor: str, /) -> None:
        """Raise ``DagsterPipesError`` where an accessor does not apply to the step."""

    def check_extra(self, key: str, /) -> None:
        """Raise ``DagsterPipesError`` where there is no extra of that name."""

    def opened(self, payload: Mapping[str, Any], /) -> None:
        """Send the first message."""

    def log(self, level: int, message: str, /) -> None:
        """Send a log message; the level is a number of the module ``logging``."""

    def report_asset_materialization(
        self, metadata: object, data_version: object, asset_key: object, /
    ) -> None:
        """Report a materialization, or raise what is wrong with it."""

    def report_asset_check(
        self,
        check_name: object,
        passed: object,
        severity: object,
        metadata: object,
        asset_key: object,
        /,
    ) -> None:
        """Report an asset check, or raise what is wrong with it."""

    def report_custom_message(self, payload: object, /) -> None:
        """Report any value that JSON has."""

    def log_external_stream(self, stream: str, text: str, extras: object, /) -> None:
        """Send output of a program."""

    def close(self, exception: Mapping[str, Any] | None, /) -> None:
        """Send the last message. Further calls do nothing."""

# Reading.

@type_check_only
class _Message:
    """What all messages have. Two are equal if their class, params and stamp are."""

    @property
    def method(self) -> str:
        """The name of the method on the wire."""

    @property
    def params(self) -> dict[str, Any]:
        """The params, as a new dict each time."""

    @property
    def writer(self) -> str | None:
        """The writer that sent it; None where it does not number its messages."""

    @property
    def number(self) -> int | None:
        """Its number among the messages of its writer, from 1."""

    @property
    def sent_at(self) -> float | None:
        """The writer's clock when it was sent, in seconds since the Unix epoch."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Opened(_Message):
    """A writer has opened."""

    __match_args__: ClassVar[tuple[str]] = ("extras",)
    def __new__(cls, extras: Mapping[str, Any] | None = None) -> Self: ...
    @property
    def extras(self) -> dict[str, Any] | None:
        """What the process has told of itself."""

@final
class Closed(_Message):
    """A writer has closed."""

    __match_args__: ClassVar[tuple[str]] = ("exception",)
    def __new__(cls, exception: Mapping[str, Any] | None = None) -> Self: ...
    @property
    def exception(self) -> dict[str, Any] | None:
        """What went wrong, in the shape of :class:`ironpipe.PipesException`."""

@final
class Log(_Message):
    """A log message."""

    __match_args__: ClassVar[tuple[str, str]] = ("message", "level")
    def __new__(cls, message: str, level: str | None = None) -> Self: ...
    @property
    def message(self) -> str:
        """The text."""

    @property
    def level(self) -> str:
        """The level as it was sent; ``info`` where none was."""

@final
class AssetMaterialization(_Message):
    """An asset was materialized."""

    __match_args__: ClassVar[tuple[str, str, str]] = ("asset_key", "data_version", "metadata")
    def __new__(
        cls,
        asset_key: str,
        data_version: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Self: ...
    @property
    def asset_key(self) -> str:
        """The asset, its parts joined by ``/``."""

    @property
    def data_version(self) -> str | None:
        """The version of the data."""

    @property
    def metadata(self) -> dict[str, Any] | None:
        """By name ``{"raw_value": …, "type": …}``."""

@final
class AssetCheck(_Message):
    """An asset check was made."""

    __match_args__: ClassVar[tuple[str, str, str, str, str]] = (
        "asset_key",
        "check_name",
        "passed",
        "severity",
        "metadata",
    )
    def __new__(
        cls,
        asset_key: str,
        check_name: str,
        passed: bool,
        severity: str,
        metadata: Mapping[str, Any] | None = None,
    ) -> Self: ...
    @property
    def asset_key(self) -> str:
        """The asset, its parts joined by ``/``."""

    @property
    def check_name(self) -> str:
        """The name of the check."""

    @property
    def passed(self) -> bool:
        """Whether it passed."""

    @property
    def severity(self) -> str:
        """``WARN`` or ``ERROR``."""

    @property
    def metadata(self) -> dict[str, Any] | None:
        """By name ``{"raw_value": …, "type": …}``."""

@final
class CustomMessage(_Message):
    """Any value."""

    __match_args__: ClassVar[tuple[str]] = ("payload",)
    def __new__(cls, payload: object) -> Self: ...
    @property
    def payload(self) -> Any:
        """The value."""

@final
class ExternalStream(_Message):
    """Captured output of a process."""

    __match_args__: ClassVar[tuple[str, str, str]] = ("stream", "text", "extras")
    def __new__(cls, stream: str, text: str, extras: Mapping[str, Any] | None = None) -> Self: ...
    @property
    def stream(self) -> str:
        """``stdout`` or ``stderr``."""

    @property
    def text(self) -> str:
        """The output."""

    @property
    def extras(self) -> dict[str, Any] | None:
        """What else was sent with it."""

_AnyMessage: TypeAlias = (
    Opened | Closed | Log | AssetMaterialization | AssetCheck | CustomMessage | ExternalStream
)

_Item = TypeVar("_Item", default=_AnyMessage)

@final
class Batch(Generic[_Item]):
    """Messages that are made when they are asked for."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, key: int, /) -> _Item: ...
    @overload
    def __getitem__(self, key: slice, /) -> Batch[_Item]: ...

@final
class OrdinaryOutput:
    """A line that is no message, from a channel that ordinary output shares with messages.

    Args:
        text: The line, without its newline. What is not UTF-8 in it is replaced.
    """

    __match_args__: ClassVar[tuple[str]] = ("text",)
    def __new__(cls, text: str) -> Self: ...
    @property
    def text(self) -> str:
        """The line."""

    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class ChunkStore:
    """Where the chunks of sessions lie: a bucket, a directory, or what a Python object makes of it.

    It is made by one of its static methods.
    """

    @staticmethod
    def open(url: str, options: Mapping[str, str] | None = None) -> ChunkStore:
        """Open a bucket or container, without the SDK of its provider.

        Args:
            url: ``s3://bucket/prefix``, ``gs://bucket/prefix`` or ``az://container/prefix``.
            options: Settings such as ``endpoint``, ``region`` and credentials, by the names of the
                Rust crate ``object_store``. What is not here comes from the environment variables
                of the provider's own tools, then from the machine.

        Raises:
            DagsterPipesError: The URL is of no such store, an option is unknown, or something that
                the store needs is missing.
        """

    @staticmethod
    def directory(path: str | PathLike[str]) -> ChunkStore:
        """Return the store that a directory is. It is made when something is put into it.

        Args:
            path: The directory.
        """

    @staticmethod
    def of(object: Any, /, *, location: str = "a store") -> ChunkStore:
        """Return a store that stands on a Python object.

        Args:
            object: It has ``put(key: str, data: bytes)``, which gives False where the key is taken,
                ``get(key: str) -> bytes | None``, and may have ``remove(key: str)``. Where they
                raise, they are called again.
            location: Its name in errors.
        """

    def put(self, key: str, data: bytes) -> bool:
        """Store an object as a whole, unless the key is taken; whether it is stored.

        Args:
            key: Its key, below the prefix that the store was opened with.
            data: What it holds.

        Raises:
            OSError: The store refused, for 30 s or for good.
        """

    def get(self, key: str) -> bytes | None:
        """Return an object, or None where there is none.

        Args:
            key: Its key.

        Raises:
            OSError: The store refused, for 30 s or for good.
        """

    def remove(self, key: str) -> None:
        """Remove an object, if there is one.

        Args:
            key: Its key.

        Raises:
            OSError: The store refused, for 30 s or for good.
        """

    def remove_chunks(self, prefix: str, count: int) -> None:
        """Remove the first chunks of a session.

        Args:
            prefix: What the keys of the session begin with.
            count: How many; :attr:`DeliveryReport.chunks` says it.

        Raises:
            OSError: The store refused, for 30 s or for good.
        """

@final
class Ready:
    """The readers that have something to do, for one thread that serves many."""

    def __new__(cls) -> Self: ...
    def wait(self, timeout: float | None = None) -> list[int]:
        """Wait for readers; return the keys that they were opened with.

        Args:
            timeout: How long, in seconds; for ever if None.

        Raises:
            KeyboardInterrupt: A signal arrived.
        """

@final
class LostChunk:
    """A chunk that could not be read."""

    @property
    def index(self) -> int:
        """Its index."""

    @property
    def and_all_after(self) -> bool:
        """Whether the chunks behind it are unknown, too."""

    @property
    def reason(self) -> str:
        """Why."""

@final
class MessageDecoder:
    """Decodes messages from bytes that are pushed into it; reads nothing and waits for nothing.

    For channels that the caller reads: object stores, the logs of a container, a pipe.

    Args:
        shared: Whether ordinary output goes through the same channel, as through stdout. Then a
            line that does not claim to be a message comes out as :class:`OrdinaryOutput`. Else it
            is set aside and counted as rejected.
        max_line: The longest line that is read, in bytes.
    """

    def __new__(cls, *, shared: bool = False, max_line: int = ...) -> Self: ...
    def push(self, data: bytes | str) -> Batch[_AnyMessage | OrdinaryOutput]:
        """Return the messages of the lines that are whole now.

        What stands behind the last newline waits for the rest of its line.

        Args:
            data: What comes next in the channel. Bytes may end within a character.

        Raises:
            ValueError: The decoder is finished.
        """

    def end_chunk(self) -> Batch[_AnyMessage | OrdinaryOutput]:
        """Say that a chunk ends here, and return what stood behind its last newline.

        Chunks end without a newline, and no message spans two of them.

        Raises:
            ValueError: The decoder is finished.
        """

    def finish(self) -> Batch[_AnyMessage | OrdinaryOutput]:
        """Say that nothing more comes, and return what stood behind the last newline.

        Raises:
            ValueError: The decoder is finished already.
        """

    @property
    def report(self) -> DeliveryReport:
        """What has arrived so far, and what has not."""

@final
class MessageReader:
    """Reads messages. Iterating waits for the next one until the last has come.

    As a context manager it closes itself.
    """

    def __iter__(self) -> Self: ...
    def __next__(self) -> _AnyMessage: ...
    def next(self, timeout: float | None = None) -> _AnyMessage | None:
        """Return the next message; None once the time is up, or at the end (see :attr:`ended`).

        Args:
            timeout: In seconds; by default it waits as long as it takes.

        Raises:
            OSError: The channel can't be read.
        """

    def next_batch(self, max: int = 10_000, timeout: float | None = None) -> Batch:
        """Return the messages that are there; waits for the first one, not for more.

        Args:
            max: No more than this many.
            timeout: In seconds; by default it waits as long as it takes.

        Returns:
            None at all once the time is up, or at the end.
        """

    def params(self, method: str | None = None) -> ParamsIterator:
        """Iterate over the params alone: a new dict for each message, and no object around it.

        It takes messages as iterating over the reader does; those of other methods are passed over.

        Args:
            method: The one method that is wanted, by its name on the wire; by default all.

        Raises:
            ValueError: There is no such method, or, from the iterator, the reader is closed.
            OSError: From the iterator: the channel can't be read.
        """

    @property
    def ended(self) -> bool:
        """Whether the last message has been read."""

    @property
    def report(self) -> DeliveryReport:
        """What has arrived so far, and what has not."""

    def finish(self) -> None:
        """Say that nothing more will be written: the reader reads what is there, and ends.

        May be called from any thread.
        """

    def close(self) -> None:
        """End reading and close the channel."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        _exc_type: type[BaseException] | None,
        _exc_value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None: ...

@final
class ParamsIterator:
    """What :meth:`MessageReader.params` gives. Waits as iterating over the reader does."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> dict[str, Any]: ...

@final
class Session:
    """The host's end of one run of an external process, without Dagster.

    Its files lie in a private directory, which goes when it is closed. As a context manager it
    closes itself.

    Args:
        context: What the process is told of its step, with any of the keys of
            :class:`ironpipe.PipesContextData`.

    Raises:
        NotJsonError: JSON has no text for a value of the context; the error names its place.
        DagsterPipesError: The context is none.
        OSError: The files can't be made.
    """

    def __new__(cls, context: Mapping[str, Any], *, include_stdio: bool = False) -> Self: ...
    @property
    def env(self) -> dict[str, str]:
        """The two environment variables that make a process one of this session."""

    @property
    def context_path(self) -> str:
        """Where the context lies."""

    @property
    def messages_path(self) -> str:
        """Where the messages go."""

    @property
    def reader(self) -> MessageReader:
        """What arrives. Reading goes on until :meth:`finish`."""

    @property
    def report(self) -> DeliveryReport:
        """What arrived and what did not, up to now."""

    def finish(self) -> MessageReader:
        """Say that the process has ended: the reader reads what is there, and ends.

        Returns:
            The reader, so that what is left can be read at once.
        """

    def close(self) -> None:
        """End reading and remove the files.

        Raises:
            OSError: They can't be removed.
        """

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        _exc_type: type[BaseException] | None,
        _exc_value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None: ...

def decode_message(line: bytes) -> _AnyMessage:
    """Read one line, as a reader does.

    Args:
        line: The line, without its newline.

    Returns:
        The message, mended where a reader would mend it.

    Raises:
        ValueError: It is no message that Dagster's handler takes; the text says why and at which
            byte.
    """

def read_messages(path: str | PathLike[str], *, max_line: int = ...) -> MessageReader:
    """Read a file that is finished.

    Args:
        path: The file.
        max_line: The longest line that is taken, in bytes. A longer one is set aside.

    Raises:
        OSError: It can't be opened.
    """

def tail_chunks(
    store: ChunkStore,
    prefix: str = "",
    *,
    until_closed: bool = True,
    max_line: int = ...,
    max_chunk: int = ...,
    quiet: float = 1.5,
    drain: float = 3.0,
    patience: float = 60.0,
    ready: Ready | None = None,
    key: int = 0,
) -> MessageReader:
    """Read the chunks of a session while they are written.

    Any number of readers share one thread, which looks for their chunks: soon after one has come,
    and ever more seldom while none comes.

    Args:
        store: Where they lie.
        prefix: What the keys of the session begin with.
        until_closed: End once every writer has closed, if all of them are known to be ironpipe's.
        max_line: The longest line that is read, in bytes.
        max_chunk: The largest chunk that is read, in bytes.
        quiet: The longest time between two looks, in seconds, while few sessions are open.
        drain: How long nothing new may come after :meth:`MessageReader.finish`, in seconds.
        patience: How long a chunk that is missing or a store that fails is waited for, in seconds.
        ready: Is told whenever there is something to do.
        key: What it is told.

    Raises:
        OSError: There is no thread left.
        OverflowError: A time is negative or endless.
    """

def tail_messages(
    path: str | PathLike[str], *, until_closed: bool = True, max_line: int = ...
) -> MessageReader:
    """Follow a file that is being written, which need not be there yet.

    Args:
        path: The file.
        until_closed: Whether reading ends by itself once every writer has closed; else it goes on
            until :meth:`MessageReader.finish`.
        max_line: The longest line that is taken, in bytes. A longer one is set aside.

    Raises:
        OSError: It can't be watched.
    """

@final
class DeliveryReport:
    """What arrived, and what did not. As text it is made for people."""

    @property
    def delivered(self) -> int:
        """Messages that were handed on."""

    @property
    def unnumbered(self) -> int:
        """Those of them whose writer does not number, so that none can be missed among them."""

    @property
    def opened(self) -> int:
        """Messages ``opened``."""

    @property
    def closed(self) -> int:
        """Messages ``closed``."""

    @property
    def writers(self) -> list[WriterReport]:
        """Each writer that numbers its messages."""

    @property
    def rejected(self) -> list[Rejected]:
        """The first lines that were set aside; :attr:`rejected_count` says how many there were."""

    @property
    def rejected_count(self) -> int:
        """How many lines were set aside."""

    @property
    def repaired(self) -> dict[str, int]:
        """What was put right on the way, and how often."""

    @property
    def missing_count(self) -> int:
        """How many numbers are missing."""

    @property
    def repeated_count(self) -> int:
        """How many messages came again and were dropped."""

    @property
    def lost_chunks(self) -> list[LostChunk]:
        """The first chunks that could not be read."""

    @property
    def lost_chunk_count(self) -> int:
        """How many chunks could not be read."""

    @property
    def unclosed(self) -> int:
        """How many writers that hold messages back had not closed at the end."""

    @property
    def chunks(self) -> int:
        """The index of the last chunk that was read."""

    @property
    def requests(self) -> int:
        """How often a store was asked for a chunk."""

    @property
    def failed_requests(self) -> int:
        """How many of these requests failed and were made again."""

    @property
    def trouble(self) -> str | None:
        """What the store says, while its answers are failures; None once it has answered."""

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing and nothing was set aside."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class WriterReport:
    """What arrived of one writer."""

    @property
    def writer(self) -> str:
        """Its name."""

    @property
    def opened(self) -> bool:
        """Whether ``opened`` arrived."""

    @property
    def closed(self) -> bool:
        """Whether ``closed`` arrived."""

    @property
    def received(self) -> int:
        """How many messages arrived."""

    @property
    def repeated(self) -> int:
        """How many came again."""

    @property
    def missing(self) -> list[range]:
        """The numbers that did not arrive."""

@final
class Rejected:
    """A line that was set aside."""

    @property
    def offset(self) -> int:
        """The byte at which it begins."""

    @property
    def reason(self) -> str:
        """What is wrong with it."""

    @property
    def head(self) -> str:
        """How it begins."""
