"""Log messages stored in bulk: what else stands around a step's log, and what goes wrong."""

import json
import logging
import threading
import time
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as db
from dagster._core.errors import DagsterExecutionInterruptedError

from bulk_harness import line, log, run_op, session
from dagster_harness import Stored
from event_logs import POSTGRES, SQLITE, instance_on, new_database, rows
from ironpipe.dagster._bulk import store
from ironpipe.dagster._bulk.store import LogStore

STORAGES = [SQLITE, POSTGRES]


def rows_of(stored: Stored) -> list[str]:
    return [text for text in stored.logs() if text.startswith("row ")]


def test_a_python_log_level_is_honoured() -> None:
    def body(context: Any) -> None:
        with session(context) as send:
            send([log("row 1", "INFO"), log("row 2", "WARNING"), log("row 3", "DEBUG")])

    with instance_on(SQLITE, python_logs={"python_log_level": "WARNING"}) as instance:
        assert rows_of(run_op(instance, body)) == ["row 2"]


def test_loggers_of_the_job_get_each_message() -> None:
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    @dg.logger
    def own(_context: Any) -> logging.Logger:
        logger = logging.Logger("own", level=logging.INFO)
        logger.addHandler(Keep())
        return logger

    def body(context: Any) -> None:
        with session(context) as send:
            send([log("row 1"), log("row 2", "DEBUG"), log("row 3", "ERROR")])

    with instance_on(SQLITE) as instance:
        stored = run_op(instance, body, logger_defs={"own": own}, config={"loggers": {"own": {}}})
    assert rows_of(stored) == ["row 1", "row 2", "row 3"]
    kept = [record for record in records if record.getMessage().rpartition(" - ")[2][:4] == "row "]
    assert [(record.levelno, record.dagster_meta["orig_message"]) for record in kept] == [
        (logging.INFO, "row 1"),
        (logging.ERROR, "row 3"),
    ]


def test_filters_and_handlers_of_the_user_are_honoured() -> None:
    heard: list[str] = []

    class Hear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.dagster_meta["orig_message"])

    def body(context: Any) -> None:
        context.log.addFilter(lambda record: "secret" not in record.getMessage())
        context.log.addHandler(Hear())
        with session(context) as send:
            send([log("row 1"), log("row secret"), log("row 2")])

    with instance_on(SQLITE) as instance:
        assert rows_of(run_op(instance, body)) == ["row 1", "row 2"]
    assert [text for text in heard if text.startswith("row ")] == ["row 1", "row 2"]


def test_what_the_storage_logs_meanwhile_is_not_logged() -> None:
    settings = {"managed_python_loggers": ["sqlalchemy.engine"], "python_log_level": "DEBUG"}

    def body(context: Any) -> None:
        with session(context) as send:
            send([log(f"row {n}") for n in range(50)])

    with instance_on(SQLITE, python_logs=settings) as instance:
        stored = run_op(instance, body)
    assert len(rows_of(stored)) == 50
    assert not [text for text in stored.logs() if "INSERT INTO" in text]


def test_those_who_listen_to_the_run_hear_each_message() -> None:
    heard: list[str] = []

    def body(context: Any) -> None:
        context.instance.add_event_listener(
            context.run_id, lambda entry: heard.append(entry.user_message)
        )
        with session(context) as send:
            send([log(f"row {n}") for n in range(1_500)])

    with instance_on(SQLITE) as instance:
        stored = run_op(instance, body)
    assert [text for text in heard if text.startswith("row ")] == rows_of(stored)
    assert len(rows_of(stored)) == 1_500


@pytest.mark.parametrize("storage", STORAGES)
def test_sessions_in_threads_and_the_step_itself_log_into_one_order(storage: str) -> None:
    def body(context: Any) -> None:
        handlers = context.log._dagster_handler._handlers
        before = [*handlers]

        def chat(name: str) -> None:
            with session(context) as send:
                for n in range(0, 600, 20):
                    send([log(f"row {name} {n + more}") for more in range(20)])

        threads = [threading.Thread(target=chat, args=[name]) for name in "ab"]
        for thread in threads:
            thread.start()
        for n in range(20):
            context.log.info(f"row step {n}")
        for thread in threads:
            thread.join()
        assert handlers == before

    with instance_on(storage) as instance:
        stored = run_op(instance, body)
    assert stored.success, stored.failure()
    for name, count in (("a", 600), ("b", 600), ("step", 20)):
        own = [text for text in rows_of(stored) if f" {name} " in text]
        assert own == [f"row {name} {n}" for n in range(count)]


def test_messages_stand_before_the_failure_that_follows_them() -> None:
    def body(context: Any) -> None:
        with session(context) as send:
            send([log(f"row {n}") for n in range(30)])
            raise KeyError("mine")

    with instance_on(SQLITE) as instance:
        stored = run_op(instance, body)
    assert "KeyError" in stored.failure()
    assert len(rows_of(stored)) == 30
    assert stored.entries[-1].user_message not in rows_of(stored)


def test_a_message_has_the_time_of_its_writer_as_far_as_it_can_be_right() -> None:
    sent: list[float] = []

    def body(context: Any) -> None:
        with session(context) as send:
            sent.append(time.time())
            times = [0.0, sent[0], sent[0] + 86_400]
            send(
                [
                    log(f"row {n}", __ironpipe=["w", n, int(at * 1e6)])
                    for n, at in enumerate(times, 1)
                ]
            )

    start = time.time()
    with instance_on(SQLITE) as instance:
        stored = run_op(instance, body)
    end = time.time()
    first, second, third = (
        entry.timestamp for entry in stored.entries if entry.user_message.startswith("row ")
    )
    assert start <= first <= second == pytest.approx(sent[0], abs=1e-5)
    assert second <= third <= end


