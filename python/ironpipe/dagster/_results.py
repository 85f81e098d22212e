"""Materializations made of messages that the engine has checked, equal to those Dagster makes.

Dagster checks each value several times on the way, which the engine has done already. Its classes
here are tuples, so they are made as such. A trial shows first whether that gives what Dagster
makes; for what it does not, Dagster is asked.
"""

# Dagster leaves the types of its results half open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from dagster import AssetKey, DataVersion, MaterializeResult, MetadataValue
from dagster._core.definitions.metadata.external_metadata import metadata_value_from_external

_RESULT: Any = MaterializeResult
_new = tuple.__new__

# Kinds of metadata that may be nothing but a value in a class of its own, with one to try.
_WRAPPED: Sequence[tuple[Any, object]] = (
    ("text", "t"),
    ("url", "https://example.org"),
    ("path", "/a/b"),
    ("notebook", "/a.ipynb"),
    ("md", "*m*"),
    ("int", 1),
    ("float", 1.5),
    ("bool", True),
    ("__infer__", "t"),
    ("__infer__", 1),
    ("__infer__", 1.5),
    ("__infer__", True),
)


def materialize_result(
    asset_key: AssetKey, metadata: Mapping[str, Any] | None, data_version: str | None
) -> MaterializeResult[Any]:
    """The result of a materialization.

    Args:
        asset_key: The asset.
        metadata: By name ``{"raw_value": …, "type": …}``.
        data_version: The version of the data.
    """
    values: dict[str, MetadataValue[Any]] = {}
    if metadata:
        wrappers = _wrappers()
        for name, entry in metadata.items():
            kind, value = entry["type"], entry["raw_value"]
            made = wrappers.get((kind, type(value)))
            if made is None:
                values[name] = metadata_value_from_external(value, kind)
            else:
                values[name] = _new(made, (value,))
    make = _quick if _quick_is_right() else _official
    return make(asset_key, values, data_version)


def _official(
    asset_key: AssetKey, metadata: Mapping[str, MetadataValue[Any]], data_version: str | None
) -> MaterializeResult[Any]:
    return MaterializeResult(
        asset_key=asset_key,
        metadata=metadata,
        data_version=None if data_version is None else DataVersion(data_version),
    )


def _quick(
    asset_key: AssetKey, metadata: Mapping[str, MetadataValue[Any]], data_version: str | None
) -> MaterializeResult[Any]:
    version = None if data_version is None else _new(DataVersion, (data_version,))
    return _new(_RESULT, (asset_key, metadata, [], version, None, *_rest()))


@cache
def _rest() -> tuple[Any, ...]:
    """What else a result has: a value, from Dagster 1.11 on."""
    return tuple(MaterializeResult())[5:]


@cache
def _quick_is_right() -> bool:
    if not issubclass(MaterializeResult, tuple):
        return False
    trial = AssetKey(["a", "b"]), {"n": MetadataValue.int(1)}
    return all(_same(_quick(*trial, v), _official(*trial, v)) for v in ("1", None))


@cache
def _wrappers() -> Mapping[tuple[str, type], Any]:
    wrappers: dict[tuple[str, type], Any] = {}
    for kind, value in _WRAPPED:
        official: Any = metadata_value_from_external(value, kind)
        made: Any = type(official)
        if issubclass(made, tuple) and _same(tuple.__new__(made, (value,)), official):
            wrappers[kind, type(value)] = made
    return wrappers


def _same(made: object, official: object) -> bool:
    return type(made) is type(official) and made == official and repr(made) == repr(official)
