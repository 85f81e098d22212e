"""The errors that fail a step.

::

    DagsterPipesExecutionError
    ├── MessagesLostError     messages were lost
    └── ProcessFailedError    the external process failed
"""

from typing import TYPE_CHECKING

from dagster._core.errors import DagsterExecutionInterruptedError, DagsterPipesExecutionError

from ._words import describe_exit, signal_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ironpipe import DeliveryReport


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

    @property
    def signal_name(self) -> str | None:
        """The name of the signal that ended it (``"SIGKILL"``), or None."""
        return signal_name(self.returncode)

    def __str__(self) -> str:
        parts = [f"External execution process failed with {describe_exit(self.returncode)}"]
        if self.stderr_tail:
            parts.append(f"Last lines of its stderr:\n{self.stderr_tail}")
        if self.delivery_report:
            parts.append(self.delivery_report)
        return "\n\n".join(parts)


def is_interruption(error: BaseException | None) -> bool:
    """Whether it is what SIGINT or SIGTERM raise: Python's exception, or Dagster's."""
    return isinstance(error, (KeyboardInterrupt, DagsterExecutionInterruptedError))
