"""Names for types that several modules speak of."""

from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeAlias

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetExecutionContext,
    MaterializeResult,
    OpExecutionContext,
)
from dagster._utils.error import ExceptionInfo

Context: TypeAlias = OpExecutionContext | AssetExecutionContext
"""What Dagster's own Pipes functions take as the context of a step."""

AnyContext: TypeAlias = Context | AssetCheckExecutionContext
"""What ours take."""

Result: TypeAlias = MaterializeResult[Any] | AssetCheckResult
"""What an external process reports: Dagster's ``PipesExecutionResult``."""


class EngineMessage(Protocol):
    """A message as the engine's readers make it."""

    @property
    def method(self) -> str:
        """Its method on the wire."""
        ...

    @property
    def params(self) -> dict[str, Any]:
        """Its params."""
        ...

    @property
    def writer(self) -> str | None:
        """The writer that sent it; None where it does not number its messages."""
        ...

    @property
    def sent_at(self) -> float | None:
        """The writer's clock when it was sent, in seconds since the Unix epoch."""
        ...


StreamName: TypeAlias = Literal["stdout", "stderr"]


class StreamSink(Protocol):
    """Where the bytes of a stream go that carries messages. Any thread may feed it."""

    @property
    def stream(self) -> StreamName:
        """Which stream it is for."""
        ...

    def feed(self, data: bytes, forward: Callable[[bytes], object], /) -> None:
        """Takes what comes next.

        Args:
            data: Some bytes of the stream.
            forward: Takes the ordinary output among them, whole lines. What it raises passes
                through once the messages are delivered.
        """
        ...

    def finish(self) -> None:
        """Says that nothing more comes: what stands behind the last newline is handed over."""
        ...

    def fail(self, exc_info: ExceptionInfo, /) -> None:
        """Enters the death of the thread that feeds it.

        Args:
            exc_info: What it died of.
        """
        ...
