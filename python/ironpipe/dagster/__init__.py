"""The Dagster side: drop-ins for Dagster's own Pipes classes that lose no message.

Change ``from dagster import PipesSubprocessClient`` to ``from ironpipe.dagster import
PipesSubprocessClient``; nothing else changes. Each class subclasses the official one of the same
name and takes the same arguments, and where a message could not be delivered the step fails with
a report that says which, instead of passing without it.
"""

try:
    # First, since it warns where something behind it may fail.
    from ._compat import UntestedDagsterWarning  # isort: skip
    from ._client import PipesSubprocessClient
except ModuleNotFoundError as error:
    if error.name not in ("dagster", "dagster_pipes", "psutil"):
        raise
    missing = "psutil" if error.name == "psutil" else "Dagster"
    raise ModuleNotFoundError(
        f"ironpipe.dagster needs {missing}, which is not installed:"
        " pip install 'ironpipe[dagster]'",
        name=error.name,
    ) from error
# Nothing to make better: exported so that an import line can be changed as a whole.
from dagster import (
    PipesClient,
    PipesContextInjector,
    PipesExecutionResult,
)
from dagster._core.pipes.context import PipesLaunchedData

from ._errors import MessagesLostError, ProcessFailedError
from ._handler import PipesMessageHandler
from ._injectors import (
    PipesEnvContextInjector,
    PipesFileContextInjector,
    PipesTempFileContextInjector,
)
from ._invocation import PipesClientCompletedInvocation
from ._policy import OnIncomplete
from ._readers import (
    PipesBlobStoreMessageReader,
    PipesChunkedLogReader,
    PipesCompositeMessageReader,
    PipesFileMessageReader,
    PipesLogReader,
    PipesMessageReader,
    PipesTempFileMessageReader,
    PipesThreadedMessageReader,
    StdioMessageReader,
    extract_message_or_forward_to_file,
    extract_message_or_forward_to_stdout,
    forward_only_logs_to_file,
)
from ._session import PipesSession, open_pipes_session
from ._stream import ResultStream

__all__ = [
    "MessagesLostError",
    "OnIncomplete",
    "PipesBlobStoreMessageReader",
    "PipesChunkedLogReader",
    "PipesClient",
    "PipesClientCompletedInvocation",
    "PipesCompositeMessageReader",
    "PipesContextInjector",
    "PipesEnvContextInjector",
    "PipesExecutionResult",
    "PipesFileContextInjector",
    "PipesFileMessageReader",
    "PipesLaunchedData",
    "PipesLogReader",
    "PipesMessageHandler",
    "PipesMessageReader",
    "PipesSession",
    "PipesSubprocessClient",
    "PipesTempFileContextInjector",
    "PipesTempFileMessageReader",
    "PipesThreadedMessageReader",
    "ProcessFailedError",
    "ResultStream",
    "StdioMessageReader",
    "UntestedDagsterWarning",
    "extract_message_or_forward_to_file",
    "extract_message_or_forward_to_stdout",
    "forward_only_logs_to_file",
    "open_pipes_session",
]
