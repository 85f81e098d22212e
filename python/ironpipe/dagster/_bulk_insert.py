"""One transaction with many rows, for each of the event logs that Dagster itself ships.

Who follows a run asks for rows above the highest id seen so far. So a row must never become visible
after one with a higher id. SQLite has one writer at a time, and ids are in the order of commits.
Postgres and MySQL give out ids before the commit: while a transaction of many rows runs, another
process of the same run can take the next id and commit first.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

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

    def __init__(self, storage: Any) -> None:
        super().__init__(storage)
        self._unlocked_until = 0.0

    @property
    def most_rows(self) -> int:
        """Few for a while after the lock could not be had."""
        return _FEW_ROWS if time.monotonic() < self._unlocked_until else super().most_rows

    def __call__(self, run_id: str, rows: Rows) -> bool:
        """Stores rows, and tells those who listen, as Dagster still does for old versions."""
        columns = SqlEventLogStorageTable.c
        insert = _INSERT.returning(columns.run_id, columns.id, sort_by_parameter_order=True)
        with self._storage.run_connection(run_id) as connection:
            connection = connection.execution_options(isolation_level="READ COMMITTED")
            with connection.begin():
                if len(rows) > _FEW_ROWS and not self._lock(connection):
                    return False
                stored = connection.execute(insert, rows)
                connection.execute(
                    db.text("SELECT pg_notify('run_events', told) FROM unnest(:told) told"),
                    {"told": [f"{run_id}_{row_id}" for run_id, row_id in stored]},
                )
        return True

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
