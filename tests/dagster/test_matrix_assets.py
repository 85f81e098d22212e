"""Assets and asset checks, in every form that Dagster has for them."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from dagster_harness import Stored, run
from ironpipe.dagster import PipesSubprocessClient
from reporting import FACTS, check, custom, invoke, materialize

SPECS = [dg.AssetSpec(name, skippable=True) for name in ("x", "y", "z")]


def materialized(stored: Stored) -> list[tuple[str, str | None]]:
    return [(m.asset_key.to_user_string(), m.partition) for m in stored.materializations()]


# --- which assets --------------------------------------------------------------------------------


def test_multi_asset(instance: dg.DagsterInstance) -> None:
    @dg.multi_asset(specs=SPECS)
    def three(context: dg.AssetExecutionContext):
        # The second one is never reported; Dagster takes it for materialized.
        do = materialize("x", "v1", rows=3), materialize("z")
        return invoke(context, *do).get_results()

    stored = run(three, instance=instance)
    assert stored.success, stored.failure()
    assert sorted(materialized(stored)) == [("x", None), ("y", None), ("z", None)]
    (x,) = (m for m in stored.materializations() if m.asset_key == dg.AssetKey("x"))
    assert x.metadata["rows"].value == 3
    assert x.tags
    assert x.tags["dagster/data_version"] == "v1"


@pytest.mark.parametrize(("reported", "success"), [("xz", True), ("xy", False)])
def test_subset(reported: str, success: bool, instance: dg.DagsterInstance) -> None:
    facts: list[Any] = []

    @dg.multi_asset(specs=SPECS, can_subset=True)
    def three(context: dg.AssetExecutionContext):
        invocation = invoke(context, FACTS, *map(materialize, reported))
        facts.extend(invocation.get_custom_messages())
        return invocation.get_results()

    stored = run(three, instance=instance, selection=["x", "z"])
    assert stored.success is success
    if success:
        assert sorted(facts[0]["asset_keys"]) == ["x", "z"]
        assert sorted(materialized(stored)) == [("x", None), ("z", None)]
    else:
        # The process is told before it sends anything.
        assert "Invalid asset key" in stored.failure()
        assert "got `y`" in stored.failure()


def test_graph_asset(instance: dg.DagsterInstance) -> None:
    # Within an asset Dagster wants what an op with a session returns to be an event.
    @dg.op
    def count(context: dg.OpExecutionContext) -> dg.Output[int]:
        return dg.Output(invoke(context, custom(20)).get_custom_messages()[0])

    @dg.op
    def double(context: dg.OpExecutionContext, rows: int) -> dg.Output[int]:
        return dg.Output(invoke(context, custom(2 * rows)).get_custom_messages()[0])

    @dg.graph_asset
    def doubled() -> int:
        return double(count())

    @dg.asset
    def below(doubled: int) -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata={"rows": doubled})

    stored = run(doubled, below, instance=instance)
    assert stored.success, stored.failure()
    assert [m.metadata["rows"].value for m in stored.materializations()[1:]] == [40]


def test_asset_job_with_config(instance: dg.DagsterInstance) -> None:
    """Run config travels as extras, the name of the job in the context."""

    class Limits(dg.Config):
        rows: int

    custom_messages: list[Any] = []

    @dg.asset
    def a(context: dg.AssetExecutionContext, config: Limits):
        invocation = invoke(context, FACTS, materialize(rows=config.rows))
        custom_messages.extend(invocation.get_custom_messages())
        return invocation.get_results()

    job = dg.Definitions(assets=[a], jobs=[dg.define_asset_job("nightly", [a])])
    result = job.resolve_job_def("nightly").execute_in_process(
        instance=instance, run_config={"ops": {"a": {"config": {"rows": 7}}}}
    )
    (event,) = result.get_asset_materialization_events()
    assert event.materialization.metadata["rows"].value == 7
    assert custom_messages[0]["job_name"] == "nightly"


# --- partitions ----------------------------------------------------------------------------------

DAYS = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-02-01")
COLOURS = dg.StaticPartitionsDefinition(["red", "blue"])


@pytest.mark.parametrize(
    ("partitions", "key", "window"),
    [
        pytest.param(COLOURS, "blue", None, id="static"),
        pytest.param(DAYS, "2024-01-02", ("2024-01-02", "2024-01-03"), id="time-window"),
        pytest.param(
            dg.MultiPartitionsDefinition({"day": DAYS, "colour": COLOURS}),
            dg.MultiPartitionKey({"day": "2024-01-02", "colour": "red"}),
            None,
            id="multi",
        ),
    ],
)
def test_partitions(
    partitions: dg.PartitionsDefinition[Any],
    key: str,
    window: tuple[str, str] | None,
    instance: dg.DagsterInstance,
) -> None:
    facts: list[Any] = []

    @dg.asset(partitions_def=partitions)
    def a(context: dg.AssetExecutionContext):
        invocation = invoke(context, FACTS, materialize())
        facts.extend(invocation.get_custom_messages())
        return invocation.get_results()

    stored = run(a, instance=instance, partition_key=key)
    assert materialized(stored) == [("a", str(key))]
    assert facts[0]["partition_key"] == str(key)
    assert facts[0]["partition_key_range"] == {"start": str(key), "end": str(key)}
    if window is not None:
        start, end = facts[0]["partition_time_window"].values()
        assert (start[:10], end[:10]) == window


def test_range_backfill_in_one_run(instance: dg.DagsterInstance) -> None:
    facts: list[Any] = []

    @dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
    def a(context: dg.AssetExecutionContext):
        invocation = invoke(context, FACTS, materialize(rows=3), keys=context.partition_keys)
        facts.extend(invocation.get_custom_messages())
        return invocation.get_results()

    days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    tags = {ASSET_PARTITION_RANGE_START_TAG: days[0], ASSET_PARTITION_RANGE_END_TAG: days[-1]}
    stored = run(a, instance=instance, tags=tags)
    assert stored.success, stored.failure()
    assert materialized(stored) == [("a", day) for day in days]
    # Dagster tells the process of one partition only; extras have to tell of several.
    assert facts[0]["partition_key"] is None


# --- checks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("severity", "passed", "blocking", "success", "below"),
    [
        ("ERROR", True, True, True, True),
        ("WARN", False, True, True, True),
        ("ERROR", False, False, True, True),
        ("ERROR", False, True, False, False),
    ],
)
@pytest.mark.parametrize("where", ["in the asset's step", "in a step of its own"])
def test_checks(
    where: str,
    severity: str,
    passed: bool,
    blocking: bool,
    success: bool,
    below: bool,
    instance: dg.DagsterInstance,
) -> None:
    own_step = where == "in a step of its own"
    report = check("c", "a", passed=passed, severity=severity, metadata={"rows": 3})

    @dg.asset(
        check_specs=[] if own_step else [dg.AssetCheckSpec("c", asset="a", blocking=blocking)]
    )
    def a(context: dg.AssetExecutionContext):
        return invoke(context, materialize("a"), *([] if own_step else [report])).get_results()

    @dg.asset_check(asset="a", blocking=blocking)
    def c(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        return invoke(context, report).get_asset_check_result()

    @dg.asset(deps=[a])
    def downstream() -> None: ...

    stored = run(*([a, c] if own_step else [a]), downstream, instance=instance)
    assert stored.success is success, stored.failure()
    (evaluation,) = stored.checks()
    assert (evaluation.passed, evaluation.severity.value) == (passed, severity)
    assert evaluation.blocking is blocking
    assert evaluation.metadata["rows"].value == 3
    assert (("downstream", None) in materialized(stored)) is below


def test_multi_asset_check(instance: dg.DagsterInstance) -> None:
    @dg.asset
    def a() -> None: ...

    specs = [dg.AssetCheckSpec(name, asset="a") for name in ("first", "second")]

    @dg.multi_asset_check(specs=specs)
    def both(context: dg.AssetCheckExecutionContext) -> Iterator[Any]:
        do = check("first", "a", passed=True), check("second", "a", passed=False, severity="WARN")
        yield from invoke(context, *do).get_results()

    stored = run(a, both, instance=instance)
    assert stored.success, stored.failure()
    assert [(c.check_name, c.passed) for c in stored.checks()] == [
        ("first", True),
        ("second", False),
    ]


# --- what surrounds them -------------------------------------------------------------------------


class Tenant(dg.ConfigurableResource):
    """A resource of the user's own that holds ours."""

    name: str
    pipes: dg.ResourceDependency[PipesSubprocessClient]


