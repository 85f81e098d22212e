"""The Dagster side: drop-ins for Dagster's own Pipes classes that lose no message.

Change ``from dagster import PipesSubprocessClient`` to ``from ironpipe.dagster import
PipesSubprocessClient``; nothing else changes. Each class subclasses the official one of the same
name and takes the same arguments, and where a message could not be delivered the step fails with
a report that says which, instead of passing without it.
"""

try:
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
from ._errors import MessagesLostError, ProcessFailedError
from ._handler import PipesMessageHandler
from ._policy import OnIncomplete
from ._readers import PipesFileMessageReader, PipesTempFileMessageReader
from ._session import PipesSession, open_pipes_session
from ._stream import ResultStream

__all__ = [
    "MessagesLostError",
    "OnIncomplete",
    "PipesFileMessageReader",
    "PipesMessageHandler",
    "PipesSession",
    "PipesSubprocessClient",
    "PipesTempFileMessageReader",
    "ProcessFailedError",
    "ResultStream",
    "open_pipes_session",
]
