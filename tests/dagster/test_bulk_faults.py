"""Log messages stored in bulk, while the storage or the step is in trouble."""

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg2
import pytest
import sqlalchemy as db

from bulk_harness import log, run_op, session
from dagster_harness import Stored
from event_logs import POSTGRES, SQLITE, instance_on, restartable, rows
from ironpipe.dagster import open_pipes_session

PATIENCE = 60


def rows_of(stored: Stored) -> list[str]:
    return [text for text in stored.logs() if text.startswith("row ")]


@pytest.mark.parametrize("committed", [True, False])
def test_a_commit_whose_answer_is_lost_stores_nothing_twice(
    committed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = 0

    def body(context: Any) -> None:
        dialect = context.instance.event_log_storage._engine.dialect
        commit = dialect.do_commit

        def do_commit(connection: Any) -> None:
            nonlocal lost
            if not lost:
                lost += 1
                if committed:
                    commit(connection)
                connection.close()
                raise psycopg2.OperationalError("server closed the connection unexpectedly")
            commit(connection)

        with session(context) as send:
            monkeypatch.setattr(dialect, "do_commit", do_commit)
            send([log(f"row {n}") for n in range(300)])

    with instance_on(POSTGRES) as instance:
        stored = run_op(instance, body)
    assert stored.success, stored.failure()
    assert lost == 1
    assert rows_of(stored) == [f"row {n}" for n in range(300)]


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_postgres_may_restart_while_rows_are_stored(mode: str) -> None:
    restarts, batch = 2, 2_000

    def body(context: Any, restart: Callable[[str], None]) -> None:
        with session(context) as send:
            # Of each batch some rows are stored when it begins, and some wait while it lasts.
            for number in range(restarts):
                send([log(f"row {n}") for n in range(number * batch, number * batch + batch)])
                while not rows_begun(context, number * batch):
                    time.sleep(0.01)
                restart(mode)
            send([log("row end")])

    def rows_begun(context: Any, first: int) -> bool:
        found = rows(context.instance, context.run_id)
        return any(f'"row {first}"' in row["event"] for row in found)

    with restartable() as (address, restart), instance_on(address) as instance:
        stored = run_op(instance, lambda context: body(context, restart))
    assert stored.success, stored.failure()
    assert rows_of(stored) == [*(f"row {n}" for n in range(restarts * batch)), "row end"]


def test_rows_are_told_to_those_who_listen_on_postgres() -> None:
    def body(context: Any) -> None:
        with session(context) as send:
            send([log(f"row {n}") for n in range(120)])

    with instance_on(POSTGRES) as instance:
        storage: Any = instance.event_log_storage
        listener = psycopg2.connect(storage.postgres_url)
        listener.autocommit = True
        with listener.cursor() as cursor:
            cursor.execute("LISTEN run_events")
        stored = run_op(instance, body)
        run_id = instance.get_runs()[0].run_id
        listener.poll()
        told = [notify.payload for notify in listener.notifies]
        listener.close()
        ids = [
            f"{run_id}_{record.storage_id}"
            for record in storage.get_records_for_run(run_id, limit=1_000).records
            if record.event_log_entry.user_message.startswith("row ")
        ]
    assert len(rows_of(stored)) == len(ids) == 120
    assert [payload for payload in told if payload in set(ids)] == ids


def test_where_the_table_can_not_be_locked_rows_are_stored_all_the_same() -> None:
    def body(context: Any) -> None:
        holder = psycopg2.connect(context.instance.event_log_storage.postgres_url)
        with session(context) as send:
            with holder.cursor() as cursor:
                # Writers of rows may go on, and whoever wants the table for himself has to wait.
                cursor.execute("LOCK TABLE event_logs IN ROW EXCLUSIVE MODE")
            send([log(f"row {n}") for n in range(1_200)])
        holder.close()

    with instance_on(POSTGRES) as instance:
        stored = run_op(instance, body)
    assert stored.success, stored.failure()
    assert rows_of(stored) == [f"row {n}" for n in range(1_200)]


def test_a_sqlite_that_another_process_has_locked_is_waited_for() -> None:
    def body(context: Any) -> None:
        storage = context.instance.event_log_storage
        with session(context) as send:
            context.log.info("before")
            other = sqlite3.connect(storage.path_for_shard(context.run_id), check_same_thread=False)
            other.execute("BEGIN IMMEDIATE")
            # Longer than a message waits to be stored with others.
            end = threading.Timer(2.0, other.rollback)
            end.start()
            send([log(f"row {n}") for n in range(1_500)])
        end.join()
        other.close()

    with instance_on(SQLITE) as instance:
        stored = run_op(instance, body)
    assert stored.success, stored.failure()
    assert rows_of(stored) == [f"row {n}" for n in range(1_500)]


def test_a_listener_that_raises_does_not_fail_the_run(capfd: pytest.CaptureFixture[str]) -> None:
    def listen(entry: dg.EventLogEntry) -> None:
        if entry.user_message.startswith("row "):
            raise ValueError("mine")

    def body(context: Any) -> None:
        context.instance.add_event_listener(context.run_id, listen)
        with session(context) as send:
            send([log("row 1"), log("row 2")])

    with instance_on(SQLITE) as instance:
        stored = run_op(instance, body)
    assert stored.success, stored.failure()
    assert rows_of(stored) == ["row 1", "row 2"]
    line = "Exception while writing logger call to event log: mine"
    assert capfd.readouterr().err.count(line) == 2


def test_a_child_that_an_op_forks_stores_nothing_of_its_parent() -> None:
    def body(context: Any) -> None:
        with session(context) as send:
            send([log(f"row {n}") for n in range(40)])
            child = os.fork()
            if child == 0:
                for handler in context.log._dagster_handler._handlers:
                    handler.flush()
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            send([log(f"row {n}") for n in range(40, 80)])

    with instance_on(SQLITE) as instance:
        stored = run_op(instance, body)
    assert stored.success, stored.failure()
    assert rows_of(stored) == [f"row {n}" for n in range(80)]


class ForeignReader(dg.PipesTempFileMessageReader):
    """A user's own reader on the official class."""


def test_messages_of_official_readers_go_in_bulk_and_in_time() -> None:
    transactions: list[int] = []
    seen = threading.Event()

    def body(context: Any) -> None:
        storage = context.instance.event_log_storage

        def count(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            if statement.startswith("INSERT INTO event_logs"):
                transactions.append(1)

        def watch(entry: dg.EventLogEntry) -> None:
            if entry.user_message == "row 499":
                seen.set()

        context.instance.add_event_listener(context.run_id, watch)
        db.event.listen(db.engine.Engine, "after_cursor_execute", count)
        try:
            with open_pipes_session(
                context, dg.PipesTempFileContextInjector(), ForeignReader()
            ) as pipes:
                path = Path(pipes.message_reader_params["path"])
                with path.open("ab") as file:
                    file.write(b"".join(log(f"row {n}") for n in range(500)))
                assert seen.wait(PATIENCE), "nothing was stored while the session was open"
        finally:
            db.event.remove(db.engine.Engine, "after_cursor_execute", count)
        assert storage

    with instance_on(SQLITE) as instance:
        stored = run_op(instance, body)
    assert rows_of(stored) == [f"row {n}" for n in range(500)]
    assert len(transactions) < 100
