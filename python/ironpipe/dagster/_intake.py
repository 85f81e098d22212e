"""Messages that a reader which is not ours has parsed, taken back to the engine."""

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dagster_pipes import PIPES_PROTOCOL_VERSION, PIPES_PROTOCOL_VERSION_FIELD

import ironpipe
from ironpipe._ironpipe import dumps

from ._ledger import Ledger

if TYPE_CHECKING:
    from dagster_pipes import PipesMessage

    from ironpipe import DeliveryReport


def wire(message: Any) -> dict[str, Any]:
    """A message of the engine's as a handler takes it.

    Args:
        message: The message.
    """
    return {
        PIPES_PROTOCOL_VERSION_FIELD: PIPES_PROTOCOL_VERSION,
        "method": message.method,
        "params": message.params,
    }


class Intake:
    """Checks, mends and counts messages as the engine's own readers do.

    Official readers, and those of users, hand over dicts, or lines of a log. The engine decodes
    them (once more), so that the rule of loss has one home. Any thread may hand over.

    Args:
        deliver: Takes what the engine made of them.
        ledger: The account of the session.
    """

    def __init__(self, deliver: Callable[[Sequence[Any]], None], ledger: Ledger) -> None:
        self._deliver = deliver
        self._ledger = ledger
        self._lock = threading.Lock()
        self._alone: ironpipe.MessageDecoder | None = None
        self._shared: ironpipe.MessageDecoder | None = None

    def take(self, message: "PipesMessage") -> None:
        """Takes a message, parsed. Raises nothing for it.

        Args:
            message: What should be one.
        """
        try:
            line = dumps(message) + b"\n"
        except Exception as error:
            self._ledger.refuse(message, error)
            return
        with self._lock:
            if self._alone is None:
                self._alone = ironpipe.MessageDecoder()
            self._deliver([*self._alone.push(line)])

    def take_line(self, line: str) -> Sequence[str]:
        """Takes a line of a channel that ordinary output goes through, too.

        Args:
            line: The line, or several.

        Returns:
            The lines that are ordinary output.
        """
        with self._lock:
            if self._shared is None:
                self._shared = ironpipe.MessageDecoder(shared=True)
            items = [*self._shared.push(line), *self._shared.end_chunk()]
            messages = [item for item in items if not isinstance(item, ironpipe.OrdinaryOutput)]
            if messages:
                self._deliver(messages)
        return [item.text for item in items if isinstance(item, ironpipe.OrdinaryOutput)]

    def reports(self) -> "Sequence[DeliveryReport]":
        """What was counted; empty where nothing was handed over."""
        with self._lock:
            decoders = (self._alone, self._shared)
            return [decoder.report for decoder in decoders if decoder is not None]


class Taker:
    """What stands before a handler: what a reader hands over goes through the engine."""

    intake: Intake
    """What checks it."""

    def handle_message(self, message: "PipesMessage") -> None:
        """Handles one message. Raises nothing.

        Args:
            message: The message, parsed.
        """
        self.intake.take(message)

    def take_line(self, line: str) -> Sequence[str]:
        """Handles a line of a channel that ordinary output goes through, too. Raises nothing.

        Args:
            line: The line, or several.

        Returns:
            The lines that are ordinary output.
        """
        return self.intake.take_line(line)
