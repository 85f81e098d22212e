"""The components that run a script, loaded as Dagster loads them."""

import inspect
import os
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster.components.testing import create_defs_folder_sandbox

from dagster_harness import PROCESSES, Stored, read
from ironpipe.dagster import components

NAMES = ["PythonScriptComponent", "UvRunComponent"]


def materialize(name: str, mode: str, **attributes: Any) -> Stored:
    with create_defs_folder_sandbox() as sandbox:
        path = sandbox.scaffold_component(
            component_cls=getattr(components, name),
            defs_yaml_contents={
                "type": f"ironpipe.dagster.components.{name}",
                "attributes": {
                    "execution": {"path": str(PROCESSES / "misbehave.py"), "args": mode},
                    "assets": [{"key": "a"}],
                    **attributes,
                },
            },
        )
        with (
            sandbox.load_component_and_build_defs(defs_path=path) as (component, defs),
            dg.DagsterInstance.ephemeral() as instance,
        ):
            assert type(component) is getattr(components, name)
            job = defs.resolve_implicit_global_asset_job_def()
            result = job.execute_in_process(instance=instance, raise_on_error=False)
            return read(instance, result.run_id, success=result.success)


@pytest.fixture(autouse=True)
def python_of_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", directory + os.pathsep + os.environ["PATH"])
    # uv is to look for nothing outside.
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_PYTHON", sys.executable)
    monkeypatch.setenv("UV_NO_PROJECT", "1")


@pytest.mark.parametrize("name", NAMES)
def test_a_script_that_does_well(name: str) -> None:
    stored = materialize(name, "well-behaved")
    assert stored.success, stored.failure()
    assert len(stored.materializations()) == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_script_whose_messages_are_lost(name: str) -> None:
    stored = materialize(name, "not-json")
    assert not stored.success
    assert "1 line rejected" in stored.failure()
    assert materialize(name, "not-json", on_incomplete="warn").success


@pytest.mark.parametrize("name", NAMES)
def test_it_is_the_official_component_but_for_the_client(name: str) -> None:
    our, official = getattr(components, name), getattr(dg, name)
    assert issubclass(our, official)
    theirs = inspect.signature(official).parameters
    mine = inspect.signature(our).parameters
    assert list(mine)[: len(theirs)] == list(theirs) or set(mine) - set(theirs) == {"on_incomplete"}


def test_a_program_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    stored = materialize("UvRunComponent", "well-behaved")
    assert not stored.success
    assert "`uv` is not on the PATH" in stored.failure()
