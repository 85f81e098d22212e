"""The shapes of what goes over the wire, for type checkers and for annotations.

The names and fields are those of ``dagster_pipes``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Optional, TypeAlias, TypedDict, TypeVar

from ironpipe._ironpipe import (
    AssetCheck,
    AssetMaterialization,
    Closed,
    CustomMessage,
    ExternalStream,
    Log,
    Opened,
)

__all__ = [
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
]

# What a reader gives.
Message: TypeAlias = (
    Opened | Closed | Log | AssetMaterialization | AssetCheck | CustomMessage | ExternalStream
)

PipesExtras: TypeAlias = Mapping[str, Any]
PipesParams: TypeAlias = Mapping[str, Any]

Method: TypeAlias = Literal[
    "opened",
    "closed",
    "log",
    "report_asset_materialization",
    "report_asset_check",
    "report_custom_message",
    "log_external_stream",
]

PipesAssetCheckSeverity: TypeAlias = Literal["WARN", "ERROR"]

PipesMetadataRawValue: TypeAlias = (
    int | float | str | Mapping[str, Any] | Sequence[Any] | bool | None
)

PipesMetadataType: TypeAlias = Literal[
    "__infer__",
    "text",
    "url",
    "path",
    "notebook",
    "json",
    "md",
    "float",
    "int",
    "bool",
    "dagster_run",
    "asset",
    "null",
    "table",
    "table_schema",
    "table_column_lineage",
    "timestamp",
]

# At run time they are bound to nothing, so that a user's own class of the same shape passes.
T_MessageChannel = TypeVar("T_MessageChannel")
T_LogChannel = TypeVar("T_LogChannel")
T_BlobStoreMessageWriterChannel = TypeVar("T_BlobStoreMessageWriterChannel")


class PipesMetadataValue(TypedDict):
    """A metadata value with its type."""

    type: PipesMetadataType
    raw_value: PipesMetadataRawValue


class PipesOpenedData(TypedDict):
    """The params of the first message: what could not be known before the process ran."""

    extras: Mapping[str, Any]


class PipesLogWriterOpenedData(TypedDict):
    """What a log writer tells the orchestration process at its start."""

    extras: PipesExtras


class PipesMessage(TypedDict):
    """A message from the external process to the orchestration process."""

    __dagster_pipes_version: str
    method: str
    params: Mapping[str, Any] | None


class PipesPartitionKeyRange(TypedDict):
    """The first and the last partition key of a range, both in it."""

    start: str
    end: str


class PipesTimeWindow(TypedDict):
    """The start and the end of a span of time, as ISO 8601 text with an offset."""

    start: str
    end: str


class PipesDataProvenance(TypedDict):
    """What an asset was last made from."""

    code_version: str
    input_data_versions: Mapping[str, str]
    is_user_provided: bool


class PipesContextData(TypedDict):
    """What the orchestration process tells the external process about the step."""

    asset_keys: Sequence[str] | None
    code_version_by_asset_key: Mapping[str, str | None] | None
    provenance_by_asset_key: Mapping[str, PipesDataProvenance | None] | None
    partition_key: str | None
    partition_key_range: PipesPartitionKeyRange | None
    partition_time_window: PipesTimeWindow | None
    run_id: str
    job_name: str | None
    retry_number: int
    extras: Mapping[str, Any]


class PipesException(TypedDict):
    """An exception as it travels in ``closed``."""

    message: str
    stack: Sequence[str]
    name: str | None
    """The name of its class, where it has one."""
    cause: Optional[PipesException]  # noqa: UP045 - evaluated where the annotations are asked for
    """The exception that led to it on purpose (``raise … from cause``)."""
    context: Optional[PipesException]  # noqa: UP045
    """The exception that was being handled when it was raised."""
