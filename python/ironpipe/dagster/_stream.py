"""The results of an external process, while it runs."""

import contextlib
import weakref
from collections.abc import Generator
from inspect import GEN_SUSPENDED, getgeneratorstate
from types import TracebackType
from typing import Any

from dagster._core.errors import DagsterInvariantViolationError
from dagster._core.pipes.client import PipesClientCompletedInvocation

from ._events import step_context_of
from ._types import Context, Result


class ResultStream(Generator[Result, None, PipesClientCompletedInvocation]):
    """Results as they arrive: what ``client.stream(…)`` gives.

    To be yielded in the asset: ``yield from client.stream(…)``. Dagster stores each result while
    the external process goes on. When the process has ended, the stream raises what ``run`` would
    raise, or gives the rest and ends.

    If it is closed before that, or the step fails meanwhile, the process is ended as by an
    interruption.
    """

    def __init__(
        self,
        results: Generator[Result, None, PipesClientCompletedInvocation],
        context: Context,
    ):
        self._results = results
        self._invocation: PipesClientCompletedInvocation | None = None
        _tell_of_failure(context, self)

    @property
    def invocation(self) -> PipesClientCompletedInvocation:
        """All that the process reported: what ``run`` would have returned.

        ``yield from`` gives it, too: ``invocation = yield from client.stream(…)``.

        Raises:
            DagsterInvariantViolationError: The stream has not ended yet, or not well.
        """
        if self._invocation is None:
            raise DagsterInvariantViolationError(
                "There is a completed invocation only once every result has been taken from the"
                " stream: `yield from client.stream(...)` first."
            )
        return self._invocation

    def __next__(self) -> Result:
        return self.send(None)

    def send(self, value: None, /) -> Result:
        """The next result; waits for it."""
        try:
            return self._results.send(value)
        except StopIteration as end:
            self._invocation = end.value
            raise

    def throw(
        self,
        typ: Any,
        val: Any = None,
        _: TracebackType | None = None,
        /,
    ) -> Result:
        """Has an exception end the stream and the process."""
        return self._results.throw(typ if val is None else val)

    def close(self) -> None:
        """Ends the process, if it still runs."""
        self._results.close()


def _tell_of_failure(context: Context, stream: ResultStream) -> None:
    """Has the stream ended when the step fails while a result of it is being stored.

    An exception in Dagster's own code, an interruption that came meanwhile, or another refusal
    does not pass through the generators that gave the result; it only holds on to them. They
    would wait for the garbage collector, and the process would run on. So the step's own note of
    its failure, which it takes before the failure is stored, is passed on to the stream.
    """
    step_context = step_context_of(context)
    if step_context is None:
        return
    note = step_context.capture_step_exception
    weak = weakref.ref(stream)

    def capture_step_exception(exception: BaseException) -> None:
        note(exception)
        stream = weak()
        # One that is running, or has ended, knows.
        if stream is not None and getgeneratorstate(stream._results) == GEN_SUSPENDED:
            traceback = exception.__traceback__
            with contextlib.suppress(BaseException):
                stream.throw(exception)
            # The way through the stream is not where it came from.
            exception.__traceback__ = traceback

    step_context.capture_step_exception = capture_step_exception
