"""Names for types that Dagster leaves half open."""

from typing import Any, TypeAlias

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetExecutionContext,
    MaterializeResult,
    OpExecutionContext,
)

Context: TypeAlias = OpExecutionContext | AssetExecutionContext
"""What Dagster's own Pipes functions take as the context of a step."""

AnyContext: TypeAlias = Context | AssetCheckExecutionContext
"""What ours take."""

Result: TypeAlias = MaterializeResult[Any] | AssetCheckResult
"""What an external process reports: Dagster's ``PipesExecutionResult``."""
