"""An external process that does what the extra ``do`` lists, with the arguments it lists."""

import sys
from pathlib import Path

from ironpipe import DagsterPipesError, PipesContext, open_dagster_pipes

FACTS = ("asset_keys", "partition_key", "partition_key_range", "partition_time_window", "job_name")


def fact(pipes: PipesContext, name: str) -> object:
    try:
        return getattr(pipes, name)
    except DagsterPipesError:
        # It does not apply to the step.
        return None


def main() -> None:
    with open_dagster_pipes() as pipes:
        for what, arguments in pipes.extras.get("do", []):
            if what == "fail below retry":
                sys.exit(pipes.retry_number < arguments)
            elif what == "fail unless there is":
                sys.exit(not Path(arguments).exists())
            elif what == "facts":
                pipes.report_custom_message({name: fact(pipes, name) for name in FACTS})
            elif what == "log":
                pipes.log.info(arguments)
            elif what.startswith("report_"):
                getattr(pipes, what)(**arguments)


if __name__ == "__main__":
    main()
