"""The base of every message reader, and what makes a user's own reader lossless."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from typing import Any, TypeAlias, cast

import dagster
from dagster._utils.error import ExceptionInfo
from dagster_pipes import PipesParams

from .._delivery import Delivery
from .._handler import find_handler
from .._intake import Intake, Taker
from .._policy import OnIncomplete

MAX_LINE = 256 * 1024 * 1024

ReadMessages: TypeAlias = Callable[
    [Any, dagster.PipesMessageHandler], AbstractContextManager[PipesParams]
]


class PipesMessageReader(dagster.PipesMessageReader):
    """The base to write a message reader on. Drop-in for ``dagster.PipesMessageReader``.

    A ``read_messages`` that was written for the official base stays as it is. What it hands to
    ``handler.handle_message`` goes through the engine: what is not a message, or is not taken by
    Dagster, is set aside and fails the step at its end, instead of raising into the reader's
    thread; numbered messages that are missing are found.
    """

    _on_incomplete: OnIncomplete | None = None

    max_line: int = MAX_LINE
    """The longest line that is read, in bytes; a longer one is set aside. It may be set on a reader
    or on a class."""

    def __init_subclass__(cls, *, delivers: bool = False, **kwargs: Any) -> None:
        """Guards a ``read_messages`` of the class's own.

        Args:
            delivers: Whether the class accounts for its messages itself. Only ours do.
            kwargs: For other bases.
        """
        super().__init_subclass__(**kwargs)
        read_messages = vars(cls).get("read_messages")
        if read_messages is not None and not delivers:
            type.__setattr__(cls, "read_messages", _guarded(read_messages))

    @property
    def on_incomplete(self) -> OnIncomplete | None:
        """What was asked for when the reader was made."""
        return self._on_incomplete

    @property
    def expected_writer_count(self) -> int:
        """One writer; the official property says so too, but warns that it is a preview."""
        return 1


def _guarded(read_messages: ReadMessages) -> ReadMessages:
    @wraps(read_messages)
    @contextmanager
    def guarded(
        self: PipesMessageReader, handler: dagster.PipesMessageHandler
    ) -> Generator[PipesParams, None, None]:
        if find_handler(handler) is not None:
            # Our own handler does all of this by itself.
            with read_messages(self, handler) as params:
                yield params
            return
        with Delivery(self, handler, self.on_incomplete) as delivery:
            guard = _GuardedHandler(handler, delivery)
            try:
                with read_messages(self, cast("dagster.PipesMessageHandler", guard)) as params:
                    yield params
            finally:
                guard.finish()

    return guarded


class _GuardedHandler(Taker):
    """Stands before an official handler: a message that it refuses stops no other.

    Args:
        handler: The handler.
        delivery: Hands over to it, and keeps the account.
    """

    def __init__(self, handler: dagster.PipesMessageHandler, delivery: Delivery) -> None:
        self._handler = handler
        self._delivery = delivery
        self.account = delivery.ledger
        """Where losses go."""
        self.intake = Intake(delivery.deliver, delivery.ledger)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handler, name)

    def report_pipes_framework_exception(self, origin: str, exc_info: ExceptionInfo) -> None:
        """Called by a reader whose thread dies.

        Args:
            origin: What died.
            exc_info: What it died of.
        """
        self._delivery.fail(origin, exc_info)

    def finish(self) -> None:
        """Enters what was counted."""
        for report in self.intake.reports():
            self._delivery.finish(report)
