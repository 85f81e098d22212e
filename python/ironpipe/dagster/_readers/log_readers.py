"""The log readers of one session: started when there is something to read, and stopped."""

import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import cast

from dagster._core.pipes import utils
from dagster._core.pipes.utils import PipesLogReader
from dagster_pipes import PipesParams

from .._delivery import Delivery
from .._types import Context


class LogReaders:
    """Starts the log readers of one session, in a thread if there are any.

    Args:
        reader: Whose they are.
        delivery: Takes the messages of the session, and tells when it is interrupted.
        params: The params of the session.
        context: The context of the step, to warn through.
    """

    def __init__(
        self,
        reader: utils.PipesThreadedMessageReader,
        delivery: Delivery,
        params: PipesParams,
        context: Context,
    ) -> None:
        self._reader = reader
        self._delivery = delivery
        self._params = params
        self._context = context
        self._thread: threading.Thread | None = None
        self._steps = 0
        self.closed = threading.Event()
        """Whether the session is. Log readers get this one, as from the official reader."""

    def begin(self) -> None:
        """Looks after the log readers, should there be any by now."""
        if self._thread is None and self._reader.log_readers:
            self._thread = reading_thread("logs", self._run, self._delivery)
            self._thread.start()

    @contextmanager
    def running(self) -> Generator[None, None, None]:
        """Looks after them while the block runs, and until they are through."""
        try:
            self.begin()
            yield
        finally:
            self.closed.set()
            if self._thread is not None:
                join("logs", self._thread, lambda: self._steps, self._delivery)

    def _run(self) -> None:
        started: dict[str, PipesLogReader] = {}
        params = self._params
        deadline: float | None = None
        try:
            while not self._delivery.abandoned.is_set():
                closed = self.closed.is_set()
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
                rest(utils.DEFAULT_SLEEP_INTERVAL, self.closed, self._delivery)
        finally:
            for log_reader in started.values():
                self._stop(log_reader)

    def _start(self, log_reader: PipesLogReader, params: PipesParams) -> bool:
        try:
            if not log_reader.target_is_readable(params):
                return False
            log_reader.start(params, self.closed)
        except Exception as error:
            if self.closed.is_set():
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


def reading_thread(name: str, read: Callable[[], None], delivery: Delivery) -> threading.Thread:
    """A thread of a session's, to be started. What it raises goes into the session's account.

    Args:
        name: What it reads.
        read: Does so.
        delivery: The session's.
    """

    def run() -> None:
        try:
            read()
        except BaseException:
            delivery.fail(f"{delivery.name} {name} thread", sys.exc_info())

    return threading.Thread(target=run, name=f"ironpipe-{name}", daemon=True)


def join(name: str, thread: threading.Thread, steps: Callable[[], int], delivery: Delivery) -> None:
    """Waits for the end of a thread as long as it gets on, and the step is not interrupted.

    Args:
        name: What it reads.
        thread: The thread.
        steps: How many steps it has made.
        delivery: The session's.
    """
    try:
        while thread.is_alive() and not delivery.abandoned.is_set():
            before = steps()
            thread.join(timeout=utils.THREAD_WAIT_TIMEOUT)
            if thread.is_alive() and steps() == before:
                delivery.abandon()
                error = TimeoutError(f"Timed out waiting for {name} thread to finish.")
                delivery.fail_of(f"{delivery.name} {name} thread", error)
    except BaseException:
        # Interrupted while the rest was read: nothing more may reach the step's log.
        delivery.abandon()
        raise


def rest(seconds: float, closed: threading.Event, delivery: Delivery) -> None:
    """Waits; while the session is open, no longer than until it closes.

    Args:
        seconds: How long.
        closed: Whether the session is closed.
        delivery: The session's.
    """
    if closed.is_set():
        delivery.abandoned.wait(min(seconds, utils.DEFAULT_SLEEP_INTERVAL))
    else:
        closed.wait(seconds)
