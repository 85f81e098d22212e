"""Several external processes that report into one step."""

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import dagster
from dagster._core.pipes.context import PipesLaunchedData
from dagster_pipes import PipesParams

from .._children import ChildHandler, route_to
from .._compat import PIPES_COMPOSITE_WRITERS_KEY, OfficialCompositeReader
from .._delivery import Delivery
from .._handler import find_handler
from .._ledger import Writer
from .._policy import OnIncomplete, check_on_incomplete
from .base import PipesMessageReader


class PipesCompositeMessageReader(PipesMessageReader, OfficialCompositeReader, delivers=True):
    """Reads the messages of several external processes, each through a reader of its own.

    Drop-in for ``dagster.PipesCompositeMessageReader``, which Dagster has from 1.13.2 on. Each
    writer has its own account: one that never opens, dies before it closes, or loses messages is
    named.

    One reader may serve several sessions, also at the same time, if its readers may.

    Args:
        readers: One for each writer: ours, official ones or your own.
        on_incomplete: What to do where messages were lost, in sessions that do not say so
            themselves. By default the environment variable ``IRONPIPE_ON_INCOMPLETE`` decides,
            else ``"fail"``.

    Raises:
        DagsterInvariantViolationError: There are no readers, one of them is for several writers,
            or Dagster is older.
    """

    def __init__(
        self,
        readers: Sequence[dagster.PipesMessageReader],
        *,
        on_incomplete: OnIncomplete | None = None,
    ):
        super().__init__(readers)
        self._on_incomplete = check_on_incomplete(on_incomplete)

    @property
    def expected_writer_count(self) -> int:
        """How many writers there are."""
        return len(self._readers)

    @contextmanager
    def read_messages(
        self, handler: dagster.PipesMessageHandler
    ) -> Generator[PipesParams, None, None]:
        """Has each reader read.

        Args:
            handler: Takes the messages of all of them.

        Yields:
            The params of each of them, under the key that
            ``PipesSession.get_per_writer_bootstrap_env_vars`` looks for.

        Raises:
            MessagesLostError: The session is not one of ours, which would say so itself, and
                messages were lost.
        """
        count = len(self._readers)
        writers = [
            Writer(place, count, type(reader).__name__, reader.no_messages_debug_text())
            for place, reader in enumerate(self._readers, start=1)
        ]
        with Delivery(self, handler, self.on_incomplete) as delivery:
            children = [
                ChildHandler(handler, reader, writer, delivery.ledger)
                for reader, writer in zip(self._readers, writers, strict=True)
            ]
            delivery.ledger.expect(writers)
            # `on_launched` then reaches the readers of this session and of no other.
            route_to(handler, _SessionReaders(self, children))
            try:
                with ExitStack() as stack:
                    yield {
                        PIPES_COMPOSITE_WRITERS_KEY: [
                            stack.enter_context(
                                child._message_reader.read_messages(child.as_handler())
                            )
                            for child in children
                        ]
                    }
            finally:
                for child in children:
                    for report in child.intake.reports():
                        delivery.ledger.add_report(str(child.source), report)
                if find_handler(handler) is None:
                    _name_the_silent(handler, writers)


class _SessionReaders(dagster.PipesMessageReader):
    """The readers of one session of a composite reader."""

    def __init__(self, composite: PipesCompositeMessageReader, children: Sequence[ChildHandler]):
        self._composite = composite
        self._children = children

    @property
    def expected_writer_count(self) -> int:
        return len(self._children)

    def read_messages(self, handler: dagster.PipesMessageHandler) -> Any:
        return self._composite.read_messages(handler)

    def on_launched(self, launched_payload: PipesLaunchedData) -> None:
        for child in self._children:
            child._message_reader.on_launched(launched_payload)

    def no_messages_debug_text(self) -> str:
        return self._composite.no_messages_debug_text()


def _name_the_silent(handler: dagster.PipesMessageHandler, writers: Sequence[Writer]) -> None:
    """An official session warns that somebody is missing, and not who."""
    silent = [str(writer.silence) for writer in writers if writer.silence]
    if silent:
        handler._context.log.warning(f"[ironpipe] {'; '.join(silent)}.")
