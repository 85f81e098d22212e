"""What stands between a reader and a handler: hands messages over and keeps the account."""

import contextlib
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

import dagster
from dagster._utils.error import ExceptionInfo
from typing_extensions import Self

import ironpipe

from ._bulk import BulkLogs
from ._children import as_child
from ._closings import Closings
from ._handler import find_handler, taker_of
from ._intake import wire
from ._ledger import Ledger
from ._policy import OnIncomplete, resolve_on_incomplete
from ._settle import settle
from ._types import EngineMessage

if TYPE_CHECKING:
    from ironpipe import DeliveryReport


class Delivery:
    """One session's way from a reader to a handler: to ours, an official one or a user's.

    As a context manager it settles at its end what a handler of ours settles with its session: it
    raises where messages were lost. All state of a session that a reader has is here and not on
    the reader, so that a reader can serve many.

    Args:
        reader: The reader, which lends its name.
        handler: Takes the messages.
        on_incomplete: What a loss does where nobody else says so.
    """

    def __init__(
        self,
        reader: dagster.PipesMessageReader,
        handler: dagster.PipesMessageHandler,
        on_incomplete: OnIncomplete | None,
    ) -> None:
        handler = as_child(handler)
        self._name: str = getattr(handler, "source", None) or type(reader).__name__
        self._handler = handler
        self._take = taker_of(handler)
        self._ours = find_handler(handler)
        self._closings: Closings = getattr(handler, "closings", None) or Closings()
        account: Ledger | None = (
            self._ours.ledger if self._ours else getattr(handler, "account", None)
        )
        # Where somebody else has the account, that one settles.
        self._settles = account is None
        self._ledger = account or Ledger()
        self._policy: OnIncomplete = resolve_on_incomplete(on_incomplete)
        self.abandoned = threading.Event()
        """Whether nothing is handed over any more."""
        self._opened = self._closed = 0

    @property
    def name(self) -> str:
        """The reader's class name."""
        return self._name

    @property
    def ledger(self) -> Ledger:
        """The account that it keeps."""
        return self._ledger

    @property
    def is_whole(self) -> bool:
        """Whether nothing was lost so far."""
        return not self.abandoned.is_set() and not self._ledger.losses

    @property
    def patience(self) -> float | None:
        """How long, in seconds, to wait for a message before :py:meth:`flush` is due.

        None while nothing is pending.
        """
        return None if self._logs is None else self._logs.patience

    @property
    def _logs(self) -> BulkLogs | None:
        """What takes log messages in bulk."""
        return None if self._ours is None else self._ours.logs

    def deliver(self, messages: Iterable[EngineMessage]) -> None:
        """Hands messages over, in order. A message that the handler refuses stops no other.

        Called from one thread, that which reads. What ``messages`` itself raises passes through.

        Args:
            messages: Some of them, or an iterator that waits for the next one.
        """
        shortcuts: Mapping[type, Callable[[Any], None]] = (
            {} if self._ours is None else self._ours.shortcuts
        )
        for message in messages:
            if self.abandoned.is_set():
                return
            try:
                shortcut = shortcuts.get(type(message))
                if shortcut is None or self._closings.any:
                    self._take(message)
                else:
                    shortcut(message)
            except Exception as error:
                self._ledger.refuse(wire(message), error)

    def flush(self) -> None:
        """Stores what was handed over and is still pending.

        To be called when nothing more has come, within :py:attr:`patience` or 200 ms, and at the
        end.
        """
        if self._logs is not None:
            self._logs.flush()

    def abandon(self) -> None:
        """From now on hands nothing over: the step is being interrupted."""
        self.abandoned.set()

    def fail(self, origin: str, exc_info: ExceptionInfo) -> None:
        """Enters the death of a reader's thread.

        Args:
            origin: What died.
            exc_info: What it died of.
        """
        if self._settles:
            self._ledger.fail(origin, exc_info[1])
        # Where the event log is what is gone, the account still has it, and who waits for the end
        # of this session must not wait for ever.
        with contextlib.suppress(Exception):
            self._handler.report_pipes_framework_exception(origin, exc_info)

    def fail_of(self, origin: str, error: BaseException) -> None:
        """Enters the end of a reader that nothing was raised for.

        Args:
            origin: What ended.
            error: Why.
        """
        exc_info: Any = (type(error), error, error.__traceback__)
        self.fail(origin, exc_info)

    def warn(self, text: str) -> None:
        """Says something in the step's log, unless the step is being interrupted.

        Args:
            text: What the reader did, its name left out.
        """
        if not self.abandoned.is_set():
            self._handler._context.log.warning(f"[ironpipe] {self._name} {text}")

    def finish(self, report: "DeliveryReport", *, buffered: bool = False) -> None:
        """Enters what was counted. Nothing is delivered after it.

        Args:
            report: The final report of one source of messages.
            buffered: Whether its writers hold messages back, so that one which never closed has
                lost some.
        """
        self._ledger.add_report(self._name, report, buffered=buffered)
        self._opened += report.opened
        self._closed += report.closed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._settles:
            settle(
                self._ledger.outcome(opened=self._opened > 0, closed=self._closed > 0),
                context=self._handler._context,
                on_incomplete=self._policy,
                error=exc_value,
            )


@contextmanager
def follow(
    reader: dagster.PipesMessageReader,
    path: str,
    handler: dagster.PipesMessageHandler,
    on_incomplete: OnIncomplete | None,
    max_line: int,
) -> Generator[None, None, None]:
    """Hands over the messages of a file while the block runs, and the rest at its end.

    Args:
        reader: The reader that is asked to.
        path: The file.
        handler: Takes the messages.
        on_incomplete: What a loss does where nobody else says so.
        max_line: The longest line that is read, in bytes.

    Raises:
        MessagesLostError: The handler is not one of ours, and messages were lost.
    """
    with Delivery(reader, handler, on_incomplete) as delivery:
        messages = ironpipe.tail_messages(path, until_closed=False, max_line=max_line)

        def arriving() -> Generator[EngineMessage, None, None]:
            while (message := messages.next(delivery.patience)) is not None:
                yield message
                yield from iter(partial(messages.next, 0), None)

        def read() -> None:
            try:
                while not messages.ended:
                    delivery.deliver(arriving())
                    delivery.flush()
            except BaseException:
                delivery.fail(f"{delivery.name} reader thread", sys.exc_info())

        thread = threading.Thread(target=read, name=f"ironpipe-{delivery.name}", daemon=True)
        try:
            # Here, since an interruption may come when it has started.
            thread.start()
            yield
        finally:
            try:
                messages.finish()
                if thread.is_alive():
                    thread.join()
            except BaseException:
                # Interrupted while the rest was read: nothing more may reach the step's log.
                delivery.abandon()
                raise
            delivery.finish(messages.report)
            messages.close()
