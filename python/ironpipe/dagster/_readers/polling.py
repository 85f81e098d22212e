"""Messages and logs that are downloaded again and again: the threads of one session."""

import random
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from dagster._core.pipes import utils
from dagster._core.pipes.utils import PipesLogReader
from dagster_pipes import PipesParams

import ironpipe

from .._delivery import Delivery
from .._types import Context

if TYPE_CHECKING:
    from ironpipe import DeliveryReport
    from ironpipe._ironpipe import Batch

    from .threaded import PipesThreadedMessageReader

_FIRST_RETRY = 0.1
_LONGEST_PAUSE = 10.0


class Polling:
    """Downloads the messages of one session, and starts its log readers.

    Nothing that goes wrong once ends it: a download that raises is tried again, and one that goes
    on raising is reported. The end is no matter of a clock: messages are downloaded as long as some
    come, and only where none says ``closed`` is there a wait for more.

    Args:
        reader: What to download with. Nobody else uses it meanwhile.
        delivery: Takes the messages.
        params: The params of the session.
        context: The context of the step, to warn through.
    """

    def __init__(
        self,
        reader: "PipesThreadedMessageReader",
        delivery: Delivery,
        params: PipesParams,
        context: Context,
    ) -> None:
        self._reader = reader
        self._delivery = delivery
        self._params = params
        self._context = context
        self._decoder = ironpipe.MessageDecoder(
            shared=reader.shares_channel, max_line=reader.max_line
        )
        # Log readers get this one, as from the official reader.
        self._closed = threading.Event()
        self._abandoned = threading.Event()
        self._steps = 0

    @contextmanager
    def running(self) -> Generator[None, None, None]:
        """Reads while the block runs, and the rest at its end."""
        threads = {
            name: threading.Thread(
                target=self._guarded, args=(name, read), name=f"ironpipe-{name}", daemon=True
            )
            for name, read in (("messages", self._read_messages), ("logs", self._read_logs))
        }
        for thread in threads.values():
            thread.start()
        try:
            yield
        finally:
            try:
                self._closed.set()
                for name, thread in threads.items():
                    self._join(name, thread)
            except BaseException:
                # Interrupted while the rest was read: nothing more may reach the step's log.
                self._delivery.abandon()
                self._abandoned.set()
                raise
            self._delivery.finish(self._decoder.report, buffered=self._reader.holds_back)

    def _join(self, name: str, thread: threading.Thread) -> None:
        """Waits for the end of a thread as long as it gets on."""
        while True:
            steps = self._steps
            thread.join(timeout=utils.THREAD_WAIT_TIMEOUT)
            if not thread.is_alive():
                return
            if self._steps == steps:
                self._delivery.abandon()
                self._abandoned.set()
                error = TimeoutError(f"Timed out waiting for {name} thread to finish.")
                self._delivery.fail(f"{self._delivery.name} {name} thread", _exc_info(error))
                return

    def _guarded(self, name: str, read: Any) -> None:
        try:
            read()
        except BaseException:
            self._delivery.fail(f"{self._delivery.name} {name} thread", sys.exc_info())

    # --- messages ---

    def _read_messages(self) -> None:
        cursor: Any = None
        readable = False
        trouble = _Trouble(self._reader.retry_timeout)
        quiet_since: float | None = None
        params = self._params
        while not self._abandoned.is_set():
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
                self._rest(pause, closed=closed)
                continue
            trouble = _Trouble(self._reader.retry_timeout)
            if found is not None and self._take(found, cursor):
                cursor, quiet_since = found[0], None
                if not closed and not self._reader.holds_back:
                    # A log that goes on would be asked for without a pause.
                    self._delivery.flush()
                    self._rest(utils.DEFAULT_SLEEP_INTERVAL, closed=closed)
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
            self._rest(self._reader.interval, closed=closed)
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

    def _rest(self, seconds: float, *, closed: bool) -> None:
        """Waits; while the session is open, no longer than until it closes."""
        if closed:
            self._abandoned.wait(min(seconds, utils.DEFAULT_SLEEP_INTERVAL))
        else:
            self._closed.wait(seconds)

    # --- logs ---

    def _read_logs(self) -> None:
        started: dict[str, PipesLogReader] = {}
        params = self._params
        deadline: float | None = None
        try:
            while not self._abandoned.is_set():
                closed = self._closed.is_set()
                self._steps += 1
                if self._reader.opened_payload is not None:
                    params = {**params, **cast("PipesParams", self._reader.opened_payload)}
                waiting = {
                    key: log_reader
                    for key, log_reader in list(self._reader.log_readers.items())
                    if key not in started
                }
                started.update(
                    (key, log_reader)
                    for key, log_reader in waiting.items()
                    if self._start(log_reader, params)
                )
                missing = [log_reader for key, log_reader in waiting.items() if key not in started]
                if closed:
                    if not missing:
                        return
                    deadline = deadline or time.monotonic() + utils.WAIT_FOR_LOGS_TIMEOUT
                    if time.monotonic() > deadline:
                        self._warn_of(missing)
                        return
                self._rest(utils.DEFAULT_SLEEP_INTERVAL, closed=closed)
        finally:
            for log_reader in started.values():
                self._stop(log_reader)

    def _start(self, log_reader: PipesLogReader, params: PipesParams) -> bool:
        try:
            if not log_reader.target_is_readable(params):
                return False
            log_reader.start(params, self._closed)
        except Exception as error:
            if self._closed.is_set():
                self._context.log.warning(
                    log_reader.with_debug_info(
                        f"[ironpipe] log reader {log_reader.name} could not be started: {error!r}"
                    )
                )
            return False
        return True

    def _stop(self, log_reader: PipesLogReader) -> None:
        try:
            if log_reader.is_running():
                log_reader.stop()
        except Exception as error:
            self._context.log.warning(
                log_reader.with_debug_info(
                    f"[ironpipe] log reader {log_reader.name} did not end well: {error!r}"
                )
            )

    def _warn_of(self, missing: "list[PipesLogReader]") -> None:
        for log_reader in missing:
            self._context.log.warning(
                log_reader.with_debug_info(
                    f"[pipes] Attempted to read log for reader {log_reader.name} but log was still"
                    f" not written {utils.WAIT_FOR_LOGS_TIMEOUT} seconds after session close."
                )
            )


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


def _exc_info(error: Exception) -> Any:
    return type(error), error, error.__traceback__
