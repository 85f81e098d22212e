"""A message engine for Dagster Pipes: every message arrives, or the run says which did not.

In an external process, which Dagster has launched::

    from ironpipe import open_dagster_pipes

    with open_dagster_pipes() as pipes:
        pipes.log.info("loading")
        pipes.report_asset_materialization(metadata={"rows": 3})

The names are those of ``dagster_pipes``. Around an external process, without Dagster::

    from ironpipe import open_session

    with open_session(asset_keys=["users"]) as session:
        subprocess.run(command, env={**os.environ, **session.env})
        for message in session.finish():
            print(message)

With Dagster, use :mod:`ironpipe.dagster`.

Importing this package loads nothing but itself: every name is loaded when it is first used.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ironpipe._bucket_writers import (
        PipesAzureBlobStorageMessageWriter,
        PipesAzureBlobStorageMessageWriterChannel,
        PipesGCSMessageWriter,
        PipesGCSMessageWriterChannel,
        PipesS3MessageWriter,
        PipesS3MessageWriterChannel,
    )
    from ironpipe._channels import (
        PipesBufferedStreamMessageWriterChannel,
        PipesFileMessageWriterChannel,
        PipesMessageWriter,
        PipesMessageWriterChannel,
        PipesStreamMessageWriterChannel,
    )
    from ironpipe._chunk_loaders import (
        PipesAzureBlobStorageContextLoader,
        PipesDbfsContextLoader,
        PipesGCSContextLoader,
        PipesS3ContextLoader,
        PipesUnityCatalogVolumesContextLoader,
    )
    from ironpipe._chunk_writers import (
        ChunkMessageWriterChannel,
        PipesBlobStoreMessageWriter,
        PipesBlobStoreMessageWriterChannel,
        PipesBufferedFilesystemMessageWriterChannel,
        PipesDbfsMessageWriter,
        PipesUnityCatalogVolumesMessageWriter,
    )
    from ironpipe._context import PipesContext, open_dagster_pipes
    from ironpipe._errors import DagsterPipesError, DagsterPipesWarning, NotJsonError
    from ironpipe._ironpipe import (
        AssetCheck,
        AssetMaterialization,
        ChunkStore,
        Closed,
        CustomMessage,
        DeliveryReport,
        ExternalStream,
        Log,
        LostChunk,
        MessageDecoder,
        MessageReader,
        Opened,
        OrdinaryOutput,
        Rejected,
        Session,
        WriterReport,
        decode_message,
        read_messages,
        tail_chunks,
        tail_messages,
    )
    from ironpipe._loaders import (
        PipesContextLoader,
        PipesDefaultContextLoader,
        to_asset_key_path,
    )
    from ironpipe._log_writers import (
        ExcThread,
        PipesDefaultLogWriter,
        PipesDefaultLogWriterChannel,
        PipesLogWriter,
        PipesLogWriterChannel,
        PipesStdioFileLogWriter,
        PipesStdioFileLogWriterChannel,
        PipesStdioLogWriter,
        PipesStdioLogWriterChannel,
    )
    from ironpipe._params import (
        DAGSTER_PIPES_CLI_PARSER,
        PipesCliArgsParamsLoader,
        PipesDatabricksNotebookWidgetsParamsLoader,
        PipesEnvVarParamsLoader,
        PipesMappingParamsLoader,
        PipesParamsLoader,
        decode_env_var,
        decode_param,
        encode_env_var,
        encode_param,
    )
    from ironpipe._prefect import (
        PipesPrefectLogsMessageWriter,
        PipesPrefectLogsMessageWriterChannel,
    )
    from ironpipe._protocol import (
        DAGSTER_PIPES_CONTEXT_CLI_ARGUMENT,
        DAGSTER_PIPES_CONTEXT_ENV_VAR,
        DAGSTER_PIPES_CONTEXT_WIDGET_KEY,
        DAGSTER_PIPES_MESSAGES_CLI_ARGUMENT,
        DAGSTER_PIPES_MESSAGES_ENV_VAR,
        DAGSTER_PIPES_MESSAGES_WIDGET_KEY,
        ESCAPE_CHARACTER,
        PIPES_METADATA_TYPE_INFER,
        PIPES_PROTOCOL_VERSION,
        PIPES_PROTOCOL_VERSION_FIELD,
    )
    from ironpipe._session import open_session
    from ironpipe._types import (
        Message,
        Method,
        PipesAssetCheckSeverity,
        PipesContextData,
        PipesDataProvenance,
        PipesException,
        PipesExtras,
        PipesLogWriterOpenedData,
        PipesMessage,
        PipesMetadataRawValue,
        PipesMetadataType,
        PipesMetadataValue,
        PipesOpenedData,
        PipesParams,
        PipesPartitionKeyRange,
        PipesTimeWindow,
        T_BlobStoreMessageWriterChannel,
        T_LogChannel,
        T_MessageChannel,
    )
    from ironpipe._writers import PipesDefaultMessageWriter

__all__ = [
    "DAGSTER_PIPES_CLI_PARSER",
    "DAGSTER_PIPES_CONTEXT_CLI_ARGUMENT",
    "DAGSTER_PIPES_CONTEXT_ENV_VAR",
    "DAGSTER_PIPES_CONTEXT_WIDGET_KEY",
    "DAGSTER_PIPES_MESSAGES_CLI_ARGUMENT",
    "DAGSTER_PIPES_MESSAGES_ENV_VAR",
    "DAGSTER_PIPES_MESSAGES_WIDGET_KEY",
    "ESCAPE_CHARACTER",
    "PIPES_METADATA_TYPE_INFER",
    "PIPES_PROTOCOL_VERSION",
    "PIPES_PROTOCOL_VERSION_FIELD",
    "AssetCheck",
    "AssetMaterialization",
    "ChunkMessageWriterChannel",
    "ChunkStore",
    "Closed",
    "CustomMessage",
    "DagsterPipesError",
    "DagsterPipesWarning",
    "DeliveryReport",
    "ExcThread",
    "ExternalStream",
    "Log",
    "LostChunk",
    "Message",
    "MessageDecoder",
    "MessageReader",
    "Method",
    "NotJsonError",
    "Opened",
    "OrdinaryOutput",
    "PipesAssetCheckSeverity",
    "PipesAzureBlobStorageContextLoader",
    "PipesAzureBlobStorageMessageWriter",
    "PipesAzureBlobStorageMessageWriterChannel",
    "PipesBlobStoreMessageWriter",
    "PipesBlobStoreMessageWriterChannel",
    "PipesBufferedFilesystemMessageWriterChannel",
    "PipesBufferedStreamMessageWriterChannel",
    "PipesCliArgsParamsLoader",
    "PipesContext",
    "PipesContextData",
    "PipesContextLoader",
    "PipesDataProvenance",
    "PipesDatabricksNotebookWidgetsParamsLoader",
    "PipesDbfsContextLoader",
    "PipesDbfsMessageWriter",
    "PipesDefaultContextLoader",
    "PipesDefaultLogWriter",
    "PipesDefaultLogWriterChannel",
    "PipesDefaultMessageWriter",
    "PipesEnvVarParamsLoader",
    "PipesException",
    "PipesExtras",
    "PipesFileMessageWriterChannel",
    "PipesGCSContextLoader",
    "PipesGCSMessageWriter",
    "PipesGCSMessageWriterChannel",
    "PipesLogWriter",
    "PipesLogWriterChannel",
    "PipesLogWriterOpenedData",
    "PipesMappingParamsLoader",
    "PipesMessage",
    "PipesMessageWriter",
    "PipesMessageWriterChannel",
    "PipesMetadataRawValue",
    "PipesMetadataType",
    "PipesMetadataValue",
    "PipesOpenedData",
    "PipesParams",
    "PipesParamsLoader",
    "PipesPartitionKeyRange",
    "PipesPrefectLogsMessageWriter",
    "PipesPrefectLogsMessageWriterChannel",
    "PipesS3ContextLoader",
    "PipesS3MessageWriter",
    "PipesS3MessageWriterChannel",
    "PipesStdioFileLogWriter",
    "PipesStdioFileLogWriterChannel",
    "PipesStdioLogWriter",
    "PipesStdioLogWriterChannel",
    "PipesStreamMessageWriterChannel",
    "PipesTimeWindow",
    "PipesUnityCatalogVolumesContextLoader",
    "PipesUnityCatalogVolumesMessageWriter",
    "Rejected",
    "Session",
    "T_BlobStoreMessageWriterChannel",
    "T_LogChannel",
    "T_MessageChannel",
    "WriterReport",
    "decode_env_var",
    "decode_message",
    "decode_param",
    "encode_env_var",
    "encode_param",
    "open_dagster_pipes",
    "open_session",
    "read_messages",
    "tail_chunks",
    "tail_messages",
    "to_asset_key_path",
]

# The module that each name is loaded from when it is first used (PEP 562).
_HOMES = {
    "_bucket_writers": (
        "PipesAzureBlobStorageMessageWriter",
        "PipesAzureBlobStorageMessageWriterChannel",
        "PipesGCSMessageWriter",
        "PipesGCSMessageWriterChannel",
        "PipesS3MessageWriter",
        "PipesS3MessageWriterChannel",
    ),
    "_channels": (
        "PipesBufferedStreamMessageWriterChannel",
        "PipesFileMessageWriterChannel",
        "PipesMessageWriter",
        "PipesMessageWriterChannel",
        "PipesStreamMessageWriterChannel",
    ),
    "_chunk_loaders": (
        "PipesAzureBlobStorageContextLoader",
        "PipesDbfsContextLoader",
        "PipesGCSContextLoader",
        "PipesS3ContextLoader",
        "PipesUnityCatalogVolumesContextLoader",
    ),
    "_chunk_writers": (
        "ChunkMessageWriterChannel",
        "PipesBlobStoreMessageWriter",
        "PipesBlobStoreMessageWriterChannel",
        "PipesBufferedFilesystemMessageWriterChannel",
        "PipesDbfsMessageWriter",
        "PipesUnityCatalogVolumesMessageWriter",
    ),
    "_context": ("PipesContext", "open_dagster_pipes"),
    "_errors": ("DagsterPipesError", "DagsterPipesWarning", "NotJsonError"),
    "_ironpipe": (
        "AssetCheck",
        "AssetMaterialization",
        "ChunkStore",
        "Closed",
        "CustomMessage",
        "DeliveryReport",
        "ExternalStream",
        "Log",
        "LostChunk",
        "MessageDecoder",
        "MessageReader",
        "Opened",
        "OrdinaryOutput",
        "Rejected",
        "Session",
        "WriterReport",
        "__version__",
        "decode_message",
        "read_messages",
        "tail_chunks",
        "tail_messages",
    ),
    "_loaders": ("PipesContextLoader", "PipesDefaultContextLoader", "to_asset_key_path"),
    "_log_writers": (
        "ExcThread",
        "PipesDefaultLogWriter",
        "PipesDefaultLogWriterChannel",
        "PipesLogWriter",
        "PipesLogWriterChannel",
        "PipesStdioFileLogWriter",
        "PipesStdioFileLogWriterChannel",
        "PipesStdioLogWriter",
        "PipesStdioLogWriterChannel",
    ),
    "_params": (
        "DAGSTER_PIPES_CLI_PARSER",
        "PipesCliArgsParamsLoader",
        "PipesDatabricksNotebookWidgetsParamsLoader",
        "PipesEnvVarParamsLoader",
        "PipesMappingParamsLoader",
        "PipesParamsLoader",
        "decode_env_var",
        "decode_param",
        "encode_env_var",
        "encode_param",
    ),
    "_prefect": ("PipesPrefectLogsMessageWriter", "PipesPrefectLogsMessageWriterChannel"),
    "_protocol": (
        "DAGSTER_PIPES_CONTEXT_CLI_ARGUMENT",
        "DAGSTER_PIPES_CONTEXT_ENV_VAR",
        "DAGSTER_PIPES_CONTEXT_WIDGET_KEY",
        "DAGSTER_PIPES_MESSAGES_CLI_ARGUMENT",
        "DAGSTER_PIPES_MESSAGES_ENV_VAR",
        "DAGSTER_PIPES_MESSAGES_WIDGET_KEY",
        "ESCAPE_CHARACTER",
        "PIPES_METADATA_TYPE_INFER",
        "PIPES_PROTOCOL_VERSION",
        "PIPES_PROTOCOL_VERSION_FIELD",
    ),
    "_session": ("open_session",),
    "_types": (
        "Message",
        "Method",
        "PipesAssetCheckSeverity",
        "PipesContextData",
        "PipesDataProvenance",
        "PipesException",
        "PipesExtras",
        "PipesLogWriterOpenedData",
        "PipesMessage",
        "PipesMetadataRawValue",
        "PipesMetadataType",
        "PipesMetadataValue",
        "PipesOpenedData",
        "PipesParams",
        "PipesPartitionKeyRange",
        "PipesTimeWindow",
        "T_BlobStoreMessageWriterChannel",
        "T_LogChannel",
        "T_MessageChannel",
    ),
    "_writers": ("PipesDefaultMessageWriter",),
}


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            module = __import__(f"{__name__}.{home}", fromlist=[name])
            value = globals()[name] = getattr(module, name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
