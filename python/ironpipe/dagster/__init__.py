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

from ._errors import ExternalError, MessagesLostError, ProcessFailedError
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
from ._stores.url import StoreContextInjector, StoreMessageReader
from ._stream import ResultStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._stores.azure import (
        PipesAzureBlobStorageContextInjector as PipesAzureBlobStorageContextInjector,
    )
    from ._stores.azure import (
        PipesAzureBlobStorageMessageReader as PipesAzureBlobStorageMessageReader,
    )
    from ._stores.databricks import PipesDbfsContextInjector as PipesDbfsContextInjector
    from ._stores.databricks import PipesDbfsMessageReader as PipesDbfsMessageReader
    from ._stores.databricks import (
        PipesUnityCatalogVolumesContextInjector as PipesUnityCatalogVolumesContextInjector,
    )
    from ._stores.databricks import (
        PipesUnityCatalogVolumesMessageReader as PipesUnityCatalogVolumesMessageReader,
    )
    from ._stores.gcs import PipesGCSContextInjector as PipesGCSContextInjector
    from ._stores.gcs import PipesGCSMessageReader as PipesGCSMessageReader
    from ._stores.s3 import PipesS3ContextInjector as PipesS3ContextInjector
    from ._stores.s3 import PipesS3MessageReader as PipesS3MessageReader

__all__ = [
    "ExternalError",
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
    "StoreContextInjector",
    "StoreMessageReader",
    "UntestedDagsterWarning",
    "extract_message_or_forward_to_file",
    "extract_message_or_forward_to_stdout",
    "forward_only_logs_to_file",
    "open_pipes_session",
]

# What needs the packages of a store's provider, which are imported when it is first asked for.
# It is not in `__all__`: `import *` would ask for all of it.
_HOMES = {
    "_stores.azure": (
        "PipesAzureBlobStorageContextInjector",
        "PipesAzureBlobStorageMessageReader",
    ),
    "_stores.databricks": (
        "PipesDbfsContextInjector",
        "PipesDbfsMessageReader",
        "PipesUnityCatalogVolumesContextInjector",
        "PipesUnityCatalogVolumesMessageReader",
    ),
    "_stores.gcs": ("PipesGCSContextInjector", "PipesGCSMessageReader"),
    "_stores.s3": ("PipesS3ContextInjector", "PipesS3MessageReader"),
}


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            module = __import__(f"{__name__}.{home}", fromlist=[name])
            value = globals()[name] = getattr(module, name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *(name for names in _HOMES.values() for name in names)})
