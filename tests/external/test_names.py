"""The public names, and that importing them is nearly free."""

from __future__ import annotations

import inspect
import subprocess
import sys
import types
from pathlib import Path
from typing import Any, get_args, get_origin

import dagster_pipes
import pytest

import ironpipe


def official_names() -> set[str]:
    names = set()
    for name, value in vars(dagster_pipes).items():
        module = getattr(value, "__module__", "dagster_pipes")
        if name.startswith("_") or isinstance(value, types.ModuleType):
            continue
        if module == "dagster_pipes" or name.startswith(("Pipes", "DAGSTER_", "T_")):
            names.add(name)
    return names


def test_all_is_what_there_is() -> None:
    assert len(set(ironpipe.__all__)) == len(ironpipe.__all__)
    for name in ironpipe.__all__:
        assert getattr(ironpipe, name) is not None
        assert name in dir(ironpipe)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = ironpipe.nonsense  # type: ignore[attr-defined]


def test_every_official_name_is_here() -> None:
    assert official_names() - {"TYPE_CHECKING"} <= set(ironpipe.__all__)


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    found = inspect.signature(function).parameters.values()
    return [
        (p.name, p.kind, None if callable(p.default) else p.default)
        for p in found
        if p.name != "self"
    ]


def members(cls: type) -> set[str]:
    return {name for name in dir(cls) if not name.startswith("_")}


@pytest.mark.parametrize("name", sorted(official_names() - {"TYPE_CHECKING"}))
def test_signatures_are_the_official_ones(name: str) -> None:
    theirs, ours = getattr(dagster_pipes, name), getattr(ironpipe, name)
    # An alias such as Mapping[str, Any] counts as a class on Python 3.10.
    if isinstance(theirs, str) or get_origin(theirs):
        assert ours == theirs
    elif not inspect.isclass(theirs):
        if inspect.isfunction(theirs):
            assert parameters(ours) == parameters(theirs)
    elif issubclass(theirs, Exception):
        assert issubclass(ours, theirs.__base__)
    elif hasattr(theirs, "__total__"):
        assert set(ours.__annotations__) == set(theirs.__annotations__)
    else:
        assert parameters(ours) == parameters(theirs)
        assert inspect.isabstract(ours) == inspect.isabstract(theirs)
        abstract = getattr(ours, "__abstractmethods__", set())
        assert abstract == getattr(theirs, "__abstractmethods__", set())
        for member in members(theirs) - members(Exception):
            their_member = inspect.getattr_static(theirs, member)
            our_member = inspect.getattr_static(ours, member)
            for kind in (property, classmethod, staticmethod):
                assert isinstance(our_member, kind) == isinstance(their_member, kind), member
            if isinstance(their_member, (str, int, float)):
                assert our_member == their_member, member
            elif callable(getattr(theirs, member)):
                theirs_takes = parameters(getattr(theirs, member))
                assert parameters(getattr(ours, member)) == theirs_takes, member


def loaded_by(code: str) -> set[str]:
    """The modules that a bare interpreter has loaded once it has run the code."""
    program = f"{code}\nimport sys\nprint(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{program}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_importing_loads_nothing_else() -> None:
    loaded = loaded_by("import ironpipe") - loaded_by("")
    assert loaded == {"ironpipe"}


def test_opening_loads_only_what_is_needed() -> None:
    loaded = loaded_by("from ironpipe import open_dagster_pipes, PipesEnvVarParamsLoader")
    heavy = {"orjson", "logging", "dataclasses", "typing", "asyncio", "unittest.mock", "argparse"}
    assert not heavy & loaded


def test_nothing_but_orjson_is_needed(tmp_path: Path) -> None:
    program = """
import sys
class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in {*sys.stdlib_module_names, "ironpipe", "orjson"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, NotInstalled())
import ironpipe
for name in ironpipe.__all__:
    getattr(ironpipe, name)
with ironpipe.open_session(asset_keys=["a"], include_stdio=True) as session:
    params = ironpipe.PipesMappingParamsLoader(session.env)
    with ironpipe.open_dagster_pipes(params_loader=params) as pipes:
        print("printed", flush=True)
        pipes.log.info("x")
        pipes.report_asset_check("c", True, metadata={"a": 1.5})
        pipes.report_asset_materialization({"a": {"raw_value": [1], "type": "json"}})
    for message in session.finish():
        print(message.method, message.params)
    assert session.report.is_complete
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{program}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 7


def test_messages_have_a_name_together() -> None:
    message = ironpipe.Log("x")
    assert isinstance(message, ironpipe.Message)
    assert not isinstance("x", ironpipe.Message)
    assert len(get_args(ironpipe.Message)) == 7


@pytest.mark.parametrize("key", ["", "a", "a/b", "a/", "/a", "a//b", "a\\/b", "a\\", "\\a", "é/☃"])
def test_asset_key_paths(key: str) -> None:
    assert ironpipe.to_asset_key_path(key) == dagster_pipes.to_asset_key_path(key)
