from datetime import datetime, timezone

import dagster as dg
import pytest

from concepts.automation import every_morning, new_mail
from concepts.definitions import defs

MORNING = datetime(2026, 3, 1, 8, tzinfo=timezone.utc)


def test_a_schedule_launches_a_run_with_the_day(execute, logs, instance):
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=MORNING)
    (request,) = every_morning.evaluate_tick(context).run_requests
    assert every_morning.job_name == "greeting_job"
    result = execute(every_morning.job_name, request.run_config)
    assert "Good morning on 2026-03-01, world" in logs(result)


@pytest.fixture
def look(instance, tmp_path, monkeypatch):
    """What the sensor asks for when it looks into the inbox, which lies where Dagster runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inbox").mkdir()

    def look() -> list[dg.RunRequest]:
        context = dg.build_sensor_context(
            instance=instance,
            repository_def=defs.get_repository_def(),
            resources={"inbox": defs.resources["inbox"]},
        )
        return list(new_mail.evaluate_tick(context).run_requests)

    return look


def test_a_sensor_launches_a_run_for_each_file(execute, look, tmp_path):
    assert look() == []
    (tmp_path / "inbox" / "a.txt").write_text("three short words")
    (tmp_path / "inbox" / "b.txt").write_text("two words")
    first, second = look()
    assert (first.run_key, second.run_key) == ("a.txt", "b.txt")
    assert execute("mail_job", first.run_config).output_for_node("read_mail") == 3
    assert execute("mail_job", second.run_config).output_for_node("read_mail") == 2
