"""A run whose external process interrupts it: ``interrupted_run.py DIRECTORY``.

Without arguments it is that external process: it sends SIGINT to its parent, waits for the SIGINT
that the client forwards, and says goodbye.
"""

import json
import os
import signal
import sys
from pathlib import Path


def external() -> None:
    from dagster_pipes import open_dagster_pipes

    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    with open_dagster_pipes() as pipes:
        os.kill(os.getppid(), signal.SIGINT)
        signal.sigwait([signal.SIGINT])
        pipes.log.info("interrupted, bye")


def host(directory: Path) -> None:
    import dagster as dg
    from dagster._utils.interrupts import capture_interrupts

    from ironpipe.dagster import PipesSubprocessClient

    @dg.asset
    def a(context: dg.AssetExecutionContext) -> object:
        client = PipesSubprocessClient()
        return client.run(context=context, command=[sys.executable, __file__]).get_results()

    with dg.DagsterInstance.ephemeral() as instance:
        with capture_interrupts():
            result = dg.materialize([a], instance=instance, raise_on_error=False)
        logs = "\n".join(entry.user_message for entry in instance.all_logs(result.run_id))
    facts = {"success": result.success, "logs": logs}
    (directory / "facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        host(Path(sys.argv[1]))
    else:
        external()
