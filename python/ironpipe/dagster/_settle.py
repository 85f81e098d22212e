"""The end of a session: the rule of loss, applied once everything has been read."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from dagster import MetadataValue
from dagster._core.events import EngineEventData

from ._errors import ExternalError, MessagesLostError, ProcessFailedError
from ._events import report_engine_event
from ._ledger import Outcome
from ._policy import OnIncomplete
from ._types import Context

_FLAWED = "[ironpipe] the messages of the external process were repaired"
_LOST = "[ironpipe] messages of the external process were lost"


def settle(
    outcome: Outcome,
    *,
    context: Context,
    on_incomplete: OnIncomplete,
    error: BaseException | None,
    exception: ExternalError | None = None,
    before_failure: Callable[[], None] = lambda: None,
) -> None:
    """Stores what there is to say about the delivery, and fails the step where messages were lost.

    An error that is already on its way is never replaced, least of all an interruption: it gets
    the report as a note instead.

    Args:
        outcome: The verdict on the session.
        context: The context of the step.
        on_incomplete: What a loss does.
        error: The exception that is ending the session, if one is.
        exception: What the external process closed with, if it failed.
        before_failure: Called once if the step is going to fail.

    Raises:
        MessagesLostError: Messages were lost, and nothing else has failed the step.
    """
    flawed = bool(outcome.losses or outcome.repairs)
    red = bool(outcome.losses) or (
        on_incomplete == "strict" and bool(outcome.repairs or outcome.silences)
    )
    red = red and on_incomplete in ("strict", "fail")

    if error is not None:
        _annotate(error, outcome, exception)
        with never_masking(error):
            if not isinstance(error, GeneratorExit):
                before_failure()
            if flawed:
                _store_report(context, outcome)
        return

    loss = MessagesLostError(outcome.text, outcome.reports) if red else None
    # Where the event log is gone, the loss is still what the step ends with.
    with never_masking(loss):
        if flawed:
            _store_report(context, outcome)
        if outcome.repairs and on_incomplete != "ignore":
            context.log.warning(f"{_FLAWED}: {'; '.join(outcome.repairs)}.")
        if loss is not None:
            before_failure()
    if loss is not None:
        raise loss
    if outcome.losses and on_incomplete == "warn":
        context.log.warning(f"[ironpipe] {outcome.text}")


@contextmanager
def never_masking(error: BaseException | None) -> Generator[None, None, None]:
    """Lets nothing that goes wrong in the block take the place of an error on its way.

    Args:
        error: That error. It gets a note. If it is None, the block's own errors pass.
    """
    try:
        yield
    except Exception as trouble:
        if error is None:
            raise
        _add_note(error, f"[ironpipe] the end of the session could not be stored: {trouble!r}")


def _annotate(error: BaseException, outcome: Outcome, exception: ExternalError | None) -> None:
    if isinstance(error, ProcessFailedError):
        error.delivery_report = outcome.text
        error.reports = outcome.reports
        if exception is not None:
            error.exception = error.__cause__ = exception
        return
    if exception is not None and isinstance(error, Exception):
        _add_note(error, f"[ironpipe] the external process closed with {exception.titles}")
    if outcome.losses:
        _add_note(error, f"[ironpipe] {outcome.text}")


def _add_note(error: BaseException, note: str) -> None:
    # Before Python 3.11 nothing prints notes; there the stored event has to do.
    if sys.version_info >= (3, 11):
        error.add_note(note)


def _store_report(context: Context, outcome: Outcome) -> None:
    message = _LOST if outcome.losses else _FLAWED
    metadata: dict[str, Any] = {"delivery_report": MetadataValue.text(outcome.text)}
    if outcome.losses:
        metadata["lost"] = MetadataValue.text("; ".join(outcome.losses))
    if outcome.repairs:
        metadata["repaired"] = MetadataValue.text("; ".join(outcome.repairs))
    for name, number in _counts(outcome).items():
        metadata[name] = MetadataValue.int(number)
    report_engine_event(context, message, EngineEventData(metadata=metadata), outcome.text)


def _counts(outcome: Outcome) -> dict[str, int]:
    if not outcome.reports:
        return {}
    return {
        name: sum(getattr(report, attribute) for report in outcome.reports)
        for name, attribute in (
            ("delivered", "delivered"),
            ("rejected", "rejected_count"),
            ("missing", "missing_count"),
            ("repeated", "repeated_count"),
        )
    }
