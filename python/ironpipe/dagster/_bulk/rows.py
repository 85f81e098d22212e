"""The rows that log messages become in the event log, without an object for each on the way."""

# Dagster leaves some of its types half open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from json.encoder import encode_basestring_ascii
from typing import Any, NamedTuple

from dagster import EventLogEntry
from dagster._core.events.log import construct_event_record
from dagster._core.log_manager import DagsterLogHandlerMetadata
from dagster._utils.log import StructuredLoggerMessage

_MARK = "\x00ironpipe\x00"
_MARK_TIME = 1234567890.015625
# Escapes, a surrogate and a time that is not even: what a template could get wrong.
_TRIAL_TEXT = 'é "\\ \n\t%s {} \x7f \ud800 \U0001f600'
_TRIAL_TIME = 1700000000.1234567


class Line(NamedTuple):
    """One log message.

    Attributes:
        created: When it was sent, in seconds since the Unix epoch.
        level: As in ``logging``.
        text: What it says.
        refuse: Called with the message and the reason if it can't be stored.
    """

    created: float
    level: int
    text: str
    refuse: "Callable[[Line, BaseException], None]"


class LogRows:
    """Makes the rows of one step's log messages.

    What Dagster makes of a message differs from the next one only in level, text and time. So it
    is made once for each level by Dagster, and filled in from then on. A trial shows whether that
    gives what Dagster would have made; if not, Dagster makes every row.

    Args:
        metadata: What the log manager knows of the step.
        to_row: The storage's own ``_event_to_row``.
    """

    def __init__(
        self,
        metadata: DagsterLogHandlerMetadata,
        to_row: Callable[[EventLogEntry], dict[str, Any]],
    ) -> None:
        self._metadata = metadata
        self._to_row = to_row
        self._templates: dict[int, _Template | None] = {}

    def entry(self, line: Line) -> EventLogEntry:
        """The entry as Dagster's handler makes it of a record."""
        record = logging.makeLogRecord({"name": "dagster", "created": line.created})
        meta: Mapping[str, object] = {
            **self._metadata,
            "orig_message": line.text,
            "dagster_event": None,
        }
        return construct_event_record(
            StructuredLoggerMessage(
                name=record.name, message=line.text, level=line.level, meta=meta, record=record
            )
        )

    def rows(self, lines: Iterable[Line]) -> list[dict[str, Any]]:
        """The rows of some messages, in order."""
        return [self._row(line) for line in lines]

    def _row(self, line: Line) -> dict[str, Any]:
        level = line.level
        if level not in self._templates:
            self._templates[level] = self._template(level)
        template = self._templates[level]
        return self._to_row(self.entry(line)) if template is None else template.row(line)

    def _template(self, level: int) -> "_Template | None":
        row = self._to_row(self.entry(Line(_MARK_TIME, level, _MARK, _unheard)))
        head, time, rest = str(row.get("event")).partition(repr(_MARK_TIME))
        between, text, tail = rest.partition(encode_basestring_ascii(_MARK))
        template = _Template(row, head, between, tail)
        trial = Line(_TRIAL_TIME, level, _TRIAL_TEXT, _unheard)
        trusted = time and text and template.row(trial) == self._to_row(self.entry(trial))
        return template if trusted else None


def _unheard(_line: Line, _error: BaseException) -> None:
    """Nobody asks what becomes of a line that is only made to be looked at."""


class _Template(NamedTuple):
    """A row, and the text of its event around the time and the message."""

    constant: Mapping[str, Any]
    head: str
    between: str
    tail: str

    def row(self, line: Line) -> dict[str, Any]:
        row = dict(self.constant)
        text = encode_basestring_ascii(line.text)
        row["event"] = f"{self.head}{line.created!r}{self.between}{text}{self.tail}"
        row["timestamp"] = datetime.fromtimestamp(line.created, timezone.utc).replace(tzinfo=None)
        return row
