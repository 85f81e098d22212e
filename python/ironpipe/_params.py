"""Where the two bootstrap values of a Pipes process come from.

Each value is ``base64(zlib(JSON))``. The names are those of ``dagster_pipes``.
"""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod

from ironpipe import _ironpipe
from ironpipe._errors import DagsterPipesError
from ironpipe._protocol import (
    DAGSTER_PIPES_CONTEXT_CLI_ARGUMENT,
    DAGSTER_PIPES_CONTEXT_ENV_VAR,
    DAGSTER_PIPES_CONTEXT_WIDGET_KEY,
    DAGSTER_PIPES_MESSAGES_CLI_ARGUMENT,
    DAGSTER_PIPES_MESSAGES_ENV_VAR,
    DAGSTER_PIPES_MESSAGES_WIDGET_KEY,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Mapping
    from typing import Any

    from ironpipe._types import PipesParams

    DAGSTER_PIPES_CLI_PARSER: ArgumentParser

__all__ = [
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
]


def encode_param(value: Any) -> str:
    """Encode a value as a bootstrap value: JSON, compressed with zlib, as base64.

    Args:
        value: Anything that JSON has.

    Returns:
        ASCII text without white space, fit for an environment variable.

    Raises:
        DagsterPipesError: JSON has no text for the value. Its cause names the place.
    """
    try:
        return _ironpipe.encode_param(value)
    except (TypeError, ValueError) as error:
        raise DagsterPipesError(
            "Invalid type for parameter `value` of `encode_param`. Expected a JSON-serializable"
            f" type, got `{type(value)}`."
        ) from error


def decode_param(value: str) -> Any:
    """Decode what :func:`encode_param`, of this package or of ``dagster_pipes``, has encoded.

    Any zlib level is taken, white space within the base64 and bytes after the zlib stream too.

    Args:
        value: The text of a bootstrap value.

    Returns:
        The value.

    Raises:
        DagsterPipesError: It is not base64, not zlib, not JSON, or more than 16 MiB unpacked.
    """
    return _ironpipe.decode_param(value, "value")


# Their names before dagster-pipes 1.5.
encode_env_var = encode_param
decode_env_var = decode_param


# What JSON objects are decoded to; by another name, or type checkers would know it half.
_OBJECT: type = dict


def _decode(value: object, name: str) -> PipesParams:
    """Decode the bootstrap value called ``name``, which must hold an object."""
    if not isinstance(value, str):
        raise DagsterPipesError(
            f"{name} is not set; Dagster sets it, together with its twin, for a process it"
            " launches: pass both on"
            if value is None
            else f"{name} must be a string, not {type(value).__name__}"
        )
    params: Any = _ironpipe.decode_param(value, name)
    if type(params) is not _OBJECT:
        raise DagsterPipesError(f"{name} must hold an object, not {type(params).__name__}")
    return params


class PipesParamsLoader(ABC):
    """Loads the params that the orchestration side passed to this process."""

    @abstractmethod
    def is_dagster_pipes_process(self) -> bool:
        """Whether this process was given what is needed to open a session."""

    @abstractmethod
    def load_context_params(self) -> PipesParams:
        """Load the params for the context loader."""

    @abstractmethod
    def load_messages_params(self) -> PipesParams:
        """Load the params for the message writer."""


class PipesMappingParamsLoader(PipesParamsLoader):
    """Loads the params from a mapping with the names of the environment variables as keys.

    Args:
        mapping: ``DAGSTER_PIPES_CONTEXT`` and ``DAGSTER_PIPES_MESSAGES`` with encoded values.
    """

    def __init__(self, mapping: Mapping[str, str]):
        self._mapping = mapping

    def is_dagster_pipes_process(self) -> bool:
        return DAGSTER_PIPES_CONTEXT_ENV_VAR in self._mapping

    def load_context_params(self) -> PipesParams:
        return self._load(DAGSTER_PIPES_CONTEXT_ENV_VAR)

    def load_messages_params(self) -> PipesParams:
        return self._load(DAGSTER_PIPES_MESSAGES_ENV_VAR)

    def _load(self, name: str) -> PipesParams:
        return _decode(self._mapping.get(name), name)


class PipesEnvVarParamsLoader(PipesMappingParamsLoader):
    """Loads the params from the environment."""

    def __init__(self) -> None:
        super().__init__(mapping=os.environ)


class PipesCliArgsParamsLoader(PipesParamsLoader):
    """Loads the params from the command line: ``--flag value`` or ``--flag=value``.

    The process may have any other arguments. Where a flag stands twice the last one counts.
    """

    @property
    def parser(self) -> ArgumentParser:
        """A parser that knows the two flags, for a program that lists them in its own help."""
        return globals().get("DAGSTER_PIPES_CLI_PARSER") or _cli_parser()

    def is_dagster_pipes_process(self) -> bool:
        return _flag(DAGSTER_PIPES_CONTEXT_CLI_ARGUMENT) is not None

    def load_context_params(self) -> PipesParams:
        return _decode(
            _flag(DAGSTER_PIPES_CONTEXT_CLI_ARGUMENT), DAGSTER_PIPES_CONTEXT_CLI_ARGUMENT
        )

    def load_messages_params(self) -> PipesParams:
        return _decode(
            _flag(DAGSTER_PIPES_MESSAGES_CLI_ARGUMENT), DAGSTER_PIPES_MESSAGES_CLI_ARGUMENT
        )


def _flag(flag: str) -> str | None:
    value = None
    arguments = iter(sys.argv[1:])
    for argument in arguments:
        if argument == flag:
            value = next(arguments, value)
        elif argument.startswith(f"{flag}="):
            value = argument[len(flag) + 1 :]
    return value


class PipesDatabricksNotebookWidgetsParamsLoader(PipesParamsLoader):
    """Loads the params from the widgets (base parameters) of a Databricks notebook.

    Args:
        widgets: ``dbutils.widgets``, or anything with its ``get``.
    """

    def __init__(self, widgets: Any):
        self.widgets = widgets

    def is_dagster_pipes_process(self) -> bool:
        # Databricks raises its own error for a widget that is not there.
        try:
            return self.widgets.get(DAGSTER_PIPES_CONTEXT_WIDGET_KEY) is not None
        except Exception:
            return False

    def load_context_params(self) -> PipesParams:
        return _decode(
            self.widgets.get(DAGSTER_PIPES_CONTEXT_WIDGET_KEY), DAGSTER_PIPES_CONTEXT_WIDGET_KEY
        )

    def load_messages_params(self) -> PipesParams:
        return _decode(
            self.widgets.get(DAGSTER_PIPES_MESSAGES_WIDGET_KEY), DAGSTER_PIPES_MESSAGES_WIDGET_KEY
        )


def _cli_parser() -> ArgumentParser:
    # argparse is not needed to find two flags, so it is loaded only for those who ask for it.
    from argparse import ArgumentParser

    parser = ArgumentParser(description="Dagster Pipes CLI interface")
    for flag, what in (
        (DAGSTER_PIPES_CONTEXT_CLI_ARGUMENT, "context"),
        (DAGSTER_PIPES_MESSAGES_CLI_ARGUMENT, "messages"),
    ):
        parser.add_argument(
            flag,
            type=str,
            help=f"The Pipes {what} params: JSON, compressed with zlib, as base64",
        )
    globals()["DAGSTER_PIPES_CLI_PARSER"] = parser
    return parser


def __getattr__(name: str) -> Any:
    if name == "DAGSTER_PIPES_CLI_PARSER":
        return _cli_parser()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
