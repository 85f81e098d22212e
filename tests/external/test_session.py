"""Hosting an external process from Python, without Dagster."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

import ironpipe
from ironpipe import AssetMaterialization, Closed, CustomMessage, ExternalStream, Log, Opened

PROGRAM = """
import sys
from ironpipe import open_dagster_pipes
with open_dagster_pipes() as pipes:
    print("printed")
    pipes.log.info("hello")
    pipes.report_custom_message([pipes.run_id, pipes.partition_key, pipes.extras])
    pipes.report_asset_materialization({"rows": 3}, data_version="1")
"""


def test_a_process_is_hosted() -> None:
    with ironpipe.open_session(
        asset_keys=["a"], partition_key="p", extras={"x": [1]}, include_stdio=True
    ) as session:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, **session.env},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        directory = Path(session.messages_path).parent
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        told = []
        for message in session.finish():
            match message:
                case Log(message=text, level="INFO"):
                    told.append(text)
                case CustomMessage(payload=[run_id, "p", {"x": [1]}]):
                    told.append(uuid.UUID(run_id).version)
                case AssetMaterialization(asset_key="a", data_version="1", metadata=metadata):
                    told.append(metadata)
                case ExternalStream(stream="stdout", text=text):
                    told.append(text.strip())
                case Opened() | Closed(exception=None):
                    told.append(message.method)
        rows = {"rows": {"raw_value": 3, "type": "__infer__"}}
        # Where the process does not buffer, the newline comes by itself.
        told = [part for part in told if part]
        assert told == ["opened", "printed", "hello", 4, rows, "closed"]
        assert session.report.is_complete
    assert not directory.exists()


def test_a_context_may_be_given_whole() -> None:
    with ironpipe.open_session({"asset_keys": ["ferris"]}) as session:
        loader = ironpipe.PipesMappingParamsLoader(session.env)
        with ironpipe.PipesDefaultContextLoader().load_context(
            loader.load_context_params()
        ) as context:
            assert context == {"asset_keys": ["ferris"]}


def test_a_context_that_is_none_is_refused() -> None:
    with pytest.raises(ironpipe.NotJsonError, match="context.extras.x"):
        ironpipe.open_session(extras={"x": {1}})
    with pytest.raises(ironpipe.DagsterPipesError, match="object"):
        ironpipe.open_session([1])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="takes a list of keys: \\['a'\\], not 'a'"):
        ironpipe.open_session(asset_keys="a")
