"""Our classes take what the official ones take: a change in Dagster shows here."""

import inspect
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

import ironpipe.dagster as ours

MIRRORED = [name for name in ours.__all__ if name in vars(dg)]
CLASSES = [name for name in MIRRORED if inspect.isclass(getattr(dg, name))]
Parameter = inspect.Parameter


def test_what_is_mirrored() -> None:
    assert set(MIRRORED) == {
        "PipesFileMessageReader",
        "PipesMessageHandler",
        "PipesSession",
        "PipesSubprocessClient",
        "PipesTempFileMessageReader",
        "open_pipes_session",
    }


@pytest.mark.parametrize("name", CLASSES)
def test_classes_are_subclasses(name: str) -> None:
    assert issubclass(getattr(ours, name), getattr(dg, name))
    assert getattr(ours, name) is not getattr(dg, name)


@pytest.mark.parametrize("name", MIRRORED)
def test_signatures(name: str) -> None:
    assert_takes_the_same(getattr(ours, name), getattr(dg, name))


def public_methods() -> list[tuple[str, str]]:
    return [
        (name, method)
        for name in CLASSES
        for method, function in vars(getattr(dg, name)).items()
        if not method.startswith("_") and inspect.isfunction(function)
    ]


@pytest.mark.parametrize(("name", "method"), public_methods())
def test_methods(name: str, method: str) -> None:
    assert_takes_the_same(getattr(getattr(ours, name), method), getattr(getattr(dg, name), method))


def assert_takes_the_same(our: Callable[..., Any], official: Callable[..., Any]) -> None:
    theirs = inspect.signature(official).parameters
    mine = inspect.signature(our).parameters
    for mine_of_them, parameter in zip(mine.values(), theirs.values(), strict=False):
        assert mine_of_them.name == parameter.name
        assert mine_of_them.kind == parameter.kind
        if parameter.default is Parameter.empty:
            assert mine_of_them.default is Parameter.empty
        elif not callable(parameter.default):
            assert mine_of_them.default == parameter.default
    extra = list(mine.values())[len(theirs) :]
    assert all(p.kind is Parameter.KEYWORD_ONLY for p in extra), extra
    assert all(p.default is not Parameter.empty for p in extra), extra
