"""One transaction with many rows, for each of the event logs that Dagster itself ships.

Who follows a run asks for rows above the highest id seen so far. So a row must never become visible
after one with a higher id. SQLite has one writer at a time, and ids are in the order of commits.
Postgres and MySQL give out ids before the commit: while a transaction of many rows runs, another
process of the same run can take the next id and commit first.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import json
import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as db
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from sqlalchemy.exc import DBAPIError

Rows = Sequence[dict[str, Any]]

_INSERT = SqlEventLogStorageTable.insert()
# A transaction of so few rows is over about as soon as Dagster's own of one row, most of which is
# the wait for the disk.
_FEW_ROWS = 50


class Insert:
    """SQLite, a database a run or one for all.

    Args:
        storage: The event log.
    """

    def __init__(self, storage: Any) -> None:
        self._storage = storage

    @property
    def most_rows(self) -> int:
        """How many rows go into one transaction now."""
        return 1_000

    def __call__(self, run_id: str, rows: Rows) -> bool:
        """Stores rows in one transaction.

        A connection that was held would keep SQLite from moving what is written into the file
        that watchers watch, so there is a new one each time.

        Args:
            run_id: The run of all of them.
            rows: At least one, and no more than ``most_rows``.

        Returns:
            Whether it has; if not, there is less to store at a time from now on.
        """
        with self._storage.run_connection(run_id) as connection:
            connection.execute(_INSERT, rows)
        return True

    def has_stored(self, _run_id: str) -> bool:
        """Whether the transaction that has just failed has stored its rows all the same."""
        return False


class MySqlInsert(Insert):
    """MySQL, where no lock keeps writers away and lets readers read: its transactions are short."""

    @property
    def most_rows(self) -> int:
        """Few, always."""
        return _FEW_ROWS


class PostgresInsert(Insert):
    """Postgres. Other writers wait while a transaction runs, so that no id overtakes it."""

    # Autovacuum may hold the table for long, and whoever writes waits behind the one who waits.
    _LOCK = (
        "SET LOCAL lock_timeout = 100; LOCK TABLE event_logs IN SHARE ROW EXCLUSIVE MODE;"
        " SET LOCAL lock_timeout = DEFAULT"
    )
    _NO_LOCK_SECONDS = 10.0
    # The rows as one value, which the server reads in half the time that it takes for as many lists
    # of parameters.
    _STORE = """
        WITH stored AS (
            INSERT INTO event_logs ({columns})
            SELECT {columns}
            FROM json_populate_recordset(CAST(NULL AS event_logs), CAST(:rows AS json))
            WITH ORDINALITY ORDER BY ordinality
            RETURNING run_id, id
        )
        SELECT txid_current(), pg_notify('run_events', run_id || '_' || id) FROM stored
    """
    _LONGEST_COMMIT = 10.0

    def __init__(self, storage: Any) -> None:
        super().__init__(storage)
        self._unlocked_until = 0.0
        # The number of the last transaction, once there was nothing left to do but to commit.
        self._transaction: int | None = None

    @property
    def most_rows(self) -> int:
        """Few for a while after the lock could not be had."""
        return _FEW_ROWS if time.monotonic() < self._unlocked_until else super().most_rows

    def __call__(self, run_id: str, rows: Rows) -> bool:
        """Stores rows, and tells those who listen, as Dagster still does for old versions."""
        self._transaction = None
        columns = ", ".join(f'"{name}"' for name in rows[0])
        store = db.text(self._STORE.format(columns=columns))
        with self._storage.run_connection(run_id) as connection:
            connection = connection.execution_options(isolation_level="READ COMMITTED")
            with connection.begin():
                if len(rows) > _FEW_ROWS and not self._lock(connection):
                    return False
                told = connection.execute(store, {"rows": json.dumps(rows, default=str)})
                self._transaction = told.scalar()
        return True

    def has_stored(self, run_id: str) -> bool:
        """Asks the server, for its answer may have been lost on the way.

        Raises:
            Exception: It doesn't say.
        """
        if self._transaction is None:
            return False
        query = db.text("SELECT txid_status(:number)")
        patient_until = time.monotonic() + self._LONGEST_COMMIT
        while True:
            with self._storage.run_connection(run_id) as connection:
                status = connection.execute(query, {"number": self._transaction}).scalar()
            if status != "in progress":
                return status == "committed"
            if time.monotonic() > patient_until:
                raise TimeoutError("Postgres does not finish a transaction")
            time.sleep(0.1)

    def _lock(self, connection: Any) -> bool:
        try:
            with connection.begin_nested():
                connection.execute(db.text(self._LOCK))
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            self._unlocked_until = time.monotonic() + self._NO_LOCK_SECONDS
            return False
        return True


INSERTS: dict[str, type[Insert]] = {
    "dagster._core.storage.event_log.sqlite.sqlite_event_log.SqliteEventLogStorage": Insert,
    "dagster._core.storage.event_log.sqlite.consolidated_sqlite_event_log"
    ".ConsolidatedSqliteEventLogStorage": Insert,
    "dagster_postgres.event_log.event_log.PostgresEventLogStorage": PostgresInsert,
    "dagster_mysql.event_log.event_log.MySQLEventLogStorage": MySqlInsert,
}
"""By the full name of the storage's class."""
