"""Messages that are downloaded again and again: the thread of one session."""

import random
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from dagster._core.pipes import utils
from dagster_pipes import PipesParams

import ironpipe

from .._delivery import Delivery
from .._types import Context
from .log_readers import LogReaders, join, reading_thread, rest

if TYPE_CHECKING:
    from ironpipe import DeliveryReport
    from ironpipe._ironpipe import Batch

_FIRST_RETRY = 0.1
_LONGEST_PAUSE = 10.0


class PolledReader(utils.PipesThreadedMessageReader):
    """What a reader says of its channel, besides how to download from it."""

    max_line: int
    """The longest line that is read, in bytes."""

    shares_channel: bool = True
    """Whether ordinary output stands between the messages, as in a log. It is passed over."""

    holds_back: bool = False
    """Whether the writer gathers messages before it sends them: then one that never says
    ``closed`` has lost some, and the step fails."""

    drain_timeout: float = utils.WAIT_FOR_LOGS_AFTER_EXECUTION_INTERVAL
    """How long to go on, in seconds, after the session has closed and nothing more has come, where
    a writer has not said ``closed``."""

    retry_timeout: float = 60.0
    """How long to try again, in seconds, after the session has closed, where downloads raise."""


class Polling:
    """Downloads the messages of one session.

    Nothing that goes wrong once ends it: a download that raises is tried again, and one that goes
    on raising is reported. The end is no matter of a clock: messages are downloaded as long as some
    come, and only where none says ``closed`` is there a wait for more.

    Args:
        reader: What to download with. Nobody else uses it meanwhile.
        delivery: Takes the messages.
        params: The params of the session.
        context: The context of the step, to warn through.
        logs: The log readers of the session. They end with it.
    """

    def __init__(
        self,
        reader: PolledReader,
        delivery: Delivery,
        params: PipesParams,
        context: Context,
        logs: LogReaders,
    ) -> None:
        self._reader = reader
        self._delivery = delivery
        self._params = params
        self._context = context
        self._decoder = ironpipe.MessageDecoder(
            shared=reader.shares_channel, max_line=reader.max_line
        )
        self._logs = logs
        self._closed = logs.closed
        self._steps = 0

    @contextmanager
    def running(self) -> Generator[None, None, None]:
        """Reads while the block runs, and the rest at its end."""
        thread = reading_thread("messages", self._read_messages, self._delivery)
        try:
            # Here, since an interruption may come when it has started.
            thread.start()
            yield
        finally:
            self._closed.set()
            join("messages", thread, lambda: self._steps, self._delivery)
            self._delivery.finish(self._decoder.report, buffered=self._reader.holds_back)

    # --- messages ---

    def _read_messages(self) -> None:
        cursor: Any = None
        readable = False
        trouble = _Trouble(self._reader.retry_timeout)
        quiet_since: float | None = None
        params = self._params
        while not self._delivery.abandoned.is_set():
            # Asked before the download: what was written before the end is then found after it.
            closed = self._closed.is_set()
            self._steps += 1
            try:
                if not readable:
                    launched = cast("PipesParams", self._reader.launched_payload or {})
                    params = {**self._params, **launched}
                    readable = self._reader.messages_are_readable(params)
                found = self._reader.download_messages(cursor, params) if readable else None
            except Exception as error:
                if trouble.is_new:
                    self._context.log.warning(
                        f"[ironpipe] {self._delivery.name} could not read messages, and tries"
                        f" again: {error!r}"
                    )
                pause = trouble.pause(closed=closed)
                if pause is None:
                    raise
                self._rest(pause)
                continue
            trouble = _Trouble(self._reader.retry_timeout)
            if found is not None and self._take(found, cursor):
                cursor, quiet_since = found[0], None
                if not closed and not self._reader.holds_back:
                    # A log that goes on would be asked for without a pause.
                    self._delivery.flush()
                    self._rest(utils.DEFAULT_SLEEP_INTERVAL)
                continue
            if found is not None:
                cursor = found[0]
            self._delivery.flush()
            if closed:
                if self._is_over(self._decoder.report):
                    break
                quiet_since = quiet_since or time.monotonic()
                if time.monotonic() - quiet_since >= self._reader.drain_timeout:
                    if not readable:
                        self._reader._log_unstartable_warning(cast("Any", self), params)
                    break
            self._rest(self._reader.interval)
        self._deliver(self._decoder.finish())
        self._delivery.flush()

    def _take(self, found: tuple[Any, str], cursor: Any) -> bool:
        """Takes a chunk; whether another one may be there by now."""
        moved, chunk = found
        if not chunk:
            return False
        self._deliver(self._decoder.push(chunk))
        self._deliver(self._decoder.end_chunk())
        return moved != cursor

    def _deliver(self, batch: "Batch[Any]") -> None:
        self._delivery.deliver(
            item for item in batch if not isinstance(item, ironpipe.OrdinaryOutput)
        )

    def _is_over(self, report: "DeliveryReport") -> bool:
        """Whether nothing more can come: all that opened have closed, and no number is missing."""
        return (
            report.closed > 0
            and report.closed >= report.opened
            and not report.missing_count
            and all(writer.closed or not writer.opened for writer in report.writers)
        )

    def _rest(self, seconds: float) -> None:
        rest(seconds, self._closed, self._delivery)


class _Trouble:
    """A run of downloads that raised."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._pauses = 0
        self._closed_at: float | None = None

    @property
    def is_new(self) -> bool:
        return self._pauses == 0

    def pause(self, *, closed: bool) -> float | None:
        """How long to wait before the next try; None if there is to be none."""
        now = time.monotonic()
        if closed:
            self._closed_at = self._closed_at or now
            if now - self._closed_at >= self._patience:
                return None
        self._pauses += 1
        longest = min(_FIRST_RETRY * 2 ** min(self._pauses, 10), _LONGEST_PAUSE)
        return longest * random.uniform(0.5, 1)  # noqa: S311
