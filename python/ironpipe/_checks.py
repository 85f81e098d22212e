"""Checks of the params that the orchestration side passes, with the texts of ``dagster_pipes``."""

from __future__ import annotations

from ironpipe import _ironpipe
from ironpipe._errors import DagsterPipesError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TypeVar

    T = TypeVar("T")

# The type itself, with the parameters that a type checker wants to see.
_Dict: type[dict[str, Any]] = dict


def env_param(params: Mapping[str, Any], key: str, expected: type[T], owner: object) -> T:
    """Return ``params[key]``, which must be of the type ``expected``.

    Args:
        params: The params that the orchestration side passed.
        key: The one that is wanted.
        expected: The type it must have.
        owner: The loader or writer that asks, named in the error.

    Raises:
        DagsterPipesError: It is missing or of another type.
    """
    value = params.get(key)
    if not isinstance(value, expected):
        raise DagsterPipesError(_wrong_type(key, owner, f"`{expected}`", value))
    return value


def optional_env_param(
    params: Mapping[str, Any], key: str, expected: type[T], owner: object
) -> T | None:
    """Return ``params[key]`` or None; the same as :func:`env_param` for one that may be missing."""
    value = params.get(key)
    if value is not None and not isinstance(value, expected):
        raise DagsterPipesError(_wrong_type(key, owner, f"`Optional[{expected}]`", value))
    return value


def open_url(url: str, params: Mapping[str, Any], owner: object) -> _ironpipe.ChunkStore:
    """Return the object store of a URL, opened with the param ``options``.

    Args:
        url: The URL.
        params: The params that the orchestration side passed.
        owner: The loader or writer that asks, named in the error.

    Raises:
        DagsterPipesError: The URL or an option is of no store, or of another type.
    """
    options = optional_env_param(params, "options", _Dict, owner)
    if not all(isinstance(text, str) for option in (options or {}).items() for text in option):
        raise DagsterPipesError("The param `options` holds settings by name, all of them text.")
    return _ironpipe.ChunkStore.open(url, options)


def names(params: Mapping[str, Any]) -> str:
    """Return the names of params for an error; never their values, which may be credentials."""
    return f"{{{', '.join(map(repr, params))}}}"


def _wrong_type(key: str, owner: object, expected: str, value: object) -> str:
    return (
        f"Invalid type for parameter `{key}` passed from orchestration side to"
        f" `{type(owner).__name__}`. Expected {expected}, got `{type(value)}`."
    )
