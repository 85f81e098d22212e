"""Log messages into the event log, many at a time."""

from .logs import BulkLogs, bulk_logs

__all__ = ["BulkLogs", "bulk_logs"]
