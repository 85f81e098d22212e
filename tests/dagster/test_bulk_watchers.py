"""Who follows a run while its log messages are stored in bulk sees each of them, once, in order."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dagster as dg
import pytest
from sqlalchemy.exc import OperationalError

from bulk_harness import log, run_op, session
from event_logs import CONSOLIDATED, POSTGRES, SQLITE, instance_on

PATIENCE = 60


@pytest.mark.parametrize("storage", [SQLITE, CONSOLIDATED, POSTGRES])
def test_a_watcher_sees_rows_while_the_step_runs(storage: str) -> None:
    texts = [f"row {n}" for n in range(2_500)]
    seen: list[str] = []
    some, rest = threading.Event(), threading.Event()

    def watch(entry: dg.EventLogEntry, _cursor: str) -> None:
        if entry.user_message.startswith("row "):
            seen.append(entry.user_message)
            if len(seen) == 1_200:
                some.set()
            if entry.user_message == texts[-1]:
                rest.set()

    def body(context: Any) -> None:
        instance.watch_event_logs(context.run_id, None, watch)
        with session(context) as send:
            send([log(text) for text in texts[:1_200]])
            assert some.wait(PATIENCE), "nothing was seen while the session was open"
            send([log(text) for text in texts[1_200:]])
        context.log.info("done")
        assert rest.wait(PATIENCE)

    with instance_on(storage) as instance:
        stored = run_op(instance, body)
        instance.event_log_storage.dispose()
    assert stored.success, stored.failure()
    assert seen == texts
    assert [text for text in stored.logs() if text.startswith("row ")] == texts


@pytest.mark.parametrize("storage", [SQLITE, CONSOLIDATED, POSTGRES])
def test_another_writer_of_the_run_lets_no_cursor_skip_rows(storage: str) -> None:
    """Ids that are given out before a commit may become visible behind higher ones."""
    seen: list[int] = []
    done = threading.Event()
    others = 0

    def follow(run_id: str) -> None:
        cursor = None
        while True:
            last = done.is_set()
            try:
                found = instance.event_log_storage.get_records_for_run(run_id, cursor)
            except OperationalError:
                # SQLite was busy; whoever follows a run asks again.
                continue
            cursor = found.cursor
            seen.extend(record.storage_id for record in found.records)
            if last and not found.records:
                return

    def interfere(run: dg.DagsterRun) -> None:
        nonlocal others
        while not done.is_set():
            instance.report_engine_event("another process of the run", run)
            others += 1

    def body(context: Any) -> None:
        run = context.dagster_run
        with ThreadPoolExecutor() as pool:
            threads = [pool.submit(follow, run.run_id), pool.submit(interfere, run)]
            try:
                with session(context) as send:
                    send([log(f"row {n}") for n in range(6_000)])
            finally:
                done.set()
            # What a thread died of is what the test fails with.
            for thread in threads:
                thread.result(PATIENCE)

    with instance_on(storage) as instance:
        stored = run_op(instance, body)
        run_id = instance.get_runs()[0].run_id
        records = instance.event_log_storage.get_records_for_run(run_id, limit=100_000).records
    assert stored.success, stored.failure()
    assert others
    assert seen == [record.storage_id for record in records][: len(seen)]
    assert len(seen) >= 6_000
