"""One run of the chatty process: its rows to a file as JSON, its console where stderr goes.

``python chatty_run.py official|ours sqlite|consolidated|ADDRESS COUNT ROWS``
"""

import json
import sys
from pathlib import Path

import dagster as dg

import ironpipe.dagster

sys.path.insert(0, str(Path(__file__).parent.parent))

from event_logs import blotted, instance_on, rows

CLIENTS = {
    "official": dg.PipesSubprocessClient,
    "ours": ironpipe.dagster.PipesSubprocessClient,
}

# Dagster mirrors the console into the compute logs by a process that it stops at the step's end,
# now and then before the last line has come through.
UNMIRRORED = {
    "module": "dagster._core.storage.noop_compute_log_manager",
    "class": "NoOpComputeLogManager",
}


def main(side: str, storage: str, count: str, path: str) -> None:
    @dg.asset(check_specs=[dg.AssetCheckSpec("c", asset="a")])
    def a(context: dg.AssetExecutionContext):  # Dagster reads the return type.
        context.log.info("before the process")
        script = str(Path(__file__).with_name("chatty.py"))
        done = CLIENTS[side]().run(context=context, command=[sys.executable, script, count])
        context.log.info("behind the process")
        return done.get_results()

    with instance_on(storage, compute_logs=UNMIRRORED) as instance:
        assert dg.materialize([a], instance=instance).success
        run_id = instance.get_runs()[0].run_id
        stored = [blotted(row) for row in rows(instance, run_id)]
    Path(path).write_text(json.dumps(stored, default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