def test_resources(instance: dg.DagsterInstance) -> None:
    client = PipesSubprocessClient()

    @dg.asset
    def by_type(context: dg.AssetExecutionContext, pipes: PipesSubprocessClient):
        return invoke(context, materialize(), client=pipes).get_results()

    @dg.asset
    def by_param(
        context: dg.AssetExecutionContext, pipes: dg.ResourceParam[dg.PipesSubprocessClient]
    ):
        return invoke(context, materialize(), client=pipes).get_results()

    @dg.asset(required_resource_keys={"pipes"})
    def by_key(context: dg.AssetExecutionContext):
        return invoke(context, materialize(), client=context.resources.pipes).get_results()

    @dg.asset
    def in_another(context: dg.AssetExecutionContext, tenant: Tenant):
        assert tenant.pipes is client
        return invoke(context, materialize(), client=tenant.pipes).get_results()

    resources = {"pipes": client, "tenant": Tenant(name="north", pipes=client)}
    stored = run(by_type, by_param, by_key, in_another, instance=instance, resources=resources)
    assert stored.success, stored.failure()
    assert len(stored.materializations()) == 4


def test_a_value_for_the_io_manager(instance: dg.DagsterInstance) -> None:
    @dg.asset
    def a(context: dg.AssetExecutionContext) -> dg.MaterializeResult[list[int]]:
        invocation = invoke(context, custom([1, 2, 3]), materialize(rows=3))
        (value,) = invocation.get_custom_messages()
        return invocation.get_materialize_result()._replace(value=value)

    @dg.asset
    def total(a: list[int]) -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata={"sum": sum(a)})

    stored = run(a, total, instance=instance)
    assert stored.success, stored.failure()
    assert stored.materializations()[0].metadata["rows"].value == 3
    assert stored.materializations()[1].metadata["sum"].value == 6


