"""What a session leaves running that is interrupted where it is most awkward: nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from bulk_harness import run_op
from channel_harness import wait_for
from event_logs import SQLITE, instance_on
from ironpipe import dagster as ours
from ironpipe.dagster._bulk import logs
from ironpipe.dagster._ledger import Ledger


class LogOfNothing(ours.PipesThreadedMessageReader):
    """Downloads messages in a thread of the session's own; there are none."""

    drain_timeout = 0

    @contextmanager
    def get_params(self) -> Iterator[dict[str, Any]]:
        yield {}

    def messages_are_readable(self, params: Any) -> bool:
        return True

    def download_messages(self, cursor: int | None, params: Any) -> None:
        return None

    def no_messages_debug_text(self) -> str:
        return "Looked nowhere."


class Log(dg.PipesLogReader):
    """A log that never comes."""

    def start(self, params: Any, is_session_closed: threading.Event) -> None: ...

    def stop(self) -> None: ...

    def is_running(self) -> bool:
        return False

    def target_is_readable(self, params: Any) -> bool:
        return False


READERS: dict[str, tuple[str, Callable[[Path], dg.PipesMessageReader]]] = {
    "file": (
        "ironpipe-PipesTempFileMessageReader",
        lambda _: ours.PipesTempFileMessageReader(),
    ),
    "chunks": ("ironpipe-listen", lambda path: ours.StoreMessageReader(str(path))),
    "downloads": ("ironpipe-messages", lambda _: LogOfNothing(interval=0.01)),
    "logs": ("ironpipe-logs", lambda _: LogOfNothing(interval=0.01, log_readers=[Log()])),
}


@pytest.mark.parametrize("kind", READERS)
def test_an_interruption_while_a_thread_is_being_started(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, make = READERS[kind]
    start = threading.Thread.start
    started: list[threading.Thread] = []

    def start_and_interrupt(thread: threading.Thread) -> None:
        start(thread)
        if thread.name == name:
            started.append(thread)
            raise DagsterExecutionInterruptedError

    # Else it gives up on the log by itself, after a minute.
    monkeypatch.setattr("dagster._core.pipes.utils.WAIT_FOR_LOGS_TIMEOUT", 0)

    def body(context: Any) -> None:
        injector = ours.PipesTempFileContextInjector()
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", start_and_interrupt)
            with (
                pytest.raises(DagsterExecutionInterruptedError),
                ours.open_pipes_session(context, injector, make(tmp_path)),
            ):
                raise AssertionError
        (thread,) = started
        wait_for(lambda: not thread.is_alive())

    with dg.DagsterInstance.ephemeral() as instance:
        stored = run_op(instance, body)
    assert stored.success, stored.failure()


def test_a_session_that_the_collector_ends() -> None:
    """It may be at work anywhere, also where another session begins in the same thread."""

    def body(context: Any) -> None:
        stack = ExitStack()
        stack.enter_context(logs.bulk_logs(context, Ledger()))

        def end() -> None:
            with logs._installing:
                stack.close()

        thread = threading.Thread(target=end, daemon=True)
        thread.start()
        thread.join(60)
        assert not thread.is_alive()

    with instance_on(SQLITE) as instance:
        stored = run_op(instance, body)
    assert stored.success, stored.failure()
