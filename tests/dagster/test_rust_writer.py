"""What a Rust process sends is what Dagster stores, through the official reader and ours."""

from typing import Any

import dagster as dg
import pytest
from dagster import MetadataValue

import ironpipe.dagster
from binaries import example
from dagster_harness import run

COLUMN = dg.TableColumn(
    name="n",
    type="int",
    description="how many",
    constraints=dg.TableColumnConstraints(nullable=False, unique=True, other=["> 0"]),
    tags={"k": "v"},
)
SCHEMA = dg.TableSchema(columns=[COLUMN])
METADATA = {
    "infer": MetadataValue.json([1, 2]),
    "text": MetadataValue.text('é\x01"'),
    "url": MetadataValue.url("https://example.org"),
    "path": MetadataValue.path("/p"),
    "notebook": MetadataValue.notebook("/n.ipynb"),
    "json": MetadataValue.json({"x": 1}),
    "md": MetadataValue.md("# m"),
    "float": MetadataValue.float(1.0),
    "int": MetadataValue.int(2**128 - 1),
    "bool": MetadataValue.bool(True),
    "dagster_run": MetadataValue.dagster_run("r"),
    "asset": MetadataValue.asset(dg.AssetKey(["a", "b"])),
    "null": MetadataValue.null(),
    "table": MetadataValue.table([dg.TableRecord({"n": 1})], SCHEMA),
    "table_schema": MetadataValue.table_schema(SCHEMA),
    "table_column_lineage": MetadataValue.column_lineage(
        dg.TableColumnLineage({"c": [dg.TableColumnDep(dg.AssetKey(["a", "b/c"]), "x")]})
    ),
    "timestamp": MetadataValue.timestamp(1.5),
}


@pytest.fixture(scope="module")
def program() -> str:
    return str(example("everything"))


@pytest.mark.parametrize(
    "client", [dg.PipesSubprocessClient(), ironpipe.dagster.PipesSubprocessClient()]
)
def test_every_method_and_metadata_type(
    client: dg.PipesSubprocessClient, program: str, instance: dg.DagsterInstance
) -> None:
    payloads: list[Any] = []
    checks = [dg.AssetCheckSpec(name, asset="everything") for name in ("passes", "warns")]

    @dg.asset(check_specs=checks)
    def everything(context: dg.AssetExecutionContext):
        invocation = client.run(context=context, command=[program])
        payloads.extend(invocation.get_custom_messages())
        return tuple(invocation.get_results())

    stored = run(everything, instance=instance)
    assert stored.success
    assert payloads == [[1, float("inf"), 'é\n"\\\x01😀']]
    for level in ("INFO", "WARNING", "ERROR", "CRITICAL"):
        assert f"at {level}" in stored.logs()
    (materialization,) = stored.materializations()
    assert materialization.metadata == METADATA
    assert (materialization.tags or {})["dagster/data_version"] == "v1"
    passes, warns = stored.checks()
    assert (passes.check_name, passes.passed, passes.metadata) == ("passes", True, METADATA)
    assert (warns.check_name, warns.passed) == ("warns", False)
    assert warns.severity is dg.AssetCheckSeverity.WARN
