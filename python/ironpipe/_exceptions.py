"""An exception of Python as it travels in ``closed``."""

from __future__ import annotations

import sys
from traceback import TracebackException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ironpipe._types import PipesException

__all__ = ["describe"]

# How many exceptions that led to one another are sent. A loop of retries can chain thousands, and a
# message may not nest deeper than a reader takes.
MAX_CHAIN = 64


def describe(error: BaseException) -> PipesException:
    """Describe an exception with its traceback and with those that led to it.

    Args:
        error: The exception.
    """
    return _describe(TracebackException.from_exception(error), MAX_CHAIN)


def _describe(trace: TracebackException, chain: int) -> PipesException:
    if sys.version_info >= (3, 13):
        name = trace.exc_type_str.rpartition(".")[2]
    else:
        name = trace.exc_type.__name__

    def led(before: TracebackException | None) -> PipesException | None:
        return _describe(before, chain - 1) if before is not None and chain > 0 else None

    return {
        "message": "".join(trace.format_exception_only()),
        "stack": trace.stack.format(),
        "name": name,
        "cause": led(trace.__cause__),
        "context": led(trace.__context__),
    }
