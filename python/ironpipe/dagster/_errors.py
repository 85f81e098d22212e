"""The errors that fail a step.

::

    DagsterPipesExecutionError
    ├── MessagesLostError     messages were lost
    └── ProcessFailedError    the external process failed
            caused by ExternalError, what it failed of
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dagster._core.errors import DagsterExecutionInterruptedError, DagsterPipesExecutionError

from ._words import describe_exit, signal_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ironpipe import DeliveryReport

# An exception may be of any size; Dagster's engine event has what is left out here.
_MOST_LINKS = 8
_MOST_FRAMES = 20
_MOST_TEXT = 2_000


class MessagesLostError(DagsterPipesExecutionError):
    """Messages that the external process sent did not all become events.

    Args:
        text: What was lost, and the delivery report.
        reports: The report of each reader of the session; empty where none counts (an official
            reader).
    """

    def __init__(self, text: str, reports: "Sequence[DeliveryReport]" = ()):
        super().__init__(text)
        self.reports = tuple(reports)


class ProcessFailedError(DagsterPipesExecutionError):
    """The external process ended with an exit code other than 0, or was killed by a signal.

    Args:
        returncode: As ``subprocess.Popen.returncode`` gives it: negative for a signal.
        stderr_tail: The last lines of its stderr, as far as they could be captured.
    """

    def __init__(self, returncode: int, stderr_tail: str = ""):
        # The arguments alone must make the error again: it may cross a process boundary.
        super().__init__(returncode, stderr_tail)
        self.returncode = returncode
        self.stderr_tail = stderr_tail
        # The session knows the report only once everything has been read, which is after this
        # error was raised.
        self.delivery_report: str | None = None
        self.reports: tuple[DeliveryReport, ...] = ()
        self.exception: ExternalError | None = None
        """What the process closed with; the ``__cause__`` of this error, too."""

    @property
    def signal_name(self) -> str | None:
        """The name of the signal that ended it (``"SIGKILL"``), or None."""
        return signal_name(self.returncode)

    def __str__(self) -> str:
        parts = [f"External execution process failed with {describe_exit(self.returncode)}"]
        if self.exception:
            parts.append(f"It closed with {self.exception.titles}")
        if self.stderr_tail:
            parts.append(f"Last lines of its stderr:\n{self.stderr_tail}")
        if self.delivery_report:
            parts.append(self.delivery_report)
        return "\n\n".join(parts)


class ExternalError(Exception):
    """An exception of the external process: the cause of the error that fails the step.

    Its own cause, or else its context, is the exception that led to it.

    Args:
        exception: As the process sent it: a :py:class:`ironpipe.PipesException`.
        links: How many exceptions to keep of those that led to one another.
    """

    def __init__(self, exception: Mapping[str, Any], links: int = _MOST_LINKS):
        super().__init__(exception)
        self.exception = exception
        if links > 1 and exception["cause"]:
            self.__cause__ = ExternalError(exception["cause"], links - 1)
        elif links > 1 and exception["context"]:
            self.__context__ = ExternalError(exception["context"], links - 1)

    @property
    def title(self) -> str:
        """Its class and message."""
        name, message = self.exception["name"], str(self.exception["message"]).strip()
        if name and str(name) not in message:
            message = f"{name}: {message}" if message else str(name)
        return message if len(message) <= _MOST_TEXT else f"{message[:_MOST_TEXT]}…"

    @property
    def titles(self) -> str:
        """Its class and message, and those of the exceptions that led to it."""
        before = self.__cause__ or self.__context__
        if not isinstance(before, ExternalError):
            return self.title
        return f"{self.title}\ncaused by {before.titles}"

    def __str__(self) -> str:
        frames = "".join(map(str, self.exception["stack"][-_MOST_FRAMES:]))[-_MOST_TEXT:]
        return f"{self.title}\n\nIts stack:\n{frames}" if frames else self.title


def is_interruption(error: BaseException | None) -> bool:
    """Whether it is what SIGINT or SIGTERM raise: Python's exception, or Dagster's."""
    return isinstance(error, (KeyboardInterrupt, DagsterExecutionInterruptedError))
