"""The constants of the protocol, as ``dagster_pipes`` names them. Importing this costs nothing."""

from __future__ import annotations

__all__ = [
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
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PIPES_PROTOCOL_VERSION = "0.1"
PIPES_PROTOCOL_VERSION_FIELD = "__dagster_pipes_version"

# Dagster picks the type from the value.
PIPES_METADATA_TYPE_INFER = "__infer__"

# Stands before a `/` or a `\` that belongs to a part of an asset key.
ESCAPE_CHARACTER = "\\"

DAGSTER_PIPES_CONTEXT_ENV_VAR = "DAGSTER_PIPES_CONTEXT"
DAGSTER_PIPES_MESSAGES_ENV_VAR = "DAGSTER_PIPES_MESSAGES"

DAGSTER_PIPES_CONTEXT_CLI_ARGUMENT = "--dagster-pipes-context"
DAGSTER_PIPES_MESSAGES_CLI_ARGUMENT = "--dagster-pipes-messages"

DAGSTER_PIPES_CONTEXT_WIDGET_KEY = DAGSTER_PIPES_CONTEXT_ENV_VAR
DAGSTER_PIPES_MESSAGES_WIDGET_KEY = DAGSTER_PIPES_MESSAGES_ENV_VAR


def make_message(method: str, params: Mapping[str, Any]) -> Any:
    """Return the envelope of a message, as a channel is handed it.

    Args:
        method: The method.
        params: Its params.
    """
    return {
        PIPES_PROTOCOL_VERSION_FIELD: PIPES_PROTOCOL_VERSION,
        "method": method,
        "params": params,
    }