def test_data_versions_make_what_is_below_stale(instance: dg.DagsterInstance) -> None:
    version = ["v1"]

    @dg.asset(code_version="1")
    def a(context: dg.AssetExecutionContext):
        return invoke(context, materialize(version=version[0])).get_results()

    @dg.asset(code_version="1", deps=[a])
    def below(context: dg.AssetExecutionContext):
        return invoke(context, materialize(version="b1")).get_results()

    graph = dg.Definitions(assets=[a, below]).resolve_asset_graph()

    def status() -> StaleStatus:
        context = LoadingContextForTest(instance)
        return CachingStaleStatusResolver(instance, graph, context).get_status(below.key)

    assert run(a, below, instance=instance).success
    assert status() is StaleStatus.FRESH
    assert run(a, below, instance=instance, selection=[a]).success
    assert status() is StaleStatus.FRESH
    version[0] = "v2"
    assert run(a, below, instance=instance, selection=[a]).success
    assert status() is StaleStatus.STALE


# --- direct invocation ---------------------------------------------------------------------------


def test_direct_invocation() -> None:
    @dg.asset(check_specs=[dg.AssetCheckSpec("c", asset="a")])
    def a(context: dg.AssetExecutionContext):
        return invoke(context, materialize(rows=3), check("c", passed=True)).get_results()

    materialization, check_result = a(dg.build_asset_context())
    assert materialization.metadata["rows"].value == 3
    assert check_result.check_name == "c"

    @dg.op
    def an_op(context: dg.OpExecutionContext) -> Any:
        return invoke(context, custom("from an op")).get_custom_messages()[0]

    assert an_op(dg.build_op_context()) == "from an op"

    @dg.asset_check(asset="a")
    def c(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        return invoke(context, check("c", "a", passed=False)).get_asset_check_result()

    assert c(dg.build_asset_check_context()).passed is False
