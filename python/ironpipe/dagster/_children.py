"""One of several writers of a session: what its reader hands its messages to."""

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import dagster
from dagster._utils.error import ExceptionInfo
from dagster_pipes import PipesOpenedData

from ._closings import Closings
from ._compat import OfficialChildHandler
from ._handler import find_handler, taker_of
from ._intake import Intake, Taker, wire
from ._ledger import Ledger, Writer
from ._types import EngineMessage


class ChildHandler(Taker):
    """Stands before the handler of a composite session, for one of its readers.

    ``opened`` and ``closed`` are those of the one writer, and ``on_opened`` goes to its reader.

    Args:
        handler: The handler of the session.
        reader: The reader.
        writer: Keeps count; None where nobody asks.
        ledger: The account for what a reader that is not ours hands over.
    """

    def __init__(
        self,
        handler: dagster.PipesMessageHandler,
        reader: dagster.PipesMessageReader,
        writer: Writer | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self._handler = handler
        # A reader that serves several sessions at once puts a copy of itself here.
        self._message_reader = reader
        self._writer = writer or Writer(1, 1, type(reader).__name__)
        self.account = ledger
        """Where losses go; None where each reader settles by itself."""
        self._ledger = ledger or Ledger()
        self.closings = Closings()
        """Which of those that report through its reader have closed."""
        ours = find_handler(handler)
        self._hand_on = (
            taker_of(handler) if ours is None else partial(ours.take, closings=self.closings)
        )
        self.intake = Intake(self._take_all, self._ledger)
        self.source = str(writer) if writer else None
        """What names it in a report; None for the reader's own name."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handler, name)

    def as_handler(self) -> dagster.PipesMessageHandler:
        """Itself, as what readers are declared to take."""
        return cast("dagster.PipesMessageHandler", self)

    @property
    def received_opened_message(self) -> bool:
        """Whether this writer has opened."""
        return self._writer.opened > 0

    @property
    def received_closed_message(self) -> bool:
        """Whether this writer has closed."""
        return self._writer.closed > 0

    def take(self, message: EngineMessage) -> None:
        """Handles a message that the engine has decoded.

        Args:
            message: The message.
        """
        if message.method == "opened":
            self._writer.opened += 1
        elif message.method == "closed":
            self._writer.closed += 1
        self._hand_on(message)
        if message.method == "opened":
            self._message_reader.on_opened(
                cast("PipesOpenedData", message.params or {"extras": {}})
            )

    def report_pipes_framework_exception(self, origin: str, exc_info: ExceptionInfo) -> None:
        """Called by a reader whose thread dies.

        Args:
            origin: What died.
            exc_info: What it died of.
        """
        if self.source:
            origin = f"{origin} of {self.source}"
        if self.account is not None and find_handler(self._handler) is None:
            self.account.fail(origin, exc_info[1])
        self._handler.report_pipes_framework_exception(origin, exc_info)

    def _take_all(self, messages: Sequence[Any]) -> None:
        for message in messages:
            self._take_or_refuse(message)

    def _take_or_refuse(self, message: EngineMessage) -> None:
        try:
            self.take(message)
        except Exception as error:
            self._ledger.refuse(wire(message), error)


def as_child(handler: dagster.PipesMessageHandler) -> dagster.PipesMessageHandler:
    """The same handler, but for what Dagster's composite reader puts before it: that is replaced.

    Args:
        handler: What a reader was handed.
    """
    if isinstance(handler, OfficialChildHandler):
        return ChildHandler(handler._handler, handler._reader).as_handler()
    return handler


def route_to(handler: dagster.PipesMessageHandler, reader: dagster.PipesMessageReader) -> None:
    """Has a handler call ``on_opened`` and ``on_launched`` of another reader.

    Args:
        handler: The handler.
        reader: The reader: a copy, for one session.
    """
    if isinstance(handler, OfficialChildHandler):
        handler._reader = reader
    else:
        handler._message_reader = reader
