"""Our classes take what the official ones take: a change in Dagster shows here."""

import inspect
import itertools
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest
from dagster._core.pipes import client, context, utils

import ironpipe.dagster as ours

# Where Dagster keeps what a user may have imported: some bases are not exported at the top.
HOMES = (dg, client, context, utils)

# Exported as they are: there is nothing in them that could lose a message.
SAME = {"PipesClient", "PipesContextInjector", "PipesExecutionResult", "PipesLaunchedData"}

# Helpers of the official package, of no use to others.
INTERNAL = {"build_external_execution_context_data", "materialize_result_from_pipes_results"}


def official(name: str) -> Any:
    return next(vars(home)[name] for home in HOMES if name in vars(home))


def official_names() -> set[str]:
    return {
        name
        for home in HOMES
        for name, value in vars(home).items()
        if not name.startswith("_")
        and (
            name.startswith("Pipes")
            or (inspect.isfunction(value) and value.__module__ in {m.__name__ for m in HOMES[1:]})
        )
        and getattr(value, "__module__", "").startswith("dagster.")
    }


MIRRORED = [name for name in ours.__all__ if name in official_names() - SAME]
CLASSES = [name for name in MIRRORED if inspect.isclass(official(name))]
Parameter = inspect.Parameter


def test_every_official_name_is_mirrored_or_needs_no_mirror() -> None:
    assert official_names() - set(ours.__all__) == INTERNAL
    assert {name for name in ours.__all__ if getattr(ours, name) is getattr(dg, name, 0)} == SAME


def test_what_is_ours_alone_has_no_prefix() -> None:
    assert not [
        name for name in ours.__all__ if name.startswith("Pipes") and name not in {*MIRRORED, *SAME}
    ]


def test_the_bases_mirror_the_bases() -> None:
    for one, other in itertools.product(CLASSES, repeat=2):
        if one.endswith("Reader") and other.endswith("Reader"):
            related = issubclass(official(one), official(other))
            assert issubclass(getattr(ours, one), getattr(ours, other)) == related


@pytest.mark.parametrize("name", CLASSES)
def test_classes_are_subclasses(name: str) -> None:
    assert issubclass(getattr(ours, name), official(name))
    assert getattr(ours, name) is not official(name)


@pytest.mark.parametrize("name", MIRRORED)
def test_signatures(name: str) -> None:
    assert_takes_the_same(getattr(ours, name), official(name))


def public_methods() -> list[tuple[str, str]]:
    return [
        (name, method)
        for name in CLASSES
        for method, function in vars(official(name)).items()
        if not method.startswith("_") and inspect.isfunction(function)
    ]


@pytest.mark.parametrize(("name", "method"), public_methods())
def test_methods(name: str, method: str) -> None:
    assert_takes_the_same(getattr(getattr(ours, name), method), getattr(official(name), method))


def assert_takes_the_same(our: Callable[..., Any], theirs_is: Callable[..., Any]) -> None:
    theirs = inspect.signature(theirs_is).parameters
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


# --- the packages of stores ----------------------------------------------------------------------

# The packages that may not be installed, and what of theirs has no mirror: clients, which take our
# readers as they are, and readers of logs.
PACKAGES = {
    "dagster_aws.pipes": {
        "PipesCloudWatchLogReader",
        "PipesCloudWatchMessageReader",
        "PipesECSClient",
        "PipesEMRClient",
        "PipesEMRContainersClient",
        "PipesEMRServerlessClient",
        "PipesGlueClient",
        "PipesLambdaClient",
        "PipesLambdaEventContextInjector",
        "PipesLambdaLogsMessageReader",
        "PipesS3LogReader",
    },
    "dagster_azure.pipes": {"PipesAzureMLClient"},
    "dagster_databricks.pipes": {
        "PipesDatabricksClient",
        "PipesDatabricksServerlessClient",
        "PipesDbfsLogReader",
    },
    "dagster_gcp.pipes": {"PipesDataprocJobClient", "PipesGCSLogReader"},
}


@pytest.mark.parametrize("package", PACKAGES)
def test_readers_and_injectors_of_stores(package: str) -> None:
    module = pytest.importorskip(package)
    theirs = {
        name: value
        for name, value in vars(module).items()
        if name.startswith("Pipes")
        and inspect.isclass(value)
        and value.__module__.startswith(package)
    }
    mirrored = theirs.keys() & set(dir(ours))
    assert theirs.keys() - mirrored == PACKAGES[package]
    assert mirrored
    for name in mirrored:
        our, official_class = getattr(ours, name), theirs[name]
        assert issubclass(our, official_class) and our is not official_class
        assert_takes_the_same(our, official_class)
        for method, function in vars(official_class).items():
            if not method.startswith("_") and inspect.isfunction(function):
                assert_takes_the_same(getattr(our, method), function)


def test_no_name_of_a_store_is_forgotten() -> None:
    homes = {home.removeprefix("_stores."): set(names) for home, names in ours._HOMES.items()}
    assert homes.keys() == {"s3", "gcs", "azure", "databricks"}
    assert all(name.startswith("Pipes") for names in homes.values() for name in names)
    assert set().union(*homes.values()) <= set(dir(ours))
