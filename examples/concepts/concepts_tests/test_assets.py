import dagster as dg
import pytest

from concepts.definitions import defs


def made(result: dg.ExecuteInProcessResult) -> list[str]:
    assert result.success
    events = result.get_asset_materialization_events()
    return [event.asset_key.to_user_string() for event in events if event.asset_key]


def test_the_process_reports_the_materialization(execute):
    (event,) = execute("asset1_job").get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert metadata["rows"] == dg.MetadataValue.int(3)
    assert isinstance(metadata["made_by"], dg.PathMetadataValue)


def test_an_asset_and_its_process_log(execute, logs):
    lines = logs(execute("asset1_job"))
    assert lines.index("making asset1") < lines.index("asset1 is being made")


def test_deps_are_lineage():
    graph = defs.resolve_asset_graph()
    assert graph.get(dg.AssetKey("asset2")).parent_keys == {dg.AssetKey("asset1")}
    assert graph.get(dg.AssetKey("asset2")).child_keys == {dg.AssetKey("asset3")}


def test_a_job_over_all_assets(execute):
    keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    assert len(keys) == 9
    assert set(made(execute("all_assets_job"))) == keys


@pytest.mark.parametrize(
    ("job", "keys"),
    [
        ("asset1_job", ["asset1"]),
        ("downstream_job", ["asset1", "asset2"]),
        ("upstream_job", ["asset2", "asset3"]),
        ("all_downstream_job", ["asset1", "asset2", "asset3"]),
    ],
)
def test_a_job_over_a_selection(execute, job, keys):
    assert made(execute(job)) == keys


@pytest.mark.parametrize(("text", "passes"), [("two words", True), ("", False)])
def test_a_check_by_a_process(execute, tmp_path, text, passes):
    letter = tmp_path / "letter.txt"
    letter.write_text(text)
    config = {"config": {"path": str(letter)}}
    result = execute(
        "all_assets_job",
        {"ops": {"letter": config, "letter_letter_has_words": config, "word_count": config}},
    )
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("letter_has_words", passes)
    assert check.metadata["words"] == dg.MetadataValue.int(len(text.split()))
    assert any(e.step_key == "word_count" for e in result.get_step_success_events()) == passes
