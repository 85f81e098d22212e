"""Messages through the logs of a Prefect run. The names are those of ``dagster_pipes``."""

from __future__ import annotations

import logging
from contextlib import contextmanager

from ironpipe import _ironpipe
from ironpipe._channels import PipesMessageWriter, PipesMessageWriterChannel
from ironpipe._checks import env_param, optional_env_param
from ironpipe._errors import DagsterPipesError
from ironpipe._protocol import make_message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from ironpipe._types import PipesMessage, PipesParams

__all__ = ["PipesPrefectLogsMessageWriter", "PipesPrefectLogsMessageWriterChannel"]


class PipesPrefectLogsMessageWriterChannel(PipesMessageWriterChannel):
    """Writes each message as one record of level INFO to a logger.

    Prefect cuts records that are too long, which would leave half a message. So an error is logged
    in the place of a message that is too long. It keeps its number, so that a reader of ironpipe
    tells that it is missing.

    Args:
        logger: The logger.
        max_message_bytes: The longest message that is written, in bytes.
    """

    def __init__(self, logger: logging.Logger, max_message_bytes: int):
        self._logger = logger
        self._max_message_bytes = max_message_bytes
        self._lines = _ironpipe.LineWriter()

    def write_message(self, message: PipesMessage) -> None:
        """Log one message.

        Args:
            message: The envelope.

        Raises:
            NotJsonError: JSON has no text for a value; the error names its place.
            DagsterPipesError: Dagster would refuse the message, or the logger takes none.
        """
        if not self._logger.isEnabledFor(logging.INFO):
            raise DagsterPipesError(
                f"The logger `{self._logger.name}` takes nothing of level INFO, so no message can"
                " reach Dagster. Set its level, or let Prefect set up its logging first."
            )
        line = self._lines.line(message)[:-1]
        # It is in ASCII, so its length is what it takes up.
        if len(line) > self._max_message_bytes:
            line = self._lines.line(self._stand_in(message, len(line)))[:-1]
        self._logger.info(line)

    def _stand_in(self, message: PipesMessage, size: int) -> PipesMessage:
        method, params = message["method"], message["params"] or {}
        error = (
            f"Dropped a `{method}` Pipes message of {size} bytes, over the"
            f" {self._max_message_bytes}-byte limit for Prefect logs. Use a blob store message"
            " writer for large payloads."
        )
        # The orchestration side still has to see the end.
        if method == "closed":
            exception: dict[str, Any] = {**(params.get("exception") or {"name": None})}
            exception.update(message=error, stack=[], cause=None, context=None)
            return make_message(method, {"exception": exception})
        return make_message("log", {"message": error, "level": "ERROR"})


class PipesPrefectLogsMessageWriter(PipesMessageWriter[PipesPrefectLogsMessageWriterChannel]):
    """Sends messages through the logs of the Prefect flow or task that this runs in.

    Prefect's own handler finds the run by itself, so Prefect need not be imported here.
    """

    PREFECT_LOGS_KEY = "prefect_logs"
    MAX_MESSAGE_BYTES_KEY = "max_message_bytes"
    # Below Prefect's own logger, whose handler it is to reach; that one's console format asks for
    # fields that only records of Prefect's own have.
    LOGGER_NAME = "prefect.flow_runs.dagster_pipes"
    # Prefect takes 1 MB, with what it puts around the message.
    DEFAULT_MAX_MESSAGE_BYTES = 900_000

    @contextmanager
    def open(self, params: PipesParams) -> Generator[PipesPrefectLogsMessageWriterChannel]:
        """Open the channel.

        Args:
            params: ``{"prefect_logs": bool, "max_message_bytes": int | None}``.

        Raises:
            DagsterPipesError: The params are others.
        """
        env_param(params, self.PREFECT_LOGS_KEY, bool, self)
        longest = optional_env_param(params, self.MAX_MESSAGE_BYTES_KEY, int, self)
        yield PipesPrefectLogsMessageWriterChannel(
            logger=logging.getLogger(self.LOGGER_NAME),
            max_message_bytes=longest or self.DEFAULT_MAX_MESSAGE_BYTES,
        )
