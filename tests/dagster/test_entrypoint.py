"""The example of a process in shell, through real Dagster."""

import os
from pathlib import Path

import dagster as dg
import pytest
from dagster import serialize_value

import ironpipe.dagster
from binaries import IRONPIPE
from dagster_harness import run

SCRIPT = Path(__file__).parent.parent.parent / "examples" / "entrypoint.sh"
PATH = f"{IRONPIPE.parent}:{os.environ['PATH']}"
CLIENTS = {
    "official": dg.PipesSubprocessClient(),
    "ironpipe": ironpipe.dagster.PipesSubprocessClient(),
}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("missing", [False, True])
def test_the_entry_point(
    client: str, missing: bool, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    source = tmp_path / "rows.csv"
    if not missing:
        source.write_text("a\nb\nc\n")

    @dg.asset(
        partitions_def=dg.DailyPartitionsDefinition("2024-01-01"),
        check_specs=[dg.AssetCheckSpec("has_lines", asset="counted")],
    )
    def counted(context: dg.AssetExecutionContext):  # Dagster reads the return type.
        invocation = CLIENTS[client].run(
            context=context,
            command=[str(SCRIPT)],
            env={"PATH": PATH},
            extras={"source": str(source)},
        )
        return tuple(invocation.get_results())

    stored = run(counted, instance=instance, partition_key="2024-01-02")
    assert f"counting the lines of {source} for 2024-01-02" in stored.logs()
    if missing:
        assert not stored.success
        assert "External execution process failed with code" in stored.failure()
        closed = [serialize_value(e) for e in stored.events(dg.DagsterEventType.ENGINE_EVENT)]
        assert any("the process ends with exit code" in text for text in closed)
        return
    assert stored.success, stored.failure()
    (check,) = stored.checks()
    assert (check.check_name, check.passed) == ("has_lines", True)
    (materialization,) = stored.materializations()
    assert materialization.metadata["lines"] == dg.MetadataValue.int(3)
    assert materialization.metadata["source"] == dg.MetadataValue.path(str(source))
    assert isinstance(materialization.metadata["counted_at"], dg.TimestampMetadataValue)
    assert (materialization.tags or {})["dagster/data_version"] == "2024-01-02"
