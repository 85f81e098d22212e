import dagster as dg
import pytest
from dagster._utils.test.data_versions import get_stale_status_resolver

from concepts import data_versions
from concepts.resources import client


@pytest.fixture
def make(instance, tmp_path):
    """Makes one of the assets from a text."""
    path = tmp_path / "letter.txt"

    def make(asset: dg.AssetsDefinition, text: str) -> dg.ExecuteInProcessResult:
        path.write_text(text)
        return dg.materialize(
            [data_versions.letter, data_versions.word_count],
            selection=[asset],
            instance=instance,
            resources={"pipes": client},
            run_config={"ops": {asset.key.path[-1]: {"config": {"path": str(path)}}}},
        )

    return make


def version(result: dg.ExecuteInProcessResult) -> str:
    (event,) = result.get_asset_materialization_events()
    return event.materialization.tags["dagster/data_version"]


def staleness(instance: dg.DagsterInstance) -> str:
    """What the web interface says of the asset downstream."""
    resolver = get_stale_status_resolver(instance, [data_versions.letter, data_versions.word_count])
    causes = resolver.get_stale_causes(data_versions.word_count.key)
    return (
        ", ".join(cause.reason for cause in causes)
        or resolver.get_status(data_versions.word_count.key).value
    )


def test_the_process_says_the_data_version(make):
    first = version(make(data_versions.letter, "one"))
    assert version(make(data_versions.letter, "one")) == first
    assert version(make(data_versions.letter, "two")) != first


def test_a_new_data_version_makes_downstream_stale(make, instance):
    make(data_versions.letter, "one")
    make(data_versions.word_count, "one")
    assert staleness(instance) == "FRESH"
    make(data_versions.letter, "one")
    assert staleness(instance) == "FRESH"
    make(data_versions.letter, "two")
    assert staleness(instance) == "has a new dependency data version"
    make(data_versions.word_count, "two")
    assert staleness(instance) == "FRESH"