def add_trigger(instance: dg.DagsterInstance, run_id: str, statement: str) -> None:
    storage: Any = instance.event_log_storage
    with storage.run_connection(run_id) as connection:
        connection.execute(db.text(statement))


def test_a_message_that_can_not_be_stored_is_named_and_stops_no_other() -> None:
    def body(context: Any) -> None:
        add_trigger(
            context.instance,
            context.run_id,
            "CREATE TRIGGER refuse BEFORE INSERT ON event_logs WHEN NEW.event LIKE '%row 7\"%'"
            " AND NEW.dagster_event_type IS NULL BEGIN SELECT RAISE(ABORT, 'poisoned'); END",
        )
        with session(context) as send:
            send([log(f"row {n}") for n in range(20)])

    with instance_on(SQLITE) as instance:
        stored = run_op(instance, body)
    assert not stored.success
    assert rows_of(stored) == [f"row {n}" for n in range(20) if n != 7]
    assert "1 message refused by Dagster" in stored.failure()
    assert "row 7" in stored.failure()
    assert "poisoned" in stored.failure()


def test_a_storage_that_fails_makes_the_run_red_with_the_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store, "_PATIENCE_SECONDS", 0.0)

    def body(context: Any) -> None:
        add_trigger(
            context.instance,
            context.run_id,
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE disk_full USING MESSAGE = 'no space left'; END $$;"
            " CREATE TRIGGER full_disk BEFORE INSERT ON event_logs FOR EACH ROW"
            " WHEN (NEW.event LIKE '%\"row %') EXECUTE FUNCTION full_disk()",
        )
        with session(context) as send:
            send([log(f"row {n}") for n in range(2_500)])

    with instance_on(POSTGRES) as instance:
        stored = run_op(instance, body)
    assert not stored.success
    assert rows_of(stored) == []
    assert "2,500 messages refused by Dagster" in stored.failure()
    assert "no space left" in stored.failure()


class Outage:
    """A Postgres database that takes no connection, from the first look at it on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.noticed = threading.Event()
        has_waited = LogStore._has_waited

        def notice(store: LogStore) -> bool:
            self.noticed.set()
            return has_waited(store)

        monkeypatch.setattr(LogStore, "_has_waited", notice)
        # Dagster itself tries again for seconds, each time.
        monkeypatch.setattr("dagster_postgres.utils.calculate_delay", lambda *_, **__: 0.01)
        self.address = new_database()
        self._name = db.make_url(self.address).database
        self._server = db.make_url(self.address).set(database="postgres")

    def begin(self, context: Any) -> None:
        while not any("opened" in row["event"] for row in rows(context.instance, context.run_id)):
            time.sleep(0.01)
        self._execute(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS false")
        self._execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self._name}'"
        )

    def end(self) -> None:
        self._execute(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS true")

    def end_once_noticed(self) -> None:
        assert self.noticed.wait(60)
        self.end()

    def _execute(self, statement: str) -> None:
        engine = db.create_engine(self._server, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(db.text(statement))
        engine.dispose()


def test_messages_wait_for_a_storage_that_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    outage = Outage(monkeypatch)
    restorer = threading.Thread(target=outage.end_once_noticed)

    def body(context: Any) -> None:
        with session(context) as send:
            outage.begin(context)
            restorer.start()
            send([log(f"row {n}") for n in range(2_500)])

    with instance_on(outage.address) as instance:
        stored = run_op(instance, body)
    restorer.join()
    assert stored.success, stored.failure()
    assert rows_of(stored) == [f"row {n}" for n in range(2_500)]


def test_an_interrupted_step_waits_for_no_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    outage = Outage(monkeypatch)
    monkeypatch.setattr(store, "_PATIENCE_SECONDS", 3600.0)
    notes: list[str] = []

    def body(context: Any) -> None:
        try:
            with session(context) as send:
                outage.begin(context)
                send([log("row 1")])
                assert outage.noticed.wait(60)
                raise DagsterExecutionInterruptedError
        except DagsterExecutionInterruptedError as error:
            notes.extend(getattr(error, "__notes__", ["1 message refused by Dagster"]))
        finally:
            outage.end()

    with instance_on(outage.address) as instance:
        stored = run_op(instance, body)
    assert stored.success, stored.failure()
    assert any("1 message refused by Dagster" in note for note in notes)
    assert rows_of(stored) == []


def test_a_message_behind_closed_is_stored_with_the_official_warning() -> None:
    def body(context: Any) -> None:
        with session(context) as send:
            send([log("row 1"), line("closed", {}), log("row 2")])

    with instance_on(SQLITE) as instance:
        stored = run_op(instance, body)
    assert rows_of(stored) == ["row 1", "row 2"]
    assert any("unexpected message received after closed" in text for text in stored.logs())


def test_a_message_of_megabytes_is_stored() -> None:
    def body(context: Any) -> None:
        with session(context) as send:
            send([log("row " + "x" * 3_000_000), log("row end")])

    with instance_on(SQLITE) as instance:
        stored = run_op(instance, body)
        found = rows(instance, instance.get_runs()[0].run_id)
    assert [len(text) for text in rows_of(stored)] == [3_000_004, 7]
    assert all(json.loads(row["event"])["user_message"] is not None for row in found)
