"""What launches runs by itself: schedules and sensors."""

import sys
from pathlib import Path

import dagster as dg

from ironpipe.dagster import PipesSubprocessClient

from .config import greeting_job


# Each tick launches a run with the config that is returned. It is off until you turn it on.
@dg.schedule(job=greeting_job, cron_schedule="0 8 * * *")
def every_morning(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Says good morning, with the date."""
    day = context.scheduled_execution_time.date()
    return dg.RunRequest(run_config={"greeting_word": f"Good morning on {day}"})


class Inbox(dg.ConfigurableResource):
    """A directory that files are put into."""

    path: str

    def files(self) -> list[Path]:
        """What lies there, by name."""
        # The process runs in another directory: it gets whole paths.
        return sorted(Path(self.path).resolve().glob("*.txt"))


class Letter(dg.Config):
    """Which file a run is about."""

    path: str


@dg.op
def read_mail(context: dg.OpExecutionContext, config: Letter, pipes: PipesSubprocessClient) -> int:
    """Counts the words of one letter."""
    run = pipes.run(
        context=context, command=[sys.executable, "read_mail.py"], extras={"path": config.path}
    )
    (words,) = run.get_custom_messages()
    return words


@dg.job
def mail_job():
    """Reads one letter."""
    read_mail()


# It looks every half minute. The run key makes it once per file, however often it is seen.
@dg.sensor(job=mail_job, minimum_interval_seconds=30)
def new_mail(inbox: Inbox):
    """A run for each file in the inbox."""
    for file in inbox.files():
        config = dg.RunConfig({"read_mail": Letter(path=str(file))})
        yield dg.RunRequest(run_key=file.name, run_config=config)
