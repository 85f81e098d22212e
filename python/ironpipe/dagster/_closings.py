"""Who has closed, of those that report through one reader."""

from ._types import EngineMessage

# A file made to grow this dict is no file to remember more of.
_MOST_WRITERS = 100_000


class Closings:
    """Tells the messages that come behind the ``closed`` of their own writer.

    A forked child, a call of ``ironpipe emit`` and a second process on the same channel are writers
    beside the main process, and none of them ends what another one has to say. Those that do not
    number their messages can't be told apart: what one opens any of them may close.
    """

    def __init__(self) -> None:
        self.any = False
        """Whether one has closed: until then no message is late."""
        # How often a writer has opened and not closed: 0 is one that has closed.
        self._open: dict[str | None, int] = {}

    def is_late(self, message: EngineMessage) -> bool:
        """Takes note of a message. To be asked of each ``opened`` and ``closed``.

        Args:
            message: The message.

        Returns:
            Whether its writer had closed before.
        """
        writer, method = message.writer, message.method
        late = self._open.get(writer) == 0
        if method in ("opened", "closed") and (
            writer in self._open or len(self._open) < _MOST_WRITERS
        ):
            opened = self._open.get(writer, 0)
            self._open[writer] = opened + 1 if method == "opened" else max(opened - 1, 0)
            self.any |= method == "closed"
        # Who opens again is not late, nor is what the official client has captured.
        return late and method not in ("opened", "log_external_stream")
