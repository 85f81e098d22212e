import runpy

import pytest

from concepts.definitions import defs


def test_definitions_hold_everything():
    repository = defs.get_repository_def()
    assert len(repository.asset_graph.get_all_asset_keys()) == 9
    assert len(repository.asset_graph.asset_check_keys) == 1
    assert repository.has_job("add_job")
    assert repository.has_schedule_def("every_morning")
    assert repository.has_sensor_def("new_mail")
    assert {"pipes", "greeter", "inbox", "s3"} <= set(repository.get_top_level_resources())


def test_the_whole_project_runs(capsys):
    with pytest.raises(SystemExit) as end:
        runpy.run_module("concepts", run_name="__main__")
    assert end.value.code == 0
    assert "word_count           {'words': 12}" in capsys.readouterr().out
